#include <gtest/gtest.h>

#include "protocol/amqp/reader.h"
#include "tests/unit/amqp/wire.h"

// A peer's bytes are not believed: sizes, counts, depth and text.
namespace kyanite::amqp {
namespace {

using wire::bytes;

// Both ways over a value refuse it alike.
void expect_malformed(const std::string& encoded) {
  EXPECT_TRUE(wire::is_malformed(Reader(encoded).value())) << wire::hex_of(encoded).substr(0, 80);
  EXPECT_TRUE(wire::is_malformed(Reader(encoded).encoded())) << wire::hex_of(encoded).substr(0, 80);
  EXPECT_TRUE(wire::is_malformed(Reader(encoded).skip())) << wire::hex_of(encoded).substr(0, 80);
}

void expect_taken(const std::string& encoded) {
  EXPECT_TRUE(Reader(encoded).value()) << wire::hex_of(encoded).substr(0, 80);
  EXPECT_EQ(*Reader(encoded).encoded(), encoded) << wire::hex_of(encoded).substr(0, 80);
}

TEST(AmqpReaderLimits, every_type_that_is_not_of_the_standard_is_refused) {
  const std::string known = bytes(
      "00 40 41 42 43 44 45 50 51 52 53 54 55 56 60 61 70 71 72 73 74 80 81 82 83 84 94 98 a0 a1 a3 b0 b1 b3 "
      "c0 c1 d0 "
      "d1 e0 f0");
  std::size_t refused = 0;
  for (int type = 0; type < 256; ++type) {
    const char constructor = static_cast<char>(type);
    if (known.find(constructor) != std::string::npos) continue;
    ++refused;
    // Zeros are a value of every type that is known.
    expect_malformed(std::string(1, constructor) + std::string(32, '\0'));
    expect_malformed(bytes("e0 02 01") + constructor);
  }
  EXPECT_EQ(refused, 256u - 40u);
}

TEST(AmqpReaderLimits, values_cut_at_every_byte_are_refused) {
  for (const char* notation :
       {"50 01", "60 0001", "70 00000001", "80 0000000000000001", "98 000102030405060708090a0b0c0d0e0f",
        "94 000102030405060708090a0b0c0d0e0f", "a0 03 010203", "b0 00000003 010203", "a1 03 'abc'",
        "b1 00000003 'abc'", "a3 03 'abc'", "b3 00000003 'abc'", "c0 06 02 a10161 5401",
        "d0 00000009 00000002 a10161 5401", "c1 05 02 a10161 41", "d1 00000008 00000002 a10161 41",
        "e0 06 02 a3 0161 0162", "f0 00000009 00000002 a3 0161 0162", "00 5370 c0 02 01 40"}) {
    const std::string encoded = bytes(notation);
    expect_taken(encoded);
    for (std::size_t size = 0; size < encoded.size(); ++size) expect_malformed(encoded.substr(0, size));
  }
}

TEST(AmqpReaderLimits, sizes_that_lie) {
  for (const char* notation : {"a1 ff 'abc'",                    // longer than what is there
                               "b1 ffffffff 'abc'",              //
                               "b0 7fffffff",                    //
                               "c0 00",                          // no room for the count
                               "c0 00 00",                       //
                               "d0 00000003 00000000",           //
                               "e0 00",                          //
                               "f0 00000002 0000",               //
                               "c0 02 00 40",                    // longer than its items
                               "c1 02 00 40",                    //
                               "c0 03 01 40 40",                 //
                               "e0 04 01 50 01 02",              //
                               "e0 03 00 50 01",                 //
                               "c0 04 02 a10161",                // shorter than its items
                               "c0 05 01 a1 03 'a' 'bc'",        // an item goes beyond the list
                               "c0 03 01 c0 05 00 40 40 40 40",  // an inner list goes beyond the outer one
                               "e0 03 01 a1 05 'abcde'",         //
                               "d0 ffffffff 00000001 40",        //
                               "f0 ffffffff ffffffff 40"})
    expect_malformed(bytes(notation));
}

TEST(AmqpReaderLimits, counts_that_lie) {
  for (const char* notation : {"c0 02 02 40",                 // two items of one byte
                               "c0 02 ff 40",                 //
                               "d0 00000005 ffffffff 40",     //
                               "c1 03 01 4040",               // a key alone
                               "c1 02 01 40",                 //
                               "c1 04 03 404040",             //
                               "d1 00000005 00000001 40",     //
                               "d1 00000006 fffffffe 4040",   //
                               "e0 03 02 50 01",              // two items of one byte each
                               "f0 00000006 ffffffff 50 01",  //
                               "e0 01 01",                    // an item without a type
                               "f0 00000004 00000001"})
    expect_malformed(bytes(notation));
}

TEST(AmqpReaderLimits, items_of_no_size_are_counted_over_all_arrays) {
  static_assert(Reader::kEmptyItemsMax == 1024);
  expect_taken(bytes("f0 00000005 00000400 40"));
  expect_malformed(bytes("f0 00000005 00000401 40"));
  expect_malformed(bytes("f0 00000005 ffffffff 45"));
  const std::string half = bytes("f0 00000005 00000200 44");
  expect_taken(bytes("c0 15 02") + half + half);
  expect_malformed(bytes("c0 1f 03") + half + half + half);
  // What a list, a map or an array took counts behind it too.
  const std::string in_list = bytes("c0 0b 01") + half;
  const std::string in_map = bytes("c1 0c 02 40") + half;
  const std::string in_array = bytes("e0 0b 01") + half;
  expect_taken(bytes("c0 1c 02") + in_list + in_map);
  expect_malformed(bytes("c0 28 03") + in_list + in_list + in_list);
  expect_malformed(bytes("c0 2b 03") + in_map + in_map + in_map);
  expect_malformed(bytes("c0 28 03") + in_array + in_array + in_array);
  // Not only within one value.
  const std::string three = half + half + half;
  Reader reader(three);
  EXPECT_TRUE(reader.value());
  EXPECT_TRUE(reader.skip());
  EXPECT_TRUE(wire::is_malformed(reader.value()));
}

TEST(AmqpReaderLimits, items_that_share_a_descriptor_are_counted_alike) {
  const auto array = [](std::size_t count) {
    return "\xf0" + wire::number32(4 + 4 + count) + wire::number32(count) + bytes("00 5305 50") +
           std::string(count, 'x');
  };
  expect_taken(array(1024));
  expect_malformed(array(1025));
  // Each item gets a copy of the descriptor.
  expect_taken("\xf0" + wire::number32(4 + 1 + 2 + 255 + 2) + wire::number32(1) + bytes("00 a3 ff") +
               std::string(255, 'd') + bytes("50 01"));
  expect_malformed("\xf0" + wire::number32(4 + 1 + 5 + 256 + 2) + wire::number32(1) +
                   bytes("00 b3 00000100") + std::string(256, 'd') + bytes("50 01"));
}

std::string nested_lists(std::size_t depth) {
  std::string encoded = bytes("40");
  for (std::size_t i = 0; i < depth; ++i)
    encoded = "\xd0" + wire::number32(encoded.size() + 4) + wire::number32(1) + encoded;
  return encoded;
}

TEST(AmqpReaderLimits, depth_of_compounds) {
  expect_taken(nested_lists(Reader::kDepthMax));
  expect_malformed(nested_lists(Reader::kDepthMax + 1));
  expect_malformed(nested_lists(5000));
}

TEST(AmqpReaderLimits, depth_of_arrays_maps_and_described_values) {
  const auto nested = [](std::size_t depth, const std::string& innermost, auto&& around) {
    std::string encoded = innermost;
    for (std::size_t i = 0; i < depth; ++i) encoded = around(encoded);
    return encoded;
  };
  const auto in_map = [](const std::string& inner) {
    return "\xd1" + wire::number32(inner.size() + 5) + wire::number32(2) + "\x40" + inner;
  };
  const auto described = [](const std::string& inner) { return bytes("00 5301") + inner; };
  // The items of an array of arrays have no constructor of their own.
  const auto array_content = [](const std::string& inner) {
    return wire::number32(inner.size() + 5) + wire::number32(1) + "\xf0" + inner;
  };
  const std::string flat = wire::number32(4 + 2) + wire::number32(1) + bytes("50 01");
  expect_taken(nested(16, bytes("40"), in_map));
  expect_malformed(nested(17, bytes("40"), in_map));
  expect_taken(nested(16, bytes("40"), described));
  expect_malformed(nested(17, bytes("40"), described));
  expect_malformed(nested(2'000, bytes("40"), described));
  expect_taken("\xf0" + nested(15, flat, array_content));
  expect_malformed("\xf0" + nested(16, flat, array_content));
}

TEST(AmqpReaderLimits, descriptors_are_scalars) {
  for (const char* notation : {"00 45 40", "00 c0 01 00 40", "00 c1 01 00 40", "00 e0 02 00 40 40",
                               "00 00 5301 40 40", "00", "00 5301", "00 53", "00 a1 05 'ab'", "00 ff 40"})
    expect_malformed(bytes(notation));
}

TEST(AmqpReaderLimits, scalars_that_have_no_meaning) {
  for (const char* notation : {"56 02",             // neither true nor false
                               "73 00110000",       // beyond Unicode
                               "73 0000d800",       // half a character
                               "a1 01 ff",          // not UTF-8
                               "b1 00000002 c080",  // overlong
                               "a3 03 eda080"})
    expect_malformed(bytes(notation));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("a1 01 ff")).text()));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("56 02")).boolean()));
}

TEST(AmqpReaderLimits, a_typed_list_with_lies_is_refused_before_its_items) {
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("c0 02 ff 40")).list()));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("d0 ffffffff 00000001 40")).list()));
  EXPECT_TRUE(wire::is_malformed(Reader(bytes("c1 02 01 40")).map()));
}

}  // namespace
}  // namespace kyanite::amqp
