#include "tests/unit/server_http/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "protocol/base/percent_encoding.h"

namespace kyanite::test {
namespace {

int connect_to(std::uint16_t port) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{60, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

SSL_CTX* shared_context() {
  static const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                         &SSL_CTX_free);
  return context.get();
}

}  // namespace

void RawClient::FreeSsl::operator()(SSL* ssl) const { SSL_free(ssl); }

RawClient::RawClient(std::uint16_t port) : socket_(connect_to(port)) {
  if (socket_ < 0) return;
  ssl_.reset(SSL_new(shared_context()));
  SSL_set_fd(ssl_.get(), socket_);
  if (SSL_connect(ssl_.get()) != 1) ssl_.reset();
}

RawClient::RawClient(RawClient&& other) noexcept
    : ssl_(std::move(other.ssl_)),
      socket_(std::exchange(other.socket_, -1)),
      buffer_(std::move(other.buffer_)) {}

RawClient::~RawClient() { disconnect(); }

void RawClient::disconnect() {
  ssl_.reset();
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void RawClient::shrink_receive_buffer() {
  const int bytes = 4096;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

bool RawClient::send(std::string_view bytes) {
  if (bytes.empty()) return true;
  return ssl_ && SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
                     static_cast<int>(bytes.size());
}

bool RawClient::fill() {
  if (!ssl_) return false;
  std::array<char, 16384> chunk{};
  const int bytes = SSL_read(ssl_.get(), chunk.data(), static_cast<int>(chunk.size()));
  if (bytes <= 0) {
    last_error_ = SSL_get_error(ssl_.get(), bytes);
    return false;
  }
  buffer_.append(chunk.data(), static_cast<std::size_t>(bytes));
  return true;
}

std::string RawClient::read_some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

std::string RawClient::read_exactly(std::size_t bytes) {
  while (buffer_.size() < bytes && fill()) {
  }
  std::string taken = buffer_.substr(0, bytes);
  buffer_.erase(0, taken.size());
  return taken;
}

bool RawClient::read_until(std::string_view text) {
  while (buffer_.find(text) == std::string::npos) {
    if (!fill()) return false;
  }
  buffer_.erase(0, buffer_.find(text) + text.size());
  return true;
}

bool RawClient::ended_cleanly() {
  while (fill()) buffer_.clear();
  return last_error_ == SSL_ERROR_ZERO_RETURN;
}

RawResponse RawClient::receive_head() {
  RawResponse response;
  std::size_t end;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return response;
  }
  const std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  if (!head.starts_with("HTTP/1.")) return response;
  response.version = head.substr(0, 8);
  response.status = std::atoi(head.c_str() + 9);
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t line_end = head.find("\r\n", at);
    const std::string line = head.substr(at, line_end - at);
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos)
      response.headers[to_lower_ascii(line.substr(0, colon))] = line.substr(colon + 2);
    at = line_end + 2;
  }
  return response;
}

RawResponse RawClient::receive(bool head_only) {
  RawResponse response = receive_head();
  if (response.status == 0) return response;
  if (head_only || response.status == 204 || response.status == 100) {
    response.complete = true;
  } else if (response.headers.count("content-length") != 0) {
    const auto size = static_cast<std::size_t>(std::atol(response.headers["content-length"].c_str()));
    while (buffer_.size() < size && fill()) {
    }
    response.complete = buffer_.size() >= size;
    response.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
  } else if (response.headers["transfer-encoding"] == "chunked") {
    for (;;) {
      std::size_t line_end;
      while ((line_end = buffer_.find("\r\n")) == std::string::npos) {
        if (!fill()) return response;
      }
      const auto size = static_cast<std::size_t>(std::strtoul(buffer_.c_str(), nullptr, 16));
      while (buffer_.size() < line_end + 2 + size + 2) {
        if (!fill()) return response;
      }
      response.body += buffer_.substr(line_end + 2, size);
      buffer_.erase(0, line_end + 2 + size + 2);
      if (size == 0) break;
    }
    response.complete = true;
  } else {
    while (fill()) {
    }
    response.body = std::exchange(buffer_, {});
    response.complete = last_error_ == SSL_ERROR_ZERO_RETURN;
  }
  return response;
}

}  // namespace kyanite::test
