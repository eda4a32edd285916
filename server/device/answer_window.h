#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kyanite {

// AnswerWindow puts the answers to what one connection asked of its owner into the order of the questions
// (spec device-mqtt.md 6.4), and keeps them while the peer does not read.
//
// Owner: a MqttConnection, which adds no question beyond limits::kDeviceRequestsMax. Memory: 40 bytes an
// entry and what its answer has; released when empty.
class AnswerWindow {
 public:
  // Enters a question at the end; gives its number.
  std::uint64_t add();

  // `packet` is what the peer will be sent, empty for nothing. A number that add() did not give, or given
  // twice, is a broken belief.
  void answer(std::uint64_t question, std::string packet);

  // Moves answers to `out` whose turn has come, as long as `out` holds at most `out_bytes_max` before.
  void take_ready(std::string& out, std::size_t out_bytes_max);

  std::size_t size() const { return entries_.size() - first_; }  // answers not taken

 private:
  struct Entry {
    bool is_answered = false;
    std::string packet;
  };

  std::vector<Entry> entries_;  // those before first_ were taken
  std::size_t first_ = 0;
  std::uint64_t first_question_ = 0;
};

}  // namespace kyanite
