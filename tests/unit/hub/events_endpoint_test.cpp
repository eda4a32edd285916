#include "server/hub/events_endpoint.h"

#include <gtest/gtest.h>

namespace kyanite::test {
namespace {

TEST(EventsEndpoint, amqp_6_1_names_follow_the_hub_unless_set) {
  Settings settings;
  EXPECT_EQ(events_endpoint(settings, "hub.example.test").host_name, "hub.example.test");
  EXPECT_EQ(events_endpoint(settings, "hub.example.test").entity, "iothub-ehub-hub");
  EXPECT_EQ(events_endpoint(settings, "localhost").entity, "iothub-ehub-localhost");
  EXPECT_EQ(events_endpoint(settings, "127.0.0.1").entity, "iothub-ehub-127");
  EXPECT_EQ(events_endpoint(settings, "fd00::1").entity, "iothub-ehub-fd00--1");
  settings.events.host_name = "ihsuprod.servicebus.windows.net";
  settings.events.entity = "telemetry";
  EXPECT_EQ(events_endpoint(settings, "hub.example.test").host_name, "ihsuprod.servicebus.windows.net");
  EXPECT_EQ(events_endpoint(settings, "hub.example.test").entity, "telemetry");
}

TEST(EventsEndpoint, amqp_6_1_connection_strings_have_only_keys_that_every_client_knows) {
  const EventsEndpoint endpoint{"hub.example.test", "iothub-ehub-hub"};
  const AccessPolicy policy{"service", "a2V5", "b3RoZXI=", Right::service_connect};
  EXPECT_EQ(events_connection_string(endpoint, 5671, policy),
            "Endpoint=sb://hub.example.test/;SharedAccessKeyName=service;SharedAccessKey=a2V5;"
            "EntityPath=iothub-ehub-hub");
  EXPECT_EQ(events_connection_string(endpoint, 15671, policy),
            "Endpoint=sb://hub.example.test:15671/;SharedAccessKeyName=service;SharedAccessKey=a2V5;"
            "EntityPath=iothub-ehub-hub");
  EXPECT_EQ(emulator_connection_string({"127.0.0.1", "e"}, 5672, policy),
            "Endpoint=sb://127.0.0.1/;SharedAccessKeyName=service;SharedAccessKey=a2V5;EntityPath=e;"
            "UseDevelopmentEmulator=true");
  EXPECT_EQ(emulator_connection_string({"fd00::1", "e"}, 1234, policy),
            "Endpoint=sb://[fd00::1]:1234/;SharedAccessKeyName=service;SharedAccessKey=a2V5;EntityPath=e;"
            "UseDevelopmentEmulator=true");
}

}  // namespace
}  // namespace kyanite::test
