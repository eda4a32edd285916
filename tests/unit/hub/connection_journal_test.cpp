#include "server/hub/connection_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/limits.h"
#include "tests/support/manual_executor.h"
#include "tests/support/sim_hub.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using Kind = ConnectionEntry::Kind;

class ConnectionJournalTest : public testing::Test {
 protected:
  ConnectionJournalTest() : journal(behind, executor, 4) { executor.set_wall(WallTime(milliseconds(1'000))); }

  static ConnectionFacts facts(const Identity& identity, std::string_view address = "192.0.2.7") {
    return {{}, identity, "sdk/1", {}, address, "TLSv1.3"};
  }
  void pass(milliseconds time) { executor.set_wall(executor.wall_now() + time); }
  std::vector<std::string> lines(const ConnectionQuery& query = {}) const {
    std::vector<std::string> all;
    for (const ConnectionEntry& entry : journal.entries(query)) {
      all.push_back((entry.kind == Kind::connected      ? "connected "
                     : entry.kind == Kind::disconnected ? "disconnected "
                                                        : "refused ") +
                    entry.identity.device +
                    (entry.identity.module.empty() ? "" : "/" + entry.identity.module) +
                    (entry.count > 1 ? " x" + std::to_string(entry.count) : ""));
    }
    return all;
  }

  ManualExecutor executor;
  RecordingObserver behind;
  ConnectionJournal journal;
  const Identity d1{"d1", ""}, d2{"d2", ""}, m{"d1", "m"};
};

TEST_F(ConnectionJournalTest, remembers_connects_ends_and_refusals_the_newest_first_and_passes_them_on) {
  journal.on_connected(facts(d1));
  pass(milliseconds(1));
  journal.on_refused(facts(d2), Error(Errc::unauthorized, "token expired"));
  pass(milliseconds(1));
  journal.on_disconnected(facts(d1), EndReason::keep_alive_timeout, "", milliseconds(1234));
  EXPECT_THAT(lines(), ElementsAre("disconnected d1", "refused d2", "connected d1"));
  EXPECT_EQ(behind.take().size(), 3u);
  const auto entries = journal.entries({});
  EXPECT_EQ(entries[0].reason, "keep_alive_timeout");
  EXPECT_EQ(entries[0].connected_for, milliseconds(1234));
  EXPECT_FALSE(entries[0].explanation.empty());
  EXPECT_EQ(entries[1].reason, "IotHubUnauthorized");
  EXPECT_EQ(entries[1].code, 401003);
  EXPECT_EQ(entries[1].detail, "token expired");
  EXPECT_EQ(entries[1].address, "192.0.2.7");
  EXPECT_EQ(entries[1].client, "sdk/1");
  EXPECT_EQ(entries[1].tls, "TLSv1.3");
}

TEST_F(ConnectionJournalTest, equal_refusals_are_one_entry_with_a_count) {
  for (int i = 0; i < 100; ++i) {
    pass(milliseconds(10));
    journal.on_refused(facts(d1), Error(Errc::unauthorized, "wrong signature"));
    journal.on_refused(facts(d2), Error(Errc::device_not_found));
  }
  EXPECT_THAT(lines(), testing::UnorderedElementsAre("refused d1 x100", "refused d2 x100"));
  const auto entries = journal.entries({.device = "d1"});
  EXPECT_EQ(entries[0].first_time, WallTime(milliseconds(1'010)));
  EXPECT_EQ(entries[0].time, WallTime(milliseconds(2'000)));
  journal.on_refused(facts(d1), Error(Errc::unauthorized, "token expired"));
  journal.on_refused(facts(d1, "192.0.2.8"), Error(Errc::unauthorized, "token expired"));
  EXPECT_EQ(journal.entries({.device = "d1"}).size(), 3u);
}

TEST_F(ConnectionJournalTest, holds_no_more_than_its_bound_and_refusals_push_nothing_else_out) {
  journal.on_connected(facts(d1));
  for (int i = 0; i < 50; ++i) {
    pass(milliseconds(1));
    const Identity stranger{"x" + std::to_string(i), ""};
    journal.on_refused(facts(stranger), Error(Errc::device_not_found));
  }
  EXPECT_THAT(lines(),
              ElementsAre("refused x49", "refused x48", "refused x47", "refused x46", "connected d1"));
  for (int i = 0; i < 50; ++i) journal.on_connected(facts(d2));
  EXPECT_THAT(lines({.kinds = {Kind::connected}}),
              ElementsAre("connected d2", "connected d2", "connected d2", "connected d2"));
}

TEST_F(ConnectionJournalTest, finds_by_device_module_kind_time_and_number) {
  journal.on_connected(facts(d1));
  pass(milliseconds(1));
  journal.on_connected(facts(m));
  pass(milliseconds(1));
  journal.on_refused(facts(d2), Error(Errc::device_disabled));
  EXPECT_THAT(lines({.device = "d1"}), ElementsAre("connected d1/m", "connected d1"));
  EXPECT_THAT(lines({.device = "d1", .module = "m"}), ElementsAre("connected d1/m"));
  EXPECT_THAT(lines({.kinds = {Kind::refused}}), ElementsAre("refused d2"));
  EXPECT_THAT(lines({.kinds = {Kind::refused, Kind::connected}, .limit = 2}),
              ElementsAre("refused d2", "connected d1/m"));
  EXPECT_THAT(lines({.since = WallTime(milliseconds(1'001))}), ElementsAre("refused d2", "connected d1/m"));
}

TEST_F(ConnectionJournalTest, texts_of_strangers_are_cut_between_characters) {
  const std::string address(1000, 'a');
  std::string word;
  for (int i = 0; i < 1000; ++i) word += "\xc3\xa4";  // one character of two bytes
  const Identity stranger{word, word};
  ConnectionFacts facts{{}, stranger, word, {}, address, word};
  journal.on_refused(facts, Error(Errc::unauthorized, word));
  journal.on_amqp_refused(address, word, word, Error(Errc::unauthorized, word));
  for (const ConnectionEntry& entry : journal.entries({})) {
    for (const std::string& text : {entry.identity.device, entry.identity.module, entry.address, entry.client,
                                    entry.tls, entry.detail}) {
      EXPECT_LE(text.size(), limits::kJournalTextBytesMax + 3);
      if (text.ends_with("...") && text.starts_with("\xc3")) {
        EXPECT_EQ(text.size() % 2, 1u) << text;
      }
    }
  }
}

TEST_F(ConnectionJournalTest, a_refused_link_of_amqp_tells_what_it_was) {
  journal.on_amqp_refused("192.0.2.7", "container-1", "link messages/events",
                          Error(Errc::unauthorized, "no claim"));
  const auto entries = journal.entries({});
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].protocol, DeviceProtocol::amqp);
  EXPECT_EQ(entries[0].client, "container-1");
  EXPECT_EQ(entries[0].detail, "link messages/events: no claim");
  EXPECT_FALSE(entries[0].credential);
}

TEST_F(ConnectionJournalTest, a_client_that_fails_at_tls_is_remembered_by_its_address) {
  for (int i = 0; i < 3; ++i)
    journal.on_tls_failed("192.0.2.7", DeviceProtocol::mqtt, TlsFailure::untrusted, "tlsv1 alert unknown ca");
  journal.on_tls_failed("192.0.2.7", DeviceProtocol::https, TlsFailure::plain_text,
                        "the client speaks without TLS");
  const auto entries = journal.entries({});
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].reason, "TlsHandshakeFailed");
  EXPECT_EQ(entries[1].count, 3u);
  EXPECT_THAT(entries[1].explanation, testing::HasSubstr("kyanite ca"));
  EXPECT_EQ(entries[0].protocol, DeviceProtocol::https);
  EXPECT_THAT(entries[0].explanation, testing::HasSubstr("https://"));
  EXPECT_TRUE(entries[1].identity.device.empty());
  EXPECT_TRUE(behind.take().empty());
}

TEST_F(ConnectionJournalTest, a_client_that_leaves_after_tls_is_counted_by_its_address) {
  for (int i = 0; i < 3; ++i) journal.on_left_silently("192.0.2.7", "TLSv1.2", DeviceProtocol::amqp);
  const auto entries = journal.entries({});
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].reason, "LeftAfterTls");
  EXPECT_EQ(entries[0].tls, "TLSv1.2");
  EXPECT_EQ(entries[0].count, 3u);
  EXPECT_EQ(entries[0].protocol, DeviceProtocol::amqp);
  EXPECT_THAT(entries[0].explanation, testing::HasSubstr("kyanite ca"));
  EXPECT_EQ(behind.take(), std::vector<std::string>(3, "Amqp left silently"));
}

TEST_F(ConnectionJournalTest, a_device_refused_over_https_stands_under_its_id) {
  RefusedRequest request;
  request.identity = m;
  request.address = "192.0.2.7";
  request.client = "curl/8";
  request.tls_version = "TLSv1.3";
  request.credential = std::pair(AuthScope::module, AuthKind::sas);
  for (int i = 0; i < 2; ++i) journal.on_request_refused(request, Error(Errc::unauthorized, "token expired"));
  const auto entries = journal.entries({.device = "d1", .module = "m"});
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].count, 2u);
  EXPECT_EQ(to_string(entries[0].protocol), "Https");
  EXPECT_EQ(entries[0].reason, "IotHubUnauthorized");
  EXPECT_EQ(entries[0].detail, "token expired");
  EXPECT_THAT(entries[0].explanation, testing::HasSubstr("clock"));
  EXPECT_EQ(entries[0].client, "curl/8");
  EXPECT_TRUE(behind.take().empty());
}

TEST_F(ConnectionJournalTest, strangers_push_out_no_refusal_that_names_a_device) {
  journal.on_refused(facts(d1), Error(Errc::unauthorized, "wrong signature"));
  RefusedRequest request;
  request.caller = RefusedRequest::Caller::back_end;
  for (int i = 0; i < 50; ++i) {
    pass(milliseconds(1));
    const std::string address = "192.0.2." + std::to_string(i);
    request.address = address;
    journal.on_request_refused(request, Error(Errc::unauthorized, "no Authorization"));
    journal.on_tls_failed(address, DeviceProtocol::https, TlsFailure::version, "unsupported protocol");
    journal.on_amqp_refused(address, "c", "SASL", Error(Errc::unauthorized, "no token"));
  }
  const auto all = journal.entries({});
  EXPECT_EQ(all.size(), 5u);
  EXPECT_EQ(all.back().identity.device, "d1");
  EXPECT_EQ(all[2].detail, "REST request: no Authorization");
  EXPECT_FALSE(all[0].detail.empty());
}

TEST_F(ConnectionJournalTest, a_websocket_that_was_not_opened_says_what_was_missing) {
  RefusedRequest request;
  request.caller = RefusedRequest::Caller::websocket;
  request.protocol = DeviceProtocol::mqtt;
  journal.on_request_refused(request, Error(Errc::argument_invalid, "The header Upgrade must be websocket"));
  const auto entries = journal.entries({});
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].transport, PeerTransport::websocket);
  EXPECT_EQ(entries[0].reason, "WebSocketRefused");
  EXPECT_EQ(entries[0].detail, "The header Upgrade must be websocket");
  EXPECT_FALSE(entries[0].explanation.empty());
}

TEST_F(ConnectionJournalTest, a_history_asks_the_journals_of_all_shards) {
  ManualExecutor other_executor, home;
  other_executor.set_wall(WallTime(milliseconds(5'000)));
  ConnectionJournal other(behind, other_executor, 4);
  journal.on_connected(facts(d1));
  other.on_connected(facts(d2));
  pass(milliseconds(9'000));
  journal.on_connected(facts(m));
  ConnectionHistory history;
  history.add(executor, journal);
  history.add(other_executor, other);
  std::vector<std::string> found;
  const auto ask = [&](std::size_t limit) {
    found.clear();
    history.find(
        {.limit = limit},
        Reply<std::vector<ConnectionEntry>>(home, [&](const Result<std::vector<ConnectionEntry>>& entries) {
          for (const ConnectionEntry& entry : *entries)
            found.push_back(entry.identity.device + "/" + entry.identity.module);
        }));
    executor.run_ready();
    EXPECT_TRUE(found.empty());
    other_executor.run_ready();
    home.run_ready();
  };
  ask(10);
  EXPECT_THAT(found, ElementsAre("d1/m", "d2/", "d1/"));
  ask(2);
  EXPECT_THAT(found, ElementsAre("d1/m", "d2/"));
}

TEST(ConnectionAdvice, every_end_and_refusal_has_a_sentence_that_people_can_use) {
  for (std::size_t i = 0; i < kEndReasonCount; ++i) {
    const auto reason = static_cast<EndReason>(i);
    const bool is_plain = reason == EndReason::refused || reason == EndReason::device_disconnected ||
                          reason == EndReason::shutting_down;
    EXPECT_EQ(explain_end(reason).empty(), is_plain) << to_string(reason);
  }
  for (const Errc code : {Errc::unauthorized, Errc::device_not_found, Errc::device_disabled,
                          Errc::argument_invalid, Errc::protocol_violation, Errc::busy, Errc::internal}) {
    EXPECT_GT(explain_refusal(Error(code)).size(), 20u);
  }
}

}  // namespace
}  // namespace kyanite::test
