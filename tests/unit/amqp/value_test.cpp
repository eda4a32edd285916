#include "protocol/amqp/value.h"

#include <gtest/gtest.h>

#include <limits>

namespace kyanite::amqp {
namespace {

Uuid counting_uuid() {
  Uuid uuid;
  for (std::size_t i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<std::uint8_t>(0x11 * i);
  return uuid;
}

Described described(Value descriptor, Value value) { return {{std::move(descriptor), std::move(value)}}; }

TEST(AmqpValue, uuid_has_canonical_text) {
  EXPECT_EQ(to_text(counting_uuid()), "00112233-4455-6677-8899-aabbccddeeff");
}

TEST(AmqpValue, uuid_is_read_from_text_of_any_case) {
  EXPECT_EQ(uuid_from_text("00112233-4455-6677-8899-aabbccddeeff"), counting_uuid());
  EXPECT_EQ(uuid_from_text("00112233-4455-6677-8899-AABBCCDDEEFF"), counting_uuid());
}

TEST(AmqpValue, other_text_is_no_uuid) {
  for (const char* text : {"", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
                           "00112233445566778899aabbccddeeff", "0011223304455-6677-8899-aabbccddeeff",
                           "00112233-4455-6677-8899_aabbccddeeff", "g0112233-4455-6677-8899-aabbccddeeff",
                           "00112233-4455-6677-8899-aabbccddeef-", "{0112233-4455-6677-8899-aabbccddeef}"})
    EXPECT_FALSE(uuid_from_text(text)) << text;
}

TEST(AmqpValue, map_finds_string_and_symbol_keys_alike_and_the_first_of_two) {
  Map map;
  map.entries.push_back({Symbol{"a"}, std::int32_t{1}});
  map.entries.push_back({"b", std::int32_t{2}});
  map.entries.push_back({"a", std::int32_t{3}});
  map.entries.push_back({std::int32_t{7}, std::int32_t{4}});
  ASSERT_NE(map.find("a"), nullptr);
  EXPECT_EQ(*map.find("a"), Value(std::int32_t{1}));
  ASSERT_NE(map.find("b"), nullptr);
  EXPECT_EQ(*map.find("b"), Value(std::int32_t{2}));
  EXPECT_EQ(map.find("7"), nullptr);
  EXPECT_EQ(map.find(""), nullptr);
}

TEST(AmqpValue, text_is_of_strings_symbols_and_what_is_described) {
  EXPECT_EQ(Value("s").text(), "s");
  EXPECT_EQ(Value(Symbol{"y"}).text(), "y");
  EXPECT_EQ(Value(described(std::uint64_t{1}, "inner")).text(), "inner");
  EXPECT_EQ(Value(Binary{"b"}).text(), std::nullopt);
  EXPECT_EQ(Value(std::int32_t{1}).text(), std::nullopt);
  EXPECT_EQ(Value().text(), std::nullopt);
}

TEST(AmqpValue, integer_is_of_every_integer_type_that_fits) {
  EXPECT_EQ(Value(std::uint8_t{255}).integer(), 255);
  EXPECT_EQ(Value(std::uint16_t{65535}).integer(), 65535);
  EXPECT_EQ(Value(std::uint32_t{4294967295}).integer(), 4294967295);
  EXPECT_EQ(Value(std::uint64_t{1} << 62).integer(), std::int64_t{1} << 62);
  EXPECT_EQ(Value(std::uint64_t{1} << 63).integer(), std::nullopt);
  EXPECT_EQ(Value(std::int8_t{-128}).integer(), -128);
  EXPECT_EQ(Value(std::int16_t{-5}).integer(), -5);
  EXPECT_EQ(Value(std::int32_t{-6}).integer(), -6);
  EXPECT_EQ(Value(std::numeric_limits<std::int64_t>::min()).integer(),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Value(true).integer(), std::nullopt);
  EXPECT_EQ(Value("1").integer(), std::nullopt);
  EXPECT_EQ(Value(Timestamp{1}).integer(), std::nullopt);
}

TEST(AmqpValue, equal_values_have_the_same_type) {
  EXPECT_EQ(Value("a"), Value("a"));
  EXPECT_FALSE(Value("a") == Value(Symbol{"a"}));
  EXPECT_FALSE(Value(std::int32_t{1}) == Value(std::int64_t{1}));
  EXPECT_FALSE(Value(Timestamp{1}) == Value(std::int64_t{1}));
  EXPECT_FALSE(Value(List{{Value(true)}}) == Value(Array{{Value(true)}}));
  EXPECT_EQ(Value(Map{{{"k", true}}}), Value(Map{{{"k", true}}}));
  EXPECT_FALSE(Value(Map{{{"k", true}}}) == Value(Map{{{"k", false}}}));
  EXPECT_FALSE(Value(Map{{{"k", true}}}) == Value(Map{}));
}

// Behaviour 23: feedback carries the canonical text of an id.
TEST(AmqpValue, text_of_ids) {
  EXPECT_EQ(text_of("m-1"), "m-1");
  EXPECT_EQ(text_of(Symbol{"y"}), "y");
  EXPECT_EQ(text_of(counting_uuid()), "00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(text_of(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(text_of(std::int64_t{-42}), "-42");
  EXPECT_EQ(text_of(std::uint8_t{65}), "65");
  EXPECT_EQ(text_of(Binary{"raw"}), "raw");
  EXPECT_EQ(text_of(Value()), "");
  EXPECT_EQ(text_of(true), "");
  EXPECT_EQ(text_of(List{}), "");
}

}  // namespace
}  // namespace kyanite::amqp
