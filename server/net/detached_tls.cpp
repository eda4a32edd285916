#include "server/net/detached_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace kyanite {

void FreeSsl::operator()(SSL* ssl) const { SSL_free(ssl); }

DetachedTls::DetachedTls(DetachedTls&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), ssl_(std::move(other.ssl_)) {}

DetachedTls::~DetachedTls() {
  ssl_.reset();
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool DetachedTls::write_all(std::string_view bytes, milliseconds at_most) {
  if (descriptor_ < 0) return false;
  const auto until = std::chrono::steady_clock::now() + at_most;
  const auto wait_for = [&](short what) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    if (left <= milliseconds(0)) return false;
    pollfd ready{descriptor_, what, 0};
    ::poll(&ready, 1, static_cast<int>(left.count()));
    return true;
  };
  while (!bytes.empty()) {
    if (!ssl_) {
      const ::ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if ((errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) || !wait_for(POLLOUT)) {
        return false;
      }
      continue;
    }
    ERR_clear_error();
    std::size_t written = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
    if (result == 1) {
      bytes.remove_prefix(written);
      continue;
    }
    const int reason = SSL_get_error(ssl_.get(), result);
    if (reason != SSL_ERROR_WANT_WRITE && reason != SSL_ERROR_WANT_READ) return false;
    if (!wait_for(reason == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN)) return false;
  }
  return true;
}

void DetachedTls::end() {
  if (descriptor_ < 0) return;
  if (ssl_) {
    ERR_clear_error();
    static_cast<void>(SSL_shutdown(ssl_.get()));
    ERR_clear_error();
  }
  ::shutdown(descriptor_, SHUT_WR);
  ssl_.reset();
  ::close(std::exchange(descriptor_, -1));
}

}  // namespace kyanite
