#include "protocol/twin/digital_twin.h"

#include <gtest/gtest.h>

#include "protocol/twin/twin_merge.h"

namespace kyanite {
namespace {

constexpr WallTime kWritten{milliseconds{1767607201123}};
constexpr WallTime kReported{milliseconds{1767607202000}};

TwinDocument twin_of(const char* desired, const char* reported) {
  TwinDocument twin;
  EXPECT_TRUE(twin.merge({std::nullopt, parse_json(desired).value()}, kWritten));
  EXPECT_TRUE(twin.patch_reported(parse_json(reported).value(), kReported));
  return twin;
}

std::string document(const TwinDocument& twin) {
  return dump_json(digital_twin_document("d1", "dtmi:example:Thermostat;1", twin));
}

// The patch as text, or what is wrong.
std::string translated(const char* body, const TwinDocument& twin = {}) {
  const Result<Json> patch = desired_patch_of_digital_twin(body, twin);
  return patch ? dump_json(*patch) : "refused: " + patch.error().detail;
}

TEST(DigitalTwinDocument, R110_an_empty_twin_has_its_model_alone) {
  EXPECT_EQ(dump_json(digital_twin_document("d1", "", {})), R"({"$dtId":"d1","$metadata":{"$model":""}})");
}

TEST(DigitalTwinDocument, merges_writable_and_reported_properties) {
  EXPECT_EQ(document(twin_of(R"({"target":21})",
                             R"({"serial":"x","target":{"value":20,"ac":203,"av":2,"ad":"warming"}})")),
            R"({"$dtId":"d1","serial":"x","target":20,"$metadata":{"$model":"dtmi:example:Thermostat;1",)"
            R"("serial":{"lastUpdateTime":"2026-01-05T10:00:02.0000000Z"},)"
            R"("target":{"desiredValue":21,"desiredVersion":2,"ackVersion":2,"ackCode":203,)"
            R"("ackDescription":"warming","lastUpdateTime":"2026-01-05T10:00:02.0000000Z"}}})");
}

TEST(DigitalTwinDocument, a_component_has_its_own_metadata_and_no_marker) {
  EXPECT_EQ(document(twin_of(R"({"thermostat1":{"__t":"c","target":21}})",
                             R"({"thermostat1":{"__t":"c","max":[1,2]}})")),
            R"({"$dtId":"d1","thermostat1":{"max":[1,2],"target":21,"$metadata":{)"
            R"("max":{"lastUpdateTime":"2026-01-05T10:00:02.0000000Z"},)"
            R"("target":{"desiredValue":21,"desiredVersion":2,)"
            R"("lastUpdateTime":"2026-01-05T10:00:01.1230000Z"}}},)"
            R"("$metadata":{"$model":"dtmi:example:Thermostat;1"}})");
}

TEST(DigitalTwinDocument, an_object_without_a_marker_is_a_property) {
  const Json json = digital_twin_document("d1", "m", twin_of("{}", R"({"place":{"value":{"x":1},"y":2}})"));
  EXPECT_EQ(dump_json(json["place"]), R"({"value":{"x":1},"y":2})");
  EXPECT_TRUE(json["$metadata"].contains("place"));
}

TEST(DigitalTwinPatch, writes_and_removes_root_properties) {
  const TwinDocument twin = twin_of(R"({"a":1})", R"({"r":2})");
  EXPECT_EQ(translated(R"([{"op":"add","path":"/b","value":2}])", twin), R"({"b":2})");
  EXPECT_EQ(translated(R"([{"op":"replace","path":"/a","value":1}])", twin), R"({"a":1})");
  EXPECT_EQ(translated(R"([{"op":"replace","path":"/r","value":1}])", twin), R"({"r":1})");
  EXPECT_EQ(translated(R"([{"op":"remove","path":"/a"}])", twin), R"({"a":null})");
  EXPECT_EQ(translated("[]", twin), "{}");
}

TEST(DigitalTwinPatch, names_the_component_of_a_property) {
  const TwinDocument twin = twin_of(R"({"t":{"__t":"c","a":1}})", "{}");
  EXPECT_EQ(translated(R"([{"op":"add","path":"/t/b","value":2}])", twin), R"({"t":{"__t":"c","b":2}})");
  EXPECT_EQ(translated(R"([{"op":"remove","path":"/t/a"}])", twin), R"({"t":{"__t":"c","a":null}})");
  EXPECT_EQ(translated(R"([{"op":"add","path":"/new/b","value":2}])", twin), R"({"new":{"__t":"c","b":2}})");
  EXPECT_EQ(
      translated(R"([{"op":"add","path":"/t/b","value":2},{"op":"replace","path":"/t/a","value":3}])", twin),
      R"({"t":{"__t":"c","b":2,"a":3}})");
}

TEST(DigitalTwinPatch, what_an_object_replaces_is_gone) {
  TwinDocument twin = twin_of(R"({"t":{"__t":"c","a":1,"b":{"x":1,"y":2}},"o":{"p":{"q":1}}})", "{}");
  for (const char* body : {R"([{"op":"replace","path":"/o","value":{"r":1}}])",
                           R"([{"op":"replace","path":"/t","value":{"$metadata":{},"b":{"y":3}}}])",
                           R"([{"op":"add","path":"/t/b","value":{"z":1}}])"}) {
    const Result<Json> patch = desired_patch_of_digital_twin(body, twin);
    ASSERT_TRUE(patch) << body;
    merge_patch(twin.desired.values, *patch);
  }
  EXPECT_EQ(dump_json(twin.desired.values), R"({"t":{"__t":"c","b":{"z":1}},"o":{"r":1}})");
}

TEST(DigitalTwinPatch, takes_its_operations_in_order) {
  const TwinDocument twin = twin_of(R"({"a":1,"t":{"__t":"c","x":1}})", "{}");
  EXPECT_EQ(translated(R"([{"op":"remove","path":"/a"},{"op":"add","path":"/a","value":2}])", twin),
            R"({"a":2})");
  EXPECT_EQ(translated(R"([{"op":"remove","path":"/t"},{"op":"add","path":"/t/y","value":2}])", twin),
            R"({"t":{"__t":"c","y":2,"x":null}})");
  EXPECT_EQ(translated(R"([{"op":"add","path":"/t/y","value":2},{"op":"remove","path":"/t"}])", twin),
            R"({"t":null})");
}

TEST(DigitalTwinPatch, refuses_what_it_cannot_mean) {
  const TwinDocument twin = twin_of(R"({"a":1})", "{}");
  const auto code = [&](const char* body) {
    const Result<Json> patch = desired_patch_of_digital_twin(body, twin);
    return patch ? Errc::internal : patch.error().code;
  };
  EXPECT_EQ(code("no json"), Errc::format_error);
  for (const char* body :
       {R"({"a":1})", "[1]", R"([{"path":"/a","value":1}])", R"([{"op":"add","path":"/a"}])",
        R"([{"op":"move","path":"/a","from":"/b"}])", R"([{"op":"test","path":"/a","value":1}])",
        R"([{"op":"add","path":"/a","value":null}])"}) {
    EXPECT_EQ(code(body), Errc::digital_twin_patch_invalid) << body;
  }
  for (const char* path :
       {"", "a", "/", "/a/", "/a/b", "/x/y/z", "/$metadata", "/c/$metadata", "/__t", "/~2"}) {
    const std::string body = std::string(R"([{"op":"add","value":1,"path":")") + path + "\"}]";
    EXPECT_EQ(code(body.c_str()), Errc::digital_twin_path_invalid) << path;
  }
  EXPECT_EQ(code(R"([{"op":"remove","path":"/none"}])"), Errc::digital_twin_path_invalid);
  EXPECT_EQ(code(R"([{"op":"remove","path":"/c/none"}])"), Errc::digital_twin_path_invalid);
  EXPECT_EQ(code(R"([{"op":"add","path":"/a.b","value":1}])"), Errc::argument_invalid);
  EXPECT_EQ(code(R"([{"op":"add","path":"/x","value":[null]}])"), Errc::argument_invalid);
}

TEST(DigitalTwinPatch, has_a_bound) {
  std::string body = "[";
  for (std::size_t i = 0; i <= limits::kDigitalTwinStepsMax; ++i) {
    body += std::string(i ? "," : "") + R"({"op":"add","path":"/a","value":1})";
  }
  EXPECT_EQ(translated((body + "]").c_str()), "refused: too many operations in one patch");
}

}  // namespace
}  // namespace kyanite
