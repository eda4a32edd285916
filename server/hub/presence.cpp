#include "server/hub/presence.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"

namespace kyanite {
namespace {

// Activity of a connection that goes on is told so often: no write per message.
constexpr milliseconds kTellActivityEvery{60'000};

}  // namespace

Presence::~Presence() {
  for (auto& [module, entry] : entries_) refuse_waiting(entry, Error(Errc::shutting_down));
}

void Presence::attach(Attach message, const AuthVerdict& verdict, const std::string& generation_id) {
  const std::string module = message.identity.module;
  Entry& entry = entries_[module];
  if (!entry.link.connection) {
    bind(module, entry, std::move(message), verdict, generation_id);
    return;
  }
  if (entry.waiting) {
    // Two clients with the same id at once: the newest wins, and the wait for the oldest goes on.
    entry.waiting->message.reply(Error(Errc::busy, "superseded by a newer connection while connecting"));
    entry.waiting->message = std::move(message);
    entry.waiting->verdict = verdict;
    entry.waiting->generation_id = generation_id;
    return;
  }
  host_.close_connection(entry.link.connection, CloseReason::takeover);
  const TimerId timer = host_.executor().after(limits::kTakeoverWait,
                                               [&host = host_, module] { host.on_takeover_timeout(module); });
  entry.waiting = Waiting{std::move(message), verdict, generation_id, timer};
}

void Presence::bind(const std::string& module, Entry& entry, Attach message, const AuthVerdict& verdict,
                    const std::string& generation_id) {
  const bool was_connected = static_cast<bool>(entry.link.connection);
  const Epoch epoch{entry.link.epoch.value + 1};
  const bool keeps_session = !message.clean_session && !message.over_amqp;
  entry.link = DeviceLink{message.connection, epoch, !keeps_session, {}, message.over_amqp};
  if (keeps_session) entry.link.filters = host_.stored_filters(module);
  entry.scope = verdict.scope;
  entry.state_updated = host_.executor().wall_now();
  entry.last_activity = entry.state_updated;
  if (!was_connected) host_.on_connected_changed(module, true);
  tell(module, entry, false);
  message.reply(Attachment{epoch, generation_id, verdict.scope, verdict.kind, verdict.expiry,
                           !entry.link.filters.empty(), entry.link.filters});
  host_.on_bound(module);
}

void Presence::detached(const Detached& message) {
  const auto it = entries_.find(message.identity.module);
  if (it == entries_.end()) return;
  Entry& entry = it->second;
  if (entry.link.connection != message.connection || entry.link.epoch != message.epoch)
    return;  // an older one
  end(it->first, entry);
}

void Presence::takeover_timeout(const std::string& module) {
  const auto it = entries_.find(module);
  if (it == entries_.end() || !it->second.waiting) return;
  end(module, it->second);
}

// The attached connection is gone: the one that waited for it comes in.
void Presence::end(const std::string& module, Entry& entry) {
  host_.on_unbound(module);
  if (entry.waiting) {
    Waiting waiting = std::move(*entry.waiting);
    entry.waiting.reset();
    host_.executor().cancel(waiting.timer);
    bind(module, entry, std::move(waiting.message), waiting.verdict, waiting.generation_id);
    return;
  }
  entry.link.connection = ConnectionRef{};
  entry.link.filters.clear();
  entry.state_updated = host_.executor().wall_now();
  host_.on_connected_changed(module, false);
  tell(module, entry, true);
}

void Presence::tell(const std::string& module, Entry& entry, bool ended) {
  entry.told_activity = entry.last_activity;
  host_.on_heard(module, ended);
}

void Presence::active(const Active& message) {
  const auto it = entries_.find(message.identity.module);
  if (it == entries_.end() || it->second.link.epoch != message.epoch) return;
  Entry& entry = it->second;
  if (message.when > entry.last_activity) entry.last_activity = message.when;
  if (entry.last_activity - entry.told_activity >= kTellActivityEvery) tell(it->first, entry, false);
}

void Presence::touch(const std::string& module) {
  Entry& entry = entries_[module];
  entry.last_activity = std::max(entry.last_activity, host_.executor().wall_now());
  if (entry.last_activity - entry.told_activity >= kTellActivityEvery) tell(module, entry, false);
}

void Presence::refuse_waiting(Entry& entry, const Error& refusal) {
  if (!entry.waiting) return;
  host_.executor().cancel(entry.waiting->timer);
  entry.waiting->message.reply(refusal);
  entry.waiting.reset();
}

void Presence::close(const std::string& module, CloseReason reason, const Error& refusal) {
  const auto it = entries_.find(module);
  if (it == entries_.end()) return;
  Entry& entry = it->second;
  refuse_waiting(entry, refusal);
  if (!entry.link.connection) return;
  host_.close_connection(entry.link.connection, reason);
  end(module, entry);
}

void Presence::close_all(CloseReason reason, const Error& refusal) {
  for (auto& [module, entry] : entries_) close(module, reason, refusal);
}

void Presence::close_own(const std::string& module, CloseReason reason, const Error& refusal) {
  const auto it = entries_.find(module);
  if (it == entries_.end()) return;
  Entry& entry = it->second;
  if (entry.waiting && entry.waiting->verdict.scope != AuthScope::hub) refuse_waiting(entry, refusal);
  // The one that is superseded by a policy's is being closed already.
  if (!entry.waiting && entry.scope != AuthScope::hub) close(module, reason, refusal);
}

void Presence::forget(const std::string& module) {
  close(module, CloseReason::identity_deleted,
        Error(module.empty() ? Errc::device_not_found : Errc::module_not_found, "deleted while connecting"));
  entries_.erase(module);
  stored_.erase(module);
}

void Presence::forget_all() {
  while (!entries_.empty()) forget(std::string(entries_.begin()->first));
  stored_.clear();
}

void Presence::load(const std::vector<ActivityRecord>& stored) {
  stored_.clear();
  for (const ActivityRecord& record : stored) {
    stored_[record.id.module] = {false, record.connection_state_updated, record.last_activity, std::nullopt};
  }
}

LiveState Presence::live(const std::string& module) const {
  const auto stored = stored_.find(module);
  LiveState state = stored == stored_.end() ? LiveState{} : stored->second;
  const auto it = entries_.find(module);
  if (it == entries_.end()) return state;
  const Entry& entry = it->second;
  // Whoever speaks over HTTPS alone has no state of a connection.
  state.connected = static_cast<bool>(entry.link.connection);
  if (entry.state_updated != kNever) state.connection_state_updated = entry.state_updated;
  state.last_activity = std::max(state.last_activity, entry.last_activity);
  return state;
}

const DeviceLink* Presence::link(const std::string& module) const {
  const auto it = entries_.find(module);
  if (it == entries_.end() || !it->second.link.connection || it->second.waiting) return nullptr;
  return &it->second.link;
}

bool Presence::is_current(const std::string& module, Epoch epoch) const {
  const auto it = entries_.find(module);
  return it != entries_.end() && it->second.link.connection && it->second.link.epoch == epoch;
}

void Presence::set_filters(const std::string& module, std::vector<GrantedFilter> filters) {
  const auto it = entries_.find(module);
  if (it != entries_.end()) it->second.link.filters = std::move(filters);
}

bool Presence::is_quiet() const {
  for (const auto& [module, entry] : entries_) {
    if (entry.link.connection || entry.waiting) return false;
  }
  return true;
}

}  // namespace kyanite
