#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"

// JSON that is passed on as it was written: checked and cut, but never built and written anew, so that
// numbers, spaces and the order of members stay what the sender chose. Nothing here recurses or takes memory
// by the nesting of the text beyond a bit a level.
namespace kyanite {

// One value in UTF-8. Errors: Errc::format_error; the detail completes "a body that is ...". A number beyond
// the range of a double is refused as well.
Result<void> check_json(std::string_view text);

struct JsonMember {
  std::string name;        // decoded
  std::string_view value;  // its text, without spaces around it
};

// The members of the object `text`, in order, which is valid JSON as a whole. Views point into the text.
// Errors: Errc::format_error when it is no JSON or another value than an object.
Result<std::vector<JsonMember>> split_json_object(std::string_view text);

// The elements of the array `text`, in order; views point into the text. Errors as above.
Result<std::vector<std::string_view>> split_json_array(std::string_view text);

// Where the text stops being JSON: the offset of the byte that does not fit. Nothing when it is one value.
std::optional<std::size_t> find_json_fault(std::string_view text);

std::string_view without_byte_order_mark(std::string_view text);

}  // namespace kyanite
