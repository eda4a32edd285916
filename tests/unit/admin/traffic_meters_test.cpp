#include "server/admin/traffic_meters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace kyanite {
namespace {

using testing::_;

class NextObserver final : public HubObserver {
 public:
  MOCK_METHOD(void, on_connected, (const ConnectionFacts&), (override));
  MOCK_METHOD(void, on_refused, (const ConnectionFacts&, const Error&), (override));
  MOCK_METHOD(void, on_disconnected, (const ConnectionFacts&, EndReason, std::string_view, milliseconds),
              (override));
  MOCK_METHOD(void, on_telemetry_refused, (const ConnectionFacts&, const Error&, std::size_t), (override));
  MOCK_METHOD(void, on_will_unusable, (const ConnectionFacts&, std::string_view), (override));
  MOCK_METHOD(void, on_amqp_refused, (std::string_view, std::string_view, std::string_view, const Error&),
              (override));
  MOCK_METHOD(void, on_left_silently, (std::string_view, std::string_view, DeviceProtocol), (override));
  MOCK_METHOD(void, on_refusals_unrecorded, (std::uint64_t), (override));
  MOCK_METHOD(void, on_reader_overtaken, (std::string_view, PartitionId, TelemetryOffset, TelemetryOffset),
              (override));
};

std::uint64_t of(const RefusalCounts& counts, RefusalReason reason) {
  return counts[static_cast<std::size_t>(reason)];
}

TEST(ConnectionMeter, it_counts_and_tells_the_next) {
  NextObserver next;
  EXPECT_CALL(next, on_connected(_)).Times(2);
  EXPECT_CALL(next, on_refused(_, _)).Times(2);
  EXPECT_CALL(next, on_disconnected(_, EndReason::takeover, std::string_view("why"), milliseconds(5)));
  EXPECT_CALL(next, on_telemetry_refused(_, _, 7));
  EXPECT_CALL(next, on_will_unusable(_, std::string_view("topic")));
  EXPECT_CALL(next, on_amqp_refused(std::string_view("a"), std::string_view("c"), std::string_view("w"), _));
  EXPECT_CALL(next,
              on_left_silently(std::string_view("a"), std::string_view("TLSv1.3"), DeviceProtocol::amqp));
  EXPECT_CALL(next, on_refusals_unrecorded(3));
  EXPECT_CALL(next, on_reader_overtaken(std::string_view("$Default"), PartitionId{1}, TelemetryOffset{2},
                                        TelemetryOffset{9}));
  ConnectionMeter meter(next);
  const Identity identity{"d1", ""};
  const ConnectionFacts facts{ConnectionRef{}, identity, "", "", "", "", PeerTransport::tcp};
  meter.on_connected(facts);
  meter.on_connected(facts);
  meter.on_refused(facts, Error(Errc::unauthorized, "a token of d1"));
  meter.on_refused(facts, Error(Errc::device_disabled));
  meter.on_disconnected(facts, EndReason::takeover, "why", milliseconds(5));
  meter.on_telemetry_refused(facts, Error(Errc::message_too_large), 7);
  meter.on_will_unusable(facts, "topic");
  meter.on_amqp_refused("a", "c", "w", Error(Errc::unauthorized));
  meter.on_left_silently("a", "TLSv1.3", DeviceProtocol::amqp);
  meter.on_refusals_unrecorded(3);
  meter.on_reader_overtaken("$Default", PartitionId{1}, TelemetryOffset{2}, TelemetryOffset{9});

  const ConnectionCounters& counted = meter.counters();
  EXPECT_EQ(counted.accepted, 2u);
  EXPECT_EQ(of(counted.refused, RefusalReason::bad_credential), 1u);
  EXPECT_EQ(of(counted.refused, RefusalReason::disabled), 1u);
  EXPECT_EQ(of(counted.links_refused, RefusalReason::bad_credential), 1u);
  EXPECT_EQ(counted.ends[static_cast<std::size_t>(EndReason::takeover)], 1u);
  EXPECT_EQ(counted.telemetry_refused, 1u);
  EXPECT_EQ(counted.events_overtaken, 1u);
}

class NextRequests final : public ApiObserver {
 public:
  void on_answered(const RequestOutcome&) override { ++told; }
  int told = 0;
};

TEST(RequestMeter, it_counts_by_class_of_status_and_tells_the_next) {
  NextRequests next;
  RequestMeter meter(next);
  const Error refused(Errc::unauthorized);
  const Error text(Errc::internal, "<Error>AuthenticationFailed</Error>");
  for (const int status : {200, 204, 404, 500, 0, 999}) {
    RequestOutcome outcome;
    outcome.status = status;
    outcome.took = milliseconds(30);
    meter.on_answered(outcome);
  }
  for (const Error* error : {&refused, &text}) {
    RequestOutcome outcome;
    outcome.status = 403;
    outcome.error = error;
    meter.on_answered(outcome);
  }
  const RequestCounters& counted = meter.counters();
  EXPECT_EQ(counted.by_class, (std::array<std::uint64_t, 6>{2, 0, 2, 0, 3, 1}));
  EXPECT_EQ(of(counted.refused, RefusalReason::bad_credential), 2u);
  EXPECT_EQ(counted.seconds.count(6), 6u);  // up to 50 ms
  EXPECT_EQ(next.told, 8);
}

TEST(RefusalReasons, what_is_wrong_with_a_credential_has_a_reason_of_its_own) {
  for (const auto& [sentence, reason] : {std::pair{"token expired", RefusalReason::expired},
                                         {"wrong signature", RefusalReason::wrong_key},
                                         {"no Authorization", RefusalReason::no_credential},
                                         {"SAS token: sig is missing", RefusalReason::malformed_credential},
                                         {"unknown policy", RefusalReason::unknown_policy},
                                         {"scope wider than the identity", RefusalReason::wrong_scope},
                                         {"policy without DeviceConnect", RefusalReason::missing_right},
                                         {"client certificate expired", RefusalReason::certificate},
                                         {"the identity is not registered", RefusalReason::unknown_identity},
                                         {"device d1 made this up", RefusalReason::bad_credential}}) {
    EXPECT_EQ(refusal_reason_of(Error(Errc::unauthorized, sentence)), reason) << sentence;
  }
}

TEST(RefusalReasons, each_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kRefusalReasonCount; ++i)
    names.insert(to_string(static_cast<RefusalReason>(i)));
  EXPECT_EQ(names.size(), kRefusalReasonCount);
}

}  // namespace
}  // namespace kyanite
