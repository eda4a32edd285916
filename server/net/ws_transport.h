#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <cstring>
#include <string>
#include <utility>

#include "server/net/tls_stream.h"

namespace kyanite {

// WsTransport is what Beast's WebSocket stream reads from and writes to: a TlsStream, with what was read
// ahead of the WebSocket put before it, and with small pieces joined. A frame's head and its payload come as
// two buffers; written one by one each would be a TLS record and a segment of its own.
//
// Owner: the WebSocket stream, as its next layer. One read and one write may be outstanding.
class WsTransport {
 public:
  using executor_type = TlsStream::executor_type;
  using error_code = TlsStream::error_code;

  WsTransport(TlsStream& stream, std::string read_ahead)
      : stream_(stream), read_ahead_(std::move(read_ahead)) {}

  executor_type get_executor() { return stream_.get_executor(); }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (read_ahead_.empty()) {
      stream_.async_read_some(buffers, std::forward<Handler>(handler));
      return;
    }
    const auto left = boost::asio::buffer(read_ahead_) + read_ahead_taken_;
    const std::size_t bytes = boost::asio::buffer_copy(buffers, left);
    read_ahead_taken_ += bytes;
    if (read_ahead_taken_ == read_ahead_.size()) std::string().swap(read_ahead_);
    boost::asio::post(get_executor(),
                      boost::beast::bind_front_handler(std::forward<Handler>(handler), error_code{}, bytes));
  }

  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    stream_.async_write_some(joined(buffers), std::forward<Handler>(handler));
  }

  // Frees what a large write needed; when no write of more than kSmallBytes is outstanding.
  void release_buffer() { std::string().swap(large_); }
  bool has_buffer() const { return large_.capacity() > kSmallBytes; }

  void close() { stream_.close(); }

 private:
  static constexpr std::size_t kSmallBytes = 160;            // a control frame, or some acknowledgements
  static constexpr std::size_t kRecordBytesMax = 16 * 1024;  // more than a TLS record holds is not joined
  static constexpr std::size_t kJoinedBytesMax = 4 * 1024;   // a first buffer of that size goes by itself

  template <class Buffers>
  boost::asio::const_buffer joined(const Buffers& buffers) {
    const std::size_t bytes = std::min(boost::asio::buffer_size(buffers), kRecordBytesMax);
    for (auto it = boost::asio::buffer_sequence_begin(buffers);
         it != boost::asio::buffer_sequence_end(buffers); ++it) {
      const boost::asio::const_buffer first(*it);
      if (first.size() >= kJoinedBytesMax) return first;
      if (first.size() > 0) break;
    }
    char* target = small_.data();
    if (bytes > small_.size()) {
      large_.resize(bytes);
      target = large_.data();
    }
    boost::asio::buffer_copy(boost::asio::buffer(target, bytes), buffers);
    mend_close_code(target, bytes);
    return {target, bytes};
  }

  // Beast ends a text message that is no UTF-8 with 1007. Text of any kind is not accepted here, and the code
  // for that is 1003 [device-mqtt.md 1.2]: MQTT in a text frame must get the same answer whatever its bytes.
  static void mend_close_code(char* frame, std::size_t bytes) {
    static constexpr std::array<char, 4> kInvalidText{'\x88', '\x02', '\x03', '\xef'};
    if (bytes == kInvalidText.size() && std::memcmp(frame, kInvalidText.data(), bytes) == 0)
      frame[3] = '\xeb';
  }

  TlsStream& stream_;
  std::string read_ahead_;
  std::size_t read_ahead_taken_ = 0;
  std::array<char, kSmallBytes> small_{};
  std::string large_;
};

// Beast closes a socket by this name when one of its own time limits passes; none is set.
inline void beast_close_socket(WsTransport& transport) { transport.close(); }

}  // namespace kyanite
