#include "storage/memory/memory_twin_store.h"

#include <utility>

namespace kyanite {

void MemoryTwinStore::load(Identity id, Reply<TwinRecord> reply) {
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

void MemorySessionStore::put(SessionRecord session, Reply<void> reply) {
  stores_.write([session = std::move(session)](MemoryState& state) { return state.apply(session); },
                std::move(reply));
}

}  // namespace kyanite
