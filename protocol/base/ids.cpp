#include "protocol/base/ids.h"

#include "protocol/base/limits.h"

namespace kyanite {

bool is_valid_id(std::string_view id) {
  if (id.empty() || id.size() > limits::kIdBytesMax) return false;
  for (const char c : id) {
    const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!alphanumeric && std::string_view("-:.+%_#*?!(),=@;$'").find(c) == std::string_view::npos)
      return false;
  }
  return true;
}

}  // namespace kyanite
