#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/query/query.h"
#include "server/hub/configuration_record.h"

namespace kyanite {

// ConfigurationSet is all automatic configurations of the hub, ready to be asked what they make of a twin
// (spec service-rest.md 9.2). A value that crosses shards and never changes.
class ConfigurationSet {
 public:
  explicit ConfigurationSet(const std::vector<ConfigurationRecord>& records);

  bool empty() const { return devices_.empty() && modules_.empty(); }
  bool has_module_configurations() const { return !modules_.empty(); }

  struct Verdict {
    // What the configurations that are for the twin want of its desired properties: of each property the one
    // with the highest priority, of equal ones the newest.
    Json desired = Json::object();
    // {"<id>":{"status":"Targeted"|"Applied"}}: applied is one of whose properties at least one counts.
    Json statuses = Json::object();
    // The edge deployment that counts for the device; empty for none.
    std::string deployment;
  };
  // Conditions speak of deviceId, moduleId, tags and reported properties.
  Verdict judge(const Identity& id, bool is_edge, const Json& tags, const Json& reported) const;

 private:
  struct Member {
    std::string id;
    ConfigurationKind kind = ConfigurationKind::device;
    QueryCondition condition;
    Json desired;
  };

  // The first one counts most.
  std::vector<Member> devices_;
  std::vector<Member> modules_;
};

// No configuration at all may be nullptr.
using ConfigurationSetPtr = std::shared_ptr<const ConfigurationSet>;

// The condition of a configuration; nothing when it targets nothing. Errors: configuration_condition_invalid.
Result<std::optional<QueryCondition>> parse_target_condition(std::string_view text, ConfigurationKind kind);

// The part of `wanted` that `current` does not have: merging it gives both.
Json missing_properties(const Json& current, const Json& wanted);

}  // namespace kyanite
