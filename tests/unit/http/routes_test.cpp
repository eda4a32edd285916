#include "protocol/http/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kyanite {
namespace {

using testing::ElementsAre;

HttpRequest request_of(HttpVerb verb, std::string_view target) {
  HttpRequest request;
  request.verb = verb;
  parse_http_target(target, request);
  return request;
}

RouteMatch matched(HttpVerb verb, std::string_view target) {
  auto match = match_route(request_of(verb, target));
  EXPECT_TRUE(match) << target;
  return match ? *match : RouteMatch{};
}

Errc refusal_of(HttpVerb verb, std::string_view target) {
  const auto match = match_route(request_of(verb, target));
  EXPECT_FALSE(match) << target;
  return match ? Errc::internal : match.error().code;
}

TEST(Routes, every_operation_has_its_path_verb_and_ids) {
  struct Row {
    HttpVerb verb;
    const char* target;
    Operation operation;
    std::vector<std::string> parameters;
  };
  const Row rows[] = {
      {HttpVerb::get, "/devices", Operation::list_devices, {}},
      {HttpVerb::get, "/devices/d1", Operation::get_device, {"d1"}},
      {HttpVerb::put, "/devices/d1", Operation::put_device, {"d1"}},
      {HttpVerb::del, "/devices/d1", Operation::delete_device, {"d1"}},
      {HttpVerb::post, "/devices/", Operation::bulk_registry, {}},
      {HttpVerb::post, "/devices/keys/regenerate", Operation::regenerate_identity_keys, {}},
      {HttpVerb::get, "/devices/d1/modules", Operation::list_modules, {"d1"}},
      {HttpVerb::get, "/devices/d1/modules/m1", Operation::get_module, {"d1", "m1"}},
      {HttpVerb::put, "/devices/d1/modules/m1", Operation::put_module, {"d1", "m1"}},
      {HttpVerb::del, "/devices/d1/modules/m1", Operation::delete_module, {"d1", "m1"}},
      {HttpVerb::get, "/statistics/devices", Operation::device_statistics, {}},
      {HttpVerb::get, "/statistics/service", Operation::service_statistics, {}},
      {HttpVerb::get, "/twins/d1", Operation::get_twin, {"d1"}},
      {HttpVerb::get, "/twins/d1/modules/m1", Operation::get_twin, {"d1", "m1"}},
      {HttpVerb::patch, "/twins/d1", Operation::patch_twin, {"d1"}},
      {HttpVerb::patch, "/twins/d1/modules/m1", Operation::patch_twin, {"d1", "m1"}},
      {HttpVerb::put, "/twins/d1", Operation::put_twin, {"d1"}},
      {HttpVerb::put, "/twins/d1/modules/m1", Operation::put_twin, {"d1", "m1"}},
      {HttpVerb::post, "/devices/query", Operation::query_devices, {}},
      {HttpVerb::get, "/kyanite/v1/events", Operation::stream_events, {}},
      {HttpVerb::get, "/kyanite/v1/status", Operation::hub_status, {}},
      {HttpVerb::get, "/kyanite/v1/ca-certificates", Operation::list_ca_certificates, {}},
      {HttpVerb::put, "/kyanite/v1/ca-certificates/plant", Operation::add_ca_certificate, {"plant"}},
      {HttpVerb::del, "/kyanite/v1/ca-certificates/plant", Operation::delete_ca_certificate, {"plant"}},
      {HttpVerb::get, "/kyanite/v1/policies", Operation::list_policies, {}},
      {HttpVerb::get, "/kyanite/v1/policies/service", Operation::get_policy, {"service"}},
      {HttpVerb::post,
       "/kyanite/v1/policies/service/regenerate-key",
       Operation::regenerate_policy_key,
       {"service"}},
  };
  for (const Row& row : rows) {
    const RouteMatch match = matched(row.verb, row.target);
    EXPECT_EQ(match.operation, row.operation) << row.target;
    EXPECT_EQ(match.parameters, row.parameters) << row.target;
  }
}

TEST(Routes, R05_literals_ignore_case_and_ids_keep_theirs) {
  EXPECT_THAT(matched(HttpVerb::get, "/DEVICES/D1/Modules/M1").parameters, ElementsAre("D1", "M1"));
}

TEST(Routes, an_id_may_look_like_a_literal) {
  EXPECT_THAT(matched(HttpVerb::get, "/devices/modules/modules/devices").parameters,
              ElementsAre("modules", "devices"));
}

TEST(Routes, R31_an_unknown_path_is_not_found) {
  for (const char* target : {"/", "/unknown", "/devices/d1/unknown", "/devices/d1/modules/m1/x", "/twins",
                             "/kyanite/v1", "/kyanite/v2/events", "/$admin/x"}) {
    EXPECT_EQ(refusal_of(HttpVerb::get, target), Errc::route_not_found) << target;
  }
}

TEST(Routes, a_known_path_with_another_verb_is_not_allowed) {
  EXPECT_EQ(refusal_of(HttpVerb::post, "/devices/d1"), Errc::method_not_allowed);
  EXPECT_EQ(refusal_of(HttpVerb::patch, "/devices"), Errc::method_not_allowed);
  EXPECT_EQ(refusal_of(HttpVerb::del, "/kyanite/v1/events"), Errc::method_not_allowed);
  EXPECT_EQ(refusal_of(HttpVerb::other, "/statistics/devices"), Errc::method_not_allowed);
}

TEST(Routes, R19_R21_writing_identities_needs_registry_write) {
  EXPECT_EQ(matched(HttpVerb::put, "/devices/d1").needed, NeededRights::any_of(Right::registry_write));
  EXPECT_EQ(matched(HttpVerb::del, "/devices/d1/modules/m1").needed,
            NeededRights::any_of(Right::registry_write));
  EXPECT_EQ(matched(HttpVerb::put, "/kyanite/v1/ca-certificates/x").needed,
            NeededRights::any_of(Right::registry_write));
  EXPECT_EQ(matched(HttpVerb::get, "/devices/d1").needed, NeededRights::any_of(Right::registry_read));
}

TEST(Routes, R20_twins_and_events_need_service_connect) {
  EXPECT_EQ(matched(HttpVerb::get, "/twins/d1").needed, NeededRights::any_of(Right::service_connect));
  EXPECT_EQ(matched(HttpVerb::get, "/kyanite/v1/events").needed,
            NeededRights::any_of(Right::service_connect));
}

TEST(Routes, service_statistics_and_status_take_either_of_two_rights) {
  for (const char* target : {"/statistics/service", "/kyanite/v1/status"}) {
    EXPECT_EQ(matched(HttpVerb::get, target).needed,
              NeededRights::any_of(Rights(Right::registry_read) | Right::service_connect));
  }
  EXPECT_EQ(matched(HttpVerb::get, "/statistics/devices").needed, NeededRights::any_of(Right::registry_read));
}

TEST(Routes, the_keys_of_policies_need_every_right) {
  for (const auto& [verb, target] :
       {std::pair(HttpVerb::get, "/kyanite/v1/policies"),
        std::pair(HttpVerb::get, "/kyanite/v1/policies/device"),
        std::pair(HttpVerb::post, "/kyanite/v1/policies/device/regenerate-key")}) {
    EXPECT_EQ(matched(verb, target).needed, NeededRights::all_of(kAllRights)) << target;
  }
}

TEST(Routes, R79_R103_jobs_and_digital_twins_are_for_services_and_configurations_for_registries_too) {
  const NeededRights service = NeededRights::any_of(Right::service_connect);
  for (const auto& [verb, target, operation] :
       {std::tuple(HttpVerb::get, "/jobs/v2/query", Operation::query_jobs),
        std::tuple(HttpVerb::get, "/jobs/v2/Query1", Operation::get_job),
        std::tuple(HttpVerb::put, "/jobs/v2/j", Operation::put_job),
        std::tuple(HttpVerb::post, "/jobs/v2/j/cancel", Operation::cancel_job),
        std::tuple(HttpVerb::patch, "/digitaltwins/d", Operation::patch_digital_twin),
        std::tuple(HttpVerb::post, "/digitaltwins/d/commands/c", Operation::invoke_command),
        std::tuple(HttpVerb::post, "/digitaltwins/d/components/p/commands/c", Operation::invoke_command)}) {
    EXPECT_EQ(matched(verb, target).operation, operation) << target;
    EXPECT_EQ(matched(verb, target).needed, service) << target;
  }
  EXPECT_EQ(matched(HttpVerb::post, "/configurations/testQueries").operation,
            Operation::test_configuration_queries);
  EXPECT_EQ(matched(HttpVerb::post, "/devices/d/applyConfigurationContent").operation,
            Operation::apply_configuration_content);
  EXPECT_EQ(matched(HttpVerb::put, "/configurations/c").needed,
            NeededRights::any_of(Rights(Right::registry_write) | Right::service_connect));
}

TEST(Routes, only_the_routes_of_the_service_need_an_api_version) {
  EXPECT_TRUE(matched(HttpVerb::get, "/devices").needs_api_version);
  EXPECT_FALSE(matched(HttpVerb::get, "/kyanite/v1/status").needs_api_version);
  EXPECT_FALSE(matched(HttpVerb::get, "/Kyanite/V1/status").needs_api_version);
}

TEST(ApiVersion, R07_missing_or_malformed_is_refused) {
  for (const char* target : {"/devices", "/devices?api-version=", "/devices?api-version=2021-4-12",
                             "/devices?api-version=2021-04-12-beta", "/devices?api-version=2021-04-12x",
                             "/devices?api-version=abcd-ef-gh", "/devices?api-version=2021%2F04%2F12"}) {
    const auto checked = check_api_version(request_of(HttpVerb::get, target));
    ASSERT_FALSE(checked) << target;
    EXPECT_EQ(checked.error().code, Errc::protocol_version_invalid);
  }
}

TEST(ApiVersion, R08_any_date_is_accepted_also_as_preview) {
  for (const char* target : {"/devices?api-version=2016-11-14", "/devices?API-Version=2020-05-31-preview",
                             "/devices/?top=1&api-version=2024-03-31"}) {
    EXPECT_TRUE(check_api_version(request_of(HttpVerb::get, target))) << target;
  }
}

}  // namespace
}  // namespace kyanite
