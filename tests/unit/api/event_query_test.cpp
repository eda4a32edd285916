#include "server/api/event_query.h"

#include <gtest/gtest.h>

#include "protocol/base/iso_time.h"

namespace kyanite {
namespace {

Result<EventQuery> parse(std::string_view query, std::string accept = {}) {
  HttpRequest request;
  parse_http_target("/kyanite/v1/events?" + std::string(query), request);
  if (!accept.empty()) request.headers.emplace_back("accept", std::move(accept));
  return parse_event_query(request, 4);
}

TEST(EventQuery, without_parameters_everything_new_is_streamed_for_ever) {
  const auto query = parse("");
  ASSERT_TRUE(query);
  EXPECT_TRUE(std::holds_alternative<FromNow>(query->start));
  EXPECT_FALSE(query->device || query->module || query->partition || query->count || query->idle_timeout);
  EXPECT_EQ(query->format, EventFormat::json_lines);
}

TEST(EventQuery, every_parameter_is_read) {
  const auto query = parse("DEVICE=d1&module=m&partition=3&from=START&count=10&timeout=5");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->device, "d1");
  EXPECT_EQ(query->module, "m");
  EXPECT_EQ(query->partition, PartitionId{3});
  EXPECT_TRUE(std::holds_alternative<FromStart>(query->start));
  EXPECT_EQ(query->count, 10u);
  EXPECT_EQ(query->idle_timeout, seconds(5));
}

TEST(EventQuery, sources_are_a_list_of_names) {
  EXPECT_TRUE(parse("")->sources.empty());
  EXPECT_EQ(parse("source=telemetry")->sources, std::vector{MessageSource::telemetry});
  EXPECT_EQ(parse("source=TwinChangeEvents,deviceMessages,telemetry")->sources,
            (std::vector{MessageSource::twin_change, MessageSource::telemetry}));
  for (const char* bad : {"source=twins", "source=telemetry,", "source=,", "source=a,telemetry"}) {
    EXPECT_EQ(parse(bad).error().code, Errc::argument_invalid) << bad;
  }
}

TEST(EventQuery, a_small_number_is_an_offset_and_a_big_one_milliseconds) {
  EXPECT_EQ(std::get<TelemetryOffset>(parse("from=0")->start).value, 0u);
  EXPECT_EQ(std::get<TelemetryOffset>(parse("from=99999999999")->start).value, 99'999'999'999u);
  EXPECT_EQ(std::get<WallTime>(parse("from=100000000000")->start), WallTime(milliseconds(100'000'000'000)));
}

TEST(EventQuery, single_partitions_begin_where_they_are_told) {
  const auto query = parse("at=0@17,3@0");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->resume, (std::map<PartitionId, TelemetryOffset>{{PartitionId{0}, TelemetryOffset{17}},
                                                                   {PartitionId{3}, TelemetryOffset{0}}}));
  for (const char* bad : {"at=1", "at=@1", "at=1@", "at=4@1", "at=1@x", "at=1@1,", "at=-1@1"}) {
    EXPECT_EQ(parse(bad).error().code, Errc::argument_invalid) << bad;
  }
}

TEST(EventQuery, an_iso_time_is_a_time) {
  EXPECT_EQ(std::get<WallTime>(parse("from=2026-01-05T10:00:01.5Z")->start),
            *parse_iso_time("2026-01-05T10:00:01.5Z"));
  EXPECT_TRUE(parse("from=2026-01-05T10%3A00%3A01Z"));
}

TEST(EventQuery, empty_values_count_as_absent_and_a_timeout_of_zero_as_none) {
  const auto query = parse("device=&module=&partition=&from=&count=&timeout=0");
  ASSERT_TRUE(query);
  EXPECT_FALSE(query->device || query->partition || query->count || query->idle_timeout);
}

TEST(EventQuery, bad_values_are_refused_with_a_sentence) {
  for (const auto* bad :
       {"from=yesterday", "from=-1", "from=2026-01-05", "from=99999999999999999999", "from=999999999999999",
        "partition=4", "partition=x", "count=0", "count=-1", "count=x", "timeout=x", "timeout=86401",
        "timeout=-1", "device=a%20b", "module=%00"}) {
    const auto query = parse(bad);
    ASSERT_FALSE(query) << bad;
    EXPECT_EQ(query.error().code, Errc::argument_invalid) << bad;
    EXPECT_FALSE(query.error().detail.empty()) << bad;
  }
}

TEST(EventQuery, the_accept_header_chooses_server_sent_events) {
  EXPECT_EQ(parse("", "text/event-stream")->format, EventFormat::server_sent_events);
  EXPECT_EQ(parse("", "Text/Event-Stream, */*;q=0.1")->format, EventFormat::server_sent_events);
  EXPECT_EQ(parse("", "*/*")->format, EventFormat::json_lines);
  EXPECT_EQ(parse("", "application/x-ndjson")->format, EventFormat::json_lines);
}

}  // namespace
}  // namespace kyanite
