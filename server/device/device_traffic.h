#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/mqtt/send_window.h"
#include "server/device/answer_window.h"

namespace kyanite {

// What a connection remembers of twins, methods and cloud-to-device messages under way; one that only sends
// telemetry has none. Ends with the connection: the owner takes back what it lent (spec device-mqtt.md 2.13).
struct DeviceTraffic {
  mqtt::SendWindow c2d;  // sent with QoS 1, by the message's sequence; as many as the owner's window
  std::vector<std::uint64_t> c2d_to_settle;  // sent with QoS 0, complete once the output has drained
  AnswerWindow answers;                      // of twin requests
  std::vector<std::string> method_calls;     // request ids awaiting the device, oldest first
};

}  // namespace kyanite
