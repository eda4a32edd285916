// Two lines: a section as it is and a patch. An accepted patch is merged, and then: what is stored can be
// read again, the difference leads from the old state to the new one, and metadata names exactly what is
// there.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/base/assert.h"
#include "protocol/twin/twin_json.h"
#include "protocol/twin/twin_merge.h"
#include "protocol/twin/twin_request.h"

namespace {

using namespace kyanite;

void check_same_names(const Json& values, const TwinMetadata& metadata) {
  KYANITE_ASSERT(values.size() == metadata.members.size());
  for (const auto& [name, node] : metadata.members) {
    const auto value = values.find(name);
    KYANITE_ASSERT(value != values.end());
    if (value->is_object()) check_same_names(*value, node);
    if (!value->is_object()) KYANITE_ASSERT(node.members.empty());
  }
}

void check_reported(std::string_view before_text, std::string_view patch_text) {
  const Result<Json> before = parse_reported_patch(before_text);
  const Result<Json> patch = parse_reported_patch(patch_text);
  if (!before || !patch) return;
  const WallTime now{milliseconds{1767607201123}};
  TwinDocument twin;
  if (!twin.patch_reported(*before, now)) return;
  const Json old = twin.reported.values;
  const Result<TwinChange> change = twin.patch_reported(*patch, now);
  if (!change) {
    KYANITE_ASSERT(change.error().code == Errc::message_too_large && twin.reported.values == old);
    return;
  }
  const std::string stored = dump_json(twin.reported.values);
  const Result<Json> again = parse_json(stored);
  KYANITE_ASSERT(again && *again == twin.reported.values);
  KYANITE_ASSERT(check_section(*again, TwinSection::reported, Nulls::refused));
  check_same_names(twin.reported.values, *twin.reported.metadata);
  const Result<TwinMetadata> metadata = TwinMetadata::decode(twin.reported.metadata->encode());
  KYANITE_ASSERT(metadata && metadata->to_json() == twin.reported.metadata->to_json());

  Json led = old;
  merge_patch(led, diff_patch(old, twin.reported.values));
  KYANITE_ASSERT(same_json(led, twin.reported.values));
  KYANITE_ASSERT(parse_json(device_twin_body("{}", 1, stored, twin.reported.version)));
  KYANITE_ASSERT(parse_json(notification_body(*patch, twin.reported.version)));
  KYANITE_ASSERT(!dump_json(update_event_body(twin, *change)).empty());
}

void check_request(std::string_view text) {
  for (const Nulls nulls : {Nulls::delete_members, Nulls::refused}) {
    Result<TwinSections> sections = parse_twin_request(text, nulls);
    if (!sections) {
      const Errc code = sections.error().code;
      KYANITE_ASSERT(code == Errc::argument_invalid || code == Errc::format_error);
      continue;
    }
    TwinDocument twin;
    if (nulls == Nulls::refused) (void)twin.replace(*sections, kNever);
    if (nulls == Nulls::delete_members) (void)twin.merge(*sections, kNever);
    KYANITE_ASSERT(check_section(twin.tags, TwinSection::tags, Nulls::refused));
    KYANITE_ASSERT(check_section(twin.desired.values, TwinSection::desired, Nulls::refused));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  check_reported(input.substr(0, line), input.substr(line + 1));
  check_request(input.substr(line + 1));
  return 0;
}
