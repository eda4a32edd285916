#include "server/api/openapi_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "protocol/base/percent_encoding.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

// One line an operation: "GET devices/{} any of RegistryRead", with " tests" behind those for tests.
struct Described {
  std::set<std::string> lines;
  std::map<std::string, std::set<std::string>>
      operations;  // by what the route table or the document calls it
};

std::string line_of(std::string verb, const std::string& path, const std::string& rights, bool tests) {
  for (char& c : verb) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return verb + " " + path + " " + rights + (tests ? " tests" : "");
}

// Those that are asked for, without what they imply.
std::string names_of(Rights rights) {
  std::string names;
  for (const auto& [right, name] : {std::pair{Right::registry_read, "RegistryRead"},
                                    {Right::registry_write, "RegistryWrite"},
                                    {Right::service_connect, "ServiceConnect"},
                                    {Right::device_connect, "DeviceConnect"}}) {
    if ((rights.bits & static_cast<std::uint8_t>(right)) == 0) continue;
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

Described of_the_table() {
  Described described;
  for (const Route& route : all_routes()) {
    const std::string rights = (route.needed.every ? "all of " : "any of ") + names_of(route.needed.rights);
    const std::string line =
        line_of(std::string(to_text(route.verb)), std::string(route.path), rights, is_only_for_tests(route));
    described.lines.insert(line);
    described.operations[std::to_string(static_cast<int>(route.operation))].insert(line);
  }
  return described;
}

// "/devices/{deviceId}" as the table writes it: "devices/{}".
std::string table_path(std::string_view path) {
  std::string text;
  bool inside = false;
  for (const char c : path.substr(1)) {
    if (c == '}') inside = false;
    if (!inside) text += c;
    if (c == '{') inside = true;
  }
  return text;
}

Described of_the_document() {
  Described described;
  const Json document = parse_json(openapi_text()).value();
  for (const auto& [path, verbs] : members_of(document["paths"])) {
    for (const auto& [verb, operation] : members_of(verbs)) {
      const std::string line =
          line_of(verb, table_path(path), operation["x-kyanite-rights"].get<std::string>(),
                  operation.contains("x-kyanite-test-control"));
      described.lines.insert(line);
      described.operations[operation["x-kyanite-operation"].get<std::string>()].insert(line);
    }
  }
  return described;
}

std::set<std::set<std::string>> groups(const Described& described) {
  std::set<std::set<std::string>> all;
  for (const auto& [name, lines] : described.operations) all.insert(lines);
  return all;
}

TEST(OpenApi, names_every_route_with_verb_path_and_right_and_no_other) {
  const std::set<std::string> table = of_the_table().lines, document = of_the_document().lines;
  for (const std::string& line : table)
    EXPECT_TRUE(document.contains(line)) << "not in openapi.json: " << line;
  for (const std::string& line : document)
    EXPECT_TRUE(table.contains(line)) << "not in the route table: " << line;
}

TEST(OpenApi, routes_of_one_operation_have_one_name) {
  EXPECT_EQ(groups(of_the_table()), groups(of_the_document()));
}

TEST(OpenApi, every_operation_has_an_id_of_its_own_and_describes_its_path_and_answers) {
  const Json document = parse_json(openapi_text()).value();
  EXPECT_EQ(document["openapi"], "3.0.3");
  std::set<std::string> ids;
  for (const auto& [path, verbs] : members_of(document["paths"])) {
    for (const auto& [verb, operation] : members_of(verbs)) {
      const std::string what = verb + " " + path;
      EXPECT_TRUE(ids.insert(operation["operationId"].get<std::string>()).second) << what;
      EXPECT_TRUE(operation["responses"].contains("401")) << what;
      EXPECT_FALSE(operation["summary"].get<std::string>().empty()) << what;
      std::size_t in_path = 0;
      bool version = false;
      const Json parameters = operation.value("parameters", Json::array());
      for (const Json& parameter : parameters) {
        if (parameter.value("in", "") == "path") {
          ++in_path;
          EXPECT_NE(path.find("{" + parameter["name"].get<std::string>() + "}"), std::string::npos) << what;
        }
        version = version || parameter.value("$ref", "") == "#/components/parameters/apiVersion";
      }
      EXPECT_EQ(in_path, static_cast<std::size_t>(std::count(path.begin(), path.end(), '{'))) << what;
      EXPECT_EQ(version, !path.starts_with("/kyanite/")) << what;
    }
  }
}

void find_references(const Json& json, std::set<std::string>& found) {
  if (json.is_object()) {
    for (const auto& [name, value] : members_of(json)) {
      if (name == "$ref") found.insert(value.get<std::string>());
      find_references(value, found);
    }
  } else if (json.is_array()) {
    for (const Json& item : json) find_references(item, found);
  }
}

TEST(OpenApi, every_reference_leads_somewhere_and_every_schema_is_used) {
  const Json document = parse_json(openapi_text()).value();
  std::set<std::string> found;
  find_references(document, found);
  for (const std::string& reference : found) {
    EXPECT_TRUE(document.contains(Json::json_pointer(reference.substr(1)))) << reference;
  }
  for (const auto& [name, schema] : members_of(document["components"]["schemas"])) {
    EXPECT_TRUE(found.contains("#/components/schemas/" + name)) << name;
  }
}

TEST(OpenApi, is_served_without_the_routes_for_tests_unless_they_are_there) {
  RestHub rest;
  const RestAnswer plain = rest.get("/kyanite/v1/openapi.json");
  ASSERT_EQ(plain.status, 200);
  EXPECT_THAT(plain.headers.at("content-type"), testing::HasSubstr("application/json"));
  EXPECT_TRUE(plain.json["paths"].contains("/devices/{deviceId}"));
  EXPECT_FALSE(plain.json["paths"].contains("/kyanite/v1/clock"));
  rest.hub.settings.test_control = true;
  EXPECT_TRUE(rest.get("/kyanite/v1/openapi.json").json["paths"].contains("/kyanite/v1/clock"));
  EXPECT_EQ(rest.ask({"GET", "/kyanite/v1/openapi.json", "", {}, ""}).status, 401);
}

}  // namespace
}  // namespace kyanite::test
