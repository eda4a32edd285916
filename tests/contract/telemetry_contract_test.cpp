#include <gtest/gtest.h>

#include "tests/contract/store_engine.h"

// What telemetry_log.h promises, asked of every engine.
namespace kyanite {
namespace {

class TelemetryContract : public testing::TestWithParam<EngineKind> {
 protected:
  ManualExecutor& home() { return engine_->home; }
  Stores& stores() { return engine_->stores(); }
  TelemetryLog& log() { return engine_->stores().telemetry(); }

  // Appends one batch and waits until all of it is acknowledged.
  void append(std::uint32_t partition, const std::vector<std::string>& bodies) {
    TelemetryBatch batch{&sink_, {}};
    for (const std::string& body : bodies)
      batch.appends.push_back(make_append(partition, "d", ++sequence_, body));
    const std::size_t wanted = sink_.count() + bodies.size();
    log().append(std::move(batch));
    wait_for_acks(sink_, wanted);
  }
  void wait_for_acks(const RecordingSink& sink, std::size_t wanted) {
    ASSERT_TRUE(home().run_until([&] { return sink.count() >= wanted; }));
  }
  std::vector<std::string> bodies(std::uint32_t partition, std::uint64_t from = 0) {
    std::vector<std::string> found;
    const auto page = read_page(home(), stores(), partition, from);
    for (const auto& record : page->records) found.push_back(record.body);
    return found;
  }
  Result<TelemetryOffset> find_time(std::uint32_t partition, WallTime time) {
    return await<TelemetryOffset>(
        home(), [&](auto reply) { log().find_time(PartitionId{partition}, time, std::move(reply)); });
  }

  RecordingSink sink_;
  std::uint64_t sequence_ = 0;
  std::unique_ptr<StoreEngine> engine_ = GetParam().make();
};
INSTANTIATE_TEST_SUITE_P(Engines, TelemetryContract, testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(TelemetryContract, offsets_start_at_zero_and_grow_by_one_in_each_partition) {
  append(0, {"a", "b"});
  append(1, {"x"});
  append(0, {"c"});
  const auto page = read_page(home(), stores(), 0, 0);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->records.size(), 3u);
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(page->records[i].offset.value, i);
  EXPECT_EQ(page->next.value, 3u);
  EXPECT_EQ(page->first_available.value, 0u);
  EXPECT_EQ(bodies(0), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(bodies(1), std::vector<std::string>{"x"});
  EXPECT_TRUE(bodies(2).empty());
}

TEST_P(TelemetryContract, a_record_is_read_as_it_was_appended) {
  const Identity sender{"dev", "mod"};
  PropertyBag bag;
  bag.system = {{"message-id", "17"}, {"content-type", std::nullopt}};
  bag.application = {{"k", ""}, {"", "v"}};
  const std::string body("\0\xff{}", 4);
  const TelemetryFields fields{sender, "638", R"({"scope":"device"})", MessageSource::telemetry, "dtmi:a;1",
                               bag,    body};
  log().append({&sink_, {{PartitionId{2}, encode_telemetry(fields), {ConnectionRef{{}, 1, 1}, 9}, true}}});
  wait_for_acks(sink_, 1);
  const auto page = read_page(home(), stores(), 2, 0);
  ASSERT_EQ(page->records.size(), 1u);
  const TelemetryRecord& record = page->records[0];
  EXPECT_EQ(record.sender, sender);
  EXPECT_EQ(record.generation_id, "638");
  EXPECT_EQ(record.auth_method, R"({"scope":"device"})");
  EXPECT_EQ(record.model_id, "dtmi:a;1");
  EXPECT_EQ(record.system, bag.system);
  EXPECT_EQ(record.application, bag.application);
  EXPECT_EQ(record.body, body);
  EXPECT_EQ(record.enqueued, home().wall_now());
}

TEST_P(TelemetryContract, acknowledgements_come_in_append_order_and_only_where_wanted) {
  TelemetryBatch batch{&sink_, {}};
  for (std::uint64_t i = 0; i < 10; ++i) batch.appends.push_back(make_append(i % 4, "d", i, "b", i != 3));
  log().append(std::move(batch));
  wait_for_acks(sink_, 9);
  EXPECT_EQ(sink_.sequences(), (std::vector<std::uint64_t>{0, 1, 2, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(sink_.calls(), 1u);
}

TEST_P(TelemetryContract, each_sink_hears_of_its_own_records) {
  RecordingSink other;
  log().append({&sink_, {make_append(0, "d", 1, "a")}});
  log().append({&other, {make_append(0, "e", 7, "b")}});
  wait_for_acks(sink_, 1);
  wait_for_acks(other, 1);
  EXPECT_EQ(sink_.sequences(), std::vector<std::uint64_t>{1});
  EXPECT_EQ(other.sequences(), std::vector<std::uint64_t>{7});
}

TEST_P(TelemetryContract, pages_keep_to_their_bounds_but_hold_at_least_one_record) {
  append(0, {std::string(1000, 'a'), std::string(1000, 'b'), std::string(1000, 'c')});
  EXPECT_EQ(read_page(home(), stores(), 0, 0, 2)->records.size(), 2u);
  const auto small = read_page(home(), stores(), 0, 1, 10, 10);
  ASSERT_EQ(small->records.size(), 1u);
  EXPECT_EQ(small->records[0].offset.value, 1u);
  EXPECT_EQ(small->next.value, 2u);
  EXPECT_EQ(read_page(home(), stores(), 0, 0, 10, 2500)->records.size(), 2u);
}

TEST_P(TelemetryContract, reading_at_or_past_the_end_gives_an_empty_page_that_stays_there) {
  append(0, {"a"});
  for (const std::uint64_t from : {1u, 50u}) {
    const auto page = read_page(home(), stores(), 0, from);
    ASSERT_TRUE(page);
    EXPECT_TRUE(page->records.empty());
    EXPECT_EQ(page->next.value, from);
  }
}

TEST_P(TelemetryContract, range_shows_committed_state) {
  EXPECT_EQ(log().range(PartitionId{0}).end.value, 0u);
  append(0, {"a", "b"});
  const TelemetryRange range = log().range(PartitionId{0});
  EXPECT_EQ(range.begin.value, 0u);
  EXPECT_EQ(range.end.value, 2u);
  EXPECT_EQ(range.last_enqueued, home().wall_now());
}

TEST_P(TelemetryContract, enqueued_time_does_not_run_back_when_the_clock_does_nor_over_a_restart) {
  const WallTime start = home().wall_now();
  append(0, {"a"});
  home().set_wall(start - seconds(100));
  append(0, {"b"});
  engine_->reopen();
  append(0, {"c"});
  home().set_wall(start + seconds(1));
  append(0, {"d"});
  std::vector<WallTime> times;
  const auto page = read_page(home(), stores(), 0, 0);
  for (const auto& record : page->records) times.push_back(record.enqueued);
  EXPECT_EQ(times, (std::vector{start, start, start, start + seconds(1)}));
}

TEST_P(TelemetryContract, find_time_gives_the_first_record_at_or_after_it) {
  const WallTime start = home().wall_now();
  for (int i = 0; i < 20; ++i) {
    home().set_wall(start + seconds(i / 2 * 10));  // pairs of equal times, ten seconds apart
    append(1, {std::to_string(i)});
  }
  EXPECT_EQ(find_time(1, start - seconds(1))->value, 0u);
  EXPECT_EQ(find_time(1, start)->value, 0u);
  EXPECT_EQ(find_time(1, start + seconds(1))->value, 2u);
  EXPECT_EQ(find_time(1, start + seconds(10))->value, 2u);
  EXPECT_EQ(find_time(1, start + seconds(90))->value, 18u);
  EXPECT_EQ(find_time(1, start + seconds(91))->value, 20u);
  EXPECT_EQ(find_time(0, start)->value, 0u);
}

TEST_P(TelemetryContract, a_wait_answers_at_once_when_there_are_records) {
  append(0, {"a", "b"});
  const auto end = await<TelemetryOffset>(
      home(), [&](auto reply) { log().wait_past(PartitionId{0}, TelemetryOffset{1}, std::move(reply)); });
  EXPECT_EQ(end->value, 2u);
}

TEST_P(TelemetryContract, a_wait_answers_when_records_come_to_its_partition) {
  append(0, {"a"});
  std::optional<Result<TelemetryOffset>> end;
  log().wait_past(PartitionId{0}, TelemetryOffset{1},
                  Reply<TelemetryOffset>(home(), [&](auto result) { end = std::move(result); }));
  append(1, {"elsewhere"});
  home().run_ready();
  EXPECT_FALSE(end);
  append(0, {"b", "c"});
  ASSERT_TRUE(home().run_until([&] { return end.has_value(); }));
  EXPECT_EQ(end->value().value, 3u);
}

TEST_P(TelemetryContract, a_cancelled_wait_answers_shutting_down_once) {
  int answers = 0;
  Errc code = Errc::internal;
  const WaitId wait =
      log().wait_past(PartitionId{0}, TelemetryOffset{0}, Reply<TelemetryOffset>(home(), [&](auto r) {
                        ++answers;
                        code = r.error().code;
                      }));
  log().cancel_wait(wait);
  log().cancel_wait(wait);
  log().cancel_wait(WaitId{999});
  append(0, {"a"});
  home().run_ready();
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(code, Errc::shutting_down);
}

TEST_P(TelemetryContract, an_unknown_partition_is_refused) {
  const PartitionId unknown{log().partitions()};
  EXPECT_EQ(read_page(home(), stores(), unknown.value, 0).error().code, Errc::argument_invalid);
  EXPECT_EQ(find_time(unknown.value, kNever).error().code, Errc::argument_invalid);
  const auto wait = await<TelemetryOffset>(
      home(), [&](auto reply) { log().wait_past(unknown, TelemetryOffset{0}, std::move(reply)); });
  EXPECT_EQ(wait.error().code, Errc::argument_invalid);
  EXPECT_EQ(log().range(unknown).end.value, 0u);
}

TEST_P(TelemetryContract, everything_is_there_after_a_restart_and_offsets_go_on) {
  append(0, {"a", "b"});
  append(3, {"z"});
  engine_->reopen();
  EXPECT_EQ(log().range(PartitionId{0}).end.value, 2u);
  append(0, {"c"});
  EXPECT_EQ(bodies(0), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(bodies(0, 2), std::vector<std::string>{"c"});
  EXPECT_EQ(bodies(3), std::vector<std::string>{"z"});
}

TEST_P(TelemetryContract, close_commits_what_was_appended_and_ends_waits) {
  Errc code = Errc::internal;
  log().wait_past(PartitionId{1}, TelemetryOffset{0},
                  Reply<TelemetryOffset>(home(), [&](auto r) { code = r.error().code; }));
  TelemetryBatch batch{&sink_, {}};
  for (std::uint64_t i = 0; i < 100; ++i) batch.appends.push_back(make_append(0, "d", i, "b"));
  log().append(std::move(batch));
  stores().close();
  home().run_ready();
  EXPECT_EQ(sink_.count(), 100u);
  EXPECT_EQ(code, Errc::shutting_down);
  log().append({&sink_, {make_append(0, "d", 100, "late")}});
  engine_->reopen();
  EXPECT_EQ(sink_.count(), 100u);
  EXPECT_EQ(log().range(PartitionId{0}).end.value, 100u);
}

}  // namespace
}  // namespace kyanite
