#include "server/hub/telemetry_ingest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/hash.h"
#include "protocol/base/limits.h"
#include "storage/record_codec.h"
#include "tests/support/catching_log.h"

namespace kyanite {
namespace {

using testing::ElementsAre;

class Catcher final : public test::CatchingLog, public TelemetryAckSink {
 public:
  void on_committed(std::vector<Ack>) override {}
};

class TelemetryIngestTest : public testing::Test {
 protected:
  explicit TelemetryIngestTest(Settings::Mqtt settings = {})
      : ingest(log, log, settings, [this] { ++scheduled; }),
        origin(ingest.make_origin(
            {"d1", "m1"}, {Epoch{1}, "42", AuthScope::module, AuthKind::x509, {}, false, {}}, "dtmi:x;1")) {}
  TelemetryRecord stored(const TelemetryMessage& message) {
    EXPECT_TRUE(ingest.append(origin, message, {}, false));
    ingest.flush();
    return decode_telemetry(TelemetryOffset{0}, log.batches.back().appends.back().record).value();
  }

  Catcher log;
  int scheduled = 0;
  TelemetryIngest ingest;
  TelemetryOrigin origin;
};

TEST_F(TelemetryIngestTest, everything_of_one_turn_goes_to_the_log_at_once) {
  for (std::uint64_t i = 1; i <= 5; ++i) {
    EXPECT_TRUE(ingest.append(origin, {"", "x"}, {{ShardIndex{1}, 2, 3}, i}, true));
  }
  EXPECT_EQ(scheduled, 1);
  ingest.flush();
  ingest.flush();
  ASSERT_EQ(log.batches.size(), 1u);
  EXPECT_EQ(log.batches[0].sink, &log);
  ASSERT_EQ(log.batches[0].appends.size(), 5u);
  EXPECT_EQ(log.batches[0].appends[4].ack.sequence, 5u);
  EXPECT_TRUE(log.batches[0].appends[4].wants_ack);
  EXPECT_TRUE(ingest.append(origin, {"", "x"}, {}, false));
  EXPECT_EQ(scheduled, 2);
}

TEST_F(TelemetryIngestTest, modules_share_the_partition_of_their_device) {
  EXPECT_EQ(origin.partition.value, stable_hash("d1") % 4);
}

TEST_F(TelemetryIngestTest, the_origin_is_stamped_on_every_record) {
  const TelemetryRecord record = stored({"a=1", "body"});
  EXPECT_EQ(record.sender, (Identity{"d1", "m1"}));
  EXPECT_EQ(record.generation_id, "42");
  EXPECT_EQ(record.model_id, "dtmi:x;1");
  EXPECT_EQ(record.auth_method,
            R"({"scope":"module","type":"x509","issuer":"iothub","acceptingIpFilterRule":null})");
  EXPECT_EQ(record.body, "body");
}

TEST_F(TelemetryIngestTest, the_size_is_body_and_properties) {
  const std::string body(limits::kTelemetryBytesMax, 'x');
  EXPECT_TRUE(ingest.append(origin, {"", body}, {}, false));
  EXPECT_EQ(ingest.append(origin, {"a", body}, {}, false).error().code, Errc::message_too_large);
  EXPECT_EQ(ingest.append(origin, {"", body + "x"}, {}, false).error().code, Errc::message_too_large);
}

TEST_F(TelemetryIngestTest, binary_bodies_and_empty_ones_pass_unchanged) {
  const std::string binary("\x00\xff\x80", 3);
  EXPECT_EQ(stored({"", binary}).body, binary);
  EXPECT_EQ(stored({"", ""}).body, "");
}

struct OnlyNewName : TelemetryIngestTest {
  static Settings::Mqtt settings() {
    Settings::Mqtt mqtt;
    mqtt.retain_property = RetainProperty::mqtt_retain;
    mqtt.emit_dup = true;
    return mqtt;
  }
  OnlyNewName() : TelemetryIngestTest(settings()) {}
};
TEST_F(OnlyNewName, retain_and_dup_properties_follow_the_settings) {
  EXPECT_THAT(stored({"", "x", true, true}).application,
              ElementsAre(Property{"mqtt-retain", "true"}, Property{"mqtt-dup", "true"}));
}

}  // namespace
}  // namespace kyanite
