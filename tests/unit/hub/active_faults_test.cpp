#include "server/hub/active_faults.h"

#include <gtest/gtest.h>

#include "server/hub/fault_properties.h"
#include "tests/support/sim_hub.h"

namespace kyanite::test {
namespace {

using namespace std::chrono_literals;

FaultRule rule_of(FaultKind kind, FaultScope scope = {}) {
  FaultRule rule;
  rule.kind = kind;
  rule.scope = std::move(scope);
  return rule;
}

TEST(FaultScope, a_device_means_its_modules_too_and_a_module_only_itself) {
  FaultScope scope;
  scope.device = "d1";
  EXPECT_TRUE(scope.matches(device("d1")));
  EXPECT_TRUE(scope.matches(module("d1", "m")));
  EXPECT_FALSE(scope.matches(device("d10")));
  scope.module = "m";
  EXPECT_FALSE(scope.matches(device("d1")));
  EXPECT_TRUE(scope.matches(module("d1", "m")));
}

TEST(FaultScope, a_share_is_about_so_many_devices_and_the_same_ones_each_time) {
  FaultScope scope, other;
  scope.share_percent = other.share_percent = 25;
  other.seed = 1;
  int matching = 0, both = 0;
  for (int i = 0; i < 4000; ++i) {
    const Identity id = device("device-" + std::to_string(i));
    const bool hit = scope.matches(id);
    EXPECT_EQ(hit, scope.matches(module(id.device, "m")));
    matching += hit ? 1 : 0;
    both += hit && other.matches(id) ? 1 : 0;
  }
  EXPECT_NEAR(matching, 1000, 120);
  EXPECT_NEAR(both, 250, 80) << "another seed chooses others";
  EXPECT_FALSE(scope.matches_device("")) << "a request without a device is the whole hub's only";
}

TEST(FaultRoute, literals_ignore_case_and_stars_stand_for_segments) {
  const auto matches = [](std::string_view pattern, HttpVerb verb, std::vector<std::string> path) {
    return parse_fault_route(pattern).value().matches(verb, path);
  };
  EXPECT_TRUE(matches("GET /twins/*", HttpVerb::get, {"Twins", "d1"}));
  EXPECT_FALSE(matches("GET /twins/*", HttpVerb::put, {"twins", "d1"}));
  EXPECT_FALSE(matches("GET /twins/*", HttpVerb::get, {"twins", "d1", "methods"}));
  EXPECT_FALSE(matches("GET /twins/*", HttpVerb::get, {"twins"}));
  EXPECT_TRUE(matches("* /twins/**", HttpVerb::post, {"twins", "d1", "methods"}));
  EXPECT_TRUE(matches("* /**", HttpVerb::get, {"devices"}));
  EXPECT_TRUE(matches("GET /devices", HttpVerb::get, {"devices"}));
  for (const std::string_view bad :
       {"", "GET", "GET ", "GET twins", "FETCH /twins", "GET /**/a", "GET /a b"}) {
    EXPECT_FALSE(parse_fault_route(bad)) << bad;
  }
}

TEST(ActiveFaults, the_first_events_pass_and_then_so_many_are_hit) {
  FaultRule rule = rule_of(FaultKind::lose_puback);
  rule.nth = 3;
  rule.count = 2;
  const auto fault = std::make_shared<Fault>(rule);
  const ActiveFaults plan({fault});
  std::string story;
  for (int i = 0; i < 6; ++i) story += plan.take(FaultKind::lose_puback, device("d1")) ? 'x' : '.';
  EXPECT_EQ(story, "..xx..");
  EXPECT_TRUE(fault->is_used_up());
  EXPECT_EQ(plan.take(FaultKind::delay, device("d1")), nullptr);
}

TEST(ActiveFaults, requests_are_hit_by_route_and_by_the_device_in_their_path) {
  FaultRule rule = rule_of(FaultKind::http_error);
  rule.scope.device = "d1";
  rule.routes = {parse_fault_route("GET /twins/*").value()};
  const ActiveFaults plan({std::make_shared<Fault>(rule)});
  const auto hit = [&](HttpVerb verb, const std::vector<std::string>& path) {
    return plan.take_request(FaultKind::http_error, ActiveFaults::Moment::before,
                             {verb, path, device_in_path(path)}) != nullptr;
  };
  EXPECT_TRUE(hit(HttpVerb::get, {"twins", "d1"}));
  EXPECT_FALSE(hit(HttpVerb::get, {"twins", "d2"}));
  EXPECT_FALSE(hit(HttpVerb::get, {"devices", "d1"}));
  const std::vector<std::string> path{"twins", "d1"};
  EXPECT_FALSE(
      plan.take_request(FaultKind::delay, ActiveFaults::Moment::either, {HttpVerb::get, path, "d1"}));
  EXPECT_FALSE(
      plan.take_request(FaultKind::http_error, ActiveFaults::Moment::after, {HttpVerb::get, path, "d1"}));
}

TEST(FaultControl, a_rule_begins_and_ends_by_itself) {
  SimHub hub;
  std::vector<std::size_t> rules;
  hub.on_faults = [&](const ActiveFaultsPtr& plan) { rules.push_back(plan ? plan->faults().size() : 0); };
  FaultRule rule = rule_of(FaultKind::hold_pubacks);
  rule.begins_after = 2s;
  rule.duration = 3s;
  const auto add = [&](FaultRule wanted) {
    return hub.ask<FaultView>([&](Reply<FaultView> reply) { hub.faults().add(wanted, std::move(reply)); });
  };
  const auto list = [&] {
    return hub.ask<std::vector<FaultView>>([&](auto reply) { hub.faults().list(std::move(reply)); }).value();
  };
  const FaultView added = add(rule).value();
  EXPECT_EQ(added.rule.id, "f1");
  EXPECT_FALSE(added.is_active);
  EXPECT_EQ(rules, (std::vector<std::size_t>{0}));
  hub.loop.advance(2100ms);
  EXPECT_EQ(rules.back(), 1u);
  EXPECT_TRUE(list().at(0).is_active);
  hub.loop.advance(3100ms);
  EXPECT_EQ(rules.back(), 0u);
  EXPECT_TRUE(list().empty());
}

TEST(FaultControl, a_rule_without_a_duration_ends_too_and_rules_are_bounded) {
  SimHub hub;
  FaultRule rule = rule_of(FaultKind::delay);
  const auto add = [&](FaultRule wanted) {
    return hub.ask<FaultView>([&](Reply<FaultView> reply) { hub.faults().add(wanted, std::move(reply)); });
  };
  rule.id = "mine";
  EXPECT_EQ(add(rule).value().rule.duration, milliseconds(limits::kFaultDuration));
  EXPECT_EQ(add(rule).error().code, Errc::conflict);
  rule.id = {};
  for (std::size_t i = 1; i < limits::kFaultRulesMax; ++i) ASSERT_TRUE(add(rule));
  EXPECT_EQ(add(rule).error().code, Errc::busy);
  hub.loop.advance(milliseconds(limits::kFaultDuration) + 1s);
  EXPECT_TRUE(add(rule));
}

TEST(FaultProperties, the_types_of_the_services_own_tests) {
  const auto asked = [](const std::string& type) {
    return faults_asked_for(
        "%24.mid=1&AzIoTHub_FaultOperationType=" + type +
            "&AzIoTHub_FaultOperationCloseReason=Boom&AzIoTHub_FaultOperationDelayInSecs=3"
            "&AzIoTHub_FaultOperationDurationInSecs=20",
        device("d1"));
  };
  const auto tcp = asked("KillTcp");
  ASSERT_EQ(tcp.size(), 1u);
  EXPECT_EQ(tcp[0].kind, FaultKind::drop);
  EXPECT_EQ(tcp[0].begins_after, 3s);
  EXPECT_EQ(tcp[0].duration, 20s);
  EXPECT_EQ(tcp[0].scope.device, "d1");
  EXPECT_TRUE(asked("ShutDownMqtt").at(0).orderly);
  EXPECT_EQ(asked("InvokeThrottling").at(0).pretext, FaultPretext::throttled);
  EXPECT_EQ(asked("InvokeMaxMessageQuota").at(0).pretext, FaultPretext::quota_exceeded);
  EXPECT_EQ(asked("InvokeAuthError").at(0).connack_code, 5);
  EXPECT_TRUE(asked("KillAmqpConnection").empty());
  EXPECT_TRUE(faults_asked_for("a=AzIoTHub_FaultOperationType", device("d1")).empty());
  EXPECT_EQ(faults_asked_for("AzIoTHub_FaultOperationType=KillTcp&AzIoTHub_FaultOperationDelayInSeconds=-4",
                             device("d1"))
                .at(0)
                .begins_after,
            1s);
}

}  // namespace
}  // namespace kyanite::test
