#include "server/api/status_api.h"

#include <memory>
#include <optional>

#include "protocol/base/iso_time.h"
#include "server/api/api_response.h"
#include "server/hub/adapter_counters.h"
#include "server/hub/events_endpoint.h"
#include "server/hub/registry_service.h"
#include "server/hub/throttles.h"

namespace kyanite {
namespace {

std::string_view pressure_text(StorePressure pressure) {
  switch (pressure) {
    case StorePressure::none:
      return "none";
    case StorePressure::queue_full:
      return "queueFull";
    case StorePressure::disk_low:
      return "diskLow";
  }
  return "none";
}

Json partitions_to_json(const TelemetryLog& log) {
  Json partitions = Json::array();
  for (std::uint32_t index = 0; index < log.partitions(); ++index) {
    const TelemetryRange range = log.range(PartitionId{index});
    partitions.push_back(
        {{"partition", index},
         {"beginOffset", range.begin.value},
         {"endOffset", range.end.value},
         {"lastEnqueuedTime",
          range.last_enqueued == kNever ? Json(nullptr) : Json(to_iso_time(range.last_enqueued))}});
  }
  return partitions;
}

std::string_view tier_text(Tier tier) {
  switch (tier) {
    case Tier::off:
      return "off";
    case Tier::f1:
      return "F1";
    case Tier::s1:
      return "S1";
    case Tier::s2:
      return "S2";
    case Tier::s3:
      return "S3";
  }
  return "off";
}

Json limits_to_json(const HubServices& hub) {
  Json json;
  json["tier"] = tier_text(hub.throttles.tier());
  if (!hub.throttles.is_on()) return json;
  json["units"] = hub.settings.limits.units;
  json["messagesToday"] = hub.throttles.messages_today(hub.executor.wall_now());
  json["messagesPerDay"] = hub.throttles.messages_a_day();
  return json;
}

// Present numbers of connections, and what came and went since the start.
void add_counts(const AdapterCounts& counts, Json& json) {
  json["mqtt"] = {{"connections", counts.mqtt_connections},
                  {"refused", counts.mqtt_refused},
                  {"telemetryMessages", counts.mqtt_telemetry}};
  json["amqp"] = {{"connections", counts.amqp_connections},
                  {"links", counts.amqp_links},
                  {"devices", counts.amqp_devices},
                  {"refused", counts.amqp_refused},
                  {"telemetryMessages", counts.amqp_telemetry},
                  {"cloudToDeviceMessages", counts.amqp_c2d_sent},
                  {"eventsSent", counts.amqp_events_sent}};
  json["https"] = {{"connections", counts.https_connections},
                   {"requests", counts.https_requests},
                   {"refused", counts.https_refused},
                   {"failed", counts.https_failed}};
}

// Asks for the counts, then for the connected devices, then answers.
class StatusFlow : public std::enable_shared_from_this<StatusFlow> {
 public:
  StatusFlow(ApiContext& context, Reply<HttpResponse> reply) : context_(context), reply_(std::move(reply)) {}

  void start() {
    HubServices& hub = context_.services;
    hub.registry.counts(Reply<IdentityCounts>(
        hub.executor,
        [self = shared_from_this()](Result<IdentityCounts> counts) { self->on_counts(counts); }));
  }

 private:
  void on_counts(const Result<IdentityCounts>& counts) {
    if (!counts) return reply_(counts.error());
    counts_ = *counts;
    HubServices& hub = context_.services;
    hub.registry.connected(Reply<ServiceStatistics>(
        hub.executor,
        [self = shared_from_this()](Result<ServiceStatistics> connected) { self->on_connected(connected); }));
  }

  void on_connected(const Result<ServiceStatistics>& connected) {
    if (!connected) return reply_(connected.error());
    connected_ = *connected;
    const AdapterCounters* counters = context_.services.counters;
    if (!counters) return answer(std::nullopt);
    counters->sum(Reply<AdapterCounts>(context_.services.executor,
                                       [self = shared_from_this()](const Result<AdapterCounts>& counts) {
                                         self->answer(counts ? std::optional(*counts) : std::nullopt);
                                       }));
  }

  void answer(const std::optional<AdapterCounts>& counts) {
    HubServices& hub = context_.services;
    const auto uptime = std::chrono::duration_cast<seconds>(hub.executor.now() - context_.facts.started);
    Json json;
    json["version"] = context_.facts.version;
    json["hostNames"] = context_.security->host_names;
    json["startTime"] = to_iso_time(context_.facts.started_at);
    json["uptimeSeconds"] = uptime.count();
    json["shards"] = hub.router.shard_count();
    json["devices"] = {{"total", counts_.devices},
                       {"enabled", counts_.devices - counts_.disabled},
                       {"disabled", counts_.disabled},
                       {"connected", connected_.connected_devices}};
    json["telemetry"] = {{"partitions", partitions_to_json(hub.stores.telemetry())}};
    if (counts) add_counts(*counts, json);
    const EventsEndpoint events = events_endpoint(hub.settings, context_.security->host_names.front());
    json["events"] = {{"hostName", events.host_name}, {"entity", events.entity}};
    json["testControl"] = hub.settings.test_control;
    if (hub.settings.test_control) json["incarnation"] = context_.facts.incarnation;
    json["limits"] = limits_to_json(hub);
    json["store"] = {{"pressure", pressure_text(hub.stores.pressure())}};
    reply_(json_response(json));
  }

  ApiContext& context_;
  Reply<HttpResponse> reply_;
  IdentityCounts counts_;
  ServiceStatistics connected_;
};

}  // namespace

void hub_status(const ApiCall& call, Reply<HttpResponse> reply) {
  std::make_shared<StatusFlow>(call.context, std::move(reply))->start();
}

}  // namespace kyanite
