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

}  // namespace
}  // namespace kyanite::test
