#pragma once

#include <string>

#include "protocol/base/time.h"
#include "server/app/first_start/hub_file.h"

namespace kyanite {

// What a person reads when the hub is ready: where it listens, the CA file, the connection string, what to
// try next. Without `with_secrets`, for output that is kept somewhere, the commands that print them.
struct ShownAddresses {
  std::string mqtts;
  std::string https;
  std::string amqps;  // "off", here and below
  std::string admin;
  bool admin_gave_way = false;  // its default address is another program's
};
std::string start_block(const HubFile& hub, const ShownAddresses& addresses, bool name_was_chosen,
                        const std::string& program, bool with_secrets);

// What a program reads that waits for the hub (tools-and-operability.md section 1): one line, ports as bound,
// "off" for a listener that is not there.
std::string ready_line(const HubFile& hub, milliseconds start_time);

// How to call this program again: "kyanite" when that is what the shell finds, else its path.
std::string program_name();

}  // namespace kyanite
