#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "protocol/base/assert.h"
#include "protocol/base/percent_encoding.h"
#include "protocol/topics/property_bag.h"

// The input is the encoded bag. What was decoded, encoded again, must decode to the same.
namespace {

using namespace kyanite;

std::string encode_application(const PropertyBag& bag) {
  std::string text;
  for (const Property& property : bag.application) {
    if (!text.empty()) text += '&';
    text += percent_encode(property.name);
    if (property.value) text += '=' + percent_encode(*property.value);
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const PropertyBag bag = decode_property_bag(text);

  std::size_t size_bytes = 0;
  std::set<std::string> names;
  for (const Property& property : bag.application) {
    KYANITE_ASSERT(!property.name.empty() && !property.name.starts_with("$."));
    KYANITE_ASSERT(names.insert(to_lower_ascii(property.name)).second);
    size_bytes += property.name.size() + property.value.value_or("").size();
  }
  std::set<std::string> system_names;
  for (const Property& property : bag.system) {
    KYANITE_ASSERT(property.value && system_names.insert(property.name).second);
    size_bytes += property.value->size();
  }
  KYANITE_ASSERT(bag.size_bytes == size_bytes && size_bytes <= size);

  // Text that is not UTF-8 is kept as it was sent and cannot survive another round.
  if (is_valid_utf8(text)) {
    KYANITE_ASSERT(decode_property_bag(encode_application(bag)).application == bag.application);
  }
  return 0;
}
