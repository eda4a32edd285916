#include "protocol/amqp/message.h"

#include <gtest/gtest.h>

#include "tests/unit/amqp/wire.h"

namespace kyanite::amqp {
namespace {

using wire::bytes;
using wire::hex_of;

Message read(const std::string& encoded) {
  auto message = read_message(encoded);
  EXPECT_TRUE(message.has_value()) << message.error().detail << " in " << hex_of(encoded);
  return message ? std::move(*message) : Message();
}

const char* const kHeader = "00 5370 c0 05 03 40 40 5207";
const char* const kDeliveryAnnotations = "00 5371 c1 05 02 a30164 41";
const char* const kMessageAnnotations = "00 5372 c1 05 02 a3016d 41";
const char* const kProperties = "00 5373 c0 04 01 a10169";
const char* const kApplicationProperties = "00 5374 c1 07 02 a10161 a10176";
const char* const kData = "00 5375 a002'hi'";
const char* const kSequence = "00 5376 c0 02 01 40";
const char* const kValue = "00 5377 a102'hi'";
const char* const kFooter = "00 5378 c1 05 02 a30166 41";

TEST(AmqpMessage, every_section) {
  const std::string encoded = bytes(kHeader) + bytes(kDeliveryAnnotations) + bytes(kMessageAnnotations) +
                              bytes(kProperties) + bytes(kApplicationProperties) + bytes(kData) +
                              bytes(kFooter);
  const Message message = read(encoded);
  EXPECT_EQ(message.ttl_ms, 7u);
  EXPECT_NE(message.delivery_annotations.find("d"), nullptr);
  EXPECT_NE(message.message_annotations.find("m"), nullptr);
  EXPECT_EQ(message.properties.message_id, Value("i"));
  EXPECT_EQ(*message.application_properties.find("a"), Value("v"));
  EXPECT_EQ(message.body_kind, BodyKind::data);
  ASSERT_EQ(message.data.size(), 1u);
  EXPECT_EQ(message.data[0], "hi");
  EXPECT_EQ(*message.body_bytes(), "hi");
}

TEST(AmqpMessage, nothing_is_a_message_without_a_body) {
  const Message message = read("");
  EXPECT_EQ(message.body_kind, BodyKind::none);
  EXPECT_EQ(*message.body_bytes(), "");
  EXPECT_EQ(message.ttl_ms, std::nullopt);
  EXPECT_TRUE(message.properties.message_id.is_null());
}

TEST(AmqpMessage, all_properties) {
  const std::string items = bytes(
      "98 000102030405060708090a0b0c0d0e0f a003'usr' a102'to' a103'sub' a102're' 5309 a30a'text/plain' "
      "a104'utf8' "
      "83 0000000000000001 83 0000000000000002 a101'g' 5205 a101'r'");
  const std::string encoded = bytes("00 5373") + wire::list(13, items);
  const Properties properties = read(encoded).properties;
  ASSERT_NE(properties.message_id.as<Uuid>(), nullptr);
  EXPECT_EQ(text_of(properties.message_id), "00010203-0405-0607-0809-0a0b0c0d0e0f");
  EXPECT_EQ(properties.user_id, "usr");
  EXPECT_EQ(properties.to, "to");
  EXPECT_EQ(properties.subject, "sub");
  EXPECT_EQ(properties.reply_to, "re");
  EXPECT_EQ(properties.correlation_id, Value(std::uint64_t{9}));
  EXPECT_EQ(properties.content_type, "text/plain");
  EXPECT_EQ(properties.content_encoding, "utf8");
  EXPECT_EQ(properties.absolute_expiry_time, Timestamp{1});
  EXPECT_EQ(properties.creation_time, Timestamp{2});
}

// Spec 2.7: message ids of four types, kept exactly.
TEST(AmqpMessage, ids_keep_their_type) {
  const auto id_of = [](const char* notation) {
    const std::string encoded = bytes("00 5373") + wire::list(1, bytes(notation));
    return read(encoded).properties.message_id;
  };
  EXPECT_EQ(id_of("a101'7'"), Value("7"));
  EXPECT_EQ(id_of("5307"), Value(std::uint64_t{7}));
  EXPECT_EQ(id_of("44"), Value(std::uint64_t{0}));
  EXPECT_EQ(id_of("a00107"), Value(Binary{"\x07"}));
  EXPECT_EQ(id_of("40"), Value());
  for (const char* notation : {"45", "c1 01 00", "00 5301 40", "e0 02 00 40"})
    EXPECT_TRUE(wire::is_malformed(read_message(bytes("00 5373") + wire::list(1, bytes(notation)))))
        << notation;
}

// Spec 2.7: bodies of one or many data sections, a value, or none.
TEST(AmqpMessage, bodies_as_bytes) {
  const auto body = [](const std::string& encoded) {
    const Message message = read(encoded);
    const auto read_bytes = message.body_bytes();
    return read_bytes ? *read_bytes : std::string("refused");
  };
  EXPECT_EQ(body(bytes("00 5375 a002'ab' 00 5375 b0 00000003 'cde' 00 5375 a000")), "abcde");
  EXPECT_EQ(body(bytes("00 5377 a102'ab'")), "ab");
  EXPECT_EQ(body(bytes("00 5377 a002'ab'")), "ab");
  EXPECT_EQ(body(bytes("00 5377 40")), "");
  for (const char* notation : {"00 5377 5401", "00 5377 c1 01 00", "00 5376 45",
                               "00 5376 45 00 5376 c0 02 01 40", "00 5377 00 5301 a102'ab'"}) {
    const std::string encoded = bytes(notation);
    const auto refused = read(encoded).body_bytes();
    ASSERT_FALSE(refused) << notation;
    EXPECT_EQ(refused.error().code, Errc::argument_invalid) << notation;
  }
}

// Spec 2.7: application properties of any type, described ones included.
TEST(AmqpMessage, application_properties_of_any_type) {
  const Message message =
      read(bytes("00 5374 c1 1d 06 a10161 00 5301 a10178 a10162 c0 02 01 40 a10163 82 3ff0000000000000"));
  EXPECT_EQ(message.application_properties.find("a")->text(), "x");
  EXPECT_EQ(*message.application_properties.find("b"), Value(List{{Value()}}));
  EXPECT_EQ(*message.application_properties.find("c"), Value(1.0));
}

TEST(AmqpMessage, descriptors_of_sections_in_every_form) {
  EXPECT_EQ(*read(bytes("00 80 0000000000000075 a001'x'")).body_bytes(), "x");
  const std::string encoded = bytes("00 a3 10 'amqp:data:binary' a001'x'");
  EXPECT_EQ(*read(encoded).body_bytes(), "x");
  EXPECT_EQ(*read(bytes("00 a3 11 'amqp:amqp-value:*' a101'x'")).body_bytes(), "x");
}

TEST(AmqpMessage, sections_out_of_order_or_twice) {
  const char* const order[] = {kHeader,     kDeliveryAnnotations,   kMessageAnnotations,
                               kProperties, kApplicationProperties, kData,
                               kFooter};
  for (std::size_t first = 0; first < std::size(order); ++first) {
    for (std::size_t second = 0; second < std::size(order); ++second) {
      const std::string encoded = bytes(order[first]) + bytes(order[second]);
      const bool legal = first < second || (first == second && order[first] == kData);
      EXPECT_EQ(read_message(encoded).has_value(), legal) << hex_of(encoded);
    }
  }
  for (const auto& [first, second] :
       {std::pair{kData, kValue}, std::pair{kValue, kData}, std::pair{kData, kSequence},
        std::pair{kSequence, kValue}, std::pair{kValue, kValue}})
    EXPECT_TRUE(wire::is_malformed(read_message(bytes(first) + bytes(second)))) << first << second;
  EXPECT_TRUE(read_message(bytes(kSequence) + bytes(kSequence)));
}

TEST(AmqpMessage, what_is_no_message) {
  for (const char* notation : {"40",
                               "a101'x'",
                               "00",
                               "00 5375",
                               "00 536f 45",
                               "00 5379 45",
                               "00 5300 45",
                               "00 a301'x' 45",
                               "00 5370 c1 01 00",
                               "00 5370 40",
                               "00 5371 45",
                               "00 5372 a101'x'",
                               "00 5373 c1 01 00",
                               "00 5374 c0 01 00",
                               "00 5375 a301'x'",
                               "00 5375 5401",
                               "00 5376 a101'x'",
                               "00 5376 40",
                               "00 5376 c0 02 01 ff",
                               "00 5377",
                               "00 5377 ff",
                               "00 5378 a1 05 'x'",
                               "00 5370 c0 03 03 40 40",
                               "00 5370 c0 05 03 40 40 5401 41",
                               "00 5373 c0 03 01 40 40"})
    EXPECT_TRUE(wire::is_malformed(read_message(bytes(notation)))) << notation;
}

TEST(AmqpMessage, cut_at_every_byte) {
  const std::string sections[] = {bytes(kHeader), bytes(kMessageAnnotations), bytes(kProperties),
                                  bytes(kApplicationProperties), bytes(kData)};
  std::string encoded;
  std::vector<std::size_t> ends = {0};
  for (const std::string& section : sections) {
    encoded += section;
    ends.push_back(encoded.size());
  }
  for (std::size_t size = 0; size <= encoded.size(); ++size) {
    const bool at_section = std::find(ends.begin(), ends.end(), size) != ends.end();
    const std::string cut = encoded.substr(0, size);
    EXPECT_EQ(read_message(cut).has_value(), at_section) << size;
  }
}

// Behaviour 46: a batch is split into its messages.
TEST(AmqpMessage, batches_are_split) {
  const std::string first = bytes(kProperties) + bytes("00 5375 a001'1'");
  const std::string second = bytes("00 5375 a001'2'");
  std::string batch = bytes(kMessageAnnotations);
  append_data(batch, first);
  append_data(batch, second);
  batch += bytes(kFooter);
  const auto messages = split_batch(batch);
  ASSERT_TRUE(messages);
  EXPECT_EQ(*messages, (std::vector<std::string_view>{first, second}));
  EXPECT_EQ(*read_message((*messages)[1])->body_bytes(), "2");
}

TEST(AmqpMessage, what_is_no_batch) {
  for (const char* notation :
       {"", "00 5372 c1 01 00", "00 5377 a001'x'", "00 5376 45", "00 5375 a001'x' 00 5377 40",
        "00 5375 a001'x' 00 5374 c1 01 00", "00 5375 a0 05 'x'", "00 5372 c1 02 01 40 00 5375 a000"})
    EXPECT_TRUE(wire::is_malformed(split_batch(bytes(notation)))) << notation;
}

TEST(AmqpMessageWriter, sections_byte_by_byte) {
  std::string out;
  append_delivery_annotations(out, Map{{{Symbol{"d"}, Value(std::int64_t{1})}}});
  EXPECT_EQ(hex_of(out), hex_of(bytes("00 5371 c1 06 02 a30164 5501")));
  out.clear();
  // Keys become symbols.
  append_message_annotations(out, Map{{{"k", Value(Timestamp{1})}}});
  EXPECT_EQ(hex_of(out), hex_of(bytes("00 5372 c1 0d 02 a3016b 83 0000000000000001")));
  out.clear();
  append_application_properties(out, Map{{{"k", Value("v")}}});
  EXPECT_EQ(hex_of(out), hex_of(bytes("00 5374 c1 07 02 a1016b a10176")));
  out.clear();
  append_data(out, "hi");
  EXPECT_EQ(hex_of(out), hex_of(bytes("00 5375 a002'hi'")));
  out.clear();
  append_data(out, std::string(256, 'x'));
  EXPECT_EQ(hex_of(out.substr(0, 9)), hex_of(bytes("00 5375 b0 00000100 'x'")));
  out.clear();
  append_amqp_value(out, Value());
  EXPECT_EQ(hex_of(out), "00537740");
  out.clear();
  append_amqp_value(out, Map{{{"name", Value("hub")}}});
  EXPECT_EQ(hex_of(out), hex_of(bytes("00 5377 c1 0c 02 a104'name' a103'hub'")));
}

TEST(AmqpMessageWriter, maps_that_are_empty_write_nothing) {
  std::string out;
  append_delivery_annotations(out, {});
  append_message_annotations(out, {});
  append_application_properties(out, {});
  EXPECT_EQ(out, "");
}

TEST(AmqpMessageWriter, properties_are_thirteen_fields_of_their_types) {
  Properties properties;
  properties.message_id = "m";
  properties.user_id = "u";
  properties.correlation_id = std::uint64_t{3};
  properties.content_type = "a/b";
  properties.creation_time = Timestamp{5};
  std::string out;
  append_properties(out, properties);
  EXPECT_EQ(hex_of(out), hex_of(bytes("00 5373 c0 1f 0d a1016d a00175 40 40 40 5303 a303'a/b' 40 40 83 "
                                      "0000000000000005 40 40 40")));
}

TEST(AmqpMessageWriter, a_message_is_read_as_it_was_written) {
  Properties properties;
  properties.message_id = Uuid{{1, 2, 3}};
  properties.user_id = "u";
  properties.to = "/devices/d/messages/devicebound";
  properties.subject = "s";
  properties.reply_to = "r";
  properties.correlation_id = Binary{"c"};
  properties.content_type = "application/json";
  properties.content_encoding = "utf-8";
  properties.absolute_expiry_time = Timestamp{-1};
  properties.creation_time = Timestamp{1};
  const Map annotations{{{Symbol{"x-opt-sequence-number"}, Value(std::int64_t{1} << 40)}}};
  const Map application{{{"a", Value(true)}, {"b", Value(1.5)}, {"c", Value(std::string(1000, 'v'))}}};
  std::string out;
  append_delivery_annotations(out, annotations);
  append_message_annotations(out, annotations);
  append_properties(out, properties);
  append_application_properties(out, application);
  append_data(out, "body");
  const Message message = read(out);
  EXPECT_EQ(message.delivery_annotations, annotations);
  EXPECT_EQ(message.message_annotations, annotations);
  EXPECT_EQ(message.application_properties, application);
  EXPECT_EQ(message.properties.message_id, properties.message_id);
  EXPECT_EQ(message.properties.user_id, properties.user_id);
  EXPECT_EQ(message.properties.to, properties.to);
  EXPECT_EQ(message.properties.subject, properties.subject);
  EXPECT_EQ(message.properties.reply_to, properties.reply_to);
  EXPECT_EQ(message.properties.correlation_id, properties.correlation_id);
  EXPECT_EQ(message.properties.content_type, properties.content_type);
  EXPECT_EQ(message.properties.content_encoding, properties.content_encoding);
  EXPECT_EQ(message.properties.absolute_expiry_time, properties.absolute_expiry_time);
  EXPECT_EQ(message.properties.creation_time, properties.creation_time);
  EXPECT_EQ(*message.body_bytes(), "body");
}

}  // namespace
}  // namespace kyanite::amqp
