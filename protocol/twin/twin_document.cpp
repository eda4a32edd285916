#include "protocol/twin/twin_document.h"

#include <utility>

#include "protocol/twin/twin_merge.h"

namespace kyanite {
namespace {

// Merges, or leaves the target alone when the result would be too large.
Result<void> merge_within(Json& target, const Json& patch, TwinSection section) {
  if ((twin_size(target) + twin_size(patch)).fits(section)) {
    merge_patch(target, patch);
    return {};
  }
  Json merged = target;
  merge_patch(merged, patch);
  const Result<void> checked = check_size(merged, section);
  if (checked) target = std::move(merged);
  return checked;
}

// Null as a section empties it: the same as null for each of its members.
Json as_patch(Json change, const Json& current) {
  return change.is_null() ? diff_patch(current, Json::object()) : std::move(change);
}

Json as_section(std::optional<Json> wanted) {
  return wanted && !wanted->is_null() ? std::move(*wanted) : Json::object();
}

void stamp(TwinProperties& section, const Json& patch, const TwinStamp& stamp) {
  if (!section.metadata) section.metadata.emplace();
  section.metadata->touch(patch, stamp);
}

}  // namespace

Result<TwinChange> TwinDocument::patch_reported(Json patch, WallTime now) {
  const Result<void> merged = merge_within(reported.values, patch, TwinSection::reported);
  if (!merged) return merged.error();
  stamp(reported, patch, {now, 0});
  ++reported.version;
  ++version;
  return TwinChange{std::nullopt, std::nullopt, std::move(patch)};
}

Result<TwinChange> TwinDocument::merge(TwinSections patch, WallTime now) {
  TwinChange change;
  if (!patch.tags && !patch.desired) return change;
  Json tags_before;
  if (patch.tags) {
    change.tags = as_patch(std::move(*patch.tags), tags);
    tags_before = tags;
    const Result<void> merged = merge_within(tags, *change.tags, TwinSection::tags);
    if (!merged) return merged.error();
  }
  if (patch.desired) {
    change.desired = as_patch(std::move(*patch.desired), desired.values);
    const Result<void> merged = merge_within(desired.values, *change.desired, TwinSection::desired);
    if (!merged) {
      if (change.tags) tags = std::move(tags_before);
      return merged.error();
    }
    stamp(desired, *change.desired, {now, ++desired.version});
  }
  ++version;
  ++etag_counter;
  return change;
}

Result<TwinChange> TwinDocument::contribute(const std::vector<TwinContribution>& wanted, WallTime now) {
  Json patch = Json::object();
  std::vector<Json> parts;
  for (const TwinContribution& contribution : wanted) {
    parts.push_back(missing_part(desired.values, contribution.desired));
    merge_patch(patch, parts.back());
  }
  if (patch.empty()) return TwinChange();
  Result<TwinChange> change = merge({std::nullopt, std::move(patch)}, now);
  // What several have written into carries the name of the most important one.
  for (std::size_t i = wanted.size(); change && i-- > 0;) {
    if (!parts[i].empty()) desired.metadata->touch(parts[i], {now, desired.version, wanted[i].author});
  }
  return change;
}

Result<TwinChange> TwinDocument::replace(TwinSections sections, WallTime now, TwinAuthorPtr author) {
  Json new_tags = as_section(std::move(sections.tags));
  Json new_desired = as_section(std::move(sections.desired));
  Result<void> checked = check_size(new_tags, TwinSection::tags);
  if (checked) checked = check_size(new_desired, TwinSection::desired);
  if (!checked) return checked.error();

  TwinChange change;
  change.tags = diff_patch(tags, new_tags);
  change.desired = diff_patch(desired.values, new_desired);
  tags = std::move(new_tags);
  desired.values = std::move(new_desired);
  // All of it was written, so nothing of the old metadata stays.
  desired.metadata.emplace();
  stamp(desired, desired.values, {now, ++desired.version, std::move(author)});
  ++version;
  ++etag_counter;
  return change;
}

}  // namespace kyanite
