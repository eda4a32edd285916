#include "protocol/twin/twin_merge.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace kyanite {
namespace {

Json json(std::string_view text) { return *parse_json(text); }

std::string merged(std::string_view target, std::string_view patch) {
  Json value = json(target);
  merge_patch(value, json(patch));
  return dump_json(value);
}

TEST(MergePatch, sets_and_replaces_members) {
  EXPECT_EQ(merged(R"({"a":1,"b":2})", R"({"b":3,"c":4})"), R"({"a":1,"b":3,"c":4})");
}

TEST(MergePatch, B63_null_deletes_and_an_unknown_member_stays_unknown) {
  EXPECT_EQ(merged(R"({"a":1,"old":2,"c":{"d":1,"e":2}})", R"({"old":null,"never":null,"c":{"d":null}})"),
            R"({"a":1,"c":{"e":2}})");
}

TEST(MergePatch, R65_deleting_the_last_member_leaves_an_empty_object) {
  EXPECT_EQ(merged(R"({"a":1})", R"({"a":null})"), "{}");
}

TEST(MergePatch, merges_objects_at_every_level) {
  EXPECT_EQ(merged(R"({"a":{"b":{"c":1}}})", R"({"a":{"b":{"d":2},"e":3}})"),
            R"({"a":{"b":{"c":1,"d":2},"e":3}})");
}

TEST(MergePatch, B65_an_array_replaces_the_array_as_a_whole) {
  EXPECT_EQ(merged(R"({"a":[1,2,3]})", R"({"a":[{"b":2}]})"), R"({"a":[{"b":2}]})");
}

TEST(MergePatch, an_object_replaces_a_scalar_or_an_array) {
  EXPECT_EQ(merged(R"({"a":5,"b":[1]})", R"({"a":{"x":1},"b":{}})"), R"({"a":{"x":1},"b":{}})");
}

TEST(MergePatch, a_scalar_replaces_an_object) {
  EXPECT_EQ(merged(R"({"a":{"x":1}})", R"({"a":"text"})"), R"({"a":"text"})");
}

TEST(MergePatch, null_inside_a_new_object_stores_nothing) {
  EXPECT_EQ(merged("{}", R"({"a":{"b":null,"c":{"d":null}}})"), R"({"a":{"c":{}}})");
}

TEST(MergePatch, keeps_numbers_as_written) {
  EXPECT_EQ(merged(R"({"a":1})", R"({"a":1.0,"b":1,"c":-2.5e-7})"), R"({"a":1.0,"b":1,"c":-2.5e-07})");
}

TEST(MergePatch, handles_thousands_of_members_by_an_index) {
  Json target = Json::object();
  Json patch = Json::object();
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "k" + std::to_string(i);
    append_member(members_of(target), name, i);
    append_member(members_of(patch), "k" + std::to_string(i + 1500), i % 2 ? Json(nullptr) : Json("x"));
  }
  merge_patch(target, patch);
  EXPECT_EQ(target.size(), 3000u);
  EXPECT_EQ(target["k0"], 0);
  EXPECT_EQ(target["k1500"], "x");
  EXPECT_FALSE(target.contains("k1501"));
  EXPECT_EQ(target["k4498"], "x");
}

TEST(DiffPatch, names_what_changed_and_null_for_what_is_gone) {
  EXPECT_EQ(dump_json(diff_patch(json(R"({"a":1,"b":{"c":1,"d":2},"e":[1]})"),
                                 json(R"({"a":1,"b":{"c":1,"d":3},"f":true})"))),
            R"({"b":{"d":3},"f":true,"e":null})");
}

TEST(DiffPatch, is_empty_when_only_the_order_differs) {
  EXPECT_EQ(
      dump_json(diff_patch(json(R"({"a":1,"b":[{"x":1,"y":2}]})"), json(R"({"b":[{"y":2,"x":1}],"a":1})"))),
      "{}");
}

TEST(DiffPatch, tells_an_integer_from_a_floating_point_number) {
  EXPECT_EQ(dump_json(diff_patch(json(R"({"a":1})"), json(R"({"a":1.0})"))), R"({"a":1.0})");
}

// Random values of every kind, small enough that names meet.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}
  Json object(int depth, bool nulls) {
    Json value = Json::object();
    const int count = pick(depth == 0 ? 40 : 6);
    for (int i = 0; i < count; ++i)
      value["k" + std::to_string(pick(depth == 0 ? 60 : 5))] = one(depth, nulls);
    return value;
  }

 private:
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  Json one(int depth, bool nulls) {
    switch (pick(nulls ? 8 : 7)) {
      case 0:
        return pick(3);
      case 1:
        return pick(3) + 0.5;
      case 2:
        return pick(2) == 0;
      case 3:
        return std::string(static_cast<std::size_t>(pick(3)), 'x');
      case 4:
        return Json::array({pick(3), "y"});
      case 5:
      case 6:
        return depth < 4 ? object(depth + 1, nulls) : Json(1);
      default:
        return nullptr;
    }
  }
  std::mt19937 random_;
};

TEST(DiffPatch, applied_to_the_old_value_gives_the_new_one) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    Generator generate(seed);
    const Json from = generate.object(0, false);
    const Json to = generate.object(0, false);
    Json value = from;
    merge_patch(value, diff_patch(from, to));
    ASSERT_TRUE(same_json(value, to)) << "seed " << seed << "\n" << from << "\n" << to << "\n" << value;
  }
}

// The plain definition of RFC 7396, by lookups in an ordinary map.
void merge_plainly(nlohmann::json& target, const nlohmann::json& patch) {
  for (const auto& [name, change] : patch.items()) {
    if (change.is_null()) {
      target.erase(name);
    } else if (!change.is_object()) {
      target[name] = change;
    } else {
      if (!target[name].is_object()) target[name] = nlohmann::json::object();
      merge_plainly(target[name], change);
    }
  }
}

TEST(MergePatch, agrees_with_the_plain_definition) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    Generator generate(seed);
    Json value = generate.object(0, false);
    const Json patch = generate.object(0, true);
    auto expected = nlohmann::json::parse(value.dump());
    merge_plainly(expected, nlohmann::json::parse(patch.dump()));
    merge_patch(value, patch);
    ASSERT_EQ(nlohmann::json::parse(value.dump()), expected) << "seed " << seed;
  }
}

TEST(MissingPart, is_what_a_merge_would_change) {
  const auto missing = [](const char* current, const char* wanted) {
    return dump_json(missing_part(parse_json(current).value(), parse_json(wanted).value()));
  };
  EXPECT_EQ(missing(R"({"a":1,"b":{"c":2,"d":3}})", R"({"b":{"c":2},"a":1})"), "{}");
  EXPECT_EQ(missing(R"({"a":1,"b":{"c":2}})", R"({"b":{"c":3,"d":4},"a":1})"), R"({"b":{"c":3,"d":4}})");
  EXPECT_EQ(missing(R"({"a":1})", R"({"a":{"b":1}})"), R"({"a":{"b":1}})");
  EXPECT_EQ(missing(R"({"a":{"b":1}})", R"({"a":{}})"), "{}");
}

TEST(AddMissing, fills_gaps_and_tells_which) {
  const auto added = [](const char* target, const char* wanted) {
    Json filled = parse_json(target).value();
    const Json news = add_missing(filled, parse_json(wanted).value());
    return dump_json(filled) + " " + dump_json(news);
  };
  EXPECT_EQ(added(R"({"a":{"b":1},"c":2})", R"({"a":{"b":9,"d":3},"c":{"e":4},"f":{}})"),
            R"({"a":{"b":1,"d":3},"c":2,"f":{}} {"a":{"d":3},"f":{}})");
  EXPECT_EQ(added(R"({"a":1})", R"({"a":2})"), R"({"a":1} {})");
}

}  // namespace
}  // namespace kyanite
