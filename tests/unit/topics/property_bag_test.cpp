#include "protocol/topics/property_bag.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kyanite {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<Property> application(std::string_view text) { return decode_property_bag(text).application; }
std::vector<Property> system(std::string_view text) { return decode_property_bag(text).system; }

TEST(PropertyBag, is_empty_without_text) {
  for (const auto text : {"", "/", "//", "?", "?/", "&", "&&", "=x", "=", "&=&"}) {
    const PropertyBag bag = decode_property_bag(text);
    EXPECT_THAT(bag.application, IsEmpty()) << text;
    EXPECT_THAT(bag.system, IsEmpty()) << text;
    EXPECT_EQ(bag.size_bytes, 0u) << text;
  }
}

TEST(PropertyBag, B39_decodes_values_null_and_empty) {
  EXPECT_THAT(application("a=1&b=two%20words&c=x%3Dy&d&e="),
              ElementsAre(Property{"a", "1"}, Property{"b", "two words"}, Property{"c", "x=y"},
                          Property{"d", std::nullopt}, Property{"e", ""}));
}

TEST(PropertyBag, B38_leaves_no_residue_of_the_tolerated_forms) {
  EXPECT_THAT(application("a=1&b=2/"), ElementsAre(Property{"a", "1"}, Property{"b", "2"}));
  EXPECT_THAT(application("?a=1"), ElementsAre(Property{"a", "1"}));
  EXPECT_THAT(application("?a=1//"), ElementsAre(Property{"a", "1"}));
  EXPECT_THAT(application("??a=1"), ElementsAre(Property{"?a", "1"}));
}

TEST(PropertyBag, B40_plus_in_a_bag_value_stays_plus) {
  EXPECT_THAT(application("a=1%2B1&b=1+1"), ElementsAre(Property{"a", "1+1"}, Property{"b", "1+1"}));
}

TEST(PropertyBag, splits_a_pair_at_its_first_equals_sign) {
  EXPECT_THAT(application("a=b=c=="), ElementsAre(Property{"a", "b=c=="}));
}

TEST(PropertyBag, skips_empty_pieces_and_empty_names) {
  EXPECT_THAT(application("a=1&&b=2&=x&"), ElementsAre(Property{"a", "1"}, Property{"b", "2"}));
}

TEST(PropertyBag, keeps_reserved_characters_of_clients_that_do_not_encode) {
  EXPECT_THAT(application("url=http://h:1/p?q=1"), ElementsAre(Property{"url", "http://h:1/p?q=1"}));
}

TEST(PropertyBag, keeps_a_percent_sign_that_encodes_nothing) {
  EXPECT_THAT(
      application("a=100%&b=%4&c=%zz&d=%41%"),
      ElementsAre(Property{"a", "100%"}, Property{"b", "%4"}, Property{"c", "%zz"}, Property{"d", "A%"}));
}

TEST(PropertyBag, keeps_text_undecoded_where_it_would_not_be_utf8) {
  EXPECT_THAT(application("a=%ff&%c0%af=%41"), ElementsAre(Property{"a", "%ff"}, Property{"%c0%af", "A"}));
}

TEST(PropertyBag, decodes_utf8_in_names_and_values) {
  EXPECT_THAT(application("caf%C3%A9=%e2%82%ac"), ElementsAre(Property{"caf\xc3\xa9", "\xe2\x82\xac"}));
}

TEST(PropertyBag, decodes_once) {
  EXPECT_THAT(application("%2524.mid=%2541"), ElementsAre(Property{"%24.mid", "%41"}));
}

TEST(PropertyBag, keeps_the_last_of_names_equal_ignoring_case) {
  EXPECT_THAT(application("Name=1&x=2&NAME=3"), ElementsAre(Property{"NAME", "3"}, Property{"x", "2"}));
}

TEST(PropertyBag, keeps_the_last_of_equal_names_among_many) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "k" + std::to_string(i) + "=old&";
  for (int i = 0; i < 100; ++i) text += "K" + std::to_string(i) + "=new&";
  const auto properties = application(text);
  ASSERT_EQ(properties.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(properties[static_cast<std::size_t>(i)], (Property{"K" + std::to_string(i), "new"}));
  }
}

// 32,767 names are what a topic has room for; comparing each with each would take minutes here.
TEST(PropertyBag, takes_as_many_names_as_a_topic_can_hold) {
  std::string text;
  std::size_t count = 0;
  for (; text.size() + 5 < 65535; ++count) {
    for (std::size_t rest = count, digit = 0; digit < 3; ++digit, rest /= 26)
      text += static_cast<char>('a' + rest % 26);
    text += '&';
  }
  EXPECT_EQ(application(text).size(), count);
}

TEST(PropertyBag, B41_separates_system_properties) {
  const PropertyBag bag =
      decode_property_bag("$.mid=m&%24.cid=c&$.ct=application%2Fjson&$.ce=utf-8&%24%2euid=u&a=1");
  EXPECT_THAT(bag.system, ElementsAre(Property{"message-id", "m"}, Property{"correlation-id", "c"},
                                      Property{"content-type", "application/json"},
                                      Property{"content-encoding", "utf-8"}, Property{"user-id", "u"}));
  EXPECT_THAT(bag.application, ElementsAre(Property{"a", "1"}));
}

TEST(PropertyBag, knows_the_rarer_system_properties) {
  EXPECT_THAT(system("$.to=t&$.exp=e&$.ctime=c&$.on=o&$.ifid=i&$.sub=s&$.schema=m&$.diagid=d&$.diagctx=x"),
              ElementsAre(Property{"to", "t"}, Property{"absolute-expiry-time", "e"},
                          Property{"iothub-creation-time-utc", "c"}, Property{"iothub-outputname", "o"},
                          Property{"iothub-interface-id", "i"}, Property{"dt-subject", "s"},
                          Property{"iothub-message-schema", "m"}, Property{"iothub-diag-id", "d"},
                          Property{"diag-correlation-context", "x"}));
  EXPECT_THAT(system("iothub-operation=op"), ElementsAre(Property{"iothub-operation", "op"}));
}

TEST(PropertyBag, ignores_what_a_device_may_not_say) {
  const PropertyBag bag = decode_property_bag("$.cdid=d2&$.cmid=m2&iothub-ack=full");
  EXPECT_THAT(bag.system, IsEmpty());
  EXPECT_THAT(bag.application, IsEmpty());
  EXPECT_EQ(bag.ignored_system, 0u);
  EXPECT_EQ(bag.size_bytes, 0u);
}

TEST(PropertyBag, ignores_and_counts_unknown_system_properties) {
  const PropertyBag bag = decode_property_bag("$.nope=1&%24.=2&$.MID=3&$x=4");
  EXPECT_EQ(bag.ignored_system, 3u);
  EXPECT_THAT(bag.system, IsEmpty());
  EXPECT_THAT(bag.application, ElementsAre(Property{"$x", "4"}));
}

TEST(PropertyBag, drops_a_system_property_without_a_value) {
  EXPECT_THAT(system("$.mid&$.to="), ElementsAre(Property{"to", ""}));
}

TEST(PropertyBag, keeps_the_last_of_equal_system_properties) {
  EXPECT_THAT(system("$.mid=1&%24.mid=2"), ElementsAre(Property{"message-id", "2"}));
}

TEST(PropertyBag, passes_names_that_look_like_the_hubs_own_as_application_properties) {
  EXPECT_THAT(
      application("iothub-MessageType=Will&iothub-connection-device-id=d2&iothub-creation-time-utc=t"),
      ElementsAre(Property{"iothub-MessageType", "Will"}, Property{"iothub-connection-device-id", "d2"},
                  Property{"iothub-creation-time-utc", "t"}));
}

TEST(PropertyBag, counts_system_values_and_application_names_and_values) {
  EXPECT_EQ(decode_property_bag("$.mid=12345").size_bytes, 5u);
  EXPECT_EQ(decode_property_bag("ab=123").size_bytes, 5u);
  EXPECT_EQ(decode_property_bag("ab").size_bytes, 2u);
  EXPECT_EQ(decode_property_bag("a%20b=%31").size_bytes, 4u);
  EXPECT_EQ(decode_property_bag("$.nope=12345&ab=1&AB=2").size_bytes, 3u);
}

TEST(PropertyBag, reads_the_example_of_the_contract) {
  const PropertyBag bag =
      decode_property_bag("%24.mid=m-1&%24.ct=application%2Fjson&%24.ce=utf-8&level=hot%20stuff&flag&empty=");
  EXPECT_THAT(bag.system,
              ElementsAre(Property{"message-id", "m-1"}, Property{"content-type", "application/json"},
                          Property{"content-encoding", "utf-8"}));
  EXPECT_THAT(bag.application, ElementsAre(Property{"level", "hot stuff"}, Property{"flag", std::nullopt},
                                           Property{"empty", ""}));
}

}  // namespace
}  // namespace kyanite
