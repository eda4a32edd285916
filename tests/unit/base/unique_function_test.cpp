#include "protocol/base/unique_function.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

namespace kyanite {
namespace {

TEST(UniqueFunction, calls_its_target_with_arguments) {
  UniqueFunction<int(int, int)> add = [](int a, int b) { return a + b; };
  EXPECT_EQ(add(2, 3), 5);
}

TEST(UniqueFunction, is_empty_until_assigned) {
  UniqueFunction<void()> task;
  EXPECT_FALSE(task);
  task = [] {};
  EXPECT_TRUE(task);
  task.reset();
  EXPECT_FALSE(task);
}

TEST(UniqueFunction, holds_move_only_targets_and_arguments) {
  UniqueFunction<int(std::unique_ptr<int>)> sum =
      [own = std::make_unique<int>(2)](std::unique_ptr<int> given) { return *own + *given; };
  EXPECT_EQ(sum(std::make_unique<int>(3)), 5);
}

TEST(UniqueFunction, keeps_state_between_calls) {
  UniqueFunction<int()> count = [n = 0]() mutable { return ++n; };
  count();
  EXPECT_EQ(count(), 2);
}

TEST(UniqueFunction, passes_references_through) {
  UniqueFunction<void(std::string&)> append = [](std::string& text) { text += "!"; };
  std::string text = "hi";
  append(text);
  EXPECT_EQ(text, "hi!");
}

TEST(UniqueFunction, moves_small_and_large_targets) {
  const std::string long_text(100, 'x');
  UniqueFunction<std::string()> small = [text = std::make_unique<std::string>(long_text)] { return *text; };
  UniqueFunction<std::string()> large = [text = long_text, filler = std::array<char, 200>{}] {
    return text + std::to_string(filler[0]);
  };
  UniqueFunction<std::string()> moved_small = std::move(small), moved_large = std::move(large);
  EXPECT_FALSE(small);  // NOLINT(bugprone-use-after-move): a moved-from function is empty
  EXPECT_FALSE(large);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(moved_small(), long_text);
  EXPECT_EQ(moved_large(), long_text + "0");
}

TEST(UniqueFunction, destroys_its_target_once) {
  const auto counter = std::make_shared<int>(0);
  {
    UniqueFunction<void()> first = [counter] {};
    UniqueFunction<void()> second = std::move(first);
    EXPECT_EQ(counter.use_count(), 2);
    second = [] {};
    EXPECT_EQ(counter.use_count(), 1);
    second = [counter, filler = std::array<char, 200>{}] { (void)filler; };
    EXPECT_EQ(counter.use_count(), 2);
  }
  EXPECT_EQ(counter.use_count(), 1);
}

TEST(UniqueFunction, survives_assignment_to_itself) {
  UniqueFunction<int()> seven = [] { return 7; };
  auto& same = seven;
  seven = std::move(same);
  EXPECT_EQ(seven(), 7);
}

TEST(UniqueFunctionDeathTest, stops_when_called_empty) {
  UniqueFunction<void()> empty;
  EXPECT_DEATH(empty(), "assertion_failed");
}

}  // namespace
}  // namespace kyanite
