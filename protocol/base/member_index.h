#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace kyanite {

// MemberIndex finds members of an object by name when the object keeps them in a vector of pairs, in the
// order written. Few are compared one by one; of many the positions are sorted first, so that no object makes
// its reader's work grow with the square of its size, and no choice of names can spoil a hash.
//
// The members outlive it and do not change meanwhile. Of equal names the first is found.
template <class Members>
class MemberIndex {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  // `lookups`: how many are to come, since a few do not pay for sorting.
  MemberIndex(const Members& members, std::size_t lookups) : members_(members) {
    if (members.size() <= kFew || lookups <= kFew) return;
    sorted_.resize(members.size());
    for (std::size_t i = 0; i < sorted_.size(); ++i) sorted_[i] = static_cast<std::uint32_t>(i);
    std::sort(sorted_.begin(), sorted_.end(), [&members](std::uint32_t a, std::uint32_t b) {
      const int order = members[a].first.compare(members[b].first);
      return order < 0 || (order == 0 && a < b);
    });
  }

  std::size_t find(std::string_view name) const {
    if (sorted_.empty()) {
      for (std::size_t i = 0; i < members_.size(); ++i) {
        if (members_[i].first == name) return i;
      }
      return kNone;
    }
    const auto place = std::lower_bound(
        sorted_.begin(), sorted_.end(), name,
        [this](std::uint32_t i, std::string_view n) { return std::string_view(members_[i].first) < n; });
    return place == sorted_.end() || members_[*place].first != name ? kNone : *place;
  }

 private:
  static constexpr std::size_t kFew = 8;
  const Members& members_;
  std::vector<std::uint32_t> sorted_;  // positions by name; empty when comparing is cheaper
};

}  // namespace kyanite
