#pragma once

#include <string>
#include <string_view>

namespace kyanite {

// Appends text as a JSON string with its quotes. Control characters (C0, DEL and C1) are escaped and bytes
// that are not UTF-8 become U+FFFD, so that whatever a peer sent, the line stays one valid JSON line and does
// nothing to the terminal it is shown on.
void append_json_string(std::string& out, std::string_view text);

}  // namespace kyanite
