#include "server/hub/c2d_journal.h"

#include <utility>

namespace kyanite {

void C2dJournal::add(C2dEnd end) {
  if (entries_max_ == 0) return;
  while (ends_.size() >= entries_max_) ends_.pop_front();
  ends_.push_back(std::move(end));
}

std::vector<C2dEnd> C2dJournal::of(std::string_view device, std::string_view generation_id,
                                   std::size_t limit) const {
  std::vector<C2dEnd> found;
  for (auto end = ends_.rbegin(); end != ends_.rend() && found.size() < limit; ++end) {
    if (end->device == device && end->generation_id == generation_id) found.push_back(*end);
  }
  return found;
}

}  // namespace kyanite
