#include "protocol/twin/twin_metadata.h"

#include "protocol/base/iso_time.h"
#include "protocol/base/member_index.h"

namespace kyanite {
namespace {

using Members = std::vector<TwinMetadata::Member>;

Json node_to_json(TwinStamp stamp) {
  Json json = Json::object();
  JsonMembers& members = members_of(json);
  append_member(members, "$lastUpdated", twin_time(stamp.time));
  if (stamp.version != 0) append_member(members, "$lastUpdatedVersion", stamp.version);
  return json;
}

void append_quoted(std::string& text, const std::string& name) {
  text += '"';
  for (const char c : name) {  // keys hold no control characters
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += '"';
}

void append_node(std::string& text, const TwinMetadata& node) {
  text += '[';
  text += std::to_string(node.last.time.time_since_epoch().count());
  text += ',';
  text += std::to_string(node.last.version);
  if (!node.members.empty()) {
    char separator = '{';
    text += ',';
    for (const auto& [name, member] : node.members) {
      text += separator;
      separator = ',';
      append_quoted(text, name);
      text += ':';
      append_node(text, member);
    }
    text += '}';
  }
  text += ']';
}

bool read_node(const Json& json, TwinMetadata& node) {
  if (!json.is_array() || json.size() < 2 || json.size() > 3) return false;
  if (!json[0].is_number_integer() || !json[1].is_number_unsigned()) return false;
  node.last.time = WallTime{milliseconds{json[0].get<std::int64_t>()}};
  node.last.version = json[1].get<std::uint64_t>();
  if (json.size() == 2) return true;
  if (!json[2].is_object()) return false;
  const JsonMembers& members = members_of(json[2]);
  node.members.reserve(members.size());
  for (const auto& [name, member] : members) {
    node.members.push_back({name, {}});
    if (!read_node(member, node.members.back().second)) return false;
  }
  return true;
}

}  // namespace

void TwinMetadata::touch(const Json& patch, TwinStamp stamp) {
  last = stamp;
  const JsonMembers& changes = members_of(patch);
  Members added;
  std::vector<bool> gone;
  {
    const MemberIndex<Members> index(members, changes.size());
    for (const auto& [name, change] : changes) {
      const std::size_t at = index.find(name);
      const bool known = at != MemberIndex<Members>::kNone;
      if (change.is_null()) {
        if (!known) continue;
        gone.resize(members.size());
        gone[at] = true;
        continue;
      }
      if (!known) added.push_back({name, {}});
      TwinMetadata& node = known ? members[at].second : added.back().second;
      if (change.is_object()) {
        node.touch(change, stamp);
      } else {
        node.last = stamp;
        node.members.clear();
      }
    }
  }
  if (!gone.empty()) {
    std::size_t position = 0;
    std::erase_if(members, [&](const auto&) { return static_cast<bool>(gone[position++]); });
  }
  for (auto& member : added) members.push_back(std::move(member));
}

Json TwinMetadata::to_json() const {
  Json json = node_to_json(last);
  for (const auto& [name, member] : members) append_member(members_of(json), name, member.to_json());
  return json;
}

Json TwinMetadata::to_json(const Json& patch) const {
  Json json = node_to_json(last);
  const JsonMembers& changes = members_of(patch);
  const MemberIndex<Members> index(members, changes.size());
  for (const auto& [name, change] : changes) {
    const std::size_t at = index.find(name);
    if (at == MemberIndex<Members>::kNone) continue;
    const TwinMetadata& node = members[at].second;
    append_member(members_of(json), name,
                  change.is_object() ? node.to_json(change) : node_to_json(node.last));
  }
  return json;
}

std::string TwinMetadata::encode() const {
  std::string text;
  append_node(text, *this);
  return text;
}

Result<TwinMetadata> TwinMetadata::decode(std::string_view text) {
  TwinMetadata metadata;
  const Result<Json> json = parse_json(text, 2 * limits::kJsonDepthMax);
  if (!json || !read_node(*json, metadata))
    return Error(Errc::internal, "stored twin metadata is unreadable");
  return metadata;
}

std::string twin_time(WallTime time) { return time == kNever ? "0001-01-01T00:00:00Z" : to_iso_time(time); }

}  // namespace kyanite
