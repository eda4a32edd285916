#include "bench/events/hub_stream.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace kyanite::load {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

}  // namespace

void give_up(const std::string& sentence) {
  std::fprintf(stderr, "kyanite_read_events: %s\n", sentence.c_str());
  std::exit(2);
}

HubStream::HubStream(const Target& target, const TlsClient* tls, std::uint16_t port)
    : buffer_(kReadBytes, '\0') {
  const auto address = parse_loopback_address("127.0.0.1:" + std::to_string(port));
  if (!address) give_up("the hub does not listen for AMQP (port 0 in hub.json)");
  socket_ = ::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address->storage), address->size) != 0)
    give_up("cannot connect to 127.0.0.1:" + std::to_string(port));
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!tls) return;
  ssl_ = tls->make(socket_, nullptr);
  if (!ssl_ || SSL_do_handshake(ssl_.get()) != 1)
    give_up("TLS with " + target.host_name + ": " + take_tls_error());
}

HubStream::~HubStream() {
  ssl_.reset();
  if (socket_ >= 0) ::close(socket_);
}

void HubStream::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                            : static_cast<int>(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    if (count <= 0) give_up("the connection broke while writing");
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string_view HubStream::read() {
  const auto count = ssl_ ? SSL_read(ssl_.get(), buffer_.data(), static_cast<int>(buffer_.size()))
                          : static_cast<int>(::recv(socket_, buffer_.data(), buffer_.size(), 0));
  if (count <= 0) give_up("the hub closed the connection");
  return {buffer_.data(), static_cast<std::size_t>(count)};
}

}  // namespace kyanite::load
