#pragma once

#include <string>
#include <vector>

#include "bench/load/options.h"
#include "bench/load/tls_client.h"
#include "protocol/base/result.h"

namespace kyanite::load {

// One device of the run. A link uses it from one thread.
struct Device {
  std::string id;
  std::string key;        // base64
  std::string token;      // good for longer than any run
  std::string topic;      // of what it publishes
  SslSessionPtr session;  // the newest ticket, for resumption
};

// The devices of the options: read from the CSV file or created over REST (an existing one is used as it is).
// Errors: Errc::io_failed for files and for the network, Errc::format_error for a line or an answer that
// makes no sense, Errc::argument_invalid when something needed was not given.
Result<std::vector<Device>> load_fleet(const Options& options);

// `deviceId,key` lines; blank lines and lines starting with '#' are skipped.
Result<std::vector<Device>> parse_device_list(std::string_view text, std::size_t count_max);

}  // namespace kyanite::load
