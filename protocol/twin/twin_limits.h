#pragma once

#include <cstddef>
#include <string_view>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"

// What a twin may contain (spec device-mqtt.md 6.7, service-rest.md 5.6).
//
// Where the two lists differ: '#' in a key is accepted, as the recommendation of 6.7 has it, since the public
// documents do not forbid it and a device that used one would lose its twin; every kind of white space is
// refused, not the plain space alone.
namespace kyanite {

enum class TwinSection { tags, desired, reported };
std::string_view section_name(TwinSection section);
std::size_t section_bytes_max(TwinSection section);

enum class Nulls {
  delete_members,  // of a patch
  refused,         // in a whole document
};

// The rules for keys, strings, integers, depth and null. `value` is one whole section or a patch of it,
// without $version and $metadata. Errors: argument_invalid with a sentence that begins with the path.
Result<void> check_section(const Json& value, TwinSection section, Nulls nulls);

// How large a section is: by the service's formula, and about as text.
struct TwinSize {
  std::size_t bytes = 0;
  std::size_t text_bytes = 0;
  bool fits(TwinSection section) const;
  friend TwinSize operator+(TwinSize a, TwinSize b) {
    return {a.bytes + b.bytes, a.text_bytes + b.text_bytes};
  }
};
TwinSize twin_size(const Json& value);

// message_too_large when the section is over its limit.
Result<void> check_size(const Json& value, TwinSection section);

}  // namespace kyanite
