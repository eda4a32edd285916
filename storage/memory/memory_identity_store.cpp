#include "storage/memory/memory_identity_store.h"

#include <algorithm>
#include <utility>

namespace kyanite {

void MemoryIdentityStore::load(std::string device, Reply<DeviceRecords> reply) {
  const MemoryState& state = stores_.state_;
  const auto& identities = state.identities;
  auto row = identities.find(Identity{device, ""});
  if (row == identities.end()) return reply(Errc::device_not_found);
  DeviceRecords records;
  records.device = row->second;
  for (++row; row != identities.end() && row->first.device == device; ++row)
    records.modules.push_back(row->second);
  for (auto session = state.sessions.lower_bound(Identity{device, ""});
       session != state.sessions.end() && session->first.device == device; ++session) {
    records.sessions.push_back(session->second);
  }
  if (const auto queue = state.c2d.find(device); queue != state.c2d.end()) {
    records.next_c2d_sequence = queue->second.next;
    for (const auto& [sequence, message] : queue->second.messages) records.c2d.push_back(message.header);
  }
  const std::string first = activity_key({device, ""});
  for (auto row_of = state.documents.lower_bound({Collection::activity, first});
       row_of != state.documents.end() && row_of->first.first == Collection::activity &&
       row_of->first.second.starts_with(first);
       ++row_of) {
    if (auto activity = decode_activity(row_of->first.second, row_of->second)) {
      records.activity.push_back(std::move(*activity));
    }
  }
  reply(std::move(records));
}

void MemoryIdentityStore::commit(IdentityChange change, Reply<void> reply) {
  std::vector<TelemetryAppend> events = std::move(change.events);
  stores_.write([change = std::move(change)](MemoryState& state) { return state.apply(change); },
                std::move(reply), std::move(events));
}

void MemoryIdentityStore::scan(std::string after, std::size_t limit,
                               Reply<std::vector<IdentityRecord>> reply) {
  std::vector<IdentityRecord> page;
  const auto& identities = stores_.state_.identities;
  for (auto row = identities.upper_bound(Identity{after, ""}); row != identities.end() && page.size() < limit;
       ++row) {
    if (!row->first.is_module()) page.push_back(row->second);
  }
  reply(std::move(page));
}

void MemoryIdentityStore::counts(Reply<IdentityCounts> reply) { reply(stores_.state_.count()); }

void MemoryHubStore::load(Reply<HubRecords> reply) { reply(stores_.state_.hub); }

void MemoryHubStore::put_policies(std::vector<AccessPolicy> policies, Reply<void> reply) {
  stores_.write(
      [policies = std::move(policies)](MemoryState& state) -> Result<void> {
        state.hub.policies = policies;
        return {};
      },
      std::move(reply));
}

void MemoryHubStore::put_ca_certificate(CaCertificateRecord record, Reply<void> reply) {
  stores_.write(
      [record = std::move(record)](MemoryState& state) -> Result<void> {
        auto& list = state.hub.ca_certificates;
        const auto at =
            std::lower_bound(list.begin(), list.end(), record.name,
                             [](const auto& a, const std::string& name) { return a.name < name; });
        if (at != list.end() && at->name == record.name) {
          *at = record;
        } else {
          list.insert(at, record);
        }
        return {};
      },
      std::move(reply));
}

void MemoryHubStore::erase_ca_certificate(std::string name, Reply<void> reply) {
  stores_.write(
      [name = std::move(name)](MemoryState& state) -> Result<void> {
        std::erase_if(state.hub.ca_certificates, [&](const auto& record) { return record.name == name; });
        return {};
      },
      std::move(reply));
}

}  // namespace kyanite
