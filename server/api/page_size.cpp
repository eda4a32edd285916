#include "server/api/page_size.h"

#include <algorithm>
#include <charconv>

#include "protocol/base/limits.h"

namespace kyanite {

Result<std::size_t> rows_of_page(const HttpRequest& request) {
  const auto text = request.header("x-ms-max-item-count");
  if (!text || text->empty()) return limits::kQueryPageRowsDefault;
  long long rows = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), rows);
  if (end != text->data() + text->size() || error == std::errc::invalid_argument) {
    return Error(Errc::argument_invalid, "x-ms-max-item-count must be a whole number");
  }
  if (error == std::errc::result_out_of_range) return limits::kQueryPageRowsMax;
  return static_cast<std::size_t>(std::clamp<long long>(rows, 1, limits::kQueryPageRowsMax));
}

}  // namespace kyanite
