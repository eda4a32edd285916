#pragma once

#include <map>
#include <optional>
#include <string>

#include "protocol/base/executor.h"
#include "server/hub/authenticator.h"
#include "server/hub/device_host.h"
#include "storage/activity.h"

namespace kyanite {

// What Presence needs of the device it belongs to.
class PresenceHost {
 public:
  virtual ~PresenceHost() = default;
  virtual Executor& executor() = 0;
  virtual void close_connection(ConnectionRef connection, CloseReason reason) = 0;
  // The subscriptions that a connection which keeps its session finds.
  virtual std::vector<GrantedFilter> stored_filters(const std::string& module) const = 0;
  // A connection was let in, and its CONNECT answered.
  virtual void on_bound(const std::string& module) = 0;
  // The connection that was let in is gone; link() still shows it during the call.
  virtual void on_unbound(const std::string& module) = 0;
  virtual void on_connected_changed(const std::string& module, bool connected) = 0;
  // When the identity was last heard of has changed: worth to be written down, at once when `ended`.
  virtual void on_heard(const std::string& module, bool ended) = 0;
  // The wait for a superseded connection took too long.
  virtual void on_takeover_timeout(const std::string& module) = 0;
};

// Presence knows who is connected as a device and as each of its modules, and lets one connection per
// identity in (spec device-mqtt.md 2.13): the old one is told to close, and the new one is answered when it
// has said that it ended (its will is in the log by then), or after limits::kTakeoverWait. Only a connection
// whose credential was proven gets here, so a CONNECT that fails never touches the old one.
//
// The expiry of a credential is watched by the connection itself, which closes as if told from here.
//
// Owner: a DeviceActor. Reply: attach() is answered once, with Errc::busy when a newer connection overtakes
// the waiting one. Bound: one entry per identity of the device that was ever connected.
class Presence {
 public:
  explicit Presence(PresenceHost& host) : host_(host) {}
  ~Presence();
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;

  // `message` passed authentication with `verdict`.
  void attach(Attach message, const AuthVerdict& verdict, const std::string& generation_id);
  void detached(const Detached& message);
  void active(const Active& message);
  // A request came over another way than a connection; its credential was proven.
  void touch(const std::string& module);
  void takeover_timeout(const std::string& module);

  // Ends what is connected as this identity; an Attach that waits is refused with `refusal`.
  void close(const std::string& module, CloseReason reason, const Error& refusal);
  // The same for the device and all its modules.
  void close_all(CloseReason reason, const Error& refusal);
  // The same of those that proved themselves with the identity's own credential, not with a policy's.
  void close_own(const std::string& module, CloseReason reason, const Error& refusal);
  // The identity is no more: closes and forgets it.
  void forget(const std::string& module);
  void forget_all();

  // As live facts, or as an earlier start of the hub wrote them down.
  LiveState live(const std::string& module) const;
  void load(const std::vector<ActivityRecord>& stored);
  void unload() { stored_.clear(); }
  // Who is connected, with its subscriptions; nullptr when nobody is, and while it is being superseded: what
  // is for the device then waits for the new connection.
  const DeviceLink* link(const std::string& module) const;
  // Whether the epoch is that of the connection let in last, even while that is being superseded.
  bool is_current(const std::string& module, Epoch epoch) const;
  void set_filters(const std::string& module, std::vector<GrantedFilter> filters);
  // Nobody connected, nobody waiting.
  bool is_quiet() const;
  // Nothing to remember either: the actor may go.
  bool is_empty() const { return entries_.empty(); }

 private:
  struct Waiting {
    Attach message;
    AuthVerdict verdict;
    std::string generation_id;
    TimerId timer;
  };
  struct Entry {
    // Its connection is set while one is attached, also while that is being closed for a takeover; the epoch
    // stays when it is gone.
    DeviceLink link;
    AuthScope scope = AuthScope::device;
    std::optional<Waiting> waiting;
    WallTime state_updated = kNever;
    WallTime last_activity = kNever;
    WallTime told_activity = kNever;  // the host knows of
  };

  void bind(const std::string& module, Entry& entry, Attach message, const AuthVerdict& verdict,
            const std::string& generation_id);
  void end(const std::string& module, Entry& entry);
  void refuse_waiting(Entry& entry, const Error& refusal);
  void tell(const std::string& module, Entry& entry, bool ended);

  PresenceHost& host_;
  std::map<std::string, Entry> entries_;     // by module id, empty for the device itself
  std::map<std::string, LiveState> stored_;  // of those without an entry; while the records are loaded
};

}  // namespace kyanite
