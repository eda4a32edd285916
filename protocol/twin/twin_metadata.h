#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/json_limits.h"
#include "protocol/base/time.h"

namespace kyanite {

// The automatic configuration that wrote something: its id, and a text that tells its content from others.
struct TwinAuthor {
  std::string id;
  std::string digest;
  friend bool operator==(const TwinAuthor&, const TwinAuthor&) = default;
};
using TwinAuthorPtr = std::shared_ptr<const TwinAuthor>;

// When a write happened; its version is shown in the desired section only, 0 shows none.
struct TwinStamp {
  WallTime time = kNever;
  std::uint64_t version = 0;
  TwinAuthorPtr author = nullptr;  // nullptr: no configuration
};

// TwinMetadata says when each member of a section was last written: a tree with a node for the section, for
// each object below it and for each leaf; an array is one leaf (spec service-rest.md 5.5).
struct TwinMetadata {
  // The name of a member and what is below it; a pair cannot hold its own container.
  struct Member;

  TwinStamp last;
  std::vector<Member> members;

  // Follows merge_patch(): stamps every object and leaf that the patch names, and with them all that is
  // above; deleted members vanish.
  void touch(const Json& patch, const TwinStamp& stamp);

  // As services see it: {"$lastUpdated":...,"$lastUpdatedVersion":...,"<member>":{...}}, with $lastUpdatedBy
  // and $lastUpdatedByDigest where a configuration wrote.
  Json to_json() const;
  // The same with only those members that the patch names.
  Json to_json(const Json& patch) const;

  // As stored: [milliseconds since 1970, version], then [id, digest] when there is an author, then an object
  // of the members when there are some.
  // It is read at each write, and a third as long as what is shown.
  std::string encode() const;
  static Result<TwinMetadata> decode(std::string_view text);  // Errc::internal for anything else
};

struct TwinMetadata::Member {
  std::string first;
  TwinMetadata second;
};

// "Never" has a zone in twins, unlike in identities (spec service-rest.md 1.8).
std::string twin_time(WallTime time);

}  // namespace kyanite
