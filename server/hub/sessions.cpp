#include "server/hub/sessions.h"

#include <algorithm>

namespace kyanite {

void Sessions::load(const std::vector<SessionRecord>& sessions) {
  stored_.clear();
  for (const SessionRecord& session : sessions) {
    if (!session.subscriptions.empty()) stored_[session.id.module] = session.subscriptions;
  }
}

std::vector<GrantedFilter> Sessions::stored(const Identity& identity) const {
  std::vector<GrantedFilter> filters;
  const auto session = stored_.find(identity.module);
  if (session == stored_.end()) return filters;
  for (const StoredSubscription& stored : session->second) {
    // A filter that a later version no longer grants is left where it is.
    if (const Result<FilterKind> kind = parse_device_filter(stored.filter, identity)) {
      filters.push_back({stored.filter, *kind, stored.qos, stored.created});
    }
  }
  return filters;
}

void Sessions::replace(const std::string& module, const std::vector<GrantedFilter>& filters) {
  std::vector<StoredSubscription> stored = store_form({{}, module}, filters).subscriptions;
  if (stored.empty()) {
    stored_.erase(module);
  } else {
    stored_[module] = std::move(stored);
  }
}

SessionRecord Sessions::store_form(const Identity& identity, const std::vector<GrantedFilter>& filters) {
  SessionRecord session{identity, {}};
  for (const GrantedFilter& filter : filters) {
    session.subscriptions.push_back({filter.filter, filter.qos, filter.created});
  }
  return session;
}

std::vector<GrantedFilter> add_filters(std::vector<GrantedFilter> filters,
                                       const std::vector<GrantedFilter>& wanted, WallTime now) {
  for (const GrantedFilter& want : wanted) {
    const auto known = std::find_if(filters.begin(), filters.end(),
                                    [&want](const GrantedFilter& f) { return f.filter == want.filter; });
    if (known != filters.end()) {
      known->qos = want.qos;
    } else {
      filters.push_back({want.filter, want.kind, want.qos, now});
    }
  }
  return filters;
}

std::vector<GrantedFilter> remove_filters(std::vector<GrantedFilter> filters,
                                          const std::vector<std::string>& unwanted) {
  std::erase_if(filters, [&unwanted](const GrantedFilter& f) {
    return std::find(unwanted.begin(), unwanted.end(), f.filter) != unwanted.end();
  });
  return filters;
}

}  // namespace kyanite
