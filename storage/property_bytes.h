#pragma once

#include <string>
#include <utility>
#include <vector>

#include "protocol/topics/property_bag.h"
#include "storage/byte_cursor.h"

// Lists of properties as binary records hold them (format.md): a value is its length plus one, so that zero
// can say "no value".
namespace kyanite {

inline std::size_t counted_size(std::string_view text) { return varint_size(text.size()) + text.size(); }

inline std::size_t properties_size(const std::vector<Property>& properties) {
  std::size_t bytes = varint_size(properties.size());
  for (const Property& property : properties) {
    bytes += counted_size(property.name);
    bytes += property.value ? varint_size(property.value->size() + 1) + property.value->size() : 1;
  }
  return bytes;
}

inline void append_properties(std::string& out, const std::vector<Property>& properties) {
  append_varint(out, properties.size());
  for (const Property& property : properties) {
    append_counted(out, property.name);
    if (!property.value) {
      append_varint(out, 0);
      continue;
    }
    append_varint(out, property.value->size() + 1);
    out.append(*property.value);
  }
}

inline std::vector<Property> read_properties(ByteCursor& cursor) {
  std::vector<Property> properties;
  // The count is not trusted for memory: each turn consumes bytes or makes the cursor bad.
  for (std::uint64_t left = cursor.varint(); left > 0 && cursor.ok(); --left) {
    Property property;
    property.name = cursor.counted();
    if (const std::uint64_t size = cursor.varint(); size > 0)
      property.value = std::string(cursor.take(size - 1));
    if (cursor.ok()) properties.push_back(std::move(property));
  }
  return properties;
}

}  // namespace kyanite
