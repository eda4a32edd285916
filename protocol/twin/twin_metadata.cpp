#include "protocol/twin/twin_metadata.h"

#include "protocol/base/iso_time.h"
#include "protocol/base/member_index.h"

namespace kyanite {
namespace {

using Members = std::vector<TwinMetadata::Member>;

Json node_to_json(const TwinStamp& stamp) {
  Json json = Json::object();
  JsonMembers& members = members_of(json);
  append_member(members, "$lastUpdated", twin_time(stamp.time));
  if (stamp.author) {
    append_member(members, "$lastUpdatedBy", stamp.author->id);
    append_member(members, "$lastUpdatedByDigest", stamp.author->digest);
  }
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
  if (node.last.author) {
    text += ",[";
    append_quoted(text, node.last.author->id);
    text += ',';
    append_quoted(text, node.last.author->digest);
    text += ']';
  }
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

// Neighbours mostly have one author: `last` is the one that was read last.
bool read_author(const Json& json, TwinAuthorPtr& last) {
  if (json.size() != 2 || !json[0].is_string() || !json[1].is_string()) return false;
  TwinAuthor author{json[0].get<std::string>(), json[1].get<std::string>()};
  if (!last || *last != author) last = std::make_shared<const TwinAuthor>(std::move(author));
  return true;
}

bool read_node(const Json& json, TwinMetadata& node, TwinAuthorPtr& last_author) {
  if (!json.is_array() || json.size() < 2 || json.size() > 4) return false;
  if (!json[0].is_number_integer() || !json[1].is_number_unsigned()) return false;
  node.last.time = WallTime{milliseconds{json[0].get<std::int64_t>()}};
  node.last.version = json[1].get<std::uint64_t>();
  std::size_t next = 2;
  if (next < json.size() && json[next].is_array()) {
    if (!read_author(json[next++], last_author)) return false;
    node.last.author = last_author;
  }
  if (next == json.size()) return true;
  if (next + 1 != json.size() || !json[next].is_object()) return false;
  const JsonMembers& members = members_of(json[next]);
  node.members.reserve(members.size());
  for (const auto& [name, member] : members) {
    node.members.push_back({name, {}});
    if (!read_node(member, node.members.back().second, last_author)) return false;
  }
  return true;
}

}  // namespace

void TwinMetadata::touch(const Json& patch, const TwinStamp& stamp) {
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
  TwinAuthorPtr last_author;
  if (!json || !read_node(*json, metadata, last_author))
    return Error(Errc::internal, "stored twin metadata is unreadable");
  return metadata;
}

std::string twin_time(WallTime time) { return time == kNever ? "0001-01-01T00:00:00Z" : to_iso_time(time); }

}  // namespace kyanite
