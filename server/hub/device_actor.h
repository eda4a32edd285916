#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/shard_check.h"
#include "server/hub/authenticator.h"
#include "server/hub/c2d_queue.h"
#include "server/hub/device_host.h"
#include "server/hub/method_calls.h"
#include "server/hub/presence.h"
#include "server/hub/sessions.h"
#include "server/hub/twin_state.h"

namespace kyanite {

class DeviceDirectory;

// DeviceActor is everything the hub holds for one device and its modules, on the device's owner shard.
//
// It loads the records when a message first needs them and keeps them while somebody is connected or a part
// is at work. Presence, Sessions, C2dQueue, TwinState and MethodCalls each keep one side of the device; the
// actor gives them what is theirs and tells them who is connected.
//
// Of loads and of changes of identities and sessions one is in flight at a time; messages that come meanwhile
// wait in order, except those of live connections (Detached, Active, SettleC2d, AnswerMethod), which need no
// records. Twins and queues have their own operations in flight. The store keeps the order of submission.
// What is in memory is what was last committed: after a failed write it is loaded again.
//
// Owner: its shard's DeviceDirectory. Reply: a write is answered after its commit, and only then are
// connections closed that it ends. Bound: limits::kDeviceQueueMax waiting messages (Errc::busy beyond).
class DeviceActor final : public PresenceHost, public DeviceHost {
 public:
  DeviceActor(DeviceDirectory& directory, std::string device);
  ~DeviceActor() override;

  void receive(DeviceMessage message);
  LiveState live(const std::string& module) const;

  void on_clock_shift();
  void on_drain();

  // No operation in flight, nobody connected, every part quiet: the records need not stay.
  bool is_idle() const;
  // Drops the records; true when nothing else is left either, so that the actor may go.
  bool unload();

 private:
  // PresenceHost and DeviceHost
  Executor& executor() override;
  // PresenceHost
  void close_connection(ConnectionRef connection, CloseReason reason) override;
  std::vector<GrantedFilter> stored_filters(const std::string& module) const override;
  void on_bound(const std::string& module) override;
  void on_unbound(const std::string& module) override;
  void on_connected_changed(const std::string& module, bool connected) override;
  void on_heard(const std::string& module, bool ended) override;
  void on_takeover_timeout(const std::string& module) override;
  // DeviceHost
  const std::string& device() const override { return device_; }
  Stores& stores() override;
  const Settings& settings() const override;
  HubEvents& events() override;
  HubCounters& counters() override;
  const IdentityRecord* identity(const std::string& module) const override;
  IdentityView view(const IdentityRecord& record) const override;
  const DeviceLink* link(const std::string& module) const override { return presence_.link(module); }
  const ConfigurationSet* configurations() const override;
  void deployment_changed() override;
  void feedback_written() override;
  void message_ended(const C2dHeader& header, FeedbackStatus status) override;
  void send(const std::string& module, ConnectionMessage message) override;
  void on_changed() override;
  void settled() override;

  void load();
  void on_loaded(Result<DeviceRecords> records);
  void run_waiting();
  void refuse_waiting(const Error& error);
  void run(DeviceMessage message);

  // Connections: device_actor.cpp.
  void on(Attach message);
  void on(Detached message);
  void on(Active message);
  void on(Subscribe message);
  void on(Unsubscribe message);
  void on(AdmitRequest message);
  Result<void> admit_policy(const IdentityRecord& record) const;
  // What parts take.
  void on(GetTwin message);
  void on(PatchReported message);
  void on(UpdateTwin message);
  void on(ApplyConfigurations message);
  void on(SendC2d message);
  void on(SettleC2d message);
  void on(AllowC2d message);
  void on(PurgeC2d message);
  void on(ExpireC2d message);
  void on(ListC2d message);
  void on(LeaseC2d message);
  void on(SettleLease message);
  void on(InvokeMethod message);
  void on(AnswerMethod message);
  // The registry: device_registry.cpp.
  void on(GetIdentity message);
  void on(ListModules message);
  void on(PutIdentity message);
  void on(RotateKeys message);
  void on(DeleteIdentity message);

  Result<AuthVerdict> judge(const Attach& message, const IdentityRecord& record);
  // Nothing when the store had it; else what to answer.
  using AfterWrite = UniqueFunction<void(Result<void>)>;
  void put_session(const Identity& identity, const std::vector<GrantedFilter>& filters, AfterWrite then);
  void change_filters(const Identity& identity, std::vector<GrantedFilter> filters, Reply<void> reply);
  // `resumed`: they are those of a stored session, none of them new.
  void tell_of_filters(const std::string& module, const std::vector<GrantedFilter>& before,
                       bool resumed = false);
  TwinState& twin(const std::string& module);
  void erase_twin(const std::string& module);

  Result<void> create(const PutIdentity& message, IdentityChange& change);
  Result<void> replace(const PutIdentity& message, const IdentityRecord& current, IdentityChange& change);
  void commit_put(IdentityChange change, Reply<IdentityView> reply);
  void commit_delete(const Identity& identity, std::vector<TelemetryAppend> events, Reply<void> reply);
  void commit_change(IdentityChange change, Reply<IdentityView> reply);
  using AfterCollect = UniqueFunction<void(Result<std::vector<TelemetryAppend>>)>;
  void collect_deleted(std::vector<IdentityRecord> erased, std::vector<TelemetryAppend> so_far,
                       AfterCollect then);
  void forget_module(const std::string& module);
  void apply(const IdentityChange& change);
  void close_ended_by(const IdentityRecord& before, const IdentityRecord& after);

  IdentityRecord* find(const Identity& id);
  bool is_disabled() const;
  Error absent(const Identity& id) const;

  DeviceDirectory& directory_;
  std::string device_;
  ShardCheck shard_check_;
  // The committed records once loaded; a device that does not exist is loaded without them.
  bool loaded_ = false;
  std::optional<DeviceRecords> records_;
  bool in_flight_ = false;  // a load, or the commit of an identity or a session
  std::deque<DeviceMessage> waiting_;
  Presence presence_;
  Sessions sessions_;
  C2dQueue c2d_;
  std::uint64_t c2d_size_told_ = 0;
  MethodCalls methods_;
  std::map<std::string, std::unique_ptr<TwinState>> twins_;  // by module; made when first needed
  std::vector<std::unique_ptr<TwinState>> erased_twins_;     // until they are quiet
};

}  // namespace kyanite
