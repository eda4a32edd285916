#include "protocol/base/json_limits.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

// Leaves of equal names only the last, at the place of the first.
void drop_repeated(JsonMembers& members) {
  if (members.size() < 2) return;
  std::vector<std::uint32_t> order(members.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::sort(order.begin(), order.end(), [&members](std::uint32_t a, std::uint32_t b) {
    const int compared = members[a].first.compare(members[b].first);
    return compared < 0 || (compared == 0 && a < b);
  });
  std::vector<bool> dropped;
  for (std::size_t i = 0; i + 1 < order.size();) {
    std::size_t last = i;
    while (last + 1 < order.size() && members[order[last + 1]].first == members[order[i]].first) ++last;
    if (last > i) {
      dropped.resize(members.size());
      for (std::size_t j = i + 1; j <= last; ++j) dropped[order[j]] = true;
      members[order[i]].second = std::move(members[order[last]].second);
    }
    i = last + 1;
  }
  if (dropped.empty()) return;
  JsonMembers kept;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!dropped[i]) kept.emplace_back(members[i].first, std::move(members[i].second));
  }
  members = std::move(kept);
}

// Builds the value from the parser's events. The library's own builder looks each name up among all before
// it.
class Builder {
 public:
  Builder(std::size_t depth_max, HugeIntegers huge) : depth_max_(depth_max), huge_(huge) {}

  Error refusal() const { return refusal_; }
  Json take() { return std::move(root_); }

  // The names and signatures from here on are the library's.
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string& text) {
    if (huge_ == HugeIntegers::refused && text.find_first_of(".eE") == std::string::npos) {
      refusal_ = Error(Errc::argument_invalid, "an integer is out of range");
      return false;
    }
    return add(value);
  }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }
  bool start_object(std::size_t) { return open(Json::object()); }
  bool key(std::string& name) {
    JsonMembers& members = members_of(*open_.back());
    if (members.size() >= limits::kJsonMembersMax) {
      refusal_ = Error(Errc::format_error, "a JSON object has too many members");
      return false;
    }
    append_member(members, std::move(name), nullptr);
    return true;
  }
  bool end_object() {
    drop_repeated(members_of(*open_.back()));
    open_.pop_back();
    return true;
  }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) { return false; }

 private:
  // Only the innermost open container changes, so the addresses of the others stay.
  Json& place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& container = *open_.back();
    if (container.is_object()) return members_of(container).back().second = std::move(value);
    return container.emplace_back(std::move(value));
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json container) {
    if (open_.size() >= depth_max_) {
      refusal_ = Error(Errc::format_error, "JSON is nested too deeply");
      return false;
    }
    open_.push_back(&place(std::move(container)));
    return true;
  }

  std::size_t depth_max_;
  HugeIntegers huge_;
  Json root_;
  std::vector<Json*> open_;
  Error refusal_{Errc::format_error, "not valid JSON"};
};

}  // namespace

Result<Json> parse_json(std::string_view text, std::size_t depth_max, HugeIntegers huge) {
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  Builder builder(depth_max, huge);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) return builder.refusal();
  return builder.take();
}

Json& append_member(JsonMembers& members, std::string name, Json value) {
  if (members.size() == members.capacity()) {
    // The vector would copy every value with all below it: moving a pair with a constant name may throw.
    JsonMembers grown;
    grown.reserve(members.empty() ? 4 : members.size() * 2);
    for (auto& [old_name, old_value] : members) grown.emplace_back(old_name, std::move(old_value));
    members = std::move(grown);
  }
  return members.emplace_back(std::move(name), std::move(value)).second;
}

std::string dump_json(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const Json* find_member(const Json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (equals_ignoring_case(it.key(), name)) return &it.value();
  }
  return nullptr;
}

Json* find_member(Json& object, std::string_view name) {
  return const_cast<Json*>(find_member(std::as_const(object), name));
}

std::string text_member(const Json& json, std::string_view name) {
  const Json* member = json.is_object() ? find_member(json, name) : nullptr;
  return member && member->is_string() ? member->get<std::string>() : std::string();
}

}  // namespace kyanite
