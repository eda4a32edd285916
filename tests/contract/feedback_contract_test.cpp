#include <gtest/gtest.h>

#include "tests/contract/store_engine.h"

// What FeedbackStore of c2d_store.h promises, asked of every engine.
namespace kyanite {
namespace {

class FeedbackContract : public testing::TestWithParam<EngineKind> {
 protected:
  ManualExecutor& home() { return engine_->home; }
  Stores& stores() { return engine_->stores(); }
  static FeedbackRecord feedback(const std::string& message,
                                 FeedbackStatus status = FeedbackStatus::success) {
    return {0, message, WallTime(milliseconds(1'700'000'000'000)), status, "d", "638"};
  }
  Result<void> add(std::vector<FeedbackRecord> records) {
    return settle(home(), stores(), {"d", {}, {}, std::move(records)});
  }
  std::vector<FeedbackRecord> read(std::uint64_t after = 0, std::size_t limit = 1000) {
    return await<std::vector<FeedbackRecord>>(home(),
                                              [&](Reply<std::vector<FeedbackRecord>> reply) {
                                                stores().feedback().read(after, limit, std::move(reply));
                                              })
        .value();
  }
  std::vector<std::string> messages(std::uint64_t after = 0, std::size_t limit = 1000) {
    std::vector<std::string> ids;
    for (const FeedbackRecord& record : read(after, limit)) ids.push_back(record.original_message_id);
    return ids;
  }
  Result<void> erase(std::vector<std::uint64_t> sequences) {
    return await<void>(home(), [&](Reply<void> reply) {
      stores().feedback().erase(std::move(sequences), std::move(reply));
    });
  }

  std::unique_ptr<StoreEngine> engine_ = GetParam().make();
};
INSTANTIATE_TEST_SUITE_P(Engines, FeedbackContract, testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(FeedbackContract, records_come_back_with_a_sequence_that_grows) {
  ASSERT_TRUE(add({feedback("a"), feedback("b", FeedbackStatus::purged)}));
  ASSERT_TRUE(add({feedback("c", FeedbackStatus::expired)}));
  engine_->reopen();
  const std::vector<FeedbackRecord> found = read();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_LT(found[0].sequence, found[1].sequence);
  EXPECT_LT(found[1].sequence, found[2].sequence);
  FeedbackRecord second = feedback("b", FeedbackStatus::purged);
  second.sequence = found[1].sequence;
  EXPECT_EQ(found[1], second);
}

TEST_P(FeedbackContract, pages_begin_after_a_sequence_and_end_at_the_limit) {
  ASSERT_TRUE(add({feedback("a"), feedback("b"), feedback("c"), feedback("d")}));
  const std::uint64_t first = read()[0].sequence;
  EXPECT_EQ(messages(0, 2), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(messages(first, 2), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(messages(first + 2), std::vector<std::string>{"d"});
  EXPECT_TRUE(messages(first + 3).empty());
  EXPECT_TRUE(messages(UINT64_MAX).empty());
}

TEST_P(FeedbackContract, erased_records_are_gone_and_erasing_twice_is_safe) {
  ASSERT_TRUE(add({feedback("a"), feedback("b"), feedback("c")}));
  const std::uint64_t first = read()[0].sequence;
  for (int twice = 0; twice < 2; ++twice) ASSERT_TRUE(erase({first, first + 2, first + 1000}));
  engine_->reopen();
  EXPECT_EQ(messages(), std::vector<std::string>{"b"});
}

TEST_P(FeedbackContract, a_sequence_is_never_given_twice_over_an_emptied_queue_and_reopening) {
  ASSERT_TRUE(add({feedback("a"), feedback("b")}));
  const std::uint64_t last = read()[1].sequence;
  ASSERT_TRUE(erase({last - 1, last}));
  EXPECT_TRUE(read().empty());
  engine_->reopen();
  ASSERT_TRUE(add({feedback("c")}));
  EXPECT_GT(read().at(0).sequence, last);
  EXPECT_EQ(messages(last), std::vector<std::string>{"c"});
}

TEST_P(FeedbackContract, feedback_is_there_once_the_settlement_is_answered_and_outlives_its_device) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  ASSERT_TRUE(append_message(home(), stores(), make_message("d", 1)));
  ASSERT_TRUE(settle(home(), stores(), {"d", {1}, {}, {feedback("m1")}}));
  EXPECT_EQ(messages(), std::vector<std::string>{"m1"});
  ASSERT_TRUE(kyanite::erase(home(), stores(), {"d", ""}));
  EXPECT_EQ(messages(), std::vector<std::string>{"m1"});
}

}  // namespace
}  // namespace kyanite
