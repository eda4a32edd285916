#include "server/hub/device_directory.h"

#include <utility>

#include "server/hub/device_actor.h"
#include "server/hub/device_router.h"

namespace kyanite {

namespace {

// Who waits for the answer has a device that is gone, and nothing is locked for it.
void refuse_stale(DeviceMessage& message) {
  if (auto* settle = std::get_if<SettleC2d>(&message); settle && settle->reply) {
    settle->reply(Error(Errc::lock_lost));
  } else if (auto* allow = std::get_if<AllowC2d>(&message); allow && allow->drained) {
    allow->drained({});
  }
}

}  // namespace

DeviceDirectory::DeviceDirectory(const Services& services, HubSecurityPtr security)
    : services_(services),
      security_(std::move(security)),
      activity_(services.executor, services.stores.documents(),
                [this](const Identity& id) { return last_heard_of(id); }) {}

DeviceDirectory::~DeviceDirectory() = default;

void DeviceDirectory::bind_router(DeviceRouter& router) {
  router_ = &router;
  c2d_journal_ = C2dJournal(limits::kC2dEndsMax / router.shard_count() + 1);
}

void DeviceDirectory::receive(DeviceMessage message) {
  shard_check_.check();
  if (auto* invoke = std::get_if<InvokeMethod>(&message); invoke && draining_) {
    return invoke->reply(Error(Errc::shutting_down, "the hub is shutting down"));
  }
  const std::string& device = device_of(message);
  auto it = actors_.find(device);
  if (it == actors_.end()) {
    // Nothing to tell an actor that is not there about a connection that ended.
    if (is_about_live_connection(message)) return refuse_stale(message);
    it = actors_.emplace(device, std::make_unique<DeviceActor>(*this, device)).first;
  }
  it->second->receive(std::move(message));
}

void DeviceDirectory::answer(ShardQuery query) {
  shard_check_.check();
  if (auto* count = std::get_if<CountConnected>(&query)) {
    count->reply(connected_devices_);
    return;
  }
  if (auto* set = std::get_if<SetConfigurations>(&query)) {
    configurations_ = std::move(set->configurations);
    on_deployment_changed_ = std::move(set->deployment_changed);
    set->reply({});
    return;
  }
  if (auto* watch = std::get_if<WatchDevice>(&query)) {
    if (draining_) return watch->reply(Error(Errc::shutting_down, "the hub is shutting down"));
    watches_[watch->device].push_back(std::move(*watch));
    return;
  }
  if (const auto* forget = std::get_if<ForgetWatch>(&query)) {
    const auto watched = watches_.find(forget->device);
    if (watched == watches_.end()) return;
    std::erase_if(watched->second, [&](const WatchDevice& one) { return one.watch == forget->watch; });
    if (watched->second.empty()) watches_.erase(watched);
    return;
  }
  auto& ask = std::get<GetLiveStates>(query);
  std::vector<LiveState> states;
  states.reserve(ask.identities.size());
  for (const Identity& id : ask.identities) {
    const auto it = actors_.find(id.device);
    states.push_back(it == actors_.end() ? LiveState{} : it->second->live(id.module));
  }
  ask.reply(std::move(states));
}

void DeviceDirectory::set_security(HubSecurityPtr security) {
  shard_check_.check();
  security_ = std::move(security);
}

std::optional<ActivityRecord> DeviceDirectory::last_heard_of(const Identity& id) const {
  const auto it = actors_.find(id.device);
  if (it == actors_.end()) return std::nullopt;
  const LiveState live = it->second->live(id.module);
  if (live.connection_state_updated == kNever && live.last_activity == kNever) return std::nullopt;
  return ActivityRecord{id, live.connection_state_updated, live.last_activity};
}

void DeviceDirectory::on_clock_shift() { each_actor(&DeviceActor::on_clock_shift); }

void DeviceDirectory::drain() {
  draining_ = true;
  for (auto& [device, watched] : std::exchange(watches_, {})) {
    for (WatchDevice& watch : watched) watch.reply(Error(Errc::shutting_down, "the hub is shutting down"));
  }
  each_actor(&DeviceActor::on_drain);
}

void DeviceDirectory::each_actor(void (DeviceActor::*step)()) {
  shard_check_.check();
  std::vector<std::string> devices;  // an actor may end by it
  devices.reserve(actors_.size());
  for (const auto& [device, actor] : actors_) devices.push_back(device);
  for (const std::string& device : devices) {
    if (const auto it = actors_.find(device); it != actors_.end()) ((*it->second).*step)();
  }
}

void DeviceDirectory::on_settled(const std::string& device) {
  const auto it = actors_.find(device);
  if (it != actors_.end() && it->second->unload()) actors_.erase(it);
}

DeviceRouter& DeviceDirectory::router() {
  KYANITE_ASSERT(router_ != nullptr);
  return *router_;
}

void DeviceDirectory::deployment_changed(const std::string& device) {
  if (on_deployment_changed_) on_deployment_changed_(device);
}

void DeviceDirectory::on_changed(const std::string& device) {
  if (watches_.empty()) return;
  if (auto watched = watches_.extract(device)) {
    for (WatchDevice& watch : watched.mapped()) watch.reply({});
  }
}

void DeviceDirectory::on_device_presence(bool connected) {
  connected_devices_ = connected ? connected_devices_ + 1 : connected_devices_ - 1;
}

}  // namespace kyanite
