#include "server/hub/configuration_set.h"

#include <gtest/gtest.h>

#include "protocol/twin/twin_merge.h"

namespace kyanite {
namespace {

ConfigurationRecord configuration(std::string id, std::int64_t priority, const char* content,
                                  std::string condition = "*", std::int64_t created = 1) {
  ConfigurationRecord record;
  record.id = std::move(id);
  record.priority = priority;
  record.content = parse_json(content).value();
  record.target_condition = std::move(condition);
  record.created = WallTime(milliseconds(created));
  return record;
}

constexpr const char* kSpeed1 = R"({"deviceContent":{"properties.desired.fan":{"speed":1,"mode":"a"}}})";
constexpr const char* kSpeed5 = R"({"deviceContent":{"properties.desired":{"fan":{"speed":5}}}})";

// "desired statuses" of a device without tags.
std::string judged(const std::vector<ConfigurationRecord>& records, const Identity& id = {"d", {}},
                   const char* tags = "{}", const char* reported = "{}") {
  const auto verdict =
      ConfigurationSet(records).judge(id, false, parse_json(tags).value(), parse_json(reported).value());
  Json desired = Json::object();
  for (const TwinContribution& part : verdict.contributions) merge_patch(desired, part.desired);
  std::string text = dump_json(desired);
  for (const auto& [name, status] : members_of(verdict.statuses)) {
    text += " " + name + ":" + status["status"].get<std::string>();
  }
  return text;
}

TEST(ConfigurationSet, R108_the_highest_priority_wins_each_path) {
  EXPECT_EQ(judged({configuration("low", 1, kSpeed1), configuration("high", 5, kSpeed5)}),
            R"({"fan":{"speed":5,"mode":"a"}} high:Applied low:Applied)");
}

TEST(ConfigurationSet, of_equal_priorities_the_newest_wins) {
  EXPECT_EQ(judged({configuration("new", 1, kSpeed5, "*", 2), configuration("old", 1, kSpeed1, "*", 1)}),
            R"({"fan":{"speed":5,"mode":"a"}} new:Applied old:Applied)");
}

TEST(ConfigurationSet, one_that_is_beaten_everywhere_is_targeted_only) {
  EXPECT_EQ(judged({configuration("high", 5, kSpeed1), configuration("low", 1, kSpeed5)}),
            R"({"fan":{"speed":1,"mode":"a"}} high:Applied low:Targeted)");
  const char* scalar = R"({"deviceContent":{"properties.desired.fan":7}})";
  EXPECT_EQ(judged({configuration("high", 5, scalar), configuration("low", 1, kSpeed5)}),
            R"({"fan":7} high:Applied low:Targeted)");
}

TEST(ConfigurationSet, conditions_choose_by_id_tags_and_reported_properties) {
  const auto one = [](const char* condition) {
    return std::vector{configuration("c", 1, kSpeed5, condition)};
  };
  EXPECT_EQ(judged(one("deviceId = 'd'")), R"({"fan":{"speed":5}} c:Applied)");
  EXPECT_EQ(judged(one("deviceId = 'e'")), "{}");
  EXPECT_EQ(judged(one("")), "{}");
  EXPECT_NE(judged(one("tags.a = 1"), {"d", {}}, R"({"a":1})"), "{}");
  EXPECT_NE(judged(one("properties.reported.a > 1"), {"d", {}}, "{}", R"({"a":2})"), "{}");
  EXPECT_EQ(judged(one("properties.reported.a > 1"), {"d", {}}, "{}", R"({"a":1})"), "{}");
}

TEST(ConfigurationSet, modules_have_configurations_of_their_own) {
  const std::vector records{configuration("d", 1, kSpeed5),
                            configuration("m", 1, R"({"moduleContent":{"properties.desired":{"x":1}}})",
                                          "FROM devices.modules WHERE moduleId = 'm'")};
  EXPECT_EQ(judged(records, {"d", {}}), R"({"fan":{"speed":5}} d:Applied)");
  EXPECT_EQ(judged(records, {"d", "m"}), R"({"x":1} m:Applied)");
  EXPECT_EQ(judged(records, {"d", "n"}), "{}");
}

TEST(ConfigurationSet, of_deployments_one_counts_for_an_edge_device) {
  const char* content = R"({"modulesContent":{"$edgeAgent":{"properties.desired":{}}}})";
  const ConfigurationSet set({configuration("low", 1, content), configuration("high", 2, content)});
  const auto edge = set.judge({"d", {}}, true, Json::object(), Json::object());
  EXPECT_EQ(edge.deployments, std::vector<std::string>{"high"});
  EXPECT_EQ(dump_json(edge.statuses), R"({"high":{"status":"Applied"},"low":{"status":"Targeted"}})");
  EXPECT_TRUE(set.judge({"d", {}}, false, Json::object(), Json::object()).statuses.empty());
}

TEST(ConfigurationContent, R109_is_of_exactly_one_kind) {
  const auto kind = [](const char* content) { return kind_of_content(parse_json(content).value()); };
  EXPECT_EQ(kind(kSpeed1).value(), ConfigurationKind::device);
  EXPECT_EQ(kind(R"({"deviceContent":null,"moduleContent":{}})").value(), ConfigurationKind::module);
  for (const char* bad :
       {"{}", R"({"deviceContent":{},"moduleContent":{}})", R"({"deviceContent":1})",
        R"({"deviceContent":{"properties.reported":{}}})", R"({"deviceContent":{"properties.desiredX":{}}})",
        R"({"deviceContent":{"properties.desired":1}})", R"({"deviceContent":{"properties.desired.":1}})",
        R"({"deviceContent":{"properties.desired..a":1}})",
        R"({"deviceContent":{"properties.desired.a":null}})",
        R"({"deviceContent":{"properties.desired.a":1,"properties.desired":{"a":2}}})",
        R"({"deviceContent":{"properties.desired.a":1,"properties.desired.a.b":2}})",
        R"({"modulesContent":{}})", R"({"modulesContent":{"$edgeAgent":1}})", R"({"modulesContent":[]})"}) {
    const auto result = kind(bad);
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().code, Errc::configuration_content_invalid) << bad;
  }
}

TEST(ConfigurationContent, keys_are_paths) {
  EXPECT_EQ(dump_json(desired_of_content(
                          parse_json(R"({"properties.desired.a.b":1,"properties.desired.a.c":{"d":2},)"
                                     R"("properties.desired":{"e":3}})")
                              .value())
                          .value()),
            R"({"a":{"b":1,"c":{"d":2}},"e":3})");
}

TEST(ConfigurationCondition, belongs_to_its_kind) {
  const auto ok = [](const char* text, ConfigurationKind kind) {
    return parse_target_condition(text, kind).has_value();
  };
  EXPECT_TRUE(ok("*", ConfigurationKind::device));
  EXPECT_TRUE(ok(" ", ConfigurationKind::module));
  EXPECT_TRUE(ok("from devices.modules where moduleId = 'a'", ConfigurationKind::module));
  EXPECT_FALSE(ok("tags.a = 1", ConfigurationKind::module));
  EXPECT_FALSE(ok("*", ConfigurationKind::module));
  EXPECT_FALSE(ok("from devices.modules where moduleId = 'a'", ConfigurationKind::edge));
  EXPECT_FALSE(ok("tags.a =", ConfigurationKind::device));
}

TEST(ConfigurationSet, layers_count_above_the_deployment_that_is_none) {
  const char* base = R"({"modulesContent":{"$edgeAgent":{"properties.desired":{}}}})";
  const char* layer = R"({"modulesContent":{"$edgeAgent":{"properties.desired.modules.x":{}}}})";
  const auto verdict = ConfigurationSet({configuration("below", 1, layer), configuration("base", 2, base),
                                         configuration("one", 3, layer), configuration("two", 4, layer),
                                         configuration("beaten", 1, base)})
                           .judge({"d", {}}, true, Json::object(), Json::object());
  EXPECT_EQ(verdict.deployments, (std::vector<std::string>{"base", "one", "two"}));
  EXPECT_EQ(verdict.statuses["below"]["status"], "Targeted");
  EXPECT_EQ(verdict.statuses["beaten"]["status"], "Targeted");
  EXPECT_EQ(verdict.statuses["two"]["status"], "Applied");
  EXPECT_TRUE(ConfigurationSet({configuration("one", 3, layer)})
                  .judge({"d", {}}, true, Json::object(), Json::object())
                  .deployments.empty());
}

TEST(ConfigurationContent, a_key_of_a_layer_takes_the_place_of_what_is_there) {
  const Json base =
      parse_json(R"({"$edgeAgent":{"properties.desired":{"modules":{"a":{"image":"1","env":{}},"b":1}}}})")
          .value();
  const Json low =
      parse_json(
          R"({"$edgeAgent":{"properties.desired.modules.a":{"image":"2"}},"m":{"properties.desired":{"k":1}}})")
          .value();
  const Json high =
      parse_json(R"({"$edgeAgent":{"properties.desired.modules.b.c":3},"m":{"properties.desired.k":2}})")
          .value();
  EXPECT_EQ(dump_json(merge_modules({&base, &low, &high})),
            R"({"$edgeAgent":{"properties.desired":{"modules":{"a":{"image":"2"},"b":{"c":3}}}},)"
            R"("m":{"properties.desired":{"k":2}}})");
}

TEST(ConfigurationRecord, is_read_as_it_was_stored) {
  ConfigurationRecord record = configuration("c", -3, kSpeed1, "tags.a = 1");
  record.labels = parse_json(R"({"k":"v"})").value();
  record.metrics = {{"m", "SELECT * FROM devices"}};
  record.etag_counter = 7;
  EXPECT_EQ(decode_configuration(encode_configuration(record)).value(), record);
  EXPECT_EQ(configuration_etag(record), "Nw==");
  const std::string text = encode_configuration(record);
  EXPECT_FALSE(decode_configuration("{\"v\":2" + text.substr(6)));
  for (const char* bad : {"", "[]", "{}", R"({"v":1})"}) EXPECT_FALSE(decode_configuration(bad)) << bad;
}

}  // namespace
}  // namespace kyanite
