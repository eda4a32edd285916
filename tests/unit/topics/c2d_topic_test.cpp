#include "protocol/topics/c2d_topic.h"

#include <gtest/gtest.h>

#include <vector>

#include "protocol/topics/property_bag.h"

namespace kyanite {
namespace {

constexpr std::string_view kPrefix = "devices/d1/messages/devicebound/";
constexpr std::string_view kTo = "%24.to=%2Fdevices%2Fd1%2Fmessages%2Fdevicebound";

C2dTopicParts parts_of_d1() {
  C2dTopicParts parts;
  parts.device = "d1";
  return parts;
}

TEST(C2dTopic, B51_a_message_without_properties_still_has_a_bag) {
  EXPECT_EQ(c2d_topic(parts_of_d1()), std::string(kPrefix) + std::string(kTo));
}

TEST(C2dTopic, B50_system_properties_come_first_and_in_order) {
  C2dTopicParts parts = parts_of_d1();
  const std::vector<Property> application{{"a b", "c/d"}, {"second", "2"}};
  parts.message_id = "42";
  parts.expiry = WallTime(milliseconds{1'767'607'201'123});
  parts.to = "/devices/d1/messages/deviceBound";
  parts.correlation_id = "c-7";
  parts.user_id = "u@x";
  parts.content_type = "application/json";
  parts.content_encoding = "utf-8";
  parts.ack = "full";
  parts.application = application;
  EXPECT_EQ(c2d_topic(parts),
            std::string(kPrefix) +
                "%24.mid=42&%24.exp=2026-01-05T10%3A00%3A01.1230000Z"
                "&%24.to=%2Fdevices%2Fd1%2Fmessages%2FdeviceBound&%24.cid=c-7&%24.uid=u%40x"
                "&%24.ct=application%2Fjson&%24.ce=utf-8&iothub-ack=full&a%20b=c%2Fd&second=2");
}

TEST(C2dTopic, everything_an_sdk_would_split_at_is_encoded) {
  C2dTopicParts parts = parts_of_d1();
  const std::vector<Property> application{{"k=&/+#", " =&/+#?%\xc3\xa9~-._"}};
  parts.application = application;
  EXPECT_EQ(c2d_topic(parts),
            std::string(kPrefix) + std::string(kTo) + "&k%3D%26%2F%2B%23=%20%3D%26%2F%2B%23%3F%25%C3%A9~-._");
}

TEST(C2dTopic, an_empty_value_keeps_its_equals_sign) {
  C2dTopicParts parts = parts_of_d1();
  const std::vector<Property> application{{"empty", ""}};
  parts.application = application;
  EXPECT_TRUE(c2d_topic(parts).ends_with("&empty="));
}

TEST(C2dTopic, the_bag_decodes_to_what_was_sent) {
  C2dTopicParts parts = parts_of_d1();
  const std::vector<Property> application{{"K\xc3\xb6y", "a=b&c"}, {"x", ""}};
  parts.message_id = "m'1$";
  parts.application = application;
  const std::string topic = c2d_topic(parts);
  const PropertyBag bag = decode_property_bag(std::string_view(topic).substr(kPrefix.size()));
  EXPECT_EQ(bag.application, application);
  const std::vector<Property> system{{"message-id", "m'1$"}, {"to", "/devices/d1/messages/devicebound"}};
  EXPECT_EQ(bag.system, system);
}

TEST(C2dTopic, names_of_system_properties_are_reserved_in_any_case) {
  for (const char* name : {"iothub-messageid", "iothub-MessageId", "iothub-connection-device-id",
                           "iothub-ack", "iothub-operation", "$.mid", "$.anything"}) {
    EXPECT_TRUE(is_reserved_c2d_name(name)) << name;
  }
  for (const char* name : {"messageid", "iothub", "iothub-mine", "$mid", "to"}) {
    EXPECT_FALSE(is_reserved_c2d_name(name)) << name;
  }
}

TEST(C2dTopic, message_ids_are_of_a_closed_set) {
  EXPECT_TRUE(is_valid_message_id("Az09-:.+%_#*?!(),=@;$'"));
  EXPECT_TRUE(is_valid_message_id(std::string(128, 'a')));
  EXPECT_FALSE(is_valid_message_id(std::string(129, 'a')));
  for (const char* id : {"a b", "a/b", "a&b", "\xc3\xa9", "a\"b", "a~b"}) {
    EXPECT_FALSE(is_valid_message_id(id)) << id;
  }
}

}  // namespace
}  // namespace kyanite
