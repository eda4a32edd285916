#include "protocol/base/reply.h"

#include <gtest/gtest.h>

#include <memory>

namespace kyanite {
namespace {

// Keeps what is posted until the test runs it.
class ManualExecutor final : public Executor {
 public:
  void post(Task task) override { tasks_.push_back(std::move(task)); }
  void post_all(std::vector<Task> tasks) override {
    for (Task& task : tasks) post(std::move(task));
  }
  TimerId after(milliseconds, Task) override { return {}; }
  void cancel(TimerId) override {}
  SteadyTime now() const override { return {}; }
  WallTime wall_now() const override { return {}; }
  bool is_current() const override { return true; }

  std::size_t run() {
    auto tasks = std::exchange(tasks_, {});
    for (Task& task : tasks) task();
    return tasks.size();
  }

 private:
  std::vector<Task> tasks_;
};

class ReplyTest : public testing::Test {
 protected:
  Reply<int> make() {
    return {home_, [this](Result<int> result) { answers_.push_back(std::move(result)); }};
  }

  ManualExecutor home_;
  std::vector<Result<int>> answers_;
};

TEST_F(ReplyTest, answers_on_the_executor_that_asked_and_never_inline) {
  auto reply = make();
  reply(17);
  EXPECT_TRUE(answers_.empty());
  home_.run();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].value(), 17);
}

TEST_F(ReplyTest, carries_an_error) {
  auto reply = make();
  reply(Error(Errc::not_found));
  home_.run();
  EXPECT_EQ(answers_.at(0).error().code, Errc::not_found);
}

TEST_F(ReplyTest, answers_internal_when_dropped) {
  { const auto reply = make(); }
  home_.run();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].error().code, Errc::internal);
}

TEST_F(ReplyTest, answers_for_the_one_that_assignment_replaces) {
  auto reply = make();
  reply = make();
  EXPECT_EQ(home_.run(), 1u);
  reply(2);
  EXPECT_EQ(home_.run(), 1u);
  EXPECT_EQ(answers_.at(0).error().code, Errc::internal);
  EXPECT_EQ(answers_.at(1).value(), 2);
}

TEST_F(ReplyTest, moves_the_duty_to_answer) {
  auto first = make();
  auto second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): a moved-from reply owes nothing
  EXPECT_TRUE(second);
  second(1);
  EXPECT_FALSE(second);
  EXPECT_EQ(home_.run(), 1u);
}

TEST_F(ReplyTest, becomes_a_task_that_answers_once) {
  auto reply = make();
  EXPECT_EQ(&reply.home(), &home_);
  Task task = reply.into_task(5);
  EXPECT_FALSE(reply);
  task();
  EXPECT_EQ(answers_.at(0).value(), 5);
  EXPECT_EQ(home_.run(), 0u);
}

TEST_F(ReplyTest, owes_nothing_when_made_empty) {
  { const Reply<int> reply{}; }
  EXPECT_EQ(home_.run(), 0u);
}

using ReplyDeathTest = ReplyTest;

TEST_F(ReplyDeathTest, stops_on_a_second_answer) {
  auto reply = make();
  reply(1);
  EXPECT_DEATH(reply(2), "assertion_failed");
}

TEST(ResultDeathTest, stops_when_the_value_of_an_error_is_taken) {
  const Result<int> failed = Error(Errc::not_found, "nothing here");
  EXPECT_DEATH((void)failed.value(), "nothing here");
}

}  // namespace
}  // namespace kyanite
