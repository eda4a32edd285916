#include "protocol/mqtt/ack_window.h"

#include "protocol/base/assert.h"
#include "protocol/mqtt/encoder.h"

namespace kyanite::mqtt {
namespace {

// Devices rarely keep more in flight; a window that once grew larger gives its memory back when it is empty.
constexpr std::size_t kAckEntriesKept = 16;

}  // namespace

AckSequence AckWindow::add(PacketId packet_id, std::uint32_t bytes) {
  entries_.push_back({bytes, packet_id, false, false});
  bytes_ += bytes;
  return AckSequence{first_sequence_ + size() - 1};
}

void AckWindow::acknowledge(std::string& out, AckSequence sequence) { settle(out, sequence, false); }

void AckWindow::lose(std::string& out, AckSequence sequence) { settle(out, sequence, true); }

void AckWindow::settle(std::string& out, AckSequence sequence, bool lost) {
  KYANITE_ASSERT(sequence.value >= first_sequence_ && sequence.value - first_sequence_ < size());
  Entry& entry = entries_[first_ + static_cast<std::size_t>(sequence.value - first_sequence_)];
  KYANITE_ASSERT(!entry.acknowledged);
  entry.acknowledged = true;
  entry.lost = lost;
  while (first_ < entries_.size() && entries_[first_].acknowledged) {
    if (!entries_[first_].lost) append_puback(out, entries_[first_].packet_id);
    bytes_ -= entries_[first_].bytes;
    ++first_;
    ++first_sequence_;
  }
  drop_finished();
}

// Removes entries that have left once they are at least half of all, so that moving costs a constant per
// entry.
void AckWindow::drop_finished() {
  if (first_ == entries_.size()) {
    entries_.clear();
    first_ = 0;
    if (entries_.capacity() > kAckEntriesKept) entries_.shrink_to_fit();
  } else if (first_ * 2 >= entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

}  // namespace kyanite::mqtt
