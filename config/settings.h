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

// What becomes of messages that are older than a new subscription (spec device-mqtt.md 5.4).
enum class PreSubscription { drop, deliver, skip };
enum class OperationsLevel { none, error, information };
// The service's tiers by their rate limits.
enum class Tier { off, f1, s1, s2, s3 };

struct ListenAddress {
  std::string address;     // numeric, "::" for all interfaces on both families
  std::uint16_t port = 0;  // 0 picks a free one
  bool or_ipv4 = false;    // of "::": 0.0.0.0 on a machine without IPv6
};
std::string to_string(const std::optional<ListenAddress>& address);  // "off" for none
std::string to_string(const ListenAddress& address);                 // "0.0.0.0:8883", "[::]:8883"
// Loopback, link-local and the private networks of RFC 1918 and RFC 4193; no address for all interfaces.
bool is_private(const ListenAddress& address);
// Reads what to_string writes, and "*:8883" for all interfaces of whatever families the machine has. Names
// are not resolved.
std::optional<ListenAddress> listen_address_from_text(std::string_view text);

enum class Durability {
  fsync,  // survives a power cut
  os,     // survives a crash of the process
};
enum class RetainProperty { both, x_opt_retain, mqtt_retain };
enum class InvalidSubscription { close, suback80 };
enum class KeyType { ecdsa_p256, rsa_2048 };
enum class TlsVersion { tls1_2, tls1_3 };
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
    ListenAddress mqtts{"::", 8883, true};
    ListenAddress https{"::", 443, true};
    std::optional<ListenAddress> amqps = ListenAddress{"::", 5671, true};
    std::optional<ListenAddress> amqp;  // without TLS, for clients in emulator mode
    // Health, metrics and the REST API without TLS, for this machine.
    std::optional<ListenAddress> admin = ListenAddress{"127.0.0.1", 8080};
    bool admin_was_chosen = false;  // the hub does without the default address where another program has it
  } listen;

  struct Tls {
    std::filesystem::path certificate_file;  // PEM chain; empty: the hub makes its own
    std::filesystem::path key_file;
    std::filesystem::path ca_file;  // shown to clients for a user-supplied certificate
    KeyType key_type = KeyType::ecdsa_p256;
    TlsVersion max_version = TlsVersion::tls1_3;
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

  struct WebSocket {
    bool require_subprotocol = false;  // an upgrade must offer mqtt; else it may offer nothing
  } ws;

  struct Auth {
    bool strict_host = true;
    seconds sas_grace{300};
    bool disable_local_auth = false;  // no device connects by a key of the hub's, whoever's it is
    bool disable_device_sas = false;
    bool disable_module_sas = false;
    bool disconnect_on_key_change = false;
    bool require_delete_etag = true;  // strict form of service-rest.md 4.6
    std::string owner_key;            // primary key of iothubowner, a secret; empty: the store's own
    // Bearer tokens of one issuer (service-rest.md 2.6); none are accepted without it.
    std::string bearer_issuer;
    std::string bearer_audience;
    std::filesystem::path bearer_jwks_file;     // this or
    std::string bearer_jwks_uri;                // that
    std::filesystem::path bearer_jwks_ca_file;  // for the URI; empty: what the system trusts
    std::string bearer_claim = "roles";
    std::vector<std::string> bearer_rights;  // VALUE=POLICY
    std::vector<std::string> test_tokens;    // TOKEN=POLICY; with test_control only
  } auth;

  // Cloud-to-device messages (spec device-mqtt.md 5.4 to 5.6).
  struct C2d {
    PreSubscription pre_subscription = PreSubscription::drop;
    seconds subscription_skew{0};
    bool count_lock_expiry = false;
    std::uint32_t max_delivery_count = 10;
    seconds default_ttl{3600};
    seconds lock_timeout{60};
    seconds feedback_ttl{3600};
    seconds feedback_lock_timeout{60};
    std::uint32_t feedback_max_delivery_count = 10;
  } c2d;

  // Files that devices upload (service-rest.md 9.7).
  struct FileUpload {
    bool enabled = true;
    // Holds the connection string of a storage account; empty: the hub keeps the files itself.
    std::filesystem::path connection_string_file;
    std::string container = "kyanite-uploads";
    bool notifications = true;
    seconds ttl{3600};                            // of an upload and its signature, and of notifications
    std::uint64_t blob_bytes_max = 1ull << 30;    // of one file kept here
    std::uint64_t total_bytes_max = 10ull << 30;  // of all of them, with parts of unfinished ones
  } file_upload;

  struct Dashboard {
    bool enabled = true;  // pages at / and below /dashboard
  } dashboard;

  struct Methods {
    bool empty_as_null = false;  // a call without payload reaches the device as `null` (7.3)
  } methods;

  // Events the hub itself puts into the telemetry log; the service has them off until a route asks (10).
  struct Events {
    bool device_lifecycle = false;
    bool twin_changes = false;
    bool connection_state = false;
    // Operations monitoring (10.1), by category. The last two have errors only.
    OperationsLevel connections = OperationsLevel::none;
    OperationsLevel device_telemetry = OperationsLevel::none;
    OperationsLevel c2d_commands = OperationsLevel::none;
    // The Event Hubs-compatible endpoint (amqp.md 1.2, 6.1).
    std::string host_name;  // empty: the hub's own
    std::string entity;     // empty: iothub-ehub- and the first part of the hub's name
  } events;

  // The service's rate limits, for tests of retry code (9.3); sizes are always enforced.
  struct Limits {
    Tier tier = Tier::off;
    std::uint32_t units = 1;
  } limits;

  std::filesystem::path seed_file;  // identities to be there at the start; empty: none

  // Import and export jobs (service-rest.md 4.11).
  struct ImportExport {
    std::vector<std::string>
        folders;  // containers that file:// may name, with all below them; none by default
  } import_export;

  // Routes under /kyanite/v1/ that change time and make faults; never on in production.
  bool test_control = false;

  struct Storage {
    Durability durability = Durability::fsync;
    std::uint32_t telemetry_partitions = 4;  // fixed once the store exists
    std::chrono::hours retention{24};
    std::uint64_t retention_bytes = 0;  // per partition, 0: no limit
    std::uint64_t free_bytes_floor = 256ull << 20;
    milliseconds commit_pace{1};
    std::uint64_t accept_damage =
        0;  // changes that the log lost are given up; the number that a refusal named
  } storage;

  struct Log {
    std::string level = "info";
    LogFormat format = LogFormat::automatic;
  } log;

  seconds drain_timeout{10};
};

}  // namespace kyanite
