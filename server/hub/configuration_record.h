#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"

// Automatic configurations as they are stored, in Collection::configurations under their id (spec
// service-rest.md 9.2).
namespace kyanite {

// Whose twins a configuration writes: those of devices, of modules, or of all modules of an edge device.
enum class ConfigurationKind : std::uint8_t { device, module, edge };

struct ConfigurationRecord {
  std::string id;
  std::string schema_version;
  Json labels = Json::object();
  Json content = Json::object();  // as it was written; it never changes
  std::string target_condition;
  std::int64_t priority = 0;
  std::vector<std::pair<std::string, std::string>> metrics;  // name and query
  WallTime created = kNever;
  WallTime updated = kNever;
  std::uint64_t etag_counter = 1;
  friend bool operator==(const ConfigurationRecord&, const ConfigurationRecord&) = default;
};

// base64 of the decimal counter.
std::string configuration_etag(const ConfigurationRecord& record);

std::string encode_configuration(const ConfigurationRecord& record);
// Errors: storage_failed.
Result<ConfigurationRecord> decode_configuration(std::string_view text);

// What the content says. Errors: configuration_content_invalid.
Result<ConfigurationKind> kind_of_content(const Json& content);
// Of "deviceContent", "moduleContent" or the content of one module: keys like "properties.desired.fan" as one
// object of desired properties. Errors: configuration_content_invalid, also for what no twin can hold.
Result<Json> desired_of_content(const Json& content);

// Whether modulesContent adds to other deployments instead of saying everything: $edgeAgent has keys like
// "properties.desired.modules.x" only.
bool is_layer(const Json& content);
// modulesContent of several deployments as one, where the key "properties.desired" of each module holds all
// of it: what a key of a later one names takes the place of what is there. All were judged by
// kind_of_content().
Json merge_modules(const std::vector<const Json*>& modules);
// The query for devices whose agent reported success, or failure, with what a deployment made of its
// properties.
std::string reported_query(const std::string& id, bool success);
// Tells a content from others.
std::string content_digest(const Json& content);

}  // namespace kyanite
