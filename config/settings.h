#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/time.h"

namespace kyanite {

struct ListenAddress {
  std::string address;     // numeric, "::" for all interfaces on both families
  std::uint16_t port = 0;  // 0 picks a free one
};
std::string to_string(const ListenAddress& address);  // "0.0.0.0:8883", "[::]:8883"
// Reads what to_string writes, and "*:8883" for all interfaces. Names are not resolved.
std::optional<ListenAddress> listen_address_from_text(std::string_view text);

enum class Durability {
  fsync,  // survives a power cut
  os,     // survives a crash of the process
};
enum class RetainProperty { both, x_opt_retain, mqtt_retain };
enum class InvalidSubscription { close, suback80 };
enum class KeyType { ecdsa_p256, rsa_2048 };
enum class LogFormat { automatic, json, text };

// Settings is everything an operator chooses, immutable once loaded. Sources, weakest first: these defaults,
// the configuration file, KYANITE_* in the environment, flags. config/reference.md describes each key.
struct Settings {
  std::filesystem::path data_directory = "kyanite-data";

  struct Hub {
    std::vector<std::string> host_names;  // the first is the hub's own name, the others are aliases
    unsigned shards = 0;                  // 0: one per core
  } hub;

  struct Listeners {
    ListenAddress mqtts{"::", 8883};
    ListenAddress https{"::", 443};
  } listen;

  struct Tls {
    std::filesystem::path certificate_file;  // PEM chain; empty: the hub makes its own
    std::filesystem::path key_file;
    std::filesystem::path ca_file;  // shown to clients for a user-supplied certificate
    KeyType key_type = KeyType::ecdsa_p256;
    std::size_t concurrent_handshakes = 512;  // per shard
    seconds handshake_timeout{20};
  } tls;

  struct Mqtt {
    RetainProperty retain_property = RetainProperty::both;
    InvalidSubscription invalid_subscription = InvalidSubscription::close;
    bool strict_will = false;
    bool emit_dup = false;
    seconds keep_alive_cap{1767};
    seconds connect_timeout{60};
    std::size_t max_subscriptions = 5;
  } mqtt;

  struct Auth {
    bool strict_host = true;
    seconds sas_grace{300};
    bool disable_device_sas = false;
    bool disable_module_sas = false;
    bool disconnect_on_key_change = false;
    bool require_delete_etag = true;  // strict form of service-rest.md 4.6
  } auth;

  struct Storage {
    Durability durability = Durability::fsync;
    std::uint32_t telemetry_partitions = 4;  // fixed once the store exists
    std::chrono::hours retention{24};
    std::uint64_t retention_bytes = 0;  // per partition, 0: no limit
    std::uint64_t free_bytes_floor = 256ull << 20;
    milliseconds commit_pace{1};
  } storage;

  struct Log {
    std::string level = "info";
    LogFormat format = LogFormat::automatic;
  } log;

  seconds drain_timeout{10};
};

}  // namespace kyanite
