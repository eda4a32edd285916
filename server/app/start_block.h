#pragma once

#include <string>

#include "server/app/first_start/hub_file.h"

namespace kyanite {

// What a person reads when the hub is ready: where it listens, the CA file, the connection strings, what to
// try next. Without secrets, for output that is kept somewhere, it names the command that shows the strings.
std::string start_block(const HubFile& hub, const std::string& mqtts_address,
                        const std::string& https_address, const std::string& amqps_address,
                        bool name_was_chosen, const std::string& program, bool with_secrets);

// How to call this program again: "kyanite" when that is what the shell finds, else its path.
std::string program_name();

}  // namespace kyanite
