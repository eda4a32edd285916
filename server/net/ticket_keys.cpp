#include "server/net/ticket_keys.h"

#include <openssl/rand.h>

#include <algorithm>

namespace kyanite {

std::optional<TicketKeys::Key> TicketKeys::current(SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (!rotate_if_due(now)) return std::nullopt;
  return held_.front().key;
}

std::optional<TicketKeys::Found> TicketKeys::find(std::string_view name, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (!rotate_if_due(now)) return std::nullopt;
  for (std::size_t i = 0; i < held_.size(); ++i) {
    const Key& key = held_[i].key;
    if (std::equal(key.name.begin(), key.name.end(), name.begin(), name.end(),
                   [](unsigned char a, char b) { return a == static_cast<unsigned char>(b); })) {
      return Found{key, i == 0};
    }
  }
  return std::nullopt;
}

bool TicketKeys::rotate_if_due(SteadyTime now) {
  // A machine that slept through rotations must not honour what expired meanwhile.
  const auto too_old = [&](const Held& held) { return now - held.made >= kRotation * (kOldKeys + 1); };
  held_.erase(std::remove_if(held_.begin(), held_.end(), too_old), held_.end());
  if (!held_.empty() && now - held_.front().made < kRotation) return true;

  Held fresh{{}, now};
  if (RAND_bytes(fresh.key.name.data(), static_cast<int>(fresh.key.name.size())) != 1 ||
      RAND_bytes(fresh.key.cipher.data(), static_cast<int>(fresh.key.cipher.size())) != 1 ||
      RAND_bytes(fresh.key.mac.data(), static_cast<int>(fresh.key.mac.size())) != 1) {
    return false;
  }
  held_.insert(held_.begin(), fresh);
  if (held_.size() > kOldKeys + 1) held_.pop_back();
  return true;
}

}  // namespace kyanite
