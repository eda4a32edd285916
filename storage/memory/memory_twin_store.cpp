#include "storage/memory/memory_twin_store.h"

#include <utility>

namespace kyanite {
namespace {

class MemoryScanned final : public ScannedIdentity {
 public:
  MemoryScanned(const MemoryState& state, const IdentityRecord& record) : state_(state), record_(record) {}
  const Identity& id() const override { return record_.id; }
  Result<IdentityRecord> record() override { return record_; }
  Result<TwinRecord> twin(const TwinTexts&) override {
    const auto row = state_.twins.find(record_.id);
    if (row == state_.twins.end()) return Error(Errc::storage_failed, "an identity has no twin");
    bytes_ += row->second.tags.size() + row->second.desired.size() + row->second.reported.size();
    return row->second;
  }
  Result<std::uint64_t> c2d_messages() override {
    const auto queue = state_.c2d.find(record_.id.device);
    if (record_.id.is_module() || queue == state_.c2d.end()) return std::uint64_t{0};
    return std::uint64_t{queue->second.messages.size()};
  }
  std::size_t bytes() const override { return bytes_; }

 private:
  const MemoryState& state_;
  const IdentityRecord& record_;
  std::size_t bytes_ = sizeof(IdentityRecord);
};

}  // namespace

void MemoryTwinStore::load(Identity id, Reply<TwinRecord> reply) {
  if (stores_.faults.unreadable_twin == id) return reply(Error(Errc::storage_failed, "the twin is damaged"));
  const auto& twins = stores_.state_.twins;
  const auto row = twins.find(id);
  if (row == twins.end()) return reply(id.is_module() ? Errc::module_not_found : Errc::device_not_found);
  reply(row->second);
}

void MemoryTwinStore::put(TwinWrite write, Reply<void> reply) {
  std::vector<TelemetryAppend> events = std::move(write.events);
  stores_.write([write = std::move(write)](MemoryState& state) { return state.apply(write); },
                std::move(reply), std::move(events));
}

void MemoryTwinStore::scan(IdentityScan scan, Reply<IdentityScanned> reply) {
  if (stores_.refuses_read()) return reply(Error(Errc::busy, "the storage readers have too much to do"));
  const MemoryState& state = stores_.state_;
  IdentityScanned scanned{nullptr, std::move(scan.after), false};
  std::size_t rows = 0;
  std::size_t bytes = 0;
  auto row = state.identities.upper_bound(scanned.last);
  for (bool goes_on = true; row != state.identities.end() && goes_on; ++row) {
    if (row->first.is_module() != scan.modules) continue;
    MemoryScanned identity(state, row->second);
    scanned.last = row->first;
    goes_on = scan.visitor->visit(identity);
    bytes += identity.bytes();
    goes_on = goes_on && ++rows < scan.rows_max && bytes < scan.bytes_max;
  }
  scanned.at_end = row == state.identities.end();
  scanned.visitor = std::move(scan.visitor);
  if (stores_.faults.scan_takes == milliseconds::zero()) return reply(std::move(scanned));
  stores_.home_.after(
      stores_.faults.scan_takes,
      [scanned = std::move(scanned), reply = std::move(reply)]() mutable { reply(std::move(scanned)); });
}

void MemorySessionStore::put(SessionRecord session, Reply<void> reply) {
  stores_.write([session = std::move(session)](MemoryState& state) { return state.apply(session); },
                std::move(reply));
}

}  // namespace kyanite
