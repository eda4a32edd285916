#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/base/error.h"
#include "protocol/base/time.h"
#include "protocol/base/unique_function.h"

namespace kyanite {

// Bytes of a response produced piece by piece, for event streams. Lives on the HTTP connection's shard.
class ResponseStream {
 public:
  // Where the pieces go; implemented by the HTTP connection.
  class Output {
   public:
    virtual ~Output() = default;
    virtual void write(std::string chunk) = 0;  // never blocks
    // Stop producing while this is high. It is once the response has ended, whoever ended it: then nothing
    // more is taken.
    virtual std::size_t queued_bytes() const = 0;
    virtual void finish() = 0;  // end of the response
    virtual void abort() = 0;   // the response cannot be completed; the peer sees it cut off
  };
  virtual ~ResponseStream() = default;
  virtual void start(Output& output) = 0;
  virtual void on_writable() = 0;  // the output drained
  // The connection is gone or finished; the destructor follows.
};

struct HttpResponse;

// A request whose answer outlives its shard. Owner: whoever took it, on any one thread. Destroyed without an
// answer, the connection ends.
class HeldConnection {
 public:
  virtual ~HeldConnection() = default;
  // Once; the connection ends with it. Waits for a peer that does not read, a second at most.
  virtual void answer(HttpResponse response) = 0;
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  // beyond those every response has (1.7)
  std::string content_type = "application/json; charset=utf-8";
  std::string body;
  std::unique_ptr<ResponseStream> stream;  // instead of body
  // Content-Length where it is not the body's: of a stream that has so many bytes, or of what HEAD asks
  // about.
  std::optional<std::uint64_t> length;
  bool close_connection = false;  // after this answer
  // A fault: the connection ends without a word behind so many bytes of the answer, of one in pieces behind
  // so many of its content; a shorter one is whole.
  std::optional<std::uint64_t> cut_after{};
  // Takes the connection instead of an answer, which comes later; nothing else here counts but the log's
  // status. Called on the connection's shard.
  UniqueFunction<void(std::unique_ptr<HeldConnection>)> hold{};
};

// Envelope A with the iothub-errorcode header (service-rest.md 3.1, 3.3). The error's detail is shown only
// where it helps the caller to mend the request, never for a refused credential; `timestamp` as
// to_error_time() makes it.
HttpResponse error_response(const Error& error, const std::string& tracking_id, const std::string& timestamp);

// The nested form of direct methods: envelope B as a text inside Message (service-rest.md 3.1, 3.3). Its
// sentence begins with the error's name, and the detail is shown.
HttpResponse nested_error_response(const Error& error, const std::string& tracking_id, WallTime time);

std::string to_error_time(WallTime time);  // "07/29/2026 10:11:12"

}  // namespace kyanite
