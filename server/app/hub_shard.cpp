#include "server/app/hub_shard.h"

#include <numeric>

#include "protocol/base/limits.h"
#include "server/net/ws_channel.h"

namespace kyanite {
namespace {

// Probes, scrapers and some browsers; who asks once and stays must not keep them out for long.
constexpr std::size_t kAdminConnectionsMax = 256;
constexpr milliseconds kAdminIdleTime{60'000};

// A port for this machine alone is spoken to by names of this machine; who opened it to a network knows by
// which it is reached there.
SpokenNames names_for_admin(const Settings& settings, const std::vector<std::string>& host_names) {
  const auto& admin = settings.listen.admin;
  const bool is_local = admin && (admin->address.starts_with("127.") || admin->address == "::1");
  return is_local ? SpokenNames(host_names) : std::nullopt;
}

}  // namespace

void HubShard::connect(const HubWide& hub, const HubFacts& facts, const HubSecurityPtr& security,
                       LogObserver& observer) {
  const ShardIndex index{static_cast<std::uint16_t>(shard_.index())};
  registry_ = std::make_unique<RegistryService>(shard_, hub.router, hub.stores);
  queries_ = std::make_unique<QueryService>(shard_, hub.router, hub.stores);
  services_ = std::make_unique<HubServices>(
      HubServices{shard_, index, hub.router, hub.stores, *registry_, hub.administration, hub.clock,
                  hub.throttles, hub.settings, hub.feedback, hub.jobs, hub.configurations, *queries_,
                  hub.uploads, events_, hub.consumer_groups, hub.tests});
  journal_ = std::make_unique<ConnectionJournal>(observer, shard_,
                                                 limits::kJournalEntriesMax / hub.router.shard_count() + 1);
  if (OperationsMonitor::is_wanted(hub.settings.events)) {
    monitor_ = std::make_unique<OperationsMonitor>(*journal_, shard_, hub.stores.telemetry(),
                                                   hub.settings.events, security->host_names.front());
  }
  HubObserver& told = monitor_ ? static_cast<HubObserver&>(*monitor_) : *journal_;
  mqtt_meter_ = std::make_unique<ConnectionMeter>(told);
  amqp_meter_ = std::make_unique<ConnectionMeter>(told);
  request_meter_ = std::make_unique<RequestMeter>(observer);
  mqtt_ = std::make_unique<MqttShard>(*services_, security, *mqtt_meter_);
  amqp_ = std::make_unique<AmqpShard>(*services_, security, *amqp_meter_);
  connections_ = std::make_unique<ConnectionSwitch>(mqtt_->connections(), *amqp_);
  hub.router.bind_connections(index, *connections_);
  hub.stores.on_pressure_change(shard_, [this](StorePressure pressure) {
    mqtt_->on_pressure(pressure);
    amqp_->on_pressure(pressure);
  });
  api_ = std::make_unique<ApiRouter>(*services_, facts, security, *request_meter_);
  http_ = std::make_unique<HttpShard>(shard_, *api_);
  admin_ = std::make_unique<AdminRouter>(shard_, *api_, hub.readiness, hub.metrics,
                                         names_for_admin(hub.settings, security->host_names));
  admin_http_ = std::make_unique<HttpShard>(
      shard_, *admin_, HttpLimits{.connections_max = kAdminConnectionsMax, .idle_time = kAdminIdleTime});
  hub.clock.on_shift(shard_, [this](milliseconds shift) { on_clock_shift(shift); });
  http_->offer_websocket({.rules = {.require_subprotocol = hub.settings.ws.require_subprotocol},
                          .accept = [this](std::unique_ptr<TlsStream> stream, WsHandshake handshake) {
                            const bool is_amqp = is_amqp_subprotocol(handshake.subprotocol);
                            auto channel =
                                std::make_unique<WsChannel>(std::move(stream), std::move(handshake));
                            if (is_amqp) return amqp_->accept(std::move(channel));
                            mqtt_->accept(std::move(channel));
                          }});
}

void HubShard::join_counters(AdapterCounters& counters) {
  services_->counters = &counters;
  counters.provide(shard_, [this] { return counts(); });
}

void HubShard::join_history(ConnectionHistory& history) {
  services_->history = &history;
  services_->journal = journal_.get();
  history.add(shard_, *journal_);
}

AdapterCounts HubShard::counts() const {
  const MqttStatistics& mqtt = mqtt_->statistics();
  const AmqpStatistics& amqp = amqp_->statistics();
  AdapterCounts counts;
  counts.mqtt_connections = mqtt.connected;
  counts.mqtt_refused = std::accumulate(mqtt.refused.begin(), mqtt.refused.end(), std::uint64_t{0});
  counts.mqtt_telemetry = mqtt.telemetry_messages;
  counts.amqp_connections = amqp.open;
  counts.amqp_links = amqp.links;
  counts.amqp_devices = amqp.devices;
  counts.amqp_refused = amqp.refusals;
  counts.amqp_telemetry = amqp.telemetry_messages;
  counts.amqp_c2d_sent = amqp.c2d_sent;
  counts.amqp_events_sent = amqp.events_sent;
  counts.https_connections = http_->connection_count();
  counts.https_requests = http_->counters().requests;
  counts.https_refused = request_meter_->counters().by_class[4];
  counts.https_failed = request_meter_->counters().by_class[5];
  return counts;
}

ShardMetrics HubShard::metrics() const {
  const MqttStatistics& mqtt = mqtt_->statistics();
  const AmqpStatistics& amqp = amqp_->statistics();
  const TelemetryRequests& https = api_->telemetry();
  ShardMetrics out;
  out.mqtt_connections = mqtt.open;
  out.amqp_connections = amqp.open;
  out.https_connections = http_->connection_count();
  out.admin_connections = admin_http_->connection_count();
  out.amqp_links = amqp.links;
  out.devices_connected = directory_.connected_devices();
  out.connections_turned_away = mqtt.turned_away + amqp.turned_away + http_->counters().refused_full +
                                admin_http_->counters().refused_full;
  out.mqtt = mqtt_meter_->counters();
  out.amqp = amqp_meter_->counters();
  out.requests = request_meter_->counters();
  out.hub = directory_.counters();
  out.mqtt_telemetry_messages = mqtt.telemetry_messages;
  out.mqtt_telemetry_bytes = mqtt.telemetry_bytes;
  out.amqp_telemetry_messages = amqp.telemetry_messages;
  out.amqp_telemetry_bytes = amqp.telemetry_bytes;
  out.https_telemetry_messages = https.messages();
  out.https_telemetry_bytes = https.bytes();
  out.amqp_events_sent = amqp.events_sent;
  out.amqp_event_bytes_sent = amqp.event_bytes_sent;
  return out;
}

void HubShard::set_security(const HubSecurityPtr& security) {
  directory_.set_security(security);
  mqtt_->set_security(security);
  amqp_->set_security(security);
  api_->set_security(security);
}

void HubShard::set_faults(const ActiveFaultsPtr& faults) {
  mqtt_->set_faults(faults);
  amqp_->set_faults(faults);
  api_->set_faults(faults);
}

void HubShard::on_clock_shift(milliseconds shift) {
  api_->set_clock_shift(shift);
  directory_.on_clock_shift();
  mqtt_->on_clock_shift();
  amqp_->on_clock_shift();
}

}  // namespace kyanite
