#include "storage/activity.h"

#include "protocol/base/json_limits.h"

namespace kyanite {
namespace {

constexpr std::uint64_t kActivityVersion = 1;  // of the document's member "v"; members are only added

std::optional<WallTime> time_member(const Json& json, const char* name) {
  const auto member = json.find(name);
  if (member == json.end() || !member->is_number_integer()) return std::nullopt;
  return WallTime(milliseconds(member->get<std::int64_t>()));
}

std::int64_t milliseconds_of(WallTime time) { return time.time_since_epoch().count(); }

}  // namespace

std::string activity_key(const Identity& id) {
  std::string key = id.device;
  key.push_back('\0');
  key.append(id.module);
  return key;
}

std::string encode_activity(const ActivityRecord& record) {
  return dump_json(Json{{"v", kActivityVersion},
                        {"connectionStateUpdated", milliseconds_of(record.connection_state_updated)},
                        {"lastActivity", milliseconds_of(record.last_activity)}});
}

std::optional<ActivityRecord> decode_activity(std::string_view key, std::string_view value) {
  const std::size_t zero = key.find('\0');
  if (zero == std::string_view::npos || zero == 0) return std::nullopt;
  const Result<Json> json = parse_json(value);
  if (!json || !json->is_object()) return std::nullopt;
  const auto updated = time_member(*json, "connectionStateUpdated");
  const auto active = time_member(*json, "lastActivity");
  if (!updated || !active) return std::nullopt;
  return ActivityRecord{
      {std::string(key.substr(0, zero)), std::string(key.substr(zero + 1))}, *updated, *active};
}

}  // namespace kyanite
