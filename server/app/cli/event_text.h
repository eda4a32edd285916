#pragma once

#include <string>
#include <string_view>

namespace kyanite::cli {

// A line of the event stream for people: "time  device[/module]  p0@17  body  {properties}". What a device
// sent cannot act on the terminal: control characters are shown escaped. A line that is no event is shown as
// it is, escaped too.
std::string event_line(std::string_view json_line);

}  // namespace kyanite::cli
