#include "bench/load/link.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/mqtt/encoder.h"

namespace kyanite::load {
namespace {

constexpr std::size_t kIncompletePacketBytesMax = 64 * 1024;

constexpr std::uint8_t kConnack = 0x20;
constexpr std::uint8_t kPuback = 0x40;
constexpr std::uint8_t kPingresp = 0xD0;
constexpr std::uint8_t kSuback = 0x90;
constexpr std::uint8_t kPublish = 0x30;  // with flags in the lower half
constexpr std::uint8_t kDupFlag = 0x08;
constexpr std::uint8_t kQosFlags = 0x06;

// The fixed header at the front of bytes: its size and the length that remains; size 0 when it is incomplete.
struct FixedHeader {
  std::size_t size = 0;
  std::size_t remaining = 0;
};
FixedHeader read_fixed_header(std::string_view bytes) {
  FixedHeader header;
  unsigned shift = 0;
  for (std::size_t i = 1; i < bytes.size() && i <= 4; ++i, shift += 7) {
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    header.remaining |= static_cast<std::size_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) {
      header.size = i + 1;
      return header;
    }
  }
  return header;
}

}  // namespace

Link::Link(LinkContext& context, Device& device, std::size_t index)
    : context_(context), device_(device), index_(index) {}

Link::~Link() { release(); }

void Link::open() {
  opened_at_ = std::chrono::steady_clock::now();
  resumed_ = false;
  was_ready_ = false;
  state_ = State::connecting;
  const Target& target = context_.target;
  const LoopbackAddress& plain = context_.amqp_batch > 0 ? target.amqps : target.mqtts;
  const LoopbackAddress& address = context_.websocket ? target.https : plain;
  socket_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ >= 0) {
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const int outcome = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address.storage), address.size);
    if (outcome == 0 || errno == EINPROGRESS) {
      ssl_ = context_.tls.make(socket_, context_.resume ? &device_.session : nullptr);
      if (ssl_ && context_.loop.add(socket_, *this)) return;
      failure_ = "no TLS connection: " + take_tls_error();
    } else {
      failure_ = std::string("connect: ") + std::strerror(errno);
    }
  } else {
    failure_ = std::string("socket: ") + std::strerror(errno);
  }
  if (!dirty_) context_.loop.flush_later(*this);
  dirty_ = true;
}

void Link::close(bool say_disconnect) {
  if (say_disconnect && state_ == State::ready) {
    if (amqp_) {
      amqp_->close();
      output_ += std::exchange(amqp_->output(), {});
    } else {
      mqtt::append_disconnect(output_);
    }
    if (context_.websocket) frame_output();
    const std::string& bytes = context_.websocket ? framed_ : output_;
    ERR_clear_error();
    SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  release();
}

std::string& Link::output() {
  if (!dirty_) context_.loop.flush_later(*this);
  dirty_ = true;
  return output_;
}

void Link::ping_if_due(std::chrono::steady_clock::time_point now) {
  if (state_ != State::ready) return;
  if (now - written_at_ < std::chrono::seconds(context_.keep_alive_seconds) / 2) return;
  if (amqp_) {
    amqp_->ping();
    output();
  } else {
    mqtt::append_pingreq(output());
  }
}

void Link::on_socket_ready() {
  if (state_ == State::connecting) {
    int problem = 0;
    socklen_t size = sizeof problem;
    getsockopt(socket_, SOL_SOCKET, SO_ERROR, &problem, &size);
    if (problem != 0) return fail(std::string("connect: ") + std::strerror(problem));
    state_ = State::handshaking;
  }
  if (state_ == State::handshaking) continue_handshake();
  if (state_ == State::upgrading || state_ == State::greeting || state_ == State::ready) {
    if (!output_.empty() || !framed_.empty()) output();  // the socket may take more now
    read_packets();
  }
}

void Link::continue_handshake() {
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl_.get());
  if (outcome == 1) {
    resumed_ = SSL_session_reused(ssl_.get()) == 1;
    if (context_.websocket) return send_upgrade();
    return send_connect();
  }
  const int error = SSL_get_error(ssl_.get(), outcome);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
  fail(error == SSL_ERROR_SYSCALL ? "closed in the handshake" : "handshake: " + take_tls_error());
}

void Link::send_upgrade() {
  output();
  framed_ = websocket_upgrade(context_.target.host_name);
  state_ = State::upgrading;
}

// Takes the answer to the upgrade off the front of the bytes.
bool Link::read_upgrade(std::string_view& bytes) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  constexpr std::string_view kSwitching = "HTTP/1.1 101";
  const std::size_t before = input_.size();
  input_.append(bytes);
  const std::size_t end = input_.find(kEnd);
  if (end == std::string::npos) return false;
  if (!input_.starts_with(kSwitching)) {
    fail("the upgrade was refused: " + input_.substr(0, input_.find('\r')));
    return false;
  }
  bytes.remove_prefix(end + kEnd.size() - before);
  input_.clear();
  send_connect();
  return true;
}

void Link::frame_output() {
  if (output_.empty()) return;
  append_websocket_message(framed_, output_);
  output_.clear();
}

void Link::publish(std::string_view body, std::uint16_t id) {
  if (amqp_) {
    amqp_->publish(body, id);
    output();
    return;
  }
  mqtt::append_client_publish(output(), device_.topic, body, mqtt::QoS::at_least_once, /*retain=*/false,
                              /*dup=*/false, PacketId{id});
}

bool Link::hear(std::string_view bytes) {
  const int generation_socket = socket_;
  const auto is_same = [&] { return socket_ == generation_socket && amqp_; };
  const AmqpSide::Heard heard = amqp_->feed(bytes);
  if (!amqp_->output().empty()) output();
  if (heard.ready) {
    state_ = State::ready;
    was_ready_ = true;
    context_.observer.on_ready(*this);
  }
  for (const std::uint16_t id : heard.acknowledged) {
    if (!is_same()) return false;
    context_.observer.on_puback(*this, id);
  }
  if (heard.room && is_same()) context_.observer.on_room(*this);
  if (is_same() && !heard.closed.empty()) fail(heard.closed);
  return is_same();
}

void Link::send_connect() {
  if (context_.amqp_batch > 0) {
    amqp_.emplace(context_.target.host_name, device_.id, device_.token, context_.amqp_batch);
    amqp_->start();
    output();
    state_ = State::greeting;
    return;
  }
  const std::string username = context_.target.host_name + "/" + device_.id + "/?api-version=2021-04-12";
  mqtt::ConnectFields fields;
  fields.client_id = device_.id;
  fields.username = username;
  fields.password = device_.token;
  fields.keep_alive_seconds = context_.keep_alive_seconds;
  fields.clean_session = context_.clean_session;
  mqtt::append_connect(output(), fields);
  state_ = State::greeting;
}

void Link::flush() {
  dirty_ = false;
  if (!failure_.empty()) return fail(std::exchange(failure_, {}));
  if (state_ != State::upgrading && state_ != State::greeting && state_ != State::ready) return;
  if (amqp_) {
    amqp_->end_turn();
    output_ += std::exchange(amqp_->output(), {});
  }
  if (context_.websocket && state_ != State::upgrading) frame_output();
  std::string& bytes = context_.websocket ? framed_ : output_;
  std::size_t done = 0;
  while (done < bytes.size()) {
    ERR_clear_error();
    const int outcome = SSL_write(ssl_.get(), bytes.data() + done, static_cast<int>(bytes.size() - done));
    if (outcome > 0) {
      done += static_cast<std::size_t>(outcome);
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), outcome);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) break;
    return fail("closed while writing");
  }
  if (done != 0) written_at_ = std::chrono::steady_clock::now();
  bytes.erase(0, done);
  if (bytes.empty() && bytes.capacity() > 1024) bytes.shrink_to_fit();
  if (context_.websocket && output_.capacity() > 1024) output_.shrink_to_fit();
}

void Link::read_packets() {
  thread_local std::array<char, 64 * 1024> buffer;
  while (true) {
    ERR_clear_error();
    const int outcome = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (outcome <= 0) {
      const int error = SSL_get_error(ssl_.get(), outcome);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
      return fail(state_ == State::greeting ? "closed before it was let in" : "closed by the server");
    }
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(outcome));
    if (!context_.websocket) {
      if (!read_packets_of(bytes)) return;
      continue;
    }
    if (state_ == State::upgrading) {
      if (!read_upgrade(bytes)) {
        if (state_ != State::upgrading) return;
        continue;
      }
    }
    std::string payloads;
    if (!frames_.read(bytes, payloads)) return fail("the WebSocket was closed by the server");
    if (!read_packets_of(payloads)) return;
  }
}

bool Link::read_packets_of(std::string_view bytes) {
  if (amqp_) return hear(bytes);
  std::string joined;
  if (!input_.empty()) {
    joined = std::exchange(input_, {});
    joined.append(bytes);
    bytes = joined;
  }
  while (true) {
    const FixedHeader header = read_fixed_header(bytes);
    if (header.size == 0 || bytes.size() < header.size + header.remaining) break;
    const std::string_view body = bytes.substr(header.size, header.remaining);
    if (!handle_packet(static_cast<std::uint8_t>(bytes.front()), body)) return false;
    bytes.remove_prefix(header.size + header.remaining);
  }
  if (bytes.size() > kIncompletePacketBytesMax) {
    fail("a packet that is too large");
    return false;
  }
  input_.assign(bytes);
  return true;
}

bool Link::handle_packet(std::uint8_t first, std::string_view body) {
  const int generation_socket = socket_;
  if ((first & 0xF0U) == kPublish) {
    if (!handle_publish(first, body)) {
      fail("an unexpected PUBLISH");
      return false;
    }
    return state_ == State::ready && socket_ == generation_socket;
  }
  switch (first) {
    case kConnack:
      if (state_ != State::greeting || body.size() != 2) {
        fail("an unexpected CONNACK");
        return false;
      }
      if (body[1] != 0) {
        fail("CONNACK " + std::to_string(static_cast<int>(body[1])));
        return false;
      }
      state_ = State::ready;
      was_ready_ = true;
      context_.observer.on_ready(*this);
      break;
    case kPuback:
      if (state_ != State::ready || body.size() != 2) {
        fail("an unexpected PUBACK");
        return false;
      }
      context_.observer.on_puback(*this, static_cast<std::uint16_t>(static_cast<std::uint8_t>(body[0]) << 8 |
                                                                    static_cast<std::uint8_t>(body[1])));
      break;
    case kPingresp:
      break;
    case kSuback:
      context_.observer.on_suback(*this);
      break;
    default:
      fail("an unexpected packet of type " + std::to_string(first >> 4));
      return false;
  }
  // The observer may have closed this link, or even opened it again.
  return state_ == State::ready && socket_ == generation_socket;
}

// False when it is none.
bool Link::handle_publish(std::uint8_t first, std::string_view body) {
  const auto number_at = [body](std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(body[at]) << 8 |
                                      static_cast<std::uint8_t>(body[at + 1]));
  };
  const bool has_id = (first & kQosFlags) != 0;
  if (state_ != State::ready || body.size() < 2) return false;
  const std::size_t topic = number_at(0);
  if (body.size() < 2 + topic + (has_id ? 2U : 0U)) return false;
  if (has_id) {
    context_.observer.on_message(*this,
                                 {number_at(2 + topic), (first & kDupFlag) != 0, body.substr(2 + topic + 2)});
  } else {
    context_.observer.on_publish(*this, body.substr(2, topic), body.substr(2 + topic));
  }
  return true;
}

void Link::fail(std::string_view reason) {
  const std::string text(reason);
  release();
  context_.observer.on_closed(*this, text);
}

void Link::release() {
  if (socket_ >= 0 || dirty_) context_.loop.remove(socket_, *this);
  ssl_.reset();
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  output_ = {};
  framed_ = {};
  frames_ = {};
  amqp_.reset();
  input_ = {};
  failure_.clear();
  dirty_ = false;
  state_ = State::closed;
}

}  // namespace kyanite::load
