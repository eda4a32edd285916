#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "protocol/base/result.h"
#include "protocol/base/time.h"

namespace kyanite {

struct HttpQuestion {
  std::string url;                // http or https; redirects are not followed
  bool head_only = false;         // what HEAD asks
  bool direct = false;            // no proxy, whatever the environment says
  std::filesystem::path ca_file;  // empty: what the system trusts
  seconds connect_time{5};
  seconds time{10};
  std::size_t bytes_max = 1024 * 1024;  // of the body
};
struct HttpAnswer {
  int status = 0;
  std::string body;
  std::optional<std::uint64_t> length;  // Content-Length, also of HEAD
  WallTime modified = kNever;           // Last-Modified
};

// Blocks; `stop` ends it. Errors: io_failed with a sentence that does not hold the address, which may hold a
// signature.
Result<HttpAnswer> fetch_http(const HttpQuestion& question, const std::function<bool()>& stop);

}  // namespace kyanite
