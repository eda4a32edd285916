#include "server/hub/twin_record.h"

#include "protocol/twin/twin_limits.h"
#include "protocol/twin/twin_merge.h"

namespace kyanite {
namespace {

Result<Json> stored_object(const std::string& text) {
  Result<Json> json = parse_json(text);
  if (!json || !json->is_object()) return Error(Errc::internal, "a stored twin section is not a JSON object");
  return json;
}

void encode_section(const TwinProperties& section, std::string& values, std::string& metadata) {
  values = dump_json(section.values);
  metadata = section.metadata ? section.metadata->encode() : std::string();
}

// Fills an empty section from a patch; its version stays that of a new twin.
Result<void> begin_section(Json& values, const Json& patch, TwinSection section) {
  merge_patch(values, patch);
  const Result<void> fits = check_size(values, section);
  if (!fits) return Error(Errc::argument_invalid, fits.error().detail);
  return {};
}

Result<void> begin_section(TwinProperties& properties, const Json& patch, TwinSection section,
                           const TwinStamp& stamp) {
  if (patch.empty()) return {};
  const Result<void> begun = begin_section(properties.values, patch, section);
  if (begun) properties.metadata.emplace().touch(patch, stamp);
  return begun;
}

}  // namespace

Result<Json> decode_twin_tags(const TwinRecord& record) { return stored_object(record.tags); }

Result<TwinProperties> decode_twin_section(const std::string& values, const std::string& metadata,
                                           std::uint64_t version) {
  Result<Json> json = stored_object(values);
  if (!json) return json.error();
  TwinProperties section{std::move(*json), std::nullopt, version};
  if (!metadata.empty()) {
    Result<TwinMetadata> decoded = TwinMetadata::decode(metadata);
    if (!decoded) return decoded.error();
    section.metadata = std::move(*decoded);
  }
  return section;
}

Result<TwinRecord> initial_twin(InitialTwin sections, WallTime now) {
  TwinDocument twin;
  Result<void> begun = begin_section(twin.tags, sections.tags, TwinSection::tags);
  if (begun) {
    begun = begin_section(twin.desired, sections.desired, TwinSection::desired, {now, twin.desired.version});
  }
  if (begun) begun = begin_section(twin.reported, sections.reported, TwinSection::reported, {now, 0});
  if (!begun) return begun.error();
  TwinRecord record;
  record.created = now;
  encode_twin(twin, {.tags = true, .desired = true, .reported = true}, record);
  return record;
}

Result<TwinDocument> decode_twin(const TwinRecord& record) {
  Result<Json> tags = stored_object(record.tags);
  if (!tags) return tags.error();
  Result<TwinProperties> desired =
      decode_twin_section(record.desired, record.desired_metadata, record.desired_version);
  if (!desired) return desired.error();
  Result<TwinProperties> reported =
      decode_twin_section(record.reported, record.reported_metadata, record.reported_version);
  if (!reported) return reported.error();
  TwinDocument twin;
  twin.version = record.version;
  twin.etag_counter = record.etag_counter;
  twin.tags = std::move(*tags);
  twin.desired = std::move(*desired);
  twin.reported = std::move(*reported);
  return twin;
}

void encode_twin(const TwinDocument& twin, TwinSectionsChanged changed, TwinRecord& record) {
  record.version = twin.version;
  record.etag_counter = twin.etag_counter;
  record.desired_version = twin.desired.version;
  record.reported_version = twin.reported.version;
  if (changed.tags) record.tags = dump_json(twin.tags);
  if (changed.desired) encode_section(twin.desired, record.desired, record.desired_metadata);
  if (changed.reported) encode_section(twin.reported, record.reported, record.reported_metadata);
}

}  // namespace kyanite
