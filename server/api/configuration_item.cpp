#include "server/api/configuration_item.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/base/percent_encoding.h"
#include "protocol/twin/twin_merge.h"
#include "server/api/configuration_json.h"
#include "server/hub/configuration_service.h"

namespace kyanite {
namespace {

constexpr std::string_view kImportMode = "importMode";
struct NamedConfigurationMode {
  std::string_view name;
  ConfigurationMode mode;
};
constexpr std::array kConfigurationModes{
    NamedConfigurationMode{"create", ConfigurationMode::create},
    NamedConfigurationMode{"createOrUpdate", ConfigurationMode::create_or_update},
    NamedConfigurationMode{"createOrUpdateIfMatchETag", ConfigurationMode::create_or_update_if_match}};

Error bad_item(std::string sentence) { return {Errc::argument_invalid, std::move(sentence)}; }

Result<std::string> item_text(const Json& json, std::string_view name) {
  const Json* member = find_member(json, name);
  if (member == nullptr || member->is_null()) return std::string();
  if (!member->is_string()) return bad_item(std::string(name) + " must be a text");
  return member->get<std::string>();
}

bool says_the_same(const ConfigurationRecord& a, const ConfigurationRecord& b) {
  return a.schema_version == b.schema_version && same_json(a.labels, b.labels) &&
         a.target_condition == b.target_condition && a.priority == b.priority && a.metrics == b.metrics;
}

}  // namespace

bool is_configuration_item(const Json& json) {
  return json.is_object() && find_member(json, "content") != nullptr &&
         find_member(json, "deviceId") == nullptr && find_member(json, "moduleId") == nullptr;
}

Result<ConfigurationItem> parse_configuration_item(const Json& json, std::string_view text) {
  const Result<std::string> id = item_text(json, "id");
  if (!id) return id.error();
  Result<ConfigurationRecord> record = parse_configuration(text, *id);
  if (!record) return record.error();
  ConfigurationItem item;
  item.wanted = std::move(*record);
  const Result<std::string> mode = item_text(json, kImportMode);
  if (!mode) return mode.error();
  if (!mode->empty()) {
    const auto* const known = std::find_if(
        kConfigurationModes.begin(), kConfigurationModes.end(),
        [&mode](const NamedConfigurationMode& row) { return equals_ignoring_case(row.name, *mode); });
    if (known == kConfigurationModes.end()) {
      return bad_item("importMode of a configuration is create, createOrUpdate or createOrUpdateIfMatchETag");
    }
    item.mode = known->mode;
  }
  Result<std::string> etag = item_text(json, "etag");
  if (!etag) return etag.error();
  if (*etag != "*") item.etag = std::move(*etag);
  return item;
}

Json configuration_item_to_json(const ConfigurationRecord& record) {
  Json json = configuration_to_json({record, std::nullopt});
  json[std::string(kImportMode)] = kConfigurationModes.back().name;
  return json;
}

void apply_configuration_item(Executor& home, ConfigurationService& configurations, ConfigurationItem item,
                              Reply<ConfigurationOutcome> reply) {
  const std::string id = item.wanted.id;
  configurations.find(
      id,
      Reply<std::optional<ConfigurationRecord>>(
          home, [&home, &configurations, item = std::move(item),
                 reply = std::move(reply)](const Result<std::optional<ConfigurationRecord>>& found) mutable {
            if (!found) return reply(found.error());
            const std::optional<ConfigurationRecord>& current = *found;
            std::optional<IfMatch> if_match;
            if (current) {
              const std::string etag = configuration_etag(*current);
              if (item.mode == ConfigurationMode::create) return reply(ConfigurationOutcome::unchanged);
              if (item.mode == ConfigurationMode::create_or_update_if_match && !item.etag.empty() &&
                  item.etag != etag) {
                return reply(Error(Errc::precondition_failed));
              }
              if (!same_json(current->content, item.wanted.content)) {
                return reply(Error(Errc::configuration_content_invalid,
                                   "a configuration of this id is there with another content, which never "
                                   "changes: give it another id, or delete the old one first"));
              }
              if (says_the_same(*current, item.wanted)) return reply(ConfigurationOutcome::unchanged);
              if_match = IfMatch{false, etag};
            }
            const auto outcome = current ? ConfigurationOutcome::updated : ConfigurationOutcome::created;
            configurations.put(
                std::move(item.wanted), std::move(if_match),
                Reply<ConfigurationView>(home, [outcome, reply = std::move(reply)](
                                                   const Result<ConfigurationView>& written) mutable {
                  if (!written) return reply(written.error());
                  reply(outcome);
                }));
          }));
}

}  // namespace kyanite
