#pragma once

#include <openssl/types.h>

#include <memory>
#include <string_view>

#include "protocol/base/time.h"

namespace kyanite {

struct FreeSsl {
  void operator()(SSL* ssl) const;
};
using SslPtr = std::unique_ptr<SSL, FreeSsl>;

// A TLS connection, or without `ssl` one in the clear, that has left its shard. Owner: any one thread, which
// its calls may keep waiting for the peer.
class DetachedTls {
 public:
  // The descriptor is owned, and non-blocking; -1: the peer has gone.
  DetachedTls(int descriptor, SslPtr ssl) : descriptor_(descriptor), ssl_(std::move(ssl)) {}
  DetachedTls(DetachedTls&& other) noexcept;
  DetachedTls(const DetachedTls&) = delete;
  DetachedTls& operator=(const DetachedTls&) = delete;
  ~DetachedTls();

  // All of it within the time; false when the peer did not take it.
  bool write_all(std::string_view bytes, milliseconds at_most);
  // Tells the peer that this was all, and closes.
  void end();

 private:
  int descriptor_;
  SslPtr ssl_;
};

}  // namespace kyanite
