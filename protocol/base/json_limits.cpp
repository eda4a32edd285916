#include "protocol/base/json_limits.h"

#include <vector>

#include "protocol/base/percent_encoding.h"

namespace kyanite {

Result<Json> parse_json(std::string_view text, std::size_t depth_max) {
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  bool too_deep = false;
  bool too_wide = false;
  std::vector<std::size_t> members(depth_max + 1);  // of the open object at each depth
  const auto callback = [&](int depth_now, Json::parse_event_t event, Json&) {
    const auto depth = static_cast<std::size_t>(depth_now);
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= depth_max) too_deep = true;
    if (too_deep || too_wide) return false;
    if (opens) members[depth + 1] = 0;
    if (event == Json::parse_event_t::key && ++members[depth] > limits::kJsonMembersMax) too_wide = true;
    return !too_wide;
  };
  Json json = Json::parse(text.begin(), text.end(), callback, /*allow_exceptions=*/false);
  if (too_deep) return Error(Errc::format_error, "JSON is nested too deeply");
  if (too_wide) return Error(Errc::format_error, "a JSON object has too many members");
  if (json.is_discarded()) return Error(Errc::format_error, "not valid JSON");
  return json;
}

std::string dump_json(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const Json* find_member(const Json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (equals_ignoring_case(it.key(), name)) return &it.value();
  }
  return nullptr;
}

}  // namespace kyanite
