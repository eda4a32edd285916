#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/load/target.h"
#include "bench/load/tls_client.h"

namespace kyanite::load {

// HubStream is a blocking connection to the hub's AMQP listener, over TLS or without.
//
// Errors: what fails ends the program with a sentence, since there is nothing left to measure.
class HubStream {
 public:
  HubStream(const Target& target, const TlsClient* tls, std::uint16_t port);
  ~HubStream();
  HubStream(const HubStream&) = delete;
  HubStream& operator=(const HubStream&) = delete;

  void write(std::string_view bytes);
  // At least one byte, at most what is at hand; valid until the next call.
  std::string_view read();

 private:
  int socket_ = -1;
  SslPtr ssl_;
  std::string buffer_;
};

[[noreturn]] void give_up(const std::string& sentence);

}  // namespace kyanite::load
