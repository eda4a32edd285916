#include "protocol/query/query_value.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace kyanite {

bool same_query_value(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a == b;
  if (a.type() != b.type()) return false;
  if (a.is_array()) return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_query_value);
  if (!a.is_object()) return a == b;
  if (a.size() != b.size()) return false;
  return query_key(a) == query_key(b);  // not member by member: that takes the square of their number
}

bool query_less(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a < b;
  if (a.is_string() && b.is_string()) {
    return a.get_ref<const std::string&>() < b.get_ref<const std::string&>();
  }
  return false;
}

QueryValue query_number(double value) {
  if (!std::isfinite(value)) return {};
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (std::trunc(value) == value && std::abs(value) <= kExact) return Json(static_cast<std::int64_t>(value));
  return Json(value);
}

std::string query_key(const Json& value) {
  if (value.is_number_float()) return dump_json(*query_number(value.get<double>()).json());
  if (value.is_array()) {
    std::string key = "[";
    for (const Json& item : value) key += query_key(item) + ",";
    return key + "]";
  }
  if (value.is_object()) {
    std::vector<std::string> members;
    for (const auto& [name, member] : members_of(value)) {
      members.push_back(dump_json(Json(name)) + ":" + query_key(member) + ",");
    }
    std::sort(members.begin(), members.end());
    std::string key = "{";
    for (const std::string& member : members) key += member;
    return key + "}";
  }
  return dump_json(value);
}

}  // namespace kyanite
