#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kyanite {

// How a peer's bytes come.
enum class PeerTransport : std::uint8_t { tcp, websocket };  // both under TLS

// What the transport knows of a peer. Owner: its Channel.
struct PeerInfo {
  std::string address;  // numeric, without port
  std::uint16_t port = 0;
  PeerTransport transport = PeerTransport::tcp;
  std::string tls_version;  // "TLSv1.3"; empty for a transport without TLS
  std::string server_name;  // SNI, may be empty
  // Client certificate chain, leaf first, each as DER; empty when none was presented. The TLS layer proved
  // possession of the leaf's key and judged nothing else (spec device-mqtt.md 1.3). May be released with
  // Channel::release_certificates() once CONNECT was judged.
  std::vector<std::string> certificate_chain;
};

}  // namespace kyanite
