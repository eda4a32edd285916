#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/tls_failure.h"
#include "server/admin/traffic_meters.h"
#include "server/hub/hub_counters.h"
#include "server/hub/throttles.h"
#include "storage/store_statistics.h"

namespace kyanite {

// What one shard counts, or all of them together: present numbers, and totals since the start.
struct ShardMetrics {
  std::uint64_t mqtt_connections = 0;
  std::uint64_t amqp_connections = 0;
  std::uint64_t https_connections = 0;
  std::uint64_t admin_connections = 0;
  std::uint64_t amqp_links = 0;
  std::uint64_t devices_connected = 0;
  std::uint64_t connections_turned_away = 0;  // a table was full, or the hub drained

  ConnectionCounters mqtt;
  ConnectionCounters amqp;
  RequestCounters requests;
  HubCounters hub;

  std::uint64_t mqtt_telemetry_messages = 0;
  std::uint64_t mqtt_telemetry_bytes = 0;
  std::uint64_t amqp_telemetry_messages = 0;
  std::uint64_t amqp_telemetry_bytes = 0;
  std::uint64_t https_telemetry_messages = 0;
  std::uint64_t https_telemetry_bytes = 0;
  std::uint64_t amqp_events_sent = 0;  // to readers
  std::uint64_t amqp_event_bytes_sent = 0;

  void add(const ShardMetrics& other);
};

// How busy a shard is.
struct ShardLoad {
  std::uint64_t mailbox_depth = 0;
  double lag_seconds = 0;  // the longest that something due waited for it in the last minute
};

struct ListenerMetrics {
  std::string name;  // "mqtts", "https", "amqps", "amqp", "admin"
  std::uint64_t accepted = 0;
  bool with_tls = true;
  std::uint64_t handshakes = 0;
  std::array<std::uint64_t, kTlsFailureCount> failed{};  // by TlsFailure
  std::uint64_t timed_out = 0;
  std::uint64_t displaced = 0;
  std::uint64_t paused = 0;  // accepting waited for room or descriptors
};

struct ProcessMetrics {
  double resident_bytes = 0;
  double cpu_seconds = 0;
  double open_descriptors = 0;
  double descriptors_max = 0;
  double start_time_seconds = 0;  // since 1970
};

// HubMetrics is all that one scrape tells, gathered at about one moment.
struct HubMetrics {
  std::string version;
  ShardMetrics all;
  std::vector<ShardLoad> shards;
  std::vector<ListenerMetrics> listeners;
  std::array<std::uint64_t, kThrottleClassCount> throttled{};
  std::uint64_t quota_refused = 0;
  std::optional<StoreStatistics> store;  // not there when the store did not answer
  bool store_takes_writes = true;
  bool ready = true;
  double certificate_expiry_seconds = 0;  // from now
  std::uint64_t log_lines_dropped = 0;
  ProcessMetrics process;
};

}  // namespace kyanite
