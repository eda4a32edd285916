#pragma once

#include <openssl/types.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <memory>
#include <utility>

#include "protocol/base/peer_info.h"
#include "protocol/base/tls_failure.h"
#include "server/net/detached_tls.h"
#include "server/net/tls_context.h"
#include "server/runtime/shard.h"

namespace kyanite {

// TlsStream is the server side of TLS over one accepted socket, or of the bare socket where a listener speaks
// without TLS (spec amqp.md 1). OpenSSL works on the socket's descriptor and
// Asio only waits for readiness: 15 KiB per idle connection instead of 71 with asio::ssl::stream
// (architecture.md section 1).
//
// It has two faces. The direct one (try_*, wait_*) is for the hot path. The other models Boost.Asio's
// AsyncReadStream and AsyncWriteStream, so that Beast runs on it; there, one read and one write may be
// outstanding. Owner: whoever accepted it, on one shard; every call on that shard's thread. It must outlive
// its pending operations (close() ends them with operation_aborted).
class TlsStream {
 public:
  using executor_type = boost::asio::io_context::executor_type;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, executor_type>;
  using error_code = boost::system::error_code;

  enum class Status {
    ok,
    want_read,   // wait_readable, then try again
    want_write,  // wait_writable, then try again
    closed,      // the peer ended the stream (close_notify, or FIN without one)
    failed,      // socket or TLS error; the stream is of no more use
  };
  struct Outcome {
    Status status = Status::ok;
    std::size_t bytes = 0;
  };

  // The socket belongs to shard.io() and becomes non-blocking with TCP_NODELAY.
  // Without a context the stream is plain TCP: its handshake is done at once, peer().tls_version stays empty.
  TlsStream(Shard& shard, Socket socket, const TlsContext* context);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  Shard& shard() { return shard_; }
  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }

  // Filled when the handshake has finished.
  const PeerInfo& peer() const { return peer_; }
  PeerInfo& peer() { return peer_; }
  bool resumed() const;
  bool is_plain() const { return !ssl_; }

  // Direct calls; none blocks.
  Outcome try_handshake();
  Outcome try_read(void* data, std::size_t size);
  Outcome try_write(const void* data, std::size_t size);
  // Why the handshake failed, and the same in OpenSSL's words, such as "tlsv1 alert unknown ca" of a peer
  // that does not trust the certificate.
  TlsFailure tls_failure() const;
  std::string tls_problem() const;
  // Bytes already taken from the socket wait inside OpenSSL: try_read before wait_readable, or they are never
  // seen.
  bool has_pending() const;
  // Sends close_notify if that is possible at once. Nothing may be written after it.
  void send_close_notify();
  // Ends everything; pending operations complete with operation_aborted. Harmless when repeated.
  void close();
  bool is_open() const { return socket_.is_open(); }
  // Takes the connection off this shard; nothing may be pending, and the stream is closed then.
  DetachedTls detach();

  // Handler: void(error_code).
  template <class Handler>
  void wait_readable(Handler&& handler) {
    socket_.async_wait(Socket::wait_read, std::forward<Handler>(handler));
  }
  template <class Handler>
  void wait_writable(Handler&& handler) {
    socket_.async_wait(Socket::wait_write, std::forward<Handler>(handler));
  }

  // Completes with void(error_code).
  template <class Token>
  auto async_handshake(Token&& token) {
    return initiate<void(error_code)>([this] { return try_handshake(); }, std::forward<Token>(token));
  }
  // Sends close_notify, waiting until the socket takes it; does not wait for the peer's.
  template <class Token>
  auto async_shutdown(Token&& token) {
    return initiate<void(error_code)>([this] { return try_shutdown(); }, std::forward<Token>(token));
  }

  // AsyncReadStream; the end of the stream is asio::error::eof.
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    const boost::asio::mutable_buffer first = first_non_empty<boost::asio::mutable_buffer>(buffers);
    return initiate<void(error_code, std::size_t)>(
        [this, first] { return first.size() == 0 ? Outcome{} : try_read(first.data(), first.size()); },
        std::forward<Token>(token));
  }
  // AsyncWriteStream.
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    const boost::asio::const_buffer first = first_non_empty<boost::asio::const_buffer>(buffers);
    return initiate<void(error_code, std::size_t)>(
        [this, first] { return first.size() == 0 ? Outcome{} : try_write(first.data(), first.size()); },
        std::forward<Token>(token));
  }

 private:
  template <class Attempt>
  struct Operation;

  template <class Signature, class Attempt, class Token>
  auto initiate(Attempt attempt, Token&& token) {
    return boost::asio::async_compose<Token, Signature>(Operation<Attempt>{*this, std::move(attempt)}, token,
                                                        socket_);
  }
  template <class Buffer, class Buffers>
  static Buffer first_non_empty(const Buffers& buffers) {
    for (auto it = boost::asio::buffer_sequence_begin(buffers);
         it != boost::asio::buffer_sequence_end(buffers); ++it) {
      if (Buffer buffer(*it); buffer.size() > 0) return buffer;
    }
    return {};
  }

  Outcome try_shutdown();
  Outcome plain_outcome(std::ptrdiff_t result);
  Outcome outcome(int result, std::size_t bytes);
  error_code to_error(Status status) const;
  void describe_peer();

  Shard& shard_;
  Socket socket_;
  SslPtr ssl_;
  PeerInfo peer_;
  int error_number_ = 0;         // errno of the failure, 0 for a TLS error
  unsigned long tls_error_ = 0;  // of OpenSSL, 0 for an error of the socket
  bool failed_ = false;
  bool write_blocked_ = false;  // a record is half sent: no close_notify may follow
  bool close_notify_sent_ = false;
};

// One attempt repeated until it neither wants to read nor to write. The handler never runs inside the
// initiating call.
template <class Attempt>
struct TlsStream::Operation {
  TlsStream& stream;
  Attempt attempt;
  Outcome result{};
  enum class Step { first, waited, done } step = Step::first;

  template <class Self>
  void operator()(Self& self, error_code error = {}) {
    if (step == Step::waited && error) return complete(self, error, 0);
    if (step != Step::done) {
      result = attempt();
      if (result.status == Status::want_read || result.status == Status::want_write) {
        const auto what = result.status == Status::want_read ? Socket::wait_read : Socket::wait_write;
        step = Step::waited;
        Socket& socket = stream.socket_;
        socket.async_wait(what, std::move(self));
        return;
      }
      if (step == Step::first) {
        step = Step::done;
        const executor_type executor = stream.get_executor();
        boost::asio::post(executor, std::move(self));
        return;
      }
    }
    complete(self, stream.to_error(result.status), result.bytes);
  }

 private:
  template <class Self>
  static void complete(Self& self, error_code error, std::size_t bytes) {
    if constexpr (requires { self.complete(error, bytes); }) {
      self.complete(error, bytes);
    } else {
      self.complete(error);
    }
  }
};

}  // namespace kyanite
