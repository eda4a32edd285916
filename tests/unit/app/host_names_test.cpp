#include "server/app/first_start/host_names.h"

#include <gmock/gmock.h>

namespace kyanite {
namespace {

using testing::ElementsAre;

const auto kResolves = [](const std::string&) { return true; };
const auto kDoesNot = [](const std::string&) { return false; };

TEST(HostNames, configured_names_come_first_and_local_ones_are_always_there) {
  EXPECT_THAT(choose_host_names({"Hub.Test", "alias"}, "", "box", kDoesNot),
              ElementsAre("hub.test", "alias", "kyanite.localhost", "localhost", "127.0.0.1", "::1", "box"));
}

TEST(HostNames, the_default_is_the_nice_name_where_it_resolves) {
  EXPECT_EQ(choose_host_names({}, "", "box", kResolves).front(), "kyanite.localhost");
  EXPECT_EQ(choose_host_names({}, "", "box", kDoesNot).front(), "127.0.0.1");
}

TEST(HostNames, the_default_chosen_first_stays) {
  EXPECT_EQ(choose_host_names({}, "127.0.0.1", "box", kResolves).front(), "127.0.0.1");
  EXPECT_EQ(choose_host_names({}, "kyanite.localhost", "box", kDoesNot).front(), "kyanite.localhost");
  EXPECT_EQ(choose_host_names({}, "was.configured", "box", kDoesNot).front(), "127.0.0.1");
}

TEST(HostNames, a_machine_name_no_certificate_may_hold_is_left_out) {
  EXPECT_THAT(choose_host_names({}, "127.0.0.1", "bad name", kDoesNot),
              ElementsAre("127.0.0.1", "kyanite.localhost", "localhost", "::1"));
}

TEST(HostNames, names_are_listed_once) {
  EXPECT_THAT(choose_host_names({"localhost", "LOCALHOST"}, "", "localhost", kDoesNot),
              ElementsAre("localhost", "kyanite.localhost", "127.0.0.1", "::1"));
}

TEST(HostNames, localhost_resolves_to_loopback_and_an_invalid_name_does_not) {
  EXPECT_TRUE(resolves_to_loopback("localhost"));
  EXPECT_FALSE(resolves_to_loopback("no-such-name.invalid"));
}

}  // namespace
}  // namespace kyanite
