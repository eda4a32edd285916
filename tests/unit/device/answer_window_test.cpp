#include "server/device/answer_window.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

constexpr std::size_t kRoom = 1000;

std::string take(AnswerWindow& window, std::size_t room = kRoom) {
  std::string out;
  window.take_ready(out, room);
  return out;
}

TEST(AnswerWindow, gives_answers_in_the_order_of_the_questions) {
  AnswerWindow window;
  const std::uint64_t a = window.add();
  const std::uint64_t b = window.add();
  const std::uint64_t c = window.add();
  window.answer(c, "c");
  window.answer(b, "b");
  EXPECT_EQ(take(window), "");
  window.answer(a, "a");
  EXPECT_EQ(take(window), "abc");
  EXPECT_EQ(window.size(), 0u);
}

TEST(AnswerWindow, an_empty_answer_lets_the_next_one_pass) {
  AnswerWindow window;
  const std::uint64_t a = window.add();
  const std::uint64_t b = window.add();
  window.answer(b, "b");
  window.answer(a, "");
  EXPECT_EQ(take(window), "b");
}

TEST(AnswerWindow, answers_stay_while_there_is_no_room) {
  AnswerWindow window;
  for (int i = 0; i < 3; ++i) window.answer(window.add(), "12345");
  EXPECT_EQ(take(window, 4), "12345") << "one that begins within the room goes whole";
  EXPECT_EQ(window.size(), 2u);
  EXPECT_EQ(take(window), "1234512345");
}

TEST(AnswerWindow, numbers_go_on_after_it_was_empty) {
  AnswerWindow window;
  for (int round = 0; round < 100; ++round) {
    const std::uint64_t a = window.add();
    const std::uint64_t b = window.add();
    window.answer(a, "a");
    EXPECT_EQ(take(window), "a");
    window.answer(b, "b");
    const std::uint64_t c = window.add();
    EXPECT_EQ(take(window), "b");
    window.answer(c, "c");
    EXPECT_EQ(take(window), "c");
  }
}

}  // namespace
}  // namespace kyanite
