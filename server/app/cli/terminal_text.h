#pragma once

#include <string>
#include <string_view>

#include "protocol/base/json_limits.h"

// What devices and strangers chose, made fit for a terminal: control characters of theirs cannot act on it.
// Both kinds count: C0 with DEL, and C1 (U+0080 to U+009F), of which U+009B alone begins a sequence.
namespace kyanite::cli {

// Text for people: controls as \xNN, line ends too; everything else as it is.
std::string printable(std::string_view text);

// Text that is JSON already, or some lines of it: DEL and C1, which JSON lets stand in a string, become their
// escapes. A reader of the JSON finds the same values.
std::string printable_json(std::string_view json);

// The same of a value; what is no UTF-8 in it is replaced.
std::string dump_printable(const Json& json, int indent = -1);

}  // namespace kyanite::cli
