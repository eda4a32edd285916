#include "tests/sim/registry_checker.h"

#include <algorithm>

#include "server/hub/registry_service.h"
#include "tests/sim/telemetry_checker.h"

namespace kyanite::sim {

bool RegistryChecker::happened(std::size_t mark, const Change& wanted) const {
  return std::any_of(history_.begin() + static_cast<std::ptrdiff_t>(mark), history_.end(),
                     [&](const Change& change) {
                       return change.identity == wanted.identity && change.generation == wanted.generation &&
                              change.etag == wanted.etag;
                     });
}

void RegistryChecker::put_answered(const Identity& identity, std::size_t mark, const std::string& generation,
                                   const std::string& etag) {
  judge_.require(happened(mark, {identity, generation, etag}),
                 "the registry stored " + name_of(identity) + " before it said so");
}

void RegistryChecker::delete_answered(const Identity& identity, std::size_t mark) {
  judge_.require(happened(mark, {identity, "", ""}), name_of(identity) + " was erased before it was said");
}

void RegistryChecker::on_commit(const MemoryState& state) {
  for (auto it = known_.begin(); it != known_.end();) {
    if (state.identities.contains(it->first)) {
      ++it;
      continue;
    }
    history_.push_back({it->first, "", ""});
    it = known_.erase(it);
  }
  for (const auto& [identity, record] : state.identities) {
    const auto known = known_.find(identity);
    if (known != known_.end() && known->second == record) continue;
    if (known != known_.end() && known->second.generation_id != record.generation_id) {
      history_.push_back({identity, "", ""});  // erased and made again in one group
    } else if (known != known_.end()) {
      judge_.require(record.etag_counter > known->second.etag_counter, name_of(identity) + " moves its etag");
    }
    judge_.require(state.twins.contains(identity), name_of(identity) + " has a twin");
    known_[identity] = record;
    history_.push_back({identity, record.generation_id, identity_etag(record)});
  }
}

void RegistryChecker::finish() {
  judge_.require(connected_.empty(), "every connection that began has ended");
}

void RegistryChecker::on_connected(const ConnectionFacts& connection) {
  judge_.tell("  connected " + name_of(connection.identity));
  judge_.require(connected_.emplace(connection.identity, connection.ref).second,
                 name_of(connection.identity) + " has one connection at a time");
}

void RegistryChecker::on_refused(const ConnectionFacts& connection, const Error& error) {
  judge_.tell("  refused " + name_of(connection.identity) + " " + std::to_string(refusal_status_type(error)));
}

void RegistryChecker::on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view,
                                      milliseconds) {
  judge_.tell("  disconnected " + name_of(connection.identity) + " " + std::string(to_string(reason)));
  const auto known = connected_.find(connection.identity);
  judge_.require(known != connected_.end() && known->second == connection.ref,
                 "a connection of " + name_of(connection.identity) + " ends once");
  if (known != connected_.end()) connected_.erase(known);
}

void RegistryChecker::on_telemetry_refused(const ConnectionFacts& connection, const Error&, std::size_t) {
  judge_.tell("  telemetry refused " + name_of(connection.identity));
}

}  // namespace kyanite::sim
