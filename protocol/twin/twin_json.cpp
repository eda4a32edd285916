#include "protocol/twin/twin_json.h"

#include <utility>

#include "protocol/base/assert.h"
#include "protocol/base/base64.h"

namespace kyanite {
namespace {

// Appends to an object given as text.
void append_with_version(std::string& body, std::string_view object, std::uint64_t version) {
  KYANITE_ASSERT(object.size() >= 2 && object.front() == '{' && object.back() == '}');
  body += object.substr(0, object.size() - 1);
  if (object.size() > 2) body += ',';
  body += "\"$version\":";
  body += std::to_string(version);
  body += '}';
}

Json changed_section(const Json& patch, const TwinProperties& section) {
  Json json = patch;
  JsonMembers& members = members_of(json);
  if (section.metadata) append_member(members, "$metadata", section.metadata->to_json(patch));
  append_member(members, "$version", section.version);
  return json;
}

Json whole_section(const TwinProperties& section, WallTime created) {
  return section_to_json(section.values, section.metadata ? &*section.metadata : nullptr, section.version,
                         created);
}

}  // namespace

std::string twin_etag(std::uint64_t etag_counter) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(etag_counter >> shift)));
  }
  return encode_base64(bytes);
}

std::string notification_body(const Json& patch, std::uint64_t version) {
  std::string body;
  append_with_version(body, dump_json(patch), version);
  return body;
}

std::string device_twin_body(std::string_view desired, std::uint64_t desired_version,
                             std::string_view reported, std::uint64_t reported_version) {
  std::string body;
  body.reserve(desired.size() + reported.size() + 80);
  body += "{\"desired\":";
  append_with_version(body, desired, desired_version);
  body += ",\"reported\":";
  append_with_version(body, reported, reported_version);
  body += '}';
  return body;
}

Json section_to_json(Json values, const TwinMetadata* metadata, std::uint64_t version, WallTime created) {
  JsonMembers& members = members_of(values);
  append_member(members, "$metadata",
                metadata ? metadata->to_json() : Json{{"$lastUpdated", twin_time(created)}});
  append_member(members, "$version", version);
  return values;
}

Json update_event_body(const TwinDocument& twin, const TwinChange& change) {
  Json body;
  body["version"] = twin.version;
  if (change.tags) body["tags"] = *change.tags;
  Json properties = Json::object();
  if (change.desired) properties["desired"] = changed_section(*change.desired, twin.desired);
  if (change.reported) properties["reported"] = changed_section(*change.reported, twin.reported);
  if (!properties.empty()) body["properties"] = std::move(properties);
  return body;
}

Json replace_event_body(const TwinDocument& twin, WallTime created) {
  Json body;
  body["version"] = twin.version;
  body["tags"] = twin.tags;
  body["properties"]["desired"] = whole_section(twin.desired, created);
  body["properties"]["reported"] = whole_section(twin.reported, created);
  return body;
}

}  // namespace kyanite
