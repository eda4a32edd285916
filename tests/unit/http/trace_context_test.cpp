#include "protocol/http/trace_context.h"

#include <gtest/gtest.h>

#include <string>

namespace kyanite {
namespace {

constexpr std::string_view kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

std::string header(std::string_view version = "00", std::string_view trace = kTrace,
                   std::string_view parent = "00f067aa0ba902b7", std::string_view flags = "01") {
  std::string text(version);
  text.append("-").append(trace).append("-").append(parent).append("-").append(flags);
  return text;
}

TEST(TraceContext, the_id_of_a_valid_header_is_found) {
  EXPECT_EQ(trace_id_of(header()), kTrace);
  EXPECT_EQ(trace_id_of(header("00", kTrace, "00f067aa0ba902b7", "00")), kTrace);
}

TEST(TraceContext, a_later_version_may_go_on_behind_a_dash) {
  EXPECT_EQ(trace_id_of(header("01")), kTrace);
  EXPECT_EQ(trace_id_of(header("cc") + "-what-may-come"), kTrace);
  EXPECT_EQ(trace_id_of(header("cc") + "x"), "");
}

TEST(TraceContext, what_breaks_the_rules_is_ignored) {
  for (const std::string& bad :
       {std::string(), std::string("00"), header().substr(0, 54), header() + "0", header() + "-0",
        header("ff"), header("0"), header("FF"), header("00", std::string(32, '0')),
        header("00", kTrace, std::string(16, '0')), header("00", "4BF92F3577B34DA6A3CE929D0E0E4736"),
        header("00", "4bf92f3577b34da6a3ce929d0e0e473g"), header("00", kTrace, "00f067aa0ba902b"),
        header("00", kTrace, "00f067aa0ba902b7", "0x"), std::string(55, '-'), std::string(55, '\0'),
        std::string(10'000, 'a'), " " + header(), header("00", "4bf92f3577b34da6a3ce929d0e0e47\"6")}) {
    EXPECT_EQ(trace_id_of(bad), "") << bad;
  }
  std::string dashless = header();
  dashless[2] = '0';
  EXPECT_EQ(trace_id_of(dashless), "");
}

}  // namespace
}  // namespace kyanite
