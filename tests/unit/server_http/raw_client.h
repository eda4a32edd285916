#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace kyanite::test {

// What came back for one request. Names of headers are lower-cased; chunks are joined.
struct RawResponse {
  int status = 0;       // 0: the stream ended before a status line
  std::string version;  // "HTTP/1.1"
  std::map<std::string, std::string> headers;
  std::string body;
  bool complete = false;  // the body came whole
};

// RawClient is a blocking HTTPS client that sends exactly the bytes it is given. Every wait is bounded.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  ~RawClient();
  RawClient(RawClient&&) noexcept;

  bool connected() const { return ssl_ != nullptr; }
  bool send(std::string_view bytes);  // false: the peer does not take them
  // The next response; `head_only` for the answer to HEAD.
  RawResponse receive(bool head_only = false);
  // The head of a response, its body is read by read_some().
  RawResponse receive_head();
  // The next bytes, empty at the end of the stream or after the time limit.
  std::string read_some();
  // The next bytes, so many of them; fewer at the end of the stream or after the time limit.
  std::string read_exactly(std::size_t bytes);
  // Reads until `text` was seen; true when it was.
  bool read_until(std::string_view text);
  // True when the peer ended the stream in an orderly way: close_notify, no reset.
  bool ended_cleanly();
  void shrink_receive_buffer();
  void disconnect();  // without a word

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const;
  };
  bool fill();  // reads more into buffer_

  std::unique_ptr<SSL, FreeSsl> ssl_;
  int socket_ = -1;
  std::string buffer_;
  int last_error_ = 0;
};

}  // namespace kyanite::test
