#include "protocol/twin/twin_merge.h"

#include <utility>
#include <vector>

#include "protocol/base/member_index.h"

namespace kyanite {
namespace {

using Index = MemberIndex<JsonMembers>;

void erase_marked(JsonMembers& members, const std::vector<bool>& gone) {
  JsonMembers kept;
  kept.reserve(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!gone[i]) kept.emplace_back(members[i].first, std::move(members[i].second));
  }
  members = std::move(kept);
}

bool is_integer(const Json& value) {
  return value.type() == Json::value_t::number_integer || value.type() == Json::value_t::number_unsigned;
}

bool same_members(const JsonMembers& a, const JsonMembers& b) {
  if (a.size() != b.size()) return false;
  const Index index(b, a.size());
  for (const auto& [name, value] : a) {
    const std::size_t at = index.find(name);
    if (at == Index::kNone || !same_json(value, b[at].second)) return false;
  }
  return true;
}

}  // namespace

void merge_patch(Json& target, const Json& patch) {
  JsonMembers& members = members_of(target);
  const JsonMembers& changes = members_of(patch);
  std::vector<std::pair<const std::string*, Json>> added;
  std::vector<bool> gone;
  {
    const Index index(members, changes.size());
    for (const auto& [name, change] : changes) {
      const std::size_t at = index.find(name);
      if (change.is_null()) {
        if (at == Index::kNone) continue;
        gone.resize(members.size());
        gone[at] = true;
      } else {
        const bool known = at != Index::kNone;
        if (!known) added.emplace_back(&name, nullptr);
        Json& value = known ? members[at].second : added.back().second;
        if (!change.is_object()) {
          value = change;
        } else {
          if (!value.is_object()) value = Json::object();
          merge_patch(value, change);
        }
      }
    }
  }
  if (!gone.empty()) erase_marked(members, gone);
  for (auto& [name, value] : added) append_member(members, *name, std::move(value));
}

Json diff_patch(const Json& from, const Json& to) {
  Json patch = Json::object();
  JsonMembers& changes = members_of(patch);
  const JsonMembers& before = members_of(from);
  const JsonMembers& after = members_of(to);
  const Index in_before(before, after.size());
  for (const auto& [name, value] : after) {
    const std::size_t at = in_before.find(name);
    if (at == Index::kNone || before[at].second.is_object() != value.is_object()) {
      append_member(changes, name, value);
    } else if (value.is_object()) {
      Json inner = diff_patch(before[at].second, value);
      if (!inner.empty()) append_member(changes, name, std::move(inner));
    } else if (!same_json(before[at].second, value)) {
      append_member(changes, name, value);
    }
  }
  const Index in_after(after, before.size());
  for (const auto& [name, value] : before) {
    if (in_after.find(name) == Index::kNone) append_member(changes, name, nullptr);
  }
  return patch;
}

Json missing_part(const Json& current, const Json& wanted) {
  Json missing = Json::object();
  const JsonMembers& members = members_of(current);
  const Index index(members, wanted.size());
  for (const auto& [name, value] : members_of(wanted)) {
    const std::size_t at = index.find(name);
    if (at != Index::kNone && members[at].second.is_object() && value.is_object()) {
      Json below = missing_part(members[at].second, value);
      if (!below.empty()) append_member(members_of(missing), name, std::move(below));
    } else if (at == Index::kNone || !same_json(members[at].second, value)) {
      append_member(members_of(missing), name, value);
    }
  }
  return missing;
}

Json add_missing(Json& target, const Json& wanted) {
  Json added = Json::object();
  JsonMembers& members = members_of(target);
  std::vector<const JsonMembers::value_type*> fresh;
  {
    const Index index(members, wanted.size());
    for (const auto& member : members_of(wanted)) {
      const std::size_t at = index.find(member.first);
      if (at == Index::kNone) {
        fresh.push_back(&member);
      } else if (members[at].second.is_object() && member.second.is_object()) {
        Json below = add_missing(members[at].second, member.second);
        if (!below.empty()) append_member(members_of(added), member.first, std::move(below));
      }
    }
  }
  for (const auto* member : fresh) {
    append_member(members, member->first, member->second);
    append_member(members_of(added), member->first, member->second);
  }
  return added;
}

bool same_json(const Json& a, const Json& b) {
  if (a.is_object() && b.is_object()) return same_members(members_of(a), members_of(b));
  if (a.is_array() && b.is_array()) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (!same_json(a[i], b[i])) return false;
    }
    return true;
  }
  return (a.type() == b.type() || (is_integer(a) && is_integer(b))) && a == b;
}

}  // namespace kyanite
