#include "server/admin/hub_metrics.h"

namespace kyanite {

void ShardMetrics::add(const ShardMetrics& other) {
  mqtt_connections += other.mqtt_connections;
  amqp_connections += other.amqp_connections;
  https_connections += other.https_connections;
  admin_connections += other.admin_connections;
  amqp_links += other.amqp_links;
  devices_connected += other.devices_connected;
  connections_turned_away += other.connections_turned_away;
  mqtt.add(other.mqtt);
  amqp.add(other.amqp);
  requests.add(other.requests);
  hub.add(other.hub);
  mqtt_telemetry_messages += other.mqtt_telemetry_messages;
  mqtt_telemetry_bytes += other.mqtt_telemetry_bytes;
  amqp_telemetry_messages += other.amqp_telemetry_messages;
  amqp_telemetry_bytes += other.amqp_telemetry_bytes;
  https_telemetry_messages += other.https_telemetry_messages;
  https_telemetry_bytes += other.https_telemetry_bytes;
  amqp_events_sent += other.amqp_events_sent;
  amqp_event_bytes_sent += other.amqp_event_bytes_sent;
}

}  // namespace kyanite
