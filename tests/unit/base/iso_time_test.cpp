#include "protocol/base/iso_time.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_days;

const WallTime kExample{sys_days{std::chrono::January / 5 / 2026} + 10h + 0min + 1s + 123ms};

TEST(IsoTime, writes_seven_fraction_digits) {
  EXPECT_EQ(to_iso_time(kExample), "2026-01-05T10:00:01.1230000Z");
}

TEST(IsoTime, writes_times_before_1970) {
  EXPECT_EQ(to_iso_time(WallTime{-1ms}), "1969-12-31T23:59:59.9990000Z");
}

TEST(IsoTime, writes_never_without_a_zone) {
  EXPECT_EQ(to_iso_time_or_never(kNever), "0001-01-01T00:00:00");
  EXPECT_EQ(to_iso_time_or_never(kExample), to_iso_time(kExample));
}

TEST(IsoTime, reads_what_it_writes) { EXPECT_EQ(parse_iso_time(to_iso_time(kExample)), kExample); }

TEST(IsoTime, reads_any_number_of_fraction_digits) {
  EXPECT_EQ(parse_iso_time("2026-01-05T10:00:01Z"), kExample - 123ms);
  EXPECT_EQ(parse_iso_time("2026-01-05T10:00:01.1Z"), kExample - 23ms);
  EXPECT_EQ(parse_iso_time("2026-01-05T10:00:01.123Z"), kExample);
  EXPECT_EQ(parse_iso_time("2026-01-05T10:00:01.123999999Z"), kExample);
}

TEST(IsoTime, knows_leap_days) {
  EXPECT_TRUE(parse_iso_time("2024-02-29T00:00:00Z"));
  EXPECT_FALSE(parse_iso_time("2026-02-29T00:00:00Z"));
}

TEST(IsoTime, refuses_what_is_no_utc_time) {
  for (const auto text : {"",
                          "Z",
                          "2026-01-05",
                          "2026-01-05T10:00:01",
                          "2026-01-05T10:00:01+01:00",
                          "2026-13-05T10:00:01Z",
                          "2026-00-05T10:00:01Z",
                          "2026-01-00T10:00:01Z",
                          "2026-01-32T10:00:01Z",
                          "2026-01-05T24:00:01Z",
                          "2026-01-05T10:60:01Z",
                          "2026-01-05T10:00:60Z",
                          "2026-01-05T10:00:01.12x3Z",
                          "2026-01-05T10:00:01,5Z",
                          "2026-01-05T10:00:01.Z",
                          "2026/01/05T10:00:01Z",
                          "2026-01-05t10:00:01Z",
                          "20a6-01-05T10:00:01Z",
                          "2026-01-05T10:00:01ZZ",
                          " 2026-01-05T10:00:01Z"}) {
    EXPECT_FALSE(parse_iso_time(text)) << text;
  }
}

}  // namespace
}  // namespace kyanite
