#include "server/device/answer_window.h"

#include <utility>

#include "protocol/base/assert.h"

namespace kyanite {

std::uint64_t AnswerWindow::add() {
  entries_.emplace_back();
  return first_question_ + size() - 1;
}

void AnswerWindow::answer(std::uint64_t question, std::string packet) {
  KYANITE_ASSERT(question >= first_question_ && question - first_question_ < size());
  Entry& entry = entries_[first_ + static_cast<std::size_t>(question - first_question_)];
  KYANITE_ASSERT(!entry.is_answered);
  entry.is_answered = true;
  entry.packet = std::move(packet);
}

void AnswerWindow::take_ready(std::string& out, std::size_t out_bytes_max) {
  while (first_ < entries_.size() && entries_[first_].is_answered && out.size() <= out_bytes_max) {
    out += std::exchange(entries_[first_].packet, {});
    ++first_;
    ++first_question_;
  }
  if (first_ == entries_.size()) {
    entries_ = {};
    first_ = 0;
  } else if (first_ * 2 >= entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

}  // namespace kyanite
