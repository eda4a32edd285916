#pragma once

#include <deque>
#include <optional>
#include <string>

#include "protocol/base/shard_check.h"
#include "server/hub/device_messages.h"
#include "server/hub/presence.h"
#include "storage/identity_store.h"

namespace kyanite {

class DeviceDirectory;

// DeviceActor is everything the hub holds for one device and its modules, on the device's owner shard.
//
// It loads the records when a message first needs them and keeps them while somebody is connected. One store
// operation is in flight at a time; messages that come meanwhile wait in order, except those of live
// connections (Detached, Active), which need no records. What is in memory is what was last committed: after
// a failed write it is forgotten and loaded again.
//
// Owner: its shard's DeviceDirectory. Reply: a write is answered after its commit, and only then are
// connections closed that it ends. Bound: limits::kDeviceQueueMax waiting messages (Errc::busy beyond).
class DeviceActor final : public PresenceHost {
 public:
  DeviceActor(DeviceDirectory& directory, std::string device);
  ~DeviceActor() override;

  void receive(DeviceMessage message);
  LiveState live(const std::string& module) const { return presence_.live(module); }

  // No operation in flight and nobody connected: the records need not stay.
  bool is_idle() const;
  // Drops the records; true when nothing else is left either, so that the actor may go.
  bool unload();

 private:
  // PresenceHost
  Executor& executor() override;
  void close_connection(ConnectionRef connection, CloseReason reason) override;
  void on_connected_changed(const std::string& module, bool connected) override;
  void on_takeover_timeout(const std::string& module) override;

  void load();
  void on_loaded(Result<DeviceRecords> records);
  void run_waiting();
  void refuse_waiting(const Error& error);
  void run(DeviceMessage message);

  void on(Attach message);
  void on(Detached message);
  void on(Active message);
  void on(GetIdentity message);
  void on(ListModules message);
  void on(PutIdentity message);
  void on(DeleteIdentity message);
  // The parts of an actor take these.
  template <class Message>
  void on(Message message) {
    if constexpr (requires { message.reply; }) message.reply(Error(Errc::not_implemented));
  }

  Result<void> create(const PutIdentity& message, IdentityChange& change);
  Result<void> replace(const PutIdentity& message, const IdentityRecord& current, IdentityChange& change);
  void commit_put(IdentityChange change, Reply<IdentityView> reply);
  void apply(const IdentityChange& change);
  void close_ended_by(const IdentityRecord& before, const IdentityRecord& after);

  IdentityRecord* find(const Identity& id);
  Error absent(const Identity& id) const;
  IdentityView view(const IdentityRecord& record) const;
  void settled();

  DeviceDirectory& directory_;
  std::string device_;
  ShardCheck shard_check_;
  // The committed records once loaded; a device that does not exist is loaded without them.
  bool loaded_ = false;
  std::optional<DeviceRecords> records_;
  bool in_flight_ = false;  // a load or a commit
  std::deque<DeviceMessage> waiting_;
  Presence presence_;
};

}  // namespace kyanite
