#include "server/amqp/event_position.h"

#include <gtest/gtest.h>

namespace kyanite::test {
namespace {

EventPosition offset(std::uint64_t value) { return TelemetryOffset{value}; }
EventPosition time_ms(std::int64_t ms) { return WallTime(milliseconds(ms)); }

amqp::Map filter_of(amqp::Value value) {
  amqp::Map map;
  map.entries.push_back({amqp::Symbol{"apache.org:selector-filter:string"}, std::move(value)});
  return map;
}
amqp::Value described(amqp::Value descriptor, amqp::Value value) {
  amqp::Described out;
  out.pair.push_back(std::move(descriptor));
  out.pair.push_back(std::move(value));
  return out;
}

TEST(EventPosition, amqp_37_offset_and_sequence_number) {
  for (const std::string field : {"x-opt-offset", "x-opt-sequence-number"}) {
    const std::string at = "amqp.annotation." + field;
    EXPECT_EQ(*parse_event_selector(at + " > '17'"), offset(18)) << at;
    EXPECT_EQ(*parse_event_selector(at + " >= '17'"), offset(17)) << at;
    EXPECT_EQ(*parse_event_selector(at + " > 17"), offset(18)) << at;
    EXPECT_EQ(*parse_event_selector(at + ">=17"), offset(17)) << at;
    EXPECT_EQ(*parse_event_selector(at + "   >   '17'  "), offset(18)) << at;
    EXPECT_EQ(*parse_event_selector(at + " > '-1'"), offset(0)) << at;
    EXPECT_EQ(*parse_event_selector(at + " >= -1"), offset(0)) << at;
    EXPECT_EQ(*parse_event_selector(at + " > '9223372036854775807'"), offset(9223372036854775808ull)) << at;
  }
  EXPECT_EQ(*parse_event_selector("amqp.annotation.x-opt-offset > '@latest'"), EventPosition(Latest{}));
  EXPECT_EQ(*parse_event_selector("amqp.annotation.x-opt-offset >= @latest"), EventPosition(Latest{}));
}

TEST(EventPosition, amqp_37_both_times) {
  for (const std::string field : {"x-opt-enqueued-time", "x-opt-enqueuedtimeutc"}) {
    const std::string at = "amqp.annotation." + field;
    EXPECT_EQ(*parse_event_selector(at + " > '1767607200000'"), time_ms(1767607200001)) << at;
    EXPECT_EQ(*parse_event_selector(at + " >= 1767607200000"), time_ms(1767607200000)) << at;
    EXPECT_EQ(*parse_event_selector(at + " > '-1'"), time_ms(0)) << at;
    EXPECT_EQ(*parse_event_selector(at + " > '9223372036854775807'"), time_ms(253402300800000)) << at;
  }
}

TEST(EventPosition, amqp_37_the_descriptor_of_the_filter_does_not_matter) {
  const amqp::Value text = "amqp.annotation.x-opt-offset > '3'";
  EXPECT_EQ(*event_position_of(filter_of(text)), offset(4));
  EXPECT_EQ(*event_position_of(filter_of(described(std::uint64_t{0x0000468C00000004}, text))), offset(4));
  EXPECT_EQ(*event_position_of(filter_of(described(std::uint64_t{0x13700000A}, text))), offset(4));
  EXPECT_EQ(*event_position_of(filter_of(described(amqp::Symbol{"apache.org:selector-filter:string"}, text))),
            offset(4));
}

TEST(EventPosition, amqp_6_4_no_selector_means_from_the_start) {
  EXPECT_EQ(*event_position_of({}), offset(0));
  amqp::Map other;
  other.entries.push_back({amqp::Symbol{"com.example:filter"}, "x"});
  EXPECT_EQ(*event_position_of(other), offset(0));
}

TEST(EventPosition, amqp_6_4_what_cannot_be_read_is_refused) {
  for (const char* bad :
       {"", "x-opt-offset > '3'", "amqp.annotation.x-opt-offset", "amqp.annotation.x-opt-offset < '3'",
        "amqp.annotation.x-opt-offset = '3'", "amqp.annotation.x-opt-offset > ",
        "amqp.annotation.x-opt-offset > ''", "amqp.annotation.x-opt-offset > '3",
        "amqp.annotation.x-opt-offset > 3'", "amqp.annotation.x-opt-offset > '3' AND 1",
        "amqp.annotation.x-opt-offset > '3.5'", "amqp.annotation.x-opt-offset > 'latest'",
        "amqp.annotation.x-opt-offset > '-2'", "amqp.annotation.x-opt-sequence-number > '@latest'",
        "amqp.annotation.x-opt-enqueued-time > '@latest'",
        "amqp.annotation.x-opt-offset > '9223372036854775808'", "amqp.annotation.other > '3'",
        "amqp.annotation.x-opt-offset >> 3", "amqp.annotation.x-opt-offset > 3 4"}) {
    const auto position = parse_event_selector(bad);
    ASSERT_FALSE(position) << bad;
    EXPECT_EQ(position.error().code, Errc::argument_invalid) << bad;
  }
  EXPECT_FALSE(event_position_of(filter_of(std::uint32_t{5})));
  EXPECT_FALSE(event_position_of(filter_of(described(std::uint64_t{1}, std::uint32_t{5}))));
}

}  // namespace
}  // namespace kyanite::test
