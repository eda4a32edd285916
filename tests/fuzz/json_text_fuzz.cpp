// An object is cut into values that are JSON by themselves, in order, each inside the text.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/base/assert.h"
#include "protocol/base/json_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto members = kyanite::split_json_object(text);
  if (!members) {
    KYANITE_ASSERT(members.error().code == kyanite::Errc::format_error);
    return 0;
  }
  KYANITE_ASSERT(kyanite::check_json(text).has_value());
  const char* end = text.data();
  for (const kyanite::JsonMember& member : *members) {
    KYANITE_ASSERT(member.value.data() > end && !member.value.empty());
    end = member.value.data() + member.value.size();
    KYANITE_ASSERT(end < text.data() + text.size());
    KYANITE_ASSERT(kyanite::check_json(member.value).has_value());
  }
  return 0;
}
