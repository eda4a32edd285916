#include "server/device/subscriptions.h"

#include <algorithm>

namespace kyanite {

void Subscriptions::restore(const std::vector<GrantedFilter>& filters) {
  entries_.clear();
  entries_.reserve(filters.size());
  for (const GrantedFilter& filter : filters) entries_.push_back({filter.filter, filter.kind});
}

Result<std::vector<GrantedFilter>> Subscriptions::add(const std::vector<mqtt::TopicRequest>& requests,
                                                      const Identity& self, std::size_t max) {
  std::vector<Entry> wanted = entries_;
  std::vector<GrantedFilter> granted;
  granted.reserve(requests.size());
  for (const mqtt::TopicRequest& request : requests) {
    const Result<FilterKind> kind = parse_device_filter(request.filter, self);
    if (!kind) return Error(kind.error().code, "filter " + std::string(request.filter));
    // QoS 2 is not offered; a subscription to it is one to QoS 1 (5.1).
    const std::uint8_t qos = request.qos == mqtt::QoS::at_most_once ? 0 : 1;
    granted.push_back({std::string(request.filter), *kind, qos, kNever});
    const bool known =
        std::any_of(wanted.begin(), wanted.end(), [&](const Entry& e) { return e.filter == request.filter; });
    if (known) continue;
    if (wanted.size() >= max) {
      return Error(Errc::topic_not_allowed, "more than " + std::to_string(max) + " subscriptions");
    }
    wanted.push_back({std::string(request.filter), *kind});
  }
  entries_ = std::move(wanted);
  return granted;
}

bool Subscriptions::remove(std::string_view filter) {
  return std::erase_if(entries_, [filter](const Entry& e) { return e.filter == filter; }) > 0;
}

bool Subscriptions::has(FilterKind kind) const {
  return std::any_of(entries_.begin(), entries_.end(), [kind](const Entry& e) { return e.kind == kind; });
}

}  // namespace kyanite
