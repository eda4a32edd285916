#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "server/hub/device_host.h"

namespace kyanite {

// MethodCalls are the direct methods of one device and its modules that are under way (spec device-mqtt.md 7,
// service-rest.md 7). Nothing of them is stored.
//
// A call waits for a connection that listens, at most its connect timeout; then its response timeout runs
// from the moment it is sent. It is answered exactly once: by the device, by its time, by the end of the
// connection, by the end of the identity, or by a drain.
//
// Owner: a DeviceActor. Bound: limits::kMethodCallsMax calls of a device (Errc::too_many_calls beyond).
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
  void on_erased(const std::string& module);
  void on_disabled();  // the device and its modules

  bool is_quiet() const;  // no call under way

 private:
  DeviceHost& host_;
};

}  // namespace kyanite
