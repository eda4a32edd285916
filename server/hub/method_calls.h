#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "server/hub/device_host.h"

namespace kyanite {

// MethodCalls are the direct methods of one device and its modules that are under way (spec device-mqtt.md 7,
// service-rest.md 7). Nothing of them is stored.
//
// A call waits for a connection that listens, at most its connect timeout; then its response timeout runs
// from the moment it is sent. It is sent at most once and answered exactly once: by the device, by its time,
// by the end of the connection, by the end of the identity, or by a drain.
//
// Owner: a DeviceActor. Bound: limits::kMethodCallsMax calls of a device, and of those that wait to be sent
// limits::kMethodWaitingBytesMax of payload (Errc::too_many_calls beyond).
class MethodCalls {
 public:
  explicit MethodCalls(DeviceHost& host);
  ~MethodCalls();
  MethodCalls(const MethodCalls&) = delete;
  MethodCalls& operator=(const MethodCalls&) = delete;

  // The actor has checked that the identity exists and its device is enabled.
  void invoke(InvokeMethod message);
  void answer(AnswerMethod message);  // of the live connection's epoch

  // A connection of the identity listens from now on: waiting calls are sent.
  void on_listening(const std::string& module);
  // The connection ended, or stopped to listen: what was sent is answered; what waits goes on waiting.
  void on_link_ended(const std::string& module);
  void on_erased(const std::string& module);  // of the device: its modules as well
  void on_disabled();                         // the device and its modules
  // The hub is going down: every call is answered, so that no caller holds up the drain.
  void on_drain();

  bool is_quiet() const { return calls_.empty(); }  // no call under way

 private:
  struct Call {
    std::string module;
    std::string method;
    std::optional<std::string> payload;
    milliseconds response_timeout{};
    Reply<MethodResult> reply;
    TimerId timer{};  // of the phase the call is in
    bool sent = false;
    SteadyTime began{};
  };
  using Calls = std::map<std::uint64_t, Call>;  // in the order they came

  bool is_listening(const std::string& module) const;
  void send(Calls::iterator call);
  void arm(Calls::iterator call, milliseconds time);
  void on_time(std::uint64_t number);
  // The call is over, and out of the map.
  Calls::iterator finish(Calls::iterator call, Result<MethodResult> result);
  template <class Predicate>
  void finish_all(Predicate concerns, const Error& error);

  // Request ids are 1 to 36 characters [0-9a-f-], unique over the life of the hub and most likely beyond it:
  // an answer that comes over a later connection, or to a restarted hub, meets no other call (spec
  // device-mqtt.md 7.1).
  std::string request_id(std::uint64_t number) const;
  Calls::iterator find(std::string_view request_id);

  DeviceHost& host_;
  const std::string id_prefix_;  // "18f2a3b4c5d-"
  std::uint64_t last_number_ = 0;
  Calls calls_;
  std::size_t waiting_bytes_ = 0;  // of payloads not sent
};

}  // namespace kyanite
