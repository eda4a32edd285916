#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/json_limits.h"
#include "protocol/base/reply.h"
#include "server/hub/configuration_record.h"

// Automatic configurations in start files and in import and export jobs (spec service-rest.md 4.11): the
// document of PUT with its id, and an importMode.
namespace kyanite {

class ConfigurationService;

enum class ConfigurationMode : std::uint8_t {
  create,                    // one that is there is left alone
  create_or_update,          // what is meant when nothing is said
  create_or_update_if_match  // of one that is there the etag must be the item's, when it has one
};

struct ConfigurationItem {
  ConfigurationRecord wanted;
  ConfigurationMode mode = ConfigurationMode::create_or_update;
  std::string etag;  // of the item; empty for none or "*"
};

// Whether a JSON object is such an item, not one of an identity.
bool is_configuration_item(const Json& json);
// `json` is what `text` says. Errors: as parse_configuration().
Result<ConfigurationItem> parse_configuration_item(const Json& json, std::string_view text);
Json configuration_item_to_json(const ConfigurationRecord& record);

enum class ConfigurationOutcome : std::uint8_t { created, updated, unchanged };
// Brings the configuration to what the item says; one that is so already is not written. Errors:
// precondition_failed, configuration_content_invalid for another content (it never changes),
// too_many_configurations, busy.
void apply_configuration_item(Executor& home, ConfigurationService& configurations, ConfigurationItem item,
                              Reply<ConfigurationOutcome> reply);

}  // namespace kyanite
