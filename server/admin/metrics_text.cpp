#include "server/admin/metrics_text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <initializer_list>
#include <limits>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

namespace kyanite {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// One family with its samples.
class Family {
 public:
  using Label = std::pair<std::string_view, std::string_view>;

  Family(std::vector<MetricFamily>& all, std::string name, std::string help, MetricType type)
      : all_(all), index_(all.size()) {
    all.push_back({std::move(name), std::move(help), type, {}});
  }

  Family& add(double value, std::initializer_list<Label> labels = {}) {
    ClientMetric& metric = metric_with(labels);
    if (all_[index_].type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    return *this;
  }
  Family& add(std::uint64_t value, std::initializer_list<Label> labels = {}) {
    return add(static_cast<double>(value), labels);
  }

  template <class Bounds>
  Family& add(const Histogram<Bounds>& histogram) {
    ClientMetric::Histogram& out = metric_with({}).histogram;
    for (std::size_t i = 0; i < Histogram<Bounds>::kBuckets; ++i) {
      out.sample_count += histogram.count(i);
      const bool is_last = i + 1 == Histogram<Bounds>::kBuckets;
      const double bound = is_last ? std::numeric_limits<double>::infinity() : Bounds::kUpper[i];
      out.bucket.push_back({out.sample_count, bound});
    }
    out.sample_sum = histogram.sum();
    return *this;
  }

 private:
  ClientMetric& metric_with(std::initializer_list<Label> labels) {
    ClientMetric& metric = all_[index_].metric.emplace_back();
    for (const auto& [name, value] : labels) metric.label.push_back({std::string(name), std::string(value)});
    return metric;
  }

  std::vector<MetricFamily>& all_;  // grows, so a reference to one of them would not do
  const std::size_t index_;
};

// The families of a scrape, in the order they are shown.
class Page {
 public:
  Family counter(std::string name, std::string help) {
    return {families_, std::move(name), std::move(help), MetricType::Counter};
  }
  Family gauge(std::string name, std::string help) {
    return {families_, std::move(name), std::move(help), MetricType::Gauge};
  }
  template <class Bounds>
  void histogram(std::string name, std::string help, const Histogram<Bounds>& histogram) {
    Family(families_, std::move(name), std::move(help), MetricType::Histogram).add(histogram);
  }
  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  std::vector<MetricFamily> families_;
};

void add_hub(Page& page, const HubMetrics& metrics) {
  page.gauge("kyanite_build_info", "1, with the version of the hub.")
      .add(1.0, {{"version", metrics.version}});
  page.gauge("kyanite_ready", "1 when the hub serves: listeners open, store writable.")
      .add(metrics.ready ? 1.0 : 0.0);
  page.gauge("kyanite_certificate_expiry_seconds", "Seconds until the server certificate expires.")
      .add(metrics.certificate_expiry_seconds);
  page.counter("kyanite_log_lines_dropped_total", "Log lines lost because their writer was behind.")
      .add(metrics.log_lines_dropped);
}

void add_connections(Page& page, const ShardMetrics& all) {
  page.gauge("kyanite_connections", "Network connections that are open.")
      .add(all.mqtt_connections, {{"protocol", "mqtt"}})
      .add(all.amqp_connections, {{"protocol", "amqp"}})
      .add(all.https_connections, {{"protocol", "https"}})
      .add(all.admin_connections, {{"protocol", "admin"}});
  page.gauge("kyanite_amqp_links", "Links of AMQP connections that are attached.").add(all.amqp_links);
  const auto each = {std::pair<std::string_view, const ConnectionCounters*>{"mqtt", &all.mqtt},
                     std::pair<std::string_view, const ConnectionCounters*>{"amqp", &all.amqp}};
  Family connects = page.counter("kyanite_connects_total", "Devices that connected, or were not let in.");
  for (const auto& [protocol, counters] : each) {
    std::uint64_t refused = 0;
    for (const std::uint64_t count : counters->refused) refused += count;
    connects.add(counters->accepted, {{"protocol", protocol}, {"result", "accepted"}});
    connects.add(refused, {{"protocol", protocol}, {"result", "refused"}});
  }
  Family refusals = page.counter("kyanite_auth_refusals_total",
                                 "Connections, AMQP links and requests that were refused, by reason.");
  for (std::size_t i = 0; i < kRefusalReasonCount; ++i) {
    const std::string_view reason = to_string(static_cast<RefusalReason>(i));
    refusals.add(all.mqtt.refused[i], {{"protocol", "mqtt"}, {"reason", reason}});
    refusals.add(all.amqp.refused[i] + all.amqp.links_refused[i], {{"protocol", "amqp"}, {"reason", reason}});
    refusals.add(all.requests.refused[i], {{"protocol", "https"}, {"reason", reason}});
  }
  Family ends = page.counter("kyanite_disconnects_total", "Connections of devices that ended, by reason.");
  for (const auto& [protocol, counters] : each) {
    for (std::size_t i = 0; i < kEndReasonCount; ++i) {
      const auto reason = static_cast<EndReason>(i);
      if (reason == EndReason::refused) continue;  // among those that were not let in
      ends.add(counters->ends[i], {{"protocol", protocol}, {"reason", to_string(reason)}});
    }
  }
  constexpr auto kTakeover = static_cast<std::size_t>(EndReason::takeover);
  page.counter("kyanite_takeovers_total", "Connections of devices that ended for a newer one.")
      .add(all.mqtt.ends[kTakeover] + all.amqp.ends[kTakeover]);
  page.counter("kyanite_connections_turned_away_total",
               "Connections closed at once: the hub had its maximum, or was going down.")
      .add(all.connections_turned_away);
}

void add_telemetry(Page& page, const HubMetrics& metrics) {
  const ShardMetrics& all = metrics.all;
  page.counter("kyanite_telemetry_messages_total", "Telemetry messages of devices.")
      .add(all.mqtt_telemetry_messages, {{"protocol", "mqtt"}, {"result", "accepted"}})
      .add(all.mqtt.telemetry_refused, {{"protocol", "mqtt"}, {"result", "refused"}})
      .add(all.amqp_telemetry_messages, {{"protocol", "amqp"}, {"result", "accepted"}})
      .add(all.amqp.telemetry_refused, {{"protocol", "amqp"}, {"result", "refused"}})
      .add(all.https_telemetry_messages, {{"protocol", "https"}, {"result", "accepted"}});
  page.counter("kyanite_telemetry_bytes_total", "Bytes in the bodies of accepted telemetry messages.")
      .add(all.mqtt_telemetry_bytes, {{"protocol", "mqtt"}})
      .add(all.amqp_telemetry_bytes, {{"protocol", "amqp"}})
      .add(all.https_telemetry_bytes, {{"protocol", "https"}});
  if (metrics.store) {
    page.histogram(
        "kyanite_telemetry_ack_seconds",
        "Seconds from taking a telemetry message to its commit, which its acknowledgement follows.",
        metrics.store->telemetry_seconds);
  }
  page.counter("kyanite_events_sent_total", "Events sent to readers over AMQP.").add(all.amqp_events_sent);
  page.counter("kyanite_event_bytes_sent_total", "Bytes of those events.").add(all.amqp_event_bytes_sent);
  page.counter("kyanite_readers_overtaken_total", "Times that retention removed what a reader had not read.")
      .add(all.amqp.events_overtaken);
}

void add_devices(Page& page, const HubMetrics& metrics) {
  const HubCounters& hub = metrics.all.hub;
  Family devices =
      page.gauge("kyanite_devices",
                 "Devices: registered ones that are enabled or disabled, and those that are connected.");
  if (metrics.store) {
    const IdentityCounts& counts = metrics.store->identities;
    devices.add(counts.devices - counts.disabled, {{"state", "enabled"}});
    devices.add(counts.disabled, {{"state", "disabled"}});
  }
  devices.add(metrics.all.devices_connected, {{"state", "connected"}});
  Family c2d = page.counter("kyanite_c2d_total", "Cloud-to-device messages, by what became of them.");
  for (std::size_t i = 0; i < kC2dEventCount; ++i) {
    c2d.add(hub.c2d[i], {{"outcome", to_string(static_cast<C2dEvent>(i))}});
  }
  if (metrics.store) {
    page.gauge("kyanite_c2d_queued", "Cloud-to-device messages that wait or are with devices; an estimate.")
        .add(metrics.store->c2d_queued);
  }
  Family methods = page.counter("kyanite_method_calls_total", "Direct methods, by how the call ended.");
  for (std::size_t i = 0; i < kMethodOutcomeCount; ++i) {
    methods.add(hub.methods[i], {{"result", to_string(static_cast<MethodOutcome>(i))}});
  }
  page.gauge("kyanite_method_calls_under_way",
             "Direct methods that wait for their device to connect or to answer.")
      .add(hub.methods_under_way);
  page.histogram("kyanite_method_seconds", "Seconds from a direct method's call to the device's answer.",
                 hub.method_seconds);
  Family twins = page.counter("kyanite_twin_operations_total",
                              "Reads and writes of twins by devices and back ends, jobs among them.");
  for (std::size_t i = 0; i < kTwinOperationCount; ++i) {
    for (std::size_t j = 0; j < kTwinOriginCount; ++j) {
      for (std::size_t k = 0; k < kOperationResultCount; ++k) {
        const auto operation = static_cast<TwinOperation>(i);
        const auto origin = static_cast<TwinOrigin>(j);
        // A device merges and never replaces.
        if (operation == TwinOperation::replace && origin == TwinOrigin::device) continue;
        twins.add(hub.twins[i][j][k], {{"op", to_string(operation)},
                                       {"origin", to_string(origin)},
                                       {"result", to_string(static_cast<OperationResult>(k))}});
      }
    }
  }
}

void add_requests(Page& page, const HubMetrics& metrics) {
  const RequestCounters& requests = metrics.all.requests;
  Family by_class = page.counter("kyanite_rest_requests_total", "REST requests, by class of their status.");
  constexpr std::string_view kClasses[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 0; i < requests.by_class.size(); ++i) {
    by_class.add(requests.by_class[i], {{"code", kClasses[i]}});
  }
  page.histogram("kyanite_rest_request_seconds", "Seconds until a REST request's answer was ready.",
                 requests.seconds);
  Family throttled = page.counter("kyanite_throttled_total",
                                  "Operations that the rates or the quota of limits.tier held up.");
  for (std::size_t i = 0; i < kThrottleClassCount; ++i) {
    throttled.add(metrics.throttled[i], {{"class", to_string(static_cast<ThrottleClass>(i))}});
  }
  throttled.add(metrics.quota_refused, {{"class", "quota"}});
}

void add_listeners(Page& page, const HubMetrics& metrics) {
  Family accepted = page.counter("kyanite_accepted_connections_total", "Connections accepted by a listener.");
  for (const ListenerMetrics& listener : metrics.listeners) {
    accepted.add(listener.accepted, {{"listener", listener.name}});
  }
  Family handshakes = page.counter("kyanite_tls_handshakes_total", "TLS handshakes, by how they ended.");
  for (const ListenerMetrics& listener : metrics.listeners) {
    if (!listener.with_tls) continue;
    const auto add = [&](std::uint64_t count, std::string_view result) {
      handshakes.add(count, {{"listener", listener.name}, {"result", result}});
    };
    add(listener.handshakes, "ok");
    for (std::size_t i = 0; i < kTlsFailureCount; ++i)
      add(listener.failed[i], to_string(static_cast<TlsFailure>(i)));
    add(listener.timed_out, "timed_out");
    add(listener.displaced, "displaced");
  }
  Family paused = page.counter("kyanite_accept_pauses_total",
                               "Times that accepting waited for handshakes to end or for descriptors.");
  for (const ListenerMetrics& listener : metrics.listeners) {
    paused.add(listener.paused, {{"listener", listener.name}});
  }
}

void add_shards(Page& page, const HubMetrics& metrics) {
  Family depth = page.gauge("kyanite_mailbox_depth", "Tasks that wait for a shard.");
  for (std::size_t i = 0; i < metrics.shards.size(); ++i) {
    depth.add(metrics.shards[i].mailbox_depth, {{"shard", std::to_string(i)}});
  }
  Family lag = page.gauge("kyanite_loop_lag_seconds",
                          "Longest that something due waited for a shard in the last minute, in seconds.");
  for (std::size_t i = 0; i < metrics.shards.size(); ++i) {
    lag.add(metrics.shards[i].lag_seconds, {{"shard", std::to_string(i)}});
  }
}

void add_store(Page& page, const HubMetrics& metrics) {
  page.gauge("kyanite_store_writable", "0 while the store takes no writes for lack of disk space.")
      .add(metrics.store_takes_writes ? 1.0 : 0.0);
  if (!metrics.store) return;
  const StoreStatistics& store = *metrics.store;
  page.histogram("kyanite_commit_seconds", "Seconds that a group of writes took to be written and synced.",
                 store.commit_seconds);
  page.histogram("kyanite_commit_group_operations", "Operations committed together.", store.group_operations);
  page.gauge("kyanite_commit_waiting_operations", "Operations submitted to the store and not committed yet.")
      .add(store.waiting_operations);
  page.gauge("kyanite_commit_waiting_bytes", "Bytes of those operations.").add(store.waiting_bytes);
  page.gauge("kyanite_store_waiting_reads", "Reads that wait for a storage reader.").add(store.waiting_reads);
  page.gauge("kyanite_store_bytes", "Bytes of the store: tables on disk, and what is not in tables yet.")
      .add(store.table_bytes, {{"kind", "tables"}})
      .add(store.memory_bytes, {{"kind", "memory"}});
  page.gauge("kyanite_store_free_bytes", "Free bytes of the file system under the store.")
      .add(store.free_bytes);
  page.gauge("kyanite_store_losses_accepted",
             "Places where the write-ahead log lost committed changes, accepted by storage.acceptDamage at "
             "this start.")
      .add(store.losses_accepted);
  page.counter("kyanite_store_read_failures_total",
               "Reads that failed because a part of the store is damaged.")
      .add(store.read_failures);
}

void add_process(Page& page, const ProcessMetrics& process) {
  page.gauge("process_resident_memory_bytes", "Resident memory in bytes.").add(process.resident_bytes);
  page.counter("process_cpu_seconds_total", "User and system time in seconds.").add(process.cpu_seconds);
  page.gauge("process_open_fds", "Open file descriptors.").add(process.open_descriptors);
  page.gauge("process_max_fds", "File descriptors that may be open.").add(process.descriptors_max);
  page.gauge("process_start_time_seconds", "Start of the process in seconds since 1970.")
      .add(process.start_time_seconds);
}

}  // namespace

std::string to_metrics_text(const HubMetrics& metrics) {
  Page page;
  add_hub(page, metrics);
  add_connections(page, metrics.all);
  add_telemetry(page, metrics);
  add_devices(page, metrics);
  add_requests(page, metrics);
  add_listeners(page, metrics);
  add_shards(page, metrics);
  add_store(page, metrics);
  add_process(page, metrics.process);
  return page.text();
}

}  // namespace kyanite
