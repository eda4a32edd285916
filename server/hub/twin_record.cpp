#include "server/hub/twin_record.h"

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
