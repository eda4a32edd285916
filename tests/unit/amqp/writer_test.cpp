#include "protocol/amqp/writer.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "protocol/amqp/reader.h"
#include "tests/unit/amqp/wire.h"

namespace kyanite::amqp {
namespace {

using wire::hex;
using wire::hex_of;

std::string written(const std::function<void(Writer&)>& write) {
  std::string out;
  Writer writer(out);
  write(writer);
  return hex_of(out);
}

std::string encoded(const Value& value) {
  std::string out;
  append_value(out, value);
  return out;
}

TEST(AmqpWriter, scalars_in_their_shortest_form) {
  EXPECT_EQ(written([](Writer& w) { w.null(); }), "40");
  EXPECT_EQ(written([](Writer& w) { w.boolean(true); }), "41");
  EXPECT_EQ(written([](Writer& w) { w.boolean(false); }), "42");
  EXPECT_EQ(written([](Writer& w) { w.ubyte(0); }), "5000");
  EXPECT_EQ(written([](Writer& w) { w.ushort(0x1234); }), "601234");
  EXPECT_EQ(written([](Writer& w) { w.uint(0); }), "43");
  EXPECT_EQ(written([](Writer& w) { w.uint(255); }), "52ff");
  EXPECT_EQ(written([](Writer& w) { w.uint(256); }), "7000000100");
  EXPECT_EQ(written([](Writer& w) { w.ulong(0); }), "44");
  EXPECT_EQ(written([](Writer& w) { w.ulong(255); }), "53ff");
  EXPECT_EQ(written([](Writer& w) { w.ulong(256); }), "800000000000000100");
  EXPECT_EQ(written([](Writer& w) { w.int32(127); }), "547f");
  EXPECT_EQ(written([](Writer& w) { w.int32(-128); }), "5480");
  EXPECT_EQ(written([](Writer& w) { w.int32(128); }), "7100000080");
  EXPECT_EQ(written([](Writer& w) { w.int32(-129); }), "71ffffff7f");
  EXPECT_EQ(written([](Writer& w) { w.int64(-1); }), "55ff");
  EXPECT_EQ(written([](Writer& w) { w.int64(std::numeric_limits<std::int64_t>::min()); }),
            "818000000000000000");
  EXPECT_EQ(written([](Writer& w) { w.timestamp(-1); }), "83ffffffffffffffff");
  EXPECT_EQ(written([](Writer& w) {
              w.uuid(Uuid{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}});
            }),
            "980102030405060708090a0b0c0d0e0f10");
}

TEST(AmqpWriter, texts_and_binaries_at_the_limit_of_the_short_form) {
  const std::string longest(255, 'x');
  const std::string longer(256, 'x');
  EXPECT_EQ(written([&](Writer& w) { w.string("ab"); }), hex("a1 02 'ab'"));
  EXPECT_EQ(written([&](Writer& w) { w.symbol(""); }), "a300");
  EXPECT_EQ(written([&](Writer& w) { w.binary(std::string_view("\0\xff", 2)); }), "a00200ff");
  EXPECT_EQ(written([&](Writer& w) { w.string(longest); }), "a1ff" + hex_of(longest));
  EXPECT_EQ(written([&](Writer& w) { w.string(longer); }), "b100000100" + hex_of(longer));
  EXPECT_EQ(written([&](Writer& w) { w.symbol(longer); }), "b300000100" + hex_of(longer));
  EXPECT_EQ(written([&](Writer& w) { w.binary(longer); }), "b000000100" + hex_of(longer));
}

// Spec 2.2: never list0.
TEST(AmqpWriter, an_empty_list_is_list8) {
  EXPECT_EQ(written([](Writer& w) {
              w.begin_list();
              w.end();
            }),
            "c00100");
  EXPECT_EQ(written([](Writer& w) {
              w.begin_map();
              w.end();
            }),
            "c10100");
  EXPECT_EQ(hex_of(encoded(List{})), "c00100");
}

TEST(AmqpWriter, compounds_count_their_items) {
  EXPECT_EQ(written([](Writer& w) {
              w.descriptor(0x70);
              w.begin_list();
              w.null();
              w.begin_map();
              w.symbol("k");
              w.descriptor(0x05);
              w.string("v");
              w.end();
              w.encoded(wire::bytes("5401"));
              w.symbols({"s"});
              w.value(Described{{Value(std::uint64_t{1}), Value()}});
              w.end();
            }),
            hex("00 5370 c0 1a 05 40 c1 0a 02 a3016b 00 5305 a10176 5401 e0 04 01 a3 0173 00 5301 40"));
}

TEST(AmqpWriter, lists_grow_into_their_wide_form) {
  const auto list_of = [](std::size_t text_bytes) {
    std::string out = "before";
    Writer writer(out);
    writer.begin_list();
    writer.begin_list();
    writer.string(std::string(text_bytes, 'x'));
    writer.end();
    writer.boolean(true);
    writer.end();
    return out;
  };
  // 255 bytes behind the size are the most a short list has: count 1, inner list 3 + 2 + n, true 1.
  EXPECT_EQ(hex_of(list_of(248)),
            hex("'before' c0 ff 02 c0 fb 01 a1 f8") + hex_of(std::string(248, 'x')) + "41");
  EXPECT_EQ(hex_of(list_of(249)),
            hex("'before' d0 00000103 00000002 c0 fc 01 a1 f9") + hex_of(std::string(249, 'x')) + "41");
  EXPECT_EQ(hex_of(list_of(252)),
            hex("'before' d0 00000106 00000002 c0 ff 01 a1 fc") + hex_of(std::string(252, 'x')) + "41");
  EXPECT_EQ(hex_of(list_of(253)), hex("'before' d0 0000010d 00000002 d0 00000103 00000001 a1 fd") +
                                      hex_of(std::string(253, 'x')) + "41");
}

TEST(AmqpWriter, maps_grow_into_their_wide_form) {
  Map map;
  for (std::int32_t i = 0; i < 100; ++i) map.entries.push_back({Symbol{"k"}, Value(i)});
  const std::string out = encoded(map);
  EXPECT_EQ(hex_of(out.substr(0, 14)), hex("d1 000001f8 000000c8 a3016b 5400"));
  EXPECT_EQ(*Reader(out).value(), Value(map));
}

TEST(AmqpWriter, arrays_of_symbols_and_strings) {
  EXPECT_EQ(written([](Writer& w) { w.symbols({}); }), "40");
  EXPECT_EQ(written([](Writer& w) { w.strings({}); }), "40");
  EXPECT_EQ(written([](Writer& w) { w.symbols({"a", "bc"}); }), hex("e0 07 02 a3 01 'a' 02 'bc'"));
  EXPECT_EQ(written([](Writer& w) { w.strings({"0", "1"}); }), hex("e0 06 02 a1 01 '0' 01 '1'"));
  const std::string longer(256, 'x');
  EXPECT_EQ(written([&](Writer& w) {
              w.symbols({"a", longer});
            }),
            hex("f0 0000010e 00000002 b3 00000001 'a' 00000100") + hex_of(longer));
}

TEST(AmqpWriter, values_with_a_single_form) {
  EXPECT_EQ(hex_of(encoded(std::int8_t{-1})), "51ff");
  EXPECT_EQ(hex_of(encoded(std::int16_t{-2})), "61fffe");
  EXPECT_EQ(hex_of(encoded(1.5f)), "723fc00000");
  EXPECT_EQ(hex_of(encoded(-1.5)), "82bff8000000000000");
  EXPECT_EQ(hex_of(encoded(Char{0x1f600})), "730001f600");
  EXPECT_EQ(hex_of(encoded(Decimal{"1234"})), hex("74 '1234'"));
  EXPECT_EQ(hex_of(encoded(Decimal{"12345678"})), hex("84 '12345678'"));
  EXPECT_EQ(hex_of(encoded(Decimal{"1234567890123456"})), hex("94 '1234567890123456'"));
}

TEST(AmqpWriter, arrays_of_numbers_have_one_width) {
  EXPECT_EQ(hex_of(encoded(Array{{Value(std::int32_t{0}), Value(std::int32_t{-1})}})),
            hex("e0 0a 02 71 00000000 ffffffff"));
  EXPECT_EQ(hex_of(encoded(Array{{Value(true), Value(false)}})), hex("e0 04 02 56 01 00"));
  EXPECT_EQ(hex_of(encoded(Array{{Value(), Value()}})), hex("e0 02 02 40"));
  EXPECT_EQ(hex_of(encoded(Array{})), hex("e0 02 00 40"));
}

// Each value comes back as what it was, of the same type (spec 2.7).
TEST(AmqpWriter, every_value_is_read_as_it_was_written) {
  const Value nested_map(Map{{{"s", Value(List{{Value(), Value(true)}})}, {Symbol{"y"}, Value(Map{})}}});
  const Value described(Described{{Value(Symbol{"d"}), Value("v")}});
  const std::vector<Value> values = {Value(),
                                     true,
                                     false,
                                     std::uint8_t{200},
                                     std::uint16_t{60000},
                                     std::uint32_t{0},
                                     std::uint32_t{4'000'000'000},
                                     std::uint64_t{0},
                                     std::uint64_t{200},
                                     std::numeric_limits<std::uint64_t>::max(),
                                     std::int8_t{-100},
                                     std::int16_t{-30000},
                                     std::int32_t{-100},
                                     std::int32_t{-2'000'000'000},
                                     std::int64_t{100},
                                     std::numeric_limits<std::int64_t>::min(),
                                     1.25f,
                                     -2.5,
                                     Decimal{"abcd"},
                                     Decimal{"abcdefgh"},
                                     Decimal{"abcdefghijklmnop"},
                                     Char{0x20ac},
                                     Timestamp{1'790'000'000'000},
                                     Uuid{{9, 8, 7}},
                                     Binary{std::string("\0\x80", 2)},
                                     Binary{std::string(300, 'b')},
                                     "text",
                                     std::string(70'000, 't'),
                                     Symbol{"symbol"},
                                     Symbol{std::string(300, 's')},
                                     List{{Value("a"), nested_map}},
                                     nested_map,
                                     described};
  for (const Value& value : values) {
    const std::string bytes = encoded(value);
    Reader reader(bytes);
    const auto read = reader.value();
    ASSERT_TRUE(read) << hex_of(bytes).substr(0, 100);
    EXPECT_EQ(*read, value) << hex_of(bytes).substr(0, 100);
    EXPECT_TRUE(reader.at_end());
    // And three of them in an array.
    const std::string array_bytes = encoded(Array{{value, value, value}});
    const auto array = Reader(array_bytes).value();
    ASSERT_TRUE(array) << hex_of(array_bytes).substr(0, 100);
    EXPECT_EQ(*array, Value(Array{{value, value, value}})) << hex_of(array_bytes).substr(0, 100);
  }
}

TEST(AmqpWriter, arrays_of_arrays_and_long_arrays) {
  const Value inner(Array{{Value("a"), Value("b")}});
  const Value outer(Array{{inner, Value(Array{}), inner}});
  EXPECT_EQ(*Reader(encoded(outer)).value(), outer);
  Array many;
  for (std::int64_t i = 0; i < 1000; ++i) many.items.emplace_back(i);
  const std::string bytes = encoded(many);
  EXPECT_EQ(hex_of(bytes.substr(0, 10)), hex("f0 00001f45 000003e8 81"));
  EXPECT_EQ(*Reader(bytes).value(), Value(many));
}

}  // namespace
}  // namespace kyanite::amqp
