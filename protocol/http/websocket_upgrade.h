#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/base/error.h"
#include "protocol/http/request.h"

namespace kyanite {

// What a client may be asked for beyond RFC 6455.
struct WebSocketRules {
  bool require_subprotocol = false;  // an upgrade that offers none is refused
};

// An upgrade to be carried out: what the answer 101 depends on.
struct WebSocketUpgrade {
  std::string key;          // Sec-WebSocket-Key
  std::string subprotocol;  // letter for letter as it was offered; empty: none was
};

// An upgrade that is refused: the error's detail tells the client what to mend.
struct UpgradeRefusal {
  int status = 400;
  Error error;
  std::vector<std::pair<std::string, std::string>> headers;
};

// The paths on which MQTT and AMQP are spoken over WebSocket, whatever the query: /$iothub/websocket, where
// the sub-protocol decides between the two, and /$servicebus/websocket, which is AMQP's alone; AMQP's with or
// without a slash at the end. Compared with case [device-mqtt.md 1.1, amqp.md 1.1].
bool is_websocket_path(const HttpRequest& request);

// Judges a request for that path: GET of an HTTP/1.1 client without a body, with the headers of RFC 6455
// section 4.2.1. Of the sub-protocols offered the first that is "mqtt" in any letter case, "AMQPWSB10" or
// "amqp" is chosen [device-mqtt.md 1.2, amqp.md 1.1]; an upgrade that offers none is MQTT's. No credentials
// are asked for: they come with the CONNECT packet, or over AMQP.
std::variant<WebSocketUpgrade, UpgradeRefusal> judge_websocket_upgrade(const HttpRequest& request,
                                                                       const WebSocketRules& rules);

bool is_amqp_subprotocol(std::string_view subprotocol);

}  // namespace kyanite
