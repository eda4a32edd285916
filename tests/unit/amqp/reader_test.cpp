#include "protocol/amqp/reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/amqp/wire.h"

// Every type in every legal width (part 1 of the standard, section 1.6).
namespace kyanite::amqp {
namespace {

using wire::bytes;

// The value that is all of the bytes; passing over it takes the same bytes.
Value whole(const std::string& encoded) {
  Reader reader(encoded);
  auto value = reader.value();
  EXPECT_TRUE(value.has_value()) << value.error().detail << " of " << wire::hex_of(encoded);
  EXPECT_TRUE(reader.at_end()) << wire::hex_of(encoded);
  Reader passing(encoded);
  const auto passed = passing.encoded();
  EXPECT_TRUE(passed.has_value() && *passed == encoded) << wire::hex_of(encoded);
  return value ? *value : Value("no value");
}

TEST(AmqpReader, null_and_booleans) {
  EXPECT_EQ(whole(bytes("40")), Value());
  EXPECT_EQ(whole(bytes("41")), Value(true));
  EXPECT_EQ(whole(bytes("42")), Value(false));
  EXPECT_EQ(whole(bytes("56 01")), Value(true));
  EXPECT_EQ(whole(bytes("56 00")), Value(false));
}

TEST(AmqpReader, unsigned_integers) {
  EXPECT_EQ(whole(bytes("50 ff")), Value(std::uint8_t{255}));
  EXPECT_EQ(whole(bytes("60 fffe")), Value(std::uint16_t{65534}));
  EXPECT_EQ(whole(bytes("70 fffffffe")), Value(std::uint32_t{4294967294}));
  EXPECT_EQ(whole(bytes("52 ff")), Value(std::uint32_t{255}));
  EXPECT_EQ(whole(bytes("43")), Value(std::uint32_t{0}));
  EXPECT_EQ(whole(bytes("80 fffffffffffffffe")), Value(std::uint64_t{18446744073709551614u}));
  EXPECT_EQ(whole(bytes("53 ff")), Value(std::uint64_t{255}));
  EXPECT_EQ(whole(bytes("44")), Value(std::uint64_t{0}));
}

TEST(AmqpReader, signed_integers) {
  EXPECT_EQ(whole(bytes("51 80")), Value(std::int8_t{-128}));
  EXPECT_EQ(whole(bytes("61 8000")), Value(std::int16_t{-32768}));
  EXPECT_EQ(whole(bytes("71 80000000")), Value(std::numeric_limits<std::int32_t>::min()));
  EXPECT_EQ(whole(bytes("54 ff")), Value(std::int32_t{-1}));
  EXPECT_EQ(whole(bytes("54 7f")), Value(std::int32_t{127}));
  EXPECT_EQ(whole(bytes("81 8000000000000000")), Value(std::numeric_limits<std::int64_t>::min()));
  EXPECT_EQ(whole(bytes("55 fe")), Value(std::int64_t{-2}));
}

TEST(AmqpReader, numbers_with_a_point_and_decimals) {
  EXPECT_EQ(whole(bytes("72 3fc00000")), Value(1.5f));
  EXPECT_EQ(whole(bytes("82 bff8000000000000")), Value(-1.5));
  EXPECT_EQ(whole(bytes("74 01020304")), Value(Decimal{bytes("01020304")}));
  EXPECT_EQ(whole(bytes("84 0102030405060708")), Value(Decimal{bytes("0102030405060708")}));
  EXPECT_EQ(whole(bytes("94 000102030405060708090a0b0c0d0e0f")),
            Value(Decimal{bytes("000102030405060708090a0b0c0d0e0f")}));
}

TEST(AmqpReader, char_timestamp_and_uuid) {
  EXPECT_EQ(whole(bytes("73 0001f600")), Value(Char{0x1f600}));
  EXPECT_EQ(whole(bytes("83 0000000000000001")), Value(Timestamp{1}));
  EXPECT_EQ(whole(bytes("83 ffffffffffffffff")), Value(Timestamp{-1}));
  Uuid uuid;
  for (std::size_t i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(whole(bytes("98 000102030405060708090a0b0c0d0e0f")), Value(uuid));
}

TEST(AmqpReader, binaries_strings_and_symbols) {
  EXPECT_EQ(whole(bytes("a0 00")), Value(Binary{}));
  EXPECT_EQ(whole(bytes("a0 02 00ff")), Value(Binary{bytes("00ff")}));
  EXPECT_EQ(whole(bytes("b0 00000002 00ff")), Value(Binary{bytes("00ff")}));
  EXPECT_EQ(whole(bytes("a1 03 'abc'")), Value("abc"));
  EXPECT_EQ(whole(bytes("a1 02 c3a9")), Value("\xc3\xa9"));
  EXPECT_EQ(whole(bytes("b1 00000003 'abc'")), Value("abc"));
  EXPECT_EQ(whole(bytes("a3 03 'abc'")), Value(Symbol{"abc"}));
  EXPECT_EQ(whole(bytes("b3 00000003 'abc'")), Value(Symbol{"abc"}));
}

TEST(AmqpReader, lists) {
  const Value expected(List{{Value("a"), Value(std::int32_t{1})}});
  EXPECT_EQ(whole(bytes("45")), Value(List{}));
  EXPECT_EQ(whole(bytes("c0 01 00")), Value(List{}));
  EXPECT_EQ(whole(bytes("d0 00000004 00000000")), Value(List{}));
  EXPECT_EQ(whole(bytes("c0 06 02 a10161 5401")), expected);
  EXPECT_EQ(whole(bytes("d0 00000009 00000002 a10161 5401")), expected);
  EXPECT_EQ(whole(bytes("c0 05 01 c0 02 01 40")), Value(List{{Value(List{{Value()}})}}));
}

TEST(AmqpReader, maps_keep_their_order_and_keys_that_stand_twice) {
  Map expected;
  expected.entries.push_back({Symbol{"k"}, true});
  expected.entries.push_back({Symbol{"k"}, false});
  EXPECT_EQ(whole(bytes("c1 01 00")), Value(Map{}));
  EXPECT_EQ(whole(bytes("c1 09 04 a3016b 41 a3016b 42")), Value(expected));
  EXPECT_EQ(whole(bytes("d1 0000000c 00000004 a3016b 41 a3016b 42")), Value(expected));
}

TEST(AmqpReader, arrays) {
  EXPECT_EQ(whole(bytes("e0 06 02 a3 0161 0162")), Value(Array{{Value(Symbol{"a"}), Value(Symbol{"b"})}}));
  EXPECT_EQ(whole(bytes("f0 00000009 00000002 a3 0161 0162")),
            Value(Array{{Value(Symbol{"a"}), Value(Symbol{"b"})}}));
  EXPECT_EQ(whole(bytes("e0 0b 02 b1 00000001 'a' 00000000")), Value(Array{{Value("a"), Value("")}}));
  EXPECT_EQ(whole(bytes("e0 0a 02 71 00000001 ffffffff")),
            Value(Array{{Value(std::int32_t{1}), Value(std::int32_t{-1})}}));
  EXPECT_EQ(whole(bytes("e0 04 02 56 0100")), Value(Array{{Value(true), Value(false)}}));
}

TEST(AmqpReader, arrays_of_items_without_size_and_empty_arrays) {
  EXPECT_EQ(whole(bytes("e0 02 03 41")), Value(Array{{Value(true), Value(true), Value(true)}}));
  EXPECT_EQ(whole(bytes("e0 02 02 45")), Value(Array{{Value(List{}), Value(List{})}}));
  EXPECT_EQ(whole(bytes("e0 02 00 a3")), Value(Array{}));
  EXPECT_EQ(whole(bytes("e0 01 00")), Value(Array{}));
  EXPECT_EQ(whole(bytes("f0 00000004 00000000")), Value(Array{}));
}

TEST(AmqpReader, arrays_of_compounds_and_of_arrays) {
  EXPECT_EQ(whole(bytes("e0 07 02 c0 0100 020141")),
            Value(Array{{Value(List{}), Value(List{{Value(true)}})}}));
  EXPECT_EQ(whole(bytes("e0 08 01 c1 0502 a10161 41")), Value(Array{{Value(Map{{{"a", true}}})}}));
  EXPECT_EQ(whole(bytes("e0 06 01 e0 0301 50 07")), Value(Array{{Value(Array{{Value(std::uint8_t{7})}})}}));
}

TEST(AmqpReader, described_values_of_any_scalar_descriptor) {
  const auto with = [](Value descriptor) { return Value(Described{{std::move(descriptor), Value("x")}}); };
  EXPECT_EQ(whole(bytes("00 5307 a10178")), with(std::uint64_t{7}));
  EXPECT_EQ(whole(bytes("00 80 0000468c00000004 a10178")), with(std::uint64_t{0x0000468c00000004}));
  EXPECT_EQ(whole(bytes("00 a302'ab' a10178")), with(Symbol{"ab"}));
  EXPECT_EQ(whole(bytes("00 5201 a10178")), with(std::uint32_t{1}));
  EXPECT_EQ(
      whole(bytes("00 5307 00 5308 40")),
      Value(Described{{Value(std::uint64_t{7}), Value(Described{{Value(std::uint64_t{8}), Value()}})}}));
}

TEST(AmqpReader, arrays_of_described_values_share_the_descriptor) {
  const Value one(Described{{Value(std::uint64_t{5}), Value(std::uint8_t{1})}});
  const Value two(Described{{Value(std::uint64_t{5}), Value(std::uint8_t{2})}});
  EXPECT_EQ(whole(bytes("e0 07 02 00 5305 50 01 02")), Value(Array{{one, two}}));
}

// Spec 2.2: descriptors as ulong of any width and as symbols.
TEST(AmqpReader, descriptor_codes) {
  const auto code = [](const std::string& encoded) {
    Reader reader(encoded);
    const auto descriptor = reader.descriptor();
    EXPECT_TRUE(descriptor.has_value());
    EXPECT_TRUE(reader.at_end());
    return descriptor ? *descriptor : 999;
  };
  EXPECT_EQ(code(bytes("00 53 10")), 0x10u);
  EXPECT_EQ(code(bytes("00 80 0000000000000010")), 0x10u);
  EXPECT_EQ(code(bytes("00 44")), 0u);
  EXPECT_EQ(code(bytes("00 a3 0e 'amqp:open:list'")), 0x10u);
  EXPECT_EQ(code(bytes("00 b3 0000000e 'amqp:open:list'")), 0x10u);
  EXPECT_EQ(code(bytes("00 a3 12 'amqp:transfer:list'")), 0x14u);
  EXPECT_EQ(code(bytes("00 a3 11 'amqp:amqp-value:*'")), 0x77u);
  EXPECT_EQ(code(bytes("00 a3 0e 'amqp:open:lisp'")), 0u);
}

TEST(AmqpReader, descriptor_is_refused_where_none_stands) {
  for (const char* notation :
       {"", "53 10", "40", "00", "00 53", "00 a1 01 'x'", "00 c0 01 00", "00 00 53 10"}) {
    const std::string encoded = bytes(notation);
    EXPECT_TRUE(wire::is_malformed(Reader(encoded).descriptor())) << notation;
  }
}

TEST(AmqpReader, typed_booleans) {
  EXPECT_EQ(*Reader(bytes("41")).boolean(), true);
  EXPECT_EQ(*Reader(bytes("42")).boolean(), false);
  EXPECT_EQ(*Reader(bytes("56 01")).boolean(), true);
  EXPECT_EQ(*Reader(bytes("56 00")).boolean(), false);
  EXPECT_EQ(*Reader(bytes("40")).boolean(), std::nullopt);
  for (const char* notation : {"", "43", "56", "a1 00"}) {
    const std::string encoded = bytes(notation);
    EXPECT_TRUE(wire::is_malformed(Reader(encoded).boolean())) << notation;
  }
}

TEST(AmqpReader, typed_unsigned_numbers_of_every_width_that_fits) {
  const auto number = [](const char* notation) {
    const std::string encoded = bytes(notation);
    Reader reader(encoded);
    const auto read = reader.unsigned_number();
    EXPECT_TRUE(read.has_value() && reader.at_end()) << notation;
    return read && *read ? **read : 999;
  };
  EXPECT_EQ(number("43"), 0u);
  EXPECT_EQ(number("44"), 0u);
  for (const char* notation : {"50 07", "52 07", "53 07", "60 0007", "70 00000007", "80 0000000000000007",
                               "51 07", "54 07", "55 07", "61 0007", "71 00000007", "81 0000000000000007"})
    EXPECT_EQ(number(notation), 7u) << notation;
  EXPECT_EQ(number("80 ffffffffffffffff"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(*Reader("\x40").unsigned_number(), std::nullopt);
  for (const char* notation :
       {"", "51 ff", "54 80", "71 ffffffff", "41", "a1 01 '7'", "70 000000", "72 3f800000"}) {
    const std::string encoded = bytes(notation);
    EXPECT_TRUE(wire::is_malformed(Reader(encoded).unsigned_number())) << notation;
  }
}

TEST(AmqpReader, typed_signed_numbers_and_timestamps) {
  const auto number = [](const char* notation) {
    const std::string encoded = bytes(notation);
    Reader reader(encoded);
    const auto read = reader.signed_number();
    EXPECT_TRUE(read.has_value() && reader.at_end()) << notation;
    return read && *read ? **read : 999;
  };
  for (const char* notation : {"51 fe", "54 fe", "55 fe", "61 fffe", "71 fffffffe", "81 fffffffffffffffe"})
    EXPECT_EQ(number(notation), -2) << notation;
  EXPECT_EQ(number("80 7fffffffffffffff"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(number("50 ff"), 255);
  EXPECT_EQ(*Reader("\x40").signed_number(), std::nullopt);
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("80 8000000000000000")).signed_number()));
  EXPECT_EQ(**Reader(bytes("83 ffffffffffffff00")).timestamp(), -256);
  EXPECT_EQ(**Reader(bytes("55 05")).timestamp(), 5);
  EXPECT_EQ(*Reader("\x40").timestamp(), std::nullopt);
}

TEST(AmqpReader, typed_texts_and_binaries_are_views) {
  for (const char* notation : {"a1 02 'ab'", "b1 00000002 'ab'", "a3 02 'ab'", "b3 00000002 'ab'"}) {
    const std::string encoded = bytes(notation);
    const auto text = Reader(encoded).text();
    ASSERT_TRUE(text && *text) << notation;
    EXPECT_EQ(**text, "ab");
    EXPECT_EQ((*text)->data() + 2, encoded.data() + encoded.size());
  }
  for (const char* notation : {"a0 02 'ab'", "b0 00000002 'ab'", "a1 02 'ab'", "b1 00000002 'ab'"}) {
    const std::string encoded = bytes(notation);
    const auto binary = Reader(encoded).binary();
    ASSERT_TRUE(binary && *binary) << notation;
    EXPECT_EQ(**binary, "ab");
  }
  EXPECT_EQ(*Reader("\x40").text(), std::nullopt);
  EXPECT_EQ(*Reader("\x40").binary(), std::nullopt);
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("a0 02 'ab'")).text()));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("a3 02 'ab'")).binary()));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("54 01")).text()));
}

TEST(AmqpReader, symbols_alone_and_in_arrays) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(*Reader("\x40").symbols(), Texts());
  EXPECT_EQ(*Reader(bytes("a3 01 'a'")).symbols(), Texts({"a"}));
  EXPECT_EQ(*Reader(bytes("a1 01 'a'")).symbols(), Texts({"a"}));
  EXPECT_EQ(*Reader(bytes("e0 06 02 a3 0161 0162")).symbols(), Texts({"a", "b"}));
  EXPECT_EQ(*Reader(bytes("e0 06 02 a1 0161 0162")).symbols(), Texts({"a", "b"}));
  EXPECT_EQ(*Reader(bytes("e0 02 00 a3")).symbols(), Texts());
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("e0 03 01 50 01")).symbols()));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("54 01")).symbols()));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("00 5301 a3 01 'a'")).symbols()));
}

TEST(AmqpReader, lists_and_maps_as_their_items) {
  for (const char* notation : {"c0 06 02 a10161 5401 40", "d0 00000009 00000002 a10161 5401 40"}) {
    const std::string encoded = bytes(notation);
    Reader reader(encoded);
    const auto list = reader.list();
    ASSERT_TRUE(list) << notation;
    EXPECT_EQ(list->count, 2u);
    EXPECT_EQ(list->items, bytes("a10161 5401"));
    EXPECT_EQ(reader.rest(), "\x40");
  }
  const std::string map_bytes = bytes("c1 05 02 a10161 41");
  const auto map = Reader(map_bytes).map();
  ASSERT_TRUE(map);
  EXPECT_EQ(map->count, 2u);
  EXPECT_EQ(map->items, bytes("a10161 41"));
  EXPECT_EQ(Reader("\x45").list()->count, 0u);
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("c1 01 00")).list()));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("c0 01 00")).map()));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("e0 02 00 a3")).list()));
  EXPECT_TRUE(wire::is_malformed(Reader("\x40").list()));
  EXPECT_TRUE(wire::is_malformed(Reader("\x45").map()));
}

TEST(AmqpReader, quick_calls_take_the_usual_forms) {
  const std::string encoded =
      bytes("40 41 42 43 44 5007 5208 5309 70 01020304 a002'ab' 00 5314 c0 02 01 40 41");
  Reader reader(encoded);
  bool flag = false;
  std::uint32_t number = 9;
  std::string_view binary;
  std::uint64_t code = 0;
  Reader::Compound list;
  EXPECT_TRUE(reader.take_null());
  EXPECT_TRUE(reader.take_boolean(flag) && flag);
  EXPECT_TRUE(reader.take_boolean(flag) && !flag);
  EXPECT_TRUE(reader.take_unsigned(number) && number == 0);
  EXPECT_TRUE(reader.take_unsigned(number) && number == 0);
  EXPECT_TRUE(reader.take_unsigned(number) && number == 7);
  EXPECT_TRUE(reader.take_unsigned(number) && number == 8);
  EXPECT_TRUE(reader.take_unsigned(number) && number == 9);
  EXPECT_TRUE(reader.take_unsigned(number) && number == 0x01020304);
  EXPECT_TRUE(reader.take_binary(binary) && binary == "ab");
  EXPECT_TRUE(reader.take_list(code, list) && code == 0x14 && list.count == 1 && list.items == "\x40");
  EXPECT_EQ(reader.rest(), "\x41");
}

TEST(AmqpReader, quick_calls_leave_all_other_forms) {
  for (const char* notation : {"",
                               "56 01",
                               "80 0000000000000001",
                               "54 01",
                               "50",
                               "52",
                               "70 010203",
                               "60 0001",
                               "b0 00000001 'a'",
                               "a0",
                               "a0 02 'a'",
                               "a1 01 'a'",
                               "00 5314 45",
                               "00 5314 d0 00000004 00000000",
                               "00 5314 c0 00 00",
                               "00 5314 c0 03 01 40",
                               "00 5314 c0 02 02 40",
                               "00 80 0000000000000014 c0 01 00",
                               "00 5314 c0 01",
                               "c0 01 00"}) {
    const std::string encoded = bytes(notation);
    Reader reader(encoded);
    bool flag = false;
    std::uint32_t number = 0;
    std::string_view binary;
    std::uint64_t code = 0;
    Reader::Compound list;
    EXPECT_FALSE(reader.take_null() || reader.take_boolean(flag) || reader.take_unsigned(number) ||
                 reader.take_binary(binary) || reader.take_list(code, list))
        << notation;
    EXPECT_EQ(reader.position(), 0u) << notation;
  }
}

TEST(AmqpReader, goes_on_behind_what_it_took) {
  const std::string encoded = bytes("41 00 5370 45 40 a101'x'");
  Reader reader(encoded);
  EXPECT_EQ(*reader.boolean(), true);
  EXPECT_EQ(reader.position(), 1u);
  EXPECT_TRUE(reader.next_is_described());
  EXPECT_EQ(*reader.encoded(), bytes("00 5370 45"));
  EXPECT_TRUE(reader.next_is_null());
  EXPECT_TRUE(reader.skip());
  EXPECT_FALSE(reader.next_is_null());
  EXPECT_EQ(**reader.text(), "x");
  EXPECT_TRUE(reader.at_end());
  EXPECT_FALSE(reader.next_is_null());
  EXPECT_FALSE(reader.next_is_described());
  EXPECT_TRUE(wire::is_malformed(reader.value()));
}

}  // namespace
}  // namespace kyanite::amqp
