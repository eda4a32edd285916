#include "protocol/mqtt/send_window.h"

#include <algorithm>

namespace kyanite::mqtt {
namespace {

constexpr std::size_t kIdsMax = 0xffff;  // 0 is none
constexpr std::size_t kSendEntriesKept = 4;

}  // namespace

std::optional<SendWindow::Sent> SendWindow::add(std::uint64_t message) {
  const auto known = std::find_if(entries_.begin(), entries_.end(),
                                  [message](const Entry& e) { return e.message == message; });
  if (known != entries_.end()) return Sent{known->packet_id, true};
  if (entries_.size() >= kIdsMax) return std::nullopt;
  do {
    if (++last_id_ == 0) last_id_ = 1;
  } while (is_used(PacketId{last_id_}));
  entries_.push_back({message, PacketId{last_id_}});
  return Sent{PacketId{last_id_}, false};
}

std::optional<std::uint64_t> SendWindow::acknowledge(PacketId packet_id) {
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [packet_id](const Entry& e) { return e.packet_id == packet_id; });
  if (entry == entries_.end()) return std::nullopt;
  const std::uint64_t message = entry->message;
  erase(entry);
  return message;
}

void SendWindow::withdraw(std::uint64_t message) {
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [message](const Entry& e) { return e.message == message; });
  if (entry != entries_.end()) erase(entry);
}

bool SendWindow::is_used(PacketId packet_id) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [packet_id](const Entry& e) { return e.packet_id == packet_id; });
}

void SendWindow::erase(std::vector<Entry>::iterator entry) {
  entries_.erase(entry);
  if (entries_.empty() && entries_.capacity() > kSendEntriesKept) entries_.shrink_to_fit();
}

}  // namespace kyanite::mqtt
