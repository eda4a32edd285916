#include "server/observe/log.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

namespace kyanite::log {
namespace {

constexpr std::string_view kTime = "2026-01-05T10:00:01.123Z";

TEST(Log, a_json_line_is_one_object_with_its_fields) {
  const auto line =
      format_line(true, kTime, Level::info, "ready", {{"start_ms", 12}, {"host", "h.test"}, {"up", true}});
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["time"], kTime);
  EXPECT_EQ(parsed["level"], "info");
  EXPECT_EQ(parsed["event"], "ready");
  EXPECT_EQ(parsed["start_ms"], 12);
  EXPECT_EQ(parsed["host"], "h.test");
  EXPECT_EQ(parsed["up"], true);
}

TEST(Log, quotes_line_ends_and_broken_utf8_stay_inside_one_valid_line) {
  const std::string hostile = "a\"b\\c\nd\x01\x7f \xC3\xA9 \xff\xC0\xAF\xED\xA0\x80";
  const auto line = format_line(true, kTime, Level::warning, "refused", {{"reason", hostile}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto parsed = nlohmann::json::parse(line);
  const auto reason = parsed["reason"].get<std::string>();
  EXPECT_TRUE(reason.starts_with("a\"b\\c\nd\x01\x7f \xC3\xA9 "));
}

TEST(Log, what_a_peer_calls_itself_cannot_act_on_a_terminal) {
  const std::string hostile =
      "a\x1b[2J\xC2\x9b"
      "2J\xC2\x80\x7f \xC2\xA0";
  for (const bool json : {true, false}) {
    const auto line = format_line(json, kTime, Level::warning, "refused", {{"container", hostile}});
    for (const char* control : {"\x1b", "\xC2\x9b", "\xC2\x80", "\x7f"})
      EXPECT_EQ(line.find(control), std::string::npos) << line;
    EXPECT_NE(line.find("\\u009b2J\\u0080\\u007f \xC2\xA0"), std::string::npos) << line;
  }
}

TEST(Log, text_for_people_quotes_only_what_needs_it) {
  EXPECT_EQ(format_line(false, kTime, Level::error, "x",
                        {{"a", "plain"}, {"b", "two words"}, {"c", ""}, {"n", -3}}),
            "2026-01-05T10:00:01.123Z error x a=plain b=\"two words\" c=\"\" n=-3");
}

TEST(Log, a_number_that_json_cannot_hold_is_null) {
  const auto line =
      format_line(true, kTime, Level::info, "x", {{"v", std::numeric_limits<double>::infinity()}});
  EXPECT_TRUE(nlohmann::json::parse(line)["v"].is_null());
}

TEST(Log, levels_below_the_chosen_one_are_not_written) {
  testing::internal::CaptureStderr();
  start({Level::warning, true});
  info("quiet");
  warning("heard");
  set_level(Level::debug);
  debug("now_heard");
  stop();
  set_level(Level::info);
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_EQ(out.find("quiet"), std::string::npos);
  EXPECT_NE(out.find("\"heard\""), std::string::npos);
  EXPECT_NE(out.find("\"now_heard\""), std::string::npos);
}

TEST(Log, lines_of_many_threads_are_written_whole_or_counted_as_dropped) {
  testing::internal::CaptureStderr();
  const std::uint64_t dropped_before = dropped();
  start({Level::info, true});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 5000; ++i) info("tick", {{"thread", t}, {"i", i}});
    });
  }
  for (auto& thread : threads) thread.join();
  stop();
  const std::uint64_t lost = dropped() - dropped_before;
  std::istringstream lines(testing::internal::GetCapturedStderr());
  std::uint64_t written = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    ASSERT_FALSE(parsed.is_discarded()) << line;
    if (parsed["event"] == "tick") ++written;
  }
  EXPECT_GT(written, 0u);
  EXPECT_LE(written, 20000u);
  EXPECT_GE(written + lost, 20000u);
}

TEST(Log, level_names_are_read_back) {
  for (const Level at : {Level::debug, Level::info, Level::warning, Level::error, Level::off}) {
    EXPECT_EQ(level_from_text(to_text(at)), at);
  }
  EXPECT_FALSE(level_from_text("loud"));
}

}  // namespace
}  // namespace kyanite::log
