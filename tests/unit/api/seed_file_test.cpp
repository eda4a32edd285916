#include "server/api/seed_file.h"

#include <gmock/gmock.h>

namespace kyanite::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> problems(std::string_view text) {
  std::vector<std::string> lines;
  for (const Problem& problem : parse_seed_file(text).problems) {
    lines.push_back(problem.where + " " + problem.what);
  }
  return lines;
}

std::vector<std::string> names(std::string_view text) {
  const SeedFile file = parse_seed_file(text);
  EXPECT_THAT(file.problems, IsEmpty());
  std::vector<std::string> out;
  for (const SeedItem& seed : file.items) {
    out.push_back(std::to_string(seed.line) + " " + seed.item.wanted.id.device + "/" +
                  seed.item.wanted.id.module);
  }
  return out;
}

TEST(SeedFile, is_an_array_or_an_item_a_line) {
  EXPECT_THAT(names("[{\"id\":\"a\"},\n\n {\"id\":\n\"b\"} , {\"id\":\"c\"}]\n"),
              ElementsAre("1 a/", "3 b/", "4 c/"));
  EXPECT_THAT(names("\xef\xbb\xbf\n{\"id\":\"a\"}\r\n\n{\"id\":\"b\"}"), ElementsAre("2 a/", "4 b/"));
  EXPECT_THAT(names("\n{\n\"id\":\"a\"\n}\n"), ElementsAre("2 a/"));
  EXPECT_THAT(names(""), IsEmpty());
  EXPECT_THAT(names(" \n[ ]"), IsEmpty());
}

TEST(SeedFile, has_devices_before_modules) {
  EXPECT_THAT(names(R"([{"id":"a","moduleId":"m"},{"id":"b"},{"id":"a","moduleId":"l"},{"id":"a"}])"),
              ElementsAre("1 b/", "1 a/", "1 a/m", "1 a/l"));
}

TEST(SeedFile, holds_configurations_each_once) {
  const std::string one = R"({"id":"c","content":{"deviceContent":{}},"importMode":"createOrUpdate"})";
  EXPECT_EQ(parse_seed_file(one).configurations.size(), 1u);
  EXPECT_THAT(problems(one + "\n" + one),
              ElementsAre("line 2 of configuration c is listed already in line 1"));
  EXPECT_THAT(problems(R"({"id":"c","content":{"deviceContent":{}},"importMode":"delete"})"),
              ElementsAre(testing::StartsWith("line 1 is no configuration: importMode")));
}

TEST(SeedFile, tells_all_that_is_wrong_at_once) {
  EXPECT_THAT(
      problems("{\"id\":\"a b\"}\n"
               "nonsense\n"
               "{\"id\":\"ok\"}\n"
               "{\"id\":\"d\",\"importMode\":\"delete\"}\n"
               "{\"deviceId\":\"e\"}\n"
               "{\"id\":\"f\",\"tags\":{\"a\":[null]}}\n"
               "{\"id\":\"ok\",\"importMode\":\"create\"}\n"
               "{\"id\":\"c\",\"content\":{}}\n"),
      ElementsAre(testing::StartsWith("line 1 of a b: a device id has"), "line 2 is no item: not valid JSON",
                  "line 4 of d has the importMode delete",
                  "line 5 is no item: an item names its device with id, not deviceId",
                  testing::StartsWith("line 6 of f: tags.a"), "line 7 of ok is listed already in line 3",
                  testing::StartsWith("line 8 is no configuration: content has exactly one of")));
}

TEST(SeedFile, shows_where_an_array_breaks) {
  EXPECT_THAT(problems("[{\"id\":\"a\"},\n{\"id\":\"b\"}\n{\"id\":\"c\"}]"),
              ElementsAre("line 3 is where the file stops being JSON"));
  EXPECT_THAT(problems("[\n{\"id\":\"a\"}"), ElementsAre("line 2 is where the file stops being JSON"));
}

TEST(SeedFile, counts_problems_beyond_the_first_hundred) {
  std::string text;
  for (int i = 0; i < 120; ++i) text += "x\n";
  const auto found = problems(text);
  ASSERT_EQ(found.size(), kSeedProblemsMax + 1);
  EXPECT_EQ(found.back(), " and 20 more problems of the same file");
}

}  // namespace
}  // namespace kyanite::test
