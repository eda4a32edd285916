#include "server/api/telemetry_request.h"

#include <gmock/gmock.h>

#include "protocol/base/limits.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;

HttpRequest with(std::vector<std::pair<std::string, std::string>> headers, std::string body = "b") {
  HttpRequest request;
  request.headers = std::move(headers);
  request.body = std::move(body);
  return request;
}
HttpRequest batch(std::string body) {
  return with({{"Content-Type", "application/vnd.microsoft.iothub.json"}}, std::move(body));
}

TEST(TelemetryRequest, headers_become_properties) {
  const auto items = parse_telemetry_request(with({{"iothub-app-Temp", "2%201"},
                                                   {"IoTHub-MessageId", "m"},
                                                   {"iothub-creationtimeutc", "2026-01-05T10:00:00Z"},
                                                   {"dt-subject", "c"},
                                                   {"iothub-ack", "full"},
                                                   {"User-Agent", "x"}}));
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 1u);
  const PropertyBag& bag = items->front().properties;
  EXPECT_THAT(bag.application, ElementsAre(Property{"Temp", "2%201"}));
  EXPECT_THAT(bag.system, ElementsAre(Property{"message-id", "m"},
                                      Property{"iothub-creation-time-utc", "2026-01-05T10:00:00Z"},
                                      Property{"dt-subject", "c"}));
  EXPECT_EQ(bag.size_bytes, 4u + 5u + 1u + 20u + 1u);
}

TEST(TelemetryRequest, the_content_type_of_the_message_wins_over_that_of_the_request) {
  const auto own = parse_telemetry_request(with({{"Content-Type", "text/plain"},
                                                 {"Content-Encoding", "utf-8"},
                                                 {"iothub-contenttype", "application/json"}}));
  ASSERT_TRUE(own);
  EXPECT_THAT(own->front().properties.system, ElementsAre(Property{"content-type", "application/json"},
                                                          Property{"content-encoding", "utf-8"}));
}

TEST(TelemetryRequest, of_equal_names_the_last_counts) {
  const auto items = parse_telemetry_request(with({{"iothub-app-a", "1"}, {"iothub-app-A", "2"}}));
  ASSERT_TRUE(items);
  EXPECT_THAT(items->front().properties.application, ElementsAre(Property{"A", "2"}));
}

TEST(TelemetryRequest, R100_a_batch_is_base64_unless_it_says_otherwise) {
  const auto items = parse_telemetry_request(
      batch(R"([{"body":"aGk=","properties":{"iothub-app-x":"v","iothub-messageid":"m"}},)"
            R"({"body":"aGk=","base64Encoded":true},{"body":"aGk=","base64Encoded":false}])"));
  ASSERT_TRUE(items) << items.error().detail;
  ASSERT_EQ(items->size(), 3u);
  EXPECT_EQ((*items)[0].body, "hi");
  EXPECT_THAT((*items)[0].properties.application, ElementsAre(Property{"x", "v"}));
  EXPECT_THAT((*items)[0].properties.system, ElementsAre(Property{"message-id", "m"}));
  EXPECT_EQ((*items)[1].body, "hi");
  EXPECT_EQ((*items)[2].body, "aGk=");
}

TEST(TelemetryRequest, one_bad_message_spoils_the_batch) {
  for (const char* bad :
       {R"([{"body":"aGk="},{"body":"?"}])", R"([{"body":"aGk="},{}])", R"([{"body":1}])", R"([1])", "[]",
        R"({"body":"aGk="})", R"([{"body":"","base64Encoded":"yes"}])", R"([{"body":"","properties":[]}])",
        R"([{"body":"","properties":{"iothub-app-x":{}}}])"}) {
    const auto items = parse_telemetry_request(batch(bad));
    ASSERT_FALSE(items) << bad;
    EXPECT_EQ(items.error().code, Errc::argument_invalid) << bad;
  }
  EXPECT_EQ(parse_telemetry_request(batch("[{")).error().code, Errc::format_error);
}

TEST(TelemetryRequest, R101_the_size_is_that_of_all_messages_with_their_properties) {
  EXPECT_TRUE(parse_telemetry_request(with({}, std::string(limits::kTelemetryBytesMax, 'x'))));
  EXPECT_EQ(parse_telemetry_request(with({}, std::string(limits::kTelemetryBytesMax + 1, 'x'))).error().code,
            Errc::message_too_large);
  EXPECT_EQ(
      parse_telemetry_request(with({{"iothub-app-a", "b"}}, std::string(limits::kTelemetryBytesMax - 1, 'x')))
          .error()
          .code,
      Errc::message_too_large);
  const std::string half = R"({"base64Encoded":false,"body":")" + std::string(140'000, 'x') + "\"}";
  EXPECT_EQ(parse_telemetry_request(batch("[" + half + "," + half + "]")).error().code,
            Errc::message_too_large);
}

TEST(TelemetryRequest, a_batch_has_a_bounded_number_of_messages) {
  std::string body = "[";
  for (std::size_t i = 0; i <= limits::kTelemetryBatchMax; ++i) body += R"({"body":""},)";
  body.back() = ']';
  EXPECT_EQ(parse_telemetry_request(batch(body)).error().code, Errc::message_too_large);
}

}  // namespace
}  // namespace kyanite::test
