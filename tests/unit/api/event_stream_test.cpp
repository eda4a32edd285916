#include "server/api/event_stream.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <deque>

#include "protocol/base/iso_time.h"
#include "protocol/base/limits.h"
#include "storage/record_codec.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What the connection would be: takes pieces, and says what a test wants about its queue.
struct TestOutput final : ResponseStream::Output {
  void write(std::string piece) override {
    text += piece;
    if (stuck) queued += piece.size();
  }
  std::size_t queued_bytes() const override { return queued; }
  void finish() override { finished = true; }
  void abort() override { aborted = true; }

  std::string text;
  bool stuck = false;  // nothing leaves
  std::size_t queued = 0;
  bool finished = false;
  bool aborted = false;
};

class EventStreamTest : public ::testing::Test {
 protected:
  void append(std::uint32_t partition, const Identity& sender, std::string_view body,
              MessageSource source = MessageSource::telemetry) {
    const PropertyBag bag;
    TelemetryBatch batch;
    TelemetryAppend append;
    append.partition = {partition};
    append.record = encode_telemetry({sender, "1", "{}", source, "", bag, body});
    batch.appends.push_back(std::move(append));
    rest.hub.stores.telemetry().append(std::move(batch));
    rest.hub.loop.run();
  }

  void open(const std::string& query, std::string accept = {}) {
    RestRequest request{"GET", "/kyanite/v1/events?" + query, {}, {}};
    if (!accept.empty()) request.headers.emplace_back("accept", std::move(accept));
    answer = rest.ask(std::move(request));
    ASSERT_EQ(answer.status, 200) << answer.body;
    ASSERT_NE(answer.stream, nullptr);
    answer.stream->start(output);
    rest.hub.loop.run();
  }

  // The bodies that came since the last look; a heart-beat is shown as "~".
  std::vector<std::string> bodies() {
    std::vector<std::string> found;
    std::size_t at = 0;
    while (at < output.text.size()) {
      const std::size_t end = output.text.find('\n', at);
      const std::string line = output.text.substr(at, end - at);
      found.push_back(line.empty() ? "~" : (*parse_json(line))["body"].get<std::string>());
      at = end + 1;
    }
    output.text.clear();
    return found;
  }

  RestHub rest;
  RestAnswer answer;
  TestOutput output;
  const Identity d1{"d1", ""};
  const Identity d2{"d2", ""};
};

TEST_F(EventStreamTest, the_response_says_what_it_is) {
  open("");
  EXPECT_EQ(answer.headers["content-type"], "application/x-ndjson");
  EXPECT_EQ(answer.headers["cache-control"], "no-store");
  EXPECT_EQ(answer.headers.count("x-ms-request-id"), 1u);
}

TEST_F(EventStreamTest, from_start_everything_kept_is_sent_in_order_of_each_partition) {
  for (int i = 0; i < 3; ++i) {
    append(0, d1, "a" + std::to_string(i));
    append(2, d2, "b" + std::to_string(i));
  }
  open("from=start");
  EXPECT_THAT(bodies(), ElementsAre("a0", "a1", "a2", "b0", "b1", "b2"));
}

TEST_F(EventStreamTest, from_now_only_what_comes_after_the_answer_is_sent) {
  append(0, d1, "old");
  open("from=now");
  EXPECT_THAT(bodies(), IsEmpty());
  append(0, d1, "new");
  append(1, d2, "new too");
  EXPECT_THAT(bodies(), ElementsAre("new", "new too"));
}

TEST_F(EventStreamTest, an_event_between_the_answer_and_the_first_read_is_not_lost) {
  answer = rest.ask({"GET", "/kyanite/v1/events", {}, {}});
  append(0, d1, "early");
  answer.stream->start(output);
  rest.hub.loop.run();
  EXPECT_THAT(bodies(), ElementsAre("early"));
}

TEST_F(EventStreamTest, a_partition_and_an_offset_choose_where_to_begin) {
  for (int i = 0; i < 5; ++i) append(1, d1, std::to_string(i));
  append(0, d1, "other");
  open("partition=1&from=3");
  EXPECT_THAT(bodies(), ElementsAre("3", "4"));
}

TEST_F(EventStreamTest, an_offset_before_what_is_kept_begins_with_the_oldest) {
  for (int i = 0; i < 5; ++i) append(1, d1, std::to_string(i));
  rest.hub.stores.trim({1}, {3});
  open("partition=1&from=0");
  EXPECT_THAT(bodies(), ElementsAre("3", "4"));
}

TEST_F(EventStreamTest, a_time_chooses_the_first_event_enqueued_then_or_later) {
  append(0, d1, "before");
  rest.hub.loop.advance(seconds(10));
  const std::string time = to_iso_time(rest.hub.loop.wall_now());
  append(0, d1, "after");
  append(1, d2, "after too");
  open("from=" + time);
  EXPECT_THAT(bodies(), ElementsAre("after", "after too"));
}

TEST_F(EventStreamTest, of_a_time_that_is_ahead_only_what_is_enqueued_then_or_later_is_sent) {
  append(0, d1, "before");
  const WallTime time = rest.hub.loop.wall_now() + seconds(10);
  open("from=" + to_iso_time(time) + "&at=1@0");
  append(0, d1, "still before");
  append(1, d2, "by its place");
  rest.hub.loop.advance(seconds(10));
  append(0, d1, "then");
  append(2, d1, "then too");
  EXPECT_THAT(bodies(), ElementsAre("by its place", "then", "then too"));
}

TEST_F(EventStreamTest, device_and_module_filter) {
  append(0, d1, "device");
  append(0, {"d1", "m"}, "module");
  append(0, d2, "other");
  open("from=start&device=d1");
  EXPECT_THAT(bodies(), ElementsAre("device", "module"));
  open("from=start&device=d1&module=m");
  EXPECT_THAT(bodies(), ElementsAre("module"));
}

TEST_F(EventStreamTest, a_source_filters) {
  append(0, d1, "telemetry");
  append(0, d1, "twin", MessageSource::twin_change);
  append(1, d1, "operations", MessageSource::operations_monitoring);
  open("from=start&source=telemetry,operationsMonitoringEvents");
  EXPECT_THAT(bodies(), ElementsAre("telemetry", "operations"));
  open("from=start&source=twinChangeEvents");
  EXPECT_THAT(bodies(), ElementsAre("twin"));
}

TEST_F(EventStreamTest, the_stream_ends_after_the_wanted_count) {
  for (int i = 0; i < 5; ++i) append(0, d1, std::to_string(i));
  open("from=start&count=2");
  EXPECT_THAT(bodies(), ElementsAre("0", "1"));
  EXPECT_TRUE(output.finished);
}

TEST_F(EventStreamTest, the_stream_ends_when_no_event_came_for_the_timeout) {
  open("timeout=5");
  rest.hub.loop.advance(seconds(4));
  append(0, d1, "x");
  rest.hub.loop.advance(milliseconds(4900));
  EXPECT_FALSE(output.finished);
  rest.hub.loop.advance(milliseconds(200));
  EXPECT_TRUE(output.finished);
}

TEST_F(EventStreamTest, events_of_others_do_not_put_the_timeout_off) {
  open("timeout=5&device=d1");
  rest.hub.loop.advance(seconds(4));
  append(0, d2, "x");
  rest.hub.loop.advance(milliseconds(1100));
  EXPECT_TRUE(output.finished);
}

TEST_F(EventStreamTest, a_reader_that_is_slower_than_the_timeout_gets_everything) {
  const std::string body(10'000, 'x');
  for (int i = 0; i < 100; ++i) append(static_cast<std::uint32_t>(i % 4), d1, body);
  output.stuck = true;
  open("from=start&timeout=5");
  std::size_t got = 0;
  for (int round = 0; round < 100 && !output.finished; ++round) {
    rest.hub.loop.advance(seconds(20));
    got += bodies().size();
    output.queued = 0;
    answer.stream->on_writable();
    rest.hub.loop.run();
  }
  EXPECT_TRUE(output.finished);
  EXPECT_EQ(got, 100u);
}

TEST_F(EventStreamTest, what_came_while_the_reader_was_slow_comes_before_the_end) {
  open("timeout=5");
  const std::string body(10'000, 'x');
  output.stuck = true;
  for (int i = 0; i < 40; ++i) append(1, d1, body);
  const std::size_t first = bodies().size();
  ASSERT_LT(first, 40u);
  rest.hub.loop.advance(seconds(20));
  ASSERT_FALSE(output.finished);
  bodies();
  output.stuck = false;
  output.queued = 0;
  answer.stream->on_writable();
  rest.hub.loop.run();
  EXPECT_EQ(first + bodies().size(), 40u);
  EXPECT_FALSE(output.finished);
  rest.hub.loop.advance(milliseconds(5100));
  EXPECT_TRUE(output.finished);
}

TEST_F(EventStreamTest, events_of_others_that_never_pause_do_not_put_the_timeout_off) {
  open("timeout=5&device=d1");
  for (int i = 0; i < 300; ++i) {
    for (int j = 0; j < 40; ++j) append(0, d2, std::string(10'000, 'x'));
    rest.hub.loop.advance(milliseconds(50));
    if (output.finished) return;
  }
  FAIL() << "still open";
}

TEST_F(EventStreamTest, a_silent_stream_beats_every_15_seconds) {
  open("");
  rest.hub.loop.advance(seconds(31));
  EXPECT_THAT(bodies(), ElementsAre("~", "~"));
  append(0, d1, "x");
  rest.hub.loop.advance(seconds(14));
  EXPECT_THAT(bodies(), ElementsAre("x"));
}

TEST_F(EventStreamTest, a_heartbeat_of_server_sent_events_is_a_comment) {
  open("", "text/event-stream");
  EXPECT_EQ(answer.headers["content-type"], "text/event-stream; charset=utf-8");
  rest.hub.loop.advance(seconds(16));
  EXPECT_TRUE(output.text.starts_with(": "));
  EXPECT_TRUE(output.text.ends_with("\n\n"));
}

TEST_F(EventStreamTest, a_reader_that_does_not_read_stops_the_reading_of_the_log) {
  const std::string body(10'000, 'x');
  for (int i = 0; i < 100; ++i) append(static_cast<std::uint32_t>(i % 4), d1, body);
  output.stuck = true;
  open("from=start");
  // One page beyond the mark, and its JSON is a little longer than the records.
  EXPECT_LT(output.queued, 2 * limits::kOutputHighBytes + 64 * 1024);
  const std::size_t before = output.text.size();
  rest.hub.loop.advance(seconds(60));
  EXPECT_EQ(output.text.size(), before);
  for (int round = 0; round < 100; ++round) {
    output.queued = 0;
    answer.stream->on_writable();
    rest.hub.loop.run();
  }
  EXPECT_EQ(bodies().size(), 100u);
}

TEST_F(EventStreamTest, many_pages_arrive_whole_and_in_order) {
  for (int i = 0; i < 2000; ++i) append(3, d1, std::to_string(i));
  open("from=start");
  const std::vector<std::string> all = bodies();
  ASSERT_EQ(all.size(), 2000u);
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)], std::to_string(i));
}

TEST_F(EventStreamTest, destruction_cancels_every_wait) {
  open("");
  answer.stream.reset();
  append(0, d1, "x");
  rest.hub.loop.advance(seconds(60));
  EXPECT_EQ(output.text, "");
}

TEST_F(EventStreamTest, destruction_with_a_read_under_way_is_harmless) {
  append(0, d1, "x");
  answer = rest.ask({"GET", "/kyanite/v1/events?from=start", {}, {}});
  answer.stream->start(output);
  answer.stream.reset();
  rest.hub.loop.run();
  EXPECT_EQ(output.text, "");
}

TEST_F(EventStreamTest, a_store_that_closes_ends_the_stream) {
  open("");
  rest.hub.stores.close();
  rest.hub.loop.run();
  EXPECT_TRUE(output.finished);
  EXPECT_FALSE(output.aborted);
}

TEST_F(EventStreamTest, more_streams_than_the_bound_are_503) {
  std::deque<RestAnswer> open_streams;
  for (std::size_t i = 0; i < limits::kEventStreamsMax; ++i) {
    open_streams.push_back(rest.ask({"GET", "/kyanite/v1/events", {}, {}}));
    ASSERT_EQ(open_streams.back().status, 200);
  }
  EXPECT_EQ(rest.get("/kyanite/v1/events").status, 503);
  open_streams.pop_front();
  EXPECT_EQ(rest.get("/kyanite/v1/events").status, 200);
}

TEST_F(EventStreamTest, bad_parameters_are_400_and_a_policy_without_service_connect_401) {
  EXPECT_EQ(rest.get("/kyanite/v1/events?from=yesterday").error_name(), "ArgumentInvalid");
  EXPECT_EQ(rest.ask({"GET", "/kyanite/v1/events", {}, {}, "registryRead"}).status, 401);
}

}  // namespace
}  // namespace kyanite::test
