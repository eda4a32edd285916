#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/query/query.h"
#include "protocol/twin/twin_document.h"
#include "server/hub/configuration_record.h"

namespace kyanite {

// ConfigurationSet is all automatic configurations of the hub, ready to be asked what they make of a twin
// (spec service-rest.md 9.2). A value that crosses shards and never changes.
class ConfigurationSet {
 public:
  explicit ConfigurationSet(const std::vector<ConfigurationRecord>& records);

  bool empty() const { return devices_.empty() && modules_.empty(); }

  struct Verdict {
    // What each configuration that is for the twin adds to its desired properties, the one that counts most
    // first: of each property the one with the highest priority counts, of equal ones the newest.
    std::vector<TwinContribution> contributions;
    // {"<id>":{"status":"Targeted"|"Applied"}}: applied is one of whose properties at least one counts.
    Json statuses = Json::object();
    // What makes the modules of an edge device: a deployment that is no layer, then the layers with a higher
    // priority, the highest last. Nothing without the former.
    std::vector<std::string> deployments;
    Json deployment_statuses = Json::object();  // those of `statuses` that are deployments
  };
  // Conditions speak of deviceId, moduleId, tags and reported properties.
  Verdict judge(const Identity& id, bool is_edge, const Json& tags, const Json& reported) const;

  // A deployment that there is.
  bool has_deployment(std::string_view id) const;

 private:
  struct Member {
    TwinAuthorPtr author;
    ConfigurationKind kind = ConfigurationKind::device;
    bool is_layer = false;
    QueryCondition condition;
    Json desired;
  };
  void judge_deployments(const std::vector<const Member*>& deployments, Verdict& verdict) const;

  // The first one counts most.
  std::vector<Member> devices_;
  std::vector<Member> modules_;
};

// No configuration at all may be nullptr.
using ConfigurationSetPtr = std::shared_ptr<const ConfigurationSet>;

// The condition of a configuration; nothing when it targets nothing. Errors: configuration_condition_invalid.
Result<std::optional<QueryCondition>> parse_target_condition(std::string_view text, ConfigurationKind kind);

}  // namespace kyanite
