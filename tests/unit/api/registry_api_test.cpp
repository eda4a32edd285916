#include <gmock/gmock.h>

#include "protocol/base/base64.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

class RegistryApi : public ::testing::Test {
 protected:
  RestHub rest;
  std::string text(const Json& json, const std::string& pointer) {
    return json.at(Json::json_pointer(pointer)).get<std::string>();
  }
};

std::vector<std::string> member_names(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  return names;
}

TEST_F(RegistryApi, R1_a_percent_encoded_path_finds_the_device) {
  rest.put("/devices/d1", "{}");
  RestAnswer answer = rest.get("/devices%2Fd1");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["deviceId"], "d1");
}

TEST_F(RegistryApi, R2_a_trailing_slash_makes_no_difference) {
  rest.put("/devices/d1", "{}");
  RestAnswer answer = rest.get("/devices/");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, rest.get("/devices").body);
}

TEST_F(RegistryApi, R3_a_plus_in_the_path_is_a_plus) {
  rest.put("/devices/a+b", "{}");
  EXPECT_EQ(rest.get("/devices/a+b").json["deviceId"], "a+b");
  EXPECT_EQ(rest.get("/devices/a%2Bb").json["deviceId"], "a+b");
}

TEST_F(RegistryApi, R4_an_id_may_hold_a_percent_sign) {
  EXPECT_EQ(rest.put("/devices/50%", "{}").status, 200);
  EXPECT_EQ(rest.get("/devices/50%").status, 200);
}

TEST_F(RegistryApi, R5_route_words_ignore_case_and_ids_do_not) {
  rest.put("/devices/d1", "{}");
  EXPECT_EQ(rest.get("/DEVICES/d1").status, 200);
  EXPECT_EQ(rest.get("/devices/D1").status, 404);
}

TEST_F(RegistryApi, R7_a_missing_or_malformed_api_version_is_refused) {
  for (const auto* target : {"/devices?api-version=", "/devices?api-version=latest"}) {
    RestAnswer answer = rest.get(target);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.error_name(), "InvalidProtocolVersion");
  }
}

TEST_F(RegistryApi, R8_every_dated_api_version_is_accepted) {
  for (const auto* version : {"2016-11-14", "2020-05-31-preview", "2024-03-31"}) {
    EXPECT_EQ(rest.get(std::string("/devices?api-version=") + version).status, 200) << version;
  }
}

TEST_F(RegistryApi, R9_every_response_has_a_request_id_and_json_its_content_type) {
  for (RestAnswer answer : {rest.get("/devices"), rest.get("/devices/none"), rest.get("/nothing/here")}) {
    EXPECT_EQ(answer.headers["x-ms-request-id"], "0123456789abcdef0123456789abcdef");
    EXPECT_THAT(answer.headers["content-type"], StartsWith("application/json"));
  }
}

TEST_F(RegistryApi, R12_a_delete_answers_204_without_a_body) {
  rest.put("/devices/d1", "{}");
  RestAnswer answer = rest.del("/devices/d1");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(answer.headers.count("content-type"), 0u);
}

TEST_F(RegistryApi, R33_a_new_device_gets_two_keys_of_32_bytes) {
  RestAnswer answer = rest.put("/devices/n1", R"({"deviceId":"n1"})");
  EXPECT_EQ(answer.status, 200);
  const auto primary = text(answer.json, "/authentication/symmetricKey/primaryKey");
  const auto secondary = text(answer.json, "/authentication/symmetricKey/secondaryKey");
  EXPECT_EQ(decode_base64(primary).value_or("").size(), 32u);
  EXPECT_EQ(decode_base64(secondary).value_or("").size(), 32u);
  EXPECT_NE(primary, secondary);
  EXPECT_EQ(answer.json["authentication"]["type"], "sas");
  EXPECT_EQ(answer.json["status"], "enabled");
}

TEST_F(RegistryApi, the_etag_header_is_the_quoted_etag_of_the_document) {
  RestAnswer answer = rest.put("/devices/n1", "{}");
  EXPECT_EQ(answer.headers["etag"], "\"" + answer.json["etag"].get<std::string>() + "\"");
}

TEST_F(RegistryApi, R34_put_without_if_match_only_creates) {
  const auto etag = text(rest.put("/devices/n1", "{}").json, "/etag");
  RestAnswer answer = rest.put("/devices/n1", R"({"etag":")" + etag + R"("})");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.error_name(), "DeviceAlreadyExists");
}

TEST_F(RegistryApi, R35_every_way_to_write_if_match_is_understood) {
  RestAnswer last = rest.put("/devices/n1", "{}");
  EXPECT_EQ(rest.put("/devices/n1", "{}", "\"*\"").status, 200);
  last = rest.put("/devices/n1", "{}", "*");
  EXPECT_EQ(last.status, 200);
  last = rest.put("/devices/n1", "{}", text(last.json, "/etag"));
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(rest.put("/devices/n1", "{}", last.headers["etag"]).status, 200);
}

TEST_F(RegistryApi, R36_a_stale_etag_is_412_and_an_absent_device_404) {
  rest.put("/devices/n1", "{}");
  RestAnswer stale = rest.put("/devices/n1", "{}", "\"x\"");
  EXPECT_EQ(stale.status, 412);
  EXPECT_EQ(stale.error_name(), "PreconditionFailed");
  RestAnswer absent = rest.put("/devices/n2", "{}", "*");
  EXPECT_EQ(absent.status, 404);
  EXPECT_EQ(absent.error_name(), "DeviceNotFound");
}

TEST_F(RegistryApi, R37_an_update_without_authentication_mints_new_keys) {
  const Json before = rest.put("/devices/n1", "{}").json["authentication"];
  const Json after = rest.put("/devices/n1", "{}", "*").json["authentication"];
  EXPECT_NE(before["symmetricKey"]["primaryKey"], after["symmetricKey"]["primaryKey"]);
  EXPECT_NE(before["symmetricKey"]["secondaryKey"], after["symmetricKey"]["secondaryKey"]);
}

std::string keys_body(const std::string& primary, const std::string& secondary) {
  return R"({"authentication":{"symmetricKey":{"primaryKey":")" + primary + R"(","secondaryKey":")" +
         secondary + R"("}}})";
}

TEST_F(RegistryApi, R38_keys_come_in_pairs_of_16_to_64_bytes) {
  EXPECT_EQ(rest.put("/devices/a",
                     R"({"authentication":{"symmetricKey":{"primaryKey":"MDEyMzQ1Njc4OTAxMjM0NQ=="}}})")
                .status,
            400);
  const std::string short_key = encode_base64(std::string(15, 'k'));
  EXPECT_EQ(rest.put("/devices/b", keys_body(short_key, short_key)).status, 400);
  const std::string long_key = encode_base64(std::string(64, 'k'));
  RestAnswer answer = rest.put("/devices/c", keys_body(long_key, long_key));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(text(answer.json, "/authentication/symmetricKey/primaryKey"), long_key);
}

TEST_F(RegistryApi, R39_empty_keys_mean_generate) {
  RestAnswer answer = rest.put("/devices/n1", keys_body("", ""));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(text(answer.json, "/authentication/symmetricKey/primaryKey").size(), 44u);
}

TEST_F(RegistryApi, R40_thumbprints_are_plain_hex_and_keep_their_case) {
  const std::string hex(40, 'a');
  const auto body = [](const std::string& thumbprint) {
    return R"({"authentication":{"type":"SelfSigned","x509Thumbprint":{"primaryThumbprint":")" + thumbprint +
           R"("}}})";
  };
  EXPECT_EQ(rest.put("/devices/a", body("AA:BB:CC")).status, 400);
  RestAnswer answer = rest.put("/devices/b", body(hex));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(text(answer.json, "/authentication/x509Thumbprint/primaryThumbprint"), hex);
  EXPECT_TRUE(answer.json["authentication"]["x509Thumbprint"]["secondaryThumbprint"].is_null());
  EXPECT_EQ(answer.json["authentication"]["type"], "selfSigned");
}

TEST_F(RegistryApi, R41_a_ca_authenticated_device_has_null_keys) {
  const std::string key = encode_base64(std::string(32, 'k'));
  RestAnswer answer = rest.put(
      "/devices/n1", R"({"authentication":{"type":"certificateAuthority","symmetricKey":{"primaryKey":")" +
                         key + R"(","secondaryKey":""}}})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.json["authentication"]["symmetricKey"]["primaryKey"].is_null());
  EXPECT_TRUE(answer.json["authentication"]["symmetricKey"]["secondaryKey"].is_null());
}

TEST_F(RegistryApi, R42_the_device_document_has_the_members_and_order_of_the_contract) {
  const Json json = rest.put("/devices/n1", "{}").json;
  EXPECT_THAT(member_names(json),
              ElementsAre("deviceId", "generationId", "etag", "connectionState", "status", "statusReason",
                          "connectionStateUpdatedTime", "statusUpdatedTime", "lastActivityTime",
                          "cloudToDeviceMessageCount", "authentication", "capabilities", "deviceScope",
                          "parentScopes"));
  EXPECT_THAT(member_names(json["authentication"]), ElementsAre("symmetricKey", "x509Thumbprint", "type"));
  for (const auto* time : {"connectionStateUpdatedTime", "statusUpdatedTime", "lastActivityTime"}) {
    EXPECT_EQ(json[time], "0001-01-01T00:00:00") << time;
  }
  EXPECT_TRUE(json["cloudToDeviceMessageCount"].is_number_integer());
  EXPECT_TRUE(json["statusReason"].is_null());
  EXPECT_EQ(json["capabilities"].dump(), R"({"iotEdge":false})");
  EXPECT_EQ(json["parentScopes"].dump(), "[]");
}

TEST_F(RegistryApi, R43_delete_needs_if_match) {
  rest.put("/devices/n1", "{}");
  RestAnswer missing = rest.del("/devices/n1", "");
  EXPECT_EQ(missing.status, 412);
  EXPECT_EQ(missing.error_name(), "PreconditionFailed");
  EXPECT_EQ(rest.del("/devices/n1").status, 204);
  EXPECT_EQ(rest.del("/devices/n1").status, 404);
}

TEST_F(RegistryApi, R44_a_device_created_again_has_another_generation_and_a_fresh_twin) {
  const auto first = text(rest.put("/devices/n1", "{}").json, "/generationId");
  rest.del("/devices/n1");
  EXPECT_NE(text(rest.put("/devices/n1", "{}").json, "/generationId"), first);
  EXPECT_EQ(rest.get("/twins/n1").json["version"], 2);
}

TEST_F(RegistryApi, R45_ids_have_1_to_128_characters_of_the_services_set) {
  EXPECT_EQ(rest.put("/devices/" + std::string(129, 'x'), "{}").status, 400);
  EXPECT_EQ(rest.put("/devices/a%20b", "{}").status, 400);
  EXPECT_EQ(rest.put("/devices/" + std::string(128, 'x'), "{}").status, 200);
  for (const char c : std::string("-:.+%_#*?!(),=@;$'")) {
    const std::string hex = encode_hex(std::string(1, c));
    RestAnswer answer = rest.put("/devices/a%" + hex + "b", "{}");
    EXPECT_EQ(answer.status, 200) << c;
    EXPECT_EQ(answer.json["deviceId"], std::string("a") + c + "b");
  }
}

TEST_F(RegistryApi, R46_the_id_in_the_body_must_be_the_one_in_the_path) {
  RestAnswer answer = rest.put("/devices/n1", R"({"deviceId":"n2"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.error_name(), "ArgumentInvalid");
}

TEST_F(RegistryApi, R47_disabling_changes_etag_and_status_time) {
  const Json before = rest.put("/devices/n1", "{}").json;
  rest.hub.loop.advance(seconds(5));
  const Json after = rest.put("/devices/n1", R"({"status":"Disabled","statusReason":"lost"})", "*").json;
  EXPECT_EQ(after["status"], "disabled");
  EXPECT_EQ(after["statusReason"], "lost");
  EXPECT_NE(after["etag"], before["etag"]);
  EXPECT_NE(after["statusUpdatedTime"], before["statusUpdatedTime"]);
}

TEST_F(RegistryApi, R49_a_list_has_at_most_1000_devices_in_order_of_their_ids) {
  for (int i = 0; i < 1005; ++i) {
    ASSERT_EQ(rest.put("/devices/d" + std::to_string(10000 + i), "{}").status, 200);
  }
  for (const auto* target : {"/devices?top=5000", "/devices", "/devices?top=99999999999999999999"}) {
    RestAnswer answer = rest.get(target);
    ASSERT_EQ(answer.json.size(), 1000u) << target;
    EXPECT_EQ(answer.json[0]["deviceId"], "d10000");
    EXPECT_EQ(answer.json[999]["deviceId"], "d10999");
  }
  EXPECT_EQ(rest.get("/devices?top=3").json.size(), 3u);
  EXPECT_EQ(rest.get("/devices?top=0").json.size(), 1u);
  EXPECT_EQ(rest.get("/devices?top=many").status, 400);
}

TEST_F(RegistryApi, R50_an_edge_device_gets_a_scope_and_its_system_modules) {
  const Json device = rest.put("/devices/e1", R"({"capabilities":{"IotEdge":true}})").json;
  EXPECT_THAT(text(device, "/deviceScope"), StartsWith("ms-azure-iot-edge://e1-"));
  const Json modules = rest.get("/devices/e1/modules").json;
  ASSERT_EQ(modules.size(), 2u);
  EXPECT_EQ(modules[0]["moduleId"], "$edgeAgent");
  EXPECT_EQ(modules[1]["moduleId"], "$edgeHub");
  EXPECT_EQ(modules[0]["authentication"]["type"], "none");
}

TEST_F(RegistryApi, R50_system_modules_are_written_and_deleted_by_nobody) {
  rest.put("/devices/e1", R"({"capabilities":{"iotEdge":true}})");
  const Json read = rest.get("/devices/e1/modules/$edgeAgent").json;
  const RestAnswer written = rest.put("/devices/e1/modules/$edgeAgent", read.dump(), "*");
  EXPECT_EQ(written.status, 401);
  EXPECT_EQ(written.error_name(), "SystemModuleModifyUnauthorizedAccess");
  EXPECT_EQ(rest.del("/devices/e1/modules/$edgeHub").error_name(), "SystemModuleModifyUnauthorizedAccess");
  EXPECT_EQ(rest.get("/devices/e1/modules/$edgeAgent").json, read);
}

TEST_F(RegistryApi, R51_an_edge_device_keeps_its_scope) {
  rest.put("/devices/e1", R"({"capabilities":{"iotEdge":true}})");
  RestAnswer answer = rest.put("/devices/e1", R"({"capabilities":{"iotEdge":true},"deviceScope":""})", "*");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.error_name(), "InvalidDeviceScope");
}

TEST_F(RegistryApi, R52_a_leaf_names_its_parent_in_both_members) {
  const auto scope =
      text(rest.put("/devices/e1", R"({"capabilities":{"iotEdge":true}})").json, "/deviceScope");
  const Json leaf = rest.put("/devices/leaf", R"({"deviceScope":")" + scope + R"("})").json;
  EXPECT_EQ(leaf["deviceScope"], scope);
  EXPECT_EQ(leaf["parentScopes"].dump(), "[\"" + scope + "\"]");
}

TEST_F(RegistryApi, R53_modules_are_created_once_and_not_with_a_dollar_sign) {
  rest.put("/devices/d1", "{}");
  const Json module =
      rest.put("/devices/d1/modules/ctl", R"({"moduleId":"ctl","deviceId":"d1","managedBy":"me"})").json;
  EXPECT_THAT(member_names(module),
              ElementsAre("moduleId", "deviceId", "managedBy", "generationId", "etag", "connectionState",
                          "connectionStateUpdatedTime", "lastActivityTime", "cloudToDeviceMessageCount",
                          "authentication"));
  EXPECT_EQ(module["managedBy"], "me");
  RestAnswer again = rest.put("/devices/d1/modules/ctl", "{}");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.error_name(), "ModuleAlreadyExistsOnDevice");
  EXPECT_EQ(rest.put("/devices/d1/modules/$x", "{}").status, 400);
}

TEST_F(RegistryApi, R54_the_modules_of_a_missing_device_are_404) {
  for (RestAnswer answer : {rest.get("/devices/none/modules"), rest.get("/devices/none/modules/m"),
                            rest.put("/devices/none/modules/m", "{}")}) {
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.error_name(), "DeviceNotFound");
  }
}

TEST_F(RegistryApi, a_missing_module_is_module_not_found_and_no_modules_are_an_empty_array) {
  rest.put("/devices/d1", "{}");
  EXPECT_EQ(rest.get("/devices/d1/modules/m").error_name(), "ModuleNotFound");
  EXPECT_EQ(rest.get("/devices/d1/modules").body, "[]");
}

TEST_F(RegistryApi, a_module_is_deleted_by_its_path) {
  rest.put("/devices/d1", "{}");
  rest.put("/devices/d1/modules/m", "{}");
  EXPECT_EQ(rest.del("/devices/d1/modules/m").status, 204);
  EXPECT_EQ(rest.get("/devices/d1/modules/m").status, 404);
  EXPECT_EQ(rest.get("/devices/d1").status, 200);
}

TEST_F(RegistryApi, member_names_ignore_case_and_unknown_members_are_ignored) {
  RestAnswer answer =
      rest.put("/devices/d1",
               R"({"DeviceId":"d1","STATUS":"ENABLED","colour":1,"StatusReason":"x","generationId":7})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["statusReason"], "x");
}

TEST_F(RegistryApi, a_status_reason_has_at_most_128_characters_of_any_alphabet) {
  std::string reason;
  for (int i = 0; i < 128; ++i) reason += "\u00e4";
  EXPECT_EQ(rest.put("/devices/d1", R"({"statusReason":")" + reason + R"("})").status, 200);
  EXPECT_EQ(rest.put("/devices/d2", R"({"statusReason":")" + reason + R"(x"})").status, 400);
}

TEST_F(RegistryApi, a_body_of_the_wrong_form_is_400_with_a_sentence) {
  for (const auto* body : {"",
                           "{",
                           "[]",
                           "1",
                           "null",
                           R"({"status":"on"})",
                           R"({"status":1})",
                           R"({"statusReason":[]})",
                           R"({"authentication":[]})",
                           R"({"authentication":{"type":"password"}})",
                           R"({"authentication":{"type":1}})",
                           R"({"authentication":{"symmetricKey":"k"}})",
                           R"({"authentication":{"symmetricKey":{"primaryKey":5}}})",
                           R"({"authentication":{"x509Thumbprint":1}})",
                           R"({"authentication":{"type":"none"}})",
                           R"({"capabilities":{"iotEdge":"yes"}})",
                           R"({"parentScopes":"x"})",
                           R"({"parentScopes":[1]})",
                           R"({"deviceScope":{}})",
                           R"({"deviceId":5})"}) {
    RestAnswer answer = rest.put("/devices/d1", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT((std::vector<std::string>{"ArgumentInvalid", "IotHubFormatError"}),
                ::testing::Contains(answer.error_name()))
        << body;
  }
  EXPECT_EQ(rest.get("/devices/d1").status, 404);
}

}  // namespace
}  // namespace kyanite::test
