#include <gtest/gtest.h>

#include <fstream>

#include "bench/load/amqp_side.h"
#include "bench/load/fleet.h"
#include "bench/load/latency.h"
#include "bench/load/target.h"
#include "bench/load/websocket_frames.h"
#include "protocol/amqp/engine.h"
#include "protocol/amqp/message.h"
#include "tests/support/temporary_directory.h"

namespace kyanite::load {
namespace {

using std::chrono::microseconds;

TEST(LoadTarget, loopback_addresses_are_accepted) {
  for (const char* text : {"127.0.0.1:8883", "127.9.8.7:1", "[::1]:65535", "localhost:443"}) {
    EXPECT_TRUE(parse_loopback_address(text).has_value()) << text;
  }
}

TEST(LoadTarget, every_other_address_is_refused) {
  for (const char* text : {"10.0.0.1:8883", "0.0.0.0:8883", "128.0.0.1:8883", "[::]:8883",
                           "[2001:db8::1]:8883", "[::ffff:127.0.0.1]:8883", "hub.example.test:8883",
                           "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:8883x", ":8883", ""}) {
    EXPECT_FALSE(parse_loopback_address(text).has_value()) << text;
  }
}

TEST(LoadTarget, a_hub_file_gives_addresses_on_the_loopback) {
  const TemporaryDirectory directory;
  const auto& folder = directory.path();
  std::ofstream(folder / "hub.json") << R"({"hostName":"127.0.0.1","ports":{"mqtts":18883,"https":18443},
      "serviceConnectionString":"HostName=127.0.0.1","caFile":"/ca.pem","pid":42})";
  const Result<Target> target = read_hub_file(folder);
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->mqtts.port, 18883);
  EXPECT_EQ(target->mqtts.host, "127.0.0.1");
  EXPECT_EQ(target->https.port, 18443);
  EXPECT_EQ(target->pid, 42);
}

TEST(LoadTarget, a_hub_file_without_the_mqtt_port_is_refused) {
  const TemporaryDirectory directory;
  const auto& folder = directory.path();
  std::ofstream(folder / "hub.json") << R"({"hostName":"127.0.0.1","ports":{},"caFile":"/ca.pem"})";
  EXPECT_FALSE(read_hub_file(folder).has_value());
}

TEST(LoadFleet, a_device_list_splits_at_the_last_comma) {
  const Result<std::vector<Device>> devices = parse_device_list("# list\nd,1,QUJD\r\n\nd2,REVG\n", 10);
  ASSERT_TRUE(devices.has_value());
  ASSERT_EQ(devices->size(), 2U);
  EXPECT_EQ(devices->front().id, "d,1");
  EXPECT_EQ(devices->front().key, "QUJD");
  EXPECT_EQ(devices->back().id, "d2");
}

TEST(LoadFleet, a_line_without_a_key_is_refused_with_its_number) {
  const Result<std::vector<Device>> devices = parse_device_list("d1,QUJD\nd2\n", 10);
  ASSERT_FALSE(devices.has_value());
  EXPECT_NE(devices.error().detail.find("line 2"), std::string::npos);
}

TEST(LoadLatency, percentiles_are_right_within_a_bucket) {
  Latency latency;
  for (int i = 1; i <= 1000; ++i) latency.record(microseconds(i * 10));
  EXPECT_NEAR(static_cast<double>(latency.percentile_us(0.5)), 5000, 100);
  EXPECT_NEAR(static_cast<double>(latency.percentile_us(0.99)), 9900, 200);
  EXPECT_EQ(latency.percentile_us(1), 10000U);
}

TEST(LoadLatency, values_beyond_the_last_bucket_are_counted) {
  Latency latency;
  latency.record(std::chrono::hours(1000));
  EXPECT_EQ(latency.count(), 1U);
  EXPECT_GT(latency.percentile_us(0.5), 0U);
}

TEST(LoadLatency, adding_joins_two_histograms) {
  Latency a;
  Latency b;
  a.record(microseconds(10));
  b.record(microseconds(1'000'000));
  a.add(b);
  EXPECT_EQ(a.count(), 2U);
  EXPECT_EQ(a.percentile_us(0.5), 10U);
  EXPECT_EQ(a.percentile_us(1), 1'000'000U);
}

TEST(LoadWebSocket, frames_cut_anywhere_give_their_payloads) {
  std::string frames = "\x82\x05hello";
  frames += std::string("\x02\x7e\x00\x80", 4) + std::string(128, 'x') + std::string("\x80\x00", 2);
  WebSocketReader reader;
  std::string payloads;
  for (const char byte : frames) ASSERT_TRUE(reader.read(std::string(1, byte), payloads));
  EXPECT_EQ(payloads, "hello" + std::string(128, 'x'));
}

TEST(LoadWebSocket, a_close_frame_ends_the_reading) {
  WebSocketReader reader;
  std::string payloads;
  EXPECT_FALSE(
      reader.read("\x82\x01"
                  "a"
                  "\x88\x02\x03\xe8",
                  payloads));
  EXPECT_EQ(payloads, "a");
}

TEST(LoadWebSocket, messages_say_their_length_in_all_three_forms) {
  for (const auto& [size, head] :
       {std::pair{std::size_t{125}, 6}, {std::size_t{126}, 8}, {std::size_t{65536}, 14}}) {
    std::string out;
    append_websocket_message(out, std::string(size, 'x'));
    EXPECT_EQ(out.size(), size + static_cast<std::size_t>(head));
    EXPECT_EQ(out[0], '\x82');
  }
}

// The hub's engine and a device that talks to it; what the engine hears of.
class AmqpPair {
 public:
  explicit AmqpPair(std::uint32_t batch) : side("hub.test", "d", "token", batch), engine_({}, SteadyTime{}) {
    side.start();
  }

  // Until both have nothing to say; gives what the device heard.
  AmqpSide::Heard talk() {
    AmqpSide::Heard all;
    for (int round = 0; round < 10; ++round) {
      const std::string bytes = std::exchange(side.output(), {});
      engine_.feed(bytes, SteadyTime{});
      while (auto event = engine_.next()) handle(*event);
      engine_.hold();
      const AmqpSide::Heard heard = side.feed(std::exchange(engine_.output(), {}));
      all.ready = all.ready || heard.ready;
      all.acknowledged.insert(all.acknowledged.end(), heard.acknowledged.begin(), heard.acknowledged.end());
      if (all.closed.empty()) all.closed = heard.closed;
    }
    return all;
  }

  AmqpSide side;
  std::string user;
  amqp::Outcome outcome;  // of each message
  std::uint32_t credit = 10;
  std::vector<std::pair<std::uint32_t, std::string>> messages;  // format, bytes

 private:
  void handle(const amqp::Event& event) {
    if (const auto* sasl = std::get_if<amqp::SaslStarted>(&event)) {
      user = sasl->response;
      engine_.sasl_outcome(true);
    } else if (const auto* attach = std::get_if<amqp::AttachReceived>(&event)) {
      amqp::Acceptance acceptance;
      acceptance.credit = credit;
      engine_.accept(attach->link, acceptance);
    } else if (const auto* message = std::get_if<amqp::MessageReceived>(&event)) {
      messages.emplace_back(message->format, message->payload);
      engine_.settle(message->link, message->delivery, outcome);
    }
  }

  amqp::Engine engine_;
};

TEST(LoadAmqp, a_device_proves_itself_and_hears_of_each_message) {
  AmqpPair pair(1);
  EXPECT_TRUE(pair.talk().ready);
  EXPECT_EQ(pair.user, std::string("\0d@sas.hub\0token", 16));
  pair.side.publish("one", 7);
  pair.side.publish("two", 8);
  pair.side.end_turn();
  EXPECT_EQ(pair.talk().acknowledged, (std::vector<std::uint16_t>{7, 8}));
  ASSERT_EQ(pair.messages.size(), 2U);
  EXPECT_EQ(pair.messages[0].first, amqp::kFormatStandard);
  EXPECT_EQ(amqp::read_message(pair.messages[1].second)->body_bytes().value(), "two");
}

TEST(LoadAmqp, a_batch_is_one_transfer_and_the_end_of_a_turn_sends_what_there_is) {
  AmqpPair pair(2);
  pair.talk();
  for (std::uint16_t id = 1; id <= 3; ++id) pair.side.publish("m" + std::to_string(id), id);
  EXPECT_EQ(pair.talk().acknowledged, (std::vector<std::uint16_t>{1, 2}));
  pair.side.end_turn();
  EXPECT_EQ(pair.talk().acknowledged, (std::vector<std::uint16_t>{3}));
  ASSERT_EQ(pair.messages.size(), 2U);
  EXPECT_EQ(pair.messages[0].first, amqp::kFormatBatch);
  EXPECT_EQ(amqp::split_batch(pair.messages[0].second)->size(), 2U);
}

TEST(LoadAmqp, a_message_that_is_refused_and_missing_credit_are_told) {
  AmqpPair pair(1);
  pair.credit = 1;
  pair.talk();
  EXPECT_TRUE(pair.side.has_room());
  pair.outcome = {amqp::OutcomeKind::rejected, amqp::Condition{"amqp:not-allowed", "no", {}}};
  pair.side.publish("one", 1);
  EXPECT_FALSE(pair.side.has_room());
  EXPECT_EQ(pair.talk().closed, "a message was refused: amqp:not-allowed");
}

}  // namespace
}  // namespace kyanite::load
