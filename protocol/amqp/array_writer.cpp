#include "protocol/amqp/array_writer.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "protocol/amqp/type_codes.h"
#include "protocol/amqp/writer.h"
#include "protocol/base/assert.h"

namespace kyanite::amqp {
namespace {

using Items = std::vector<const Value*>;

const Value kNothing;  // what an empty array is of

std::uint8_t decimal_code(const Decimal& decimal) {
  switch (decimal.bytes.size()) {
    case 4:
      return code::kDecimal32;
    case 8:
      return code::kDecimal64;
    default:
      KYANITE_ASSERT(decimal.bytes.size() == 16);
      return code::kDecimal128;
  }
}

// Puts the head of an array in front of what its items became, constructor included.
void append_array_of(std::string& out, std::size_t count, std::string_view constructor,
                     std::string_view items) {
  const std::size_t content = constructor.size() + items.size();
  if (content + 1 <= 0xff && count <= 0xff) {
    code::append_byte(out, code::kArray8);
    code::append_byte(out, static_cast<std::uint8_t>(content + 1));
    code::append_byte(out, static_cast<std::uint8_t>(count));
  } else {
    KYANITE_ASSERT(content + 4 <= 0xffffffff && count <= 0xffffffff);
    code::append_byte(out, code::kArray32);
    code::append_number(out, static_cast<std::uint32_t>(content + 4));
    code::append_number(out, static_cast<std::uint32_t>(count));
  }
  out.append(constructor);
  out.append(items);
}

void append_sized(std::string& out, bool wide, std::string_view bytes) {
  if (wide)
    code::append_number(out, static_cast<std::uint32_t>(bytes.size()));
  else
    code::append_byte(out, static_cast<std::uint8_t>(bytes.size()));
  out.append(bytes);
}

template <class T>
const T& typed(const Value* item) {
  const T* value = item->as<T>();
  KYANITE_ASSERT(value != nullptr);  // items of an array are of one type
  return *value;
}

template <class T>
std::string_view bytes_of(const T& value) {
  if constexpr (std::is_same_v<T, std::string>)
    return value;
  else if constexpr (std::is_same_v<T, Symbol>)
    return value.text;
  else
    return value.bytes;
}

template <class T>
std::uint8_t append_variables(std::string& out, std::uint8_t small_code, const Items& items) {
  const bool wide = std::any_of(items.begin(), items.end(),
                                [](const Value* v) { return bytes_of(typed<T>(v)).size() > 0xff; });
  for (const Value* item : items) append_sized(out, wide, bytes_of(typed<T>(item)));
  return static_cast<std::uint8_t>(wide ? small_code + code::kWide : small_code);
}

template <class T>
std::uint8_t append_numbers(std::string& out, std::uint8_t constructor, const Items& items) {
  for (const Value* item : items) code::append_number(out, typed<T>(item));
  return constructor;
}

template <class T>
std::uint8_t append_forms(std::string& out, const Items& items) {
  std::uint8_t constructor = 0;
  for (const Value* item : items) {
    std::string form;
    append_fixed(form, typed<T>(item));
    KYANITE_ASSERT(constructor == 0 || constructor == code::byte_at(form, 0));
    constructor = code::byte_at(form, 0);
    out.append(form, 1);
  }
  return constructor;
}

void append_compound(std::string& out, std::size_t count, std::string_view content) {
  code::append_number(out, static_cast<std::uint32_t>(content.size() + 4));
  code::append_number(out, static_cast<std::uint32_t>(count));
  out.append(content);
}

// Appends the items without constructors and returns the constructor they share, behind the descriptors that
// they share.
std::string append_items(std::string& out, const Items& items) {
  const auto constructor = [](std::uint8_t byte) { return std::string(1, static_cast<char>(byte)); };
  return std::visit(
      [&](const auto& first) -> std::string {
        using T = std::decay_t<decltype(first)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          for (const Value* item : items) (void)typed<std::monostate>(item);
          return constructor(code::kNull);
        } else if constexpr (std::is_same_v<T, bool>) {
          for (const Value* item : items) code::append_byte(out, typed<bool>(item) ? 1 : 0);
          return constructor(code::kBoolean);
        } else if constexpr (std::is_same_v<T, std::uint8_t>) {
          return constructor(append_numbers<T>(out, code::kUbyte, items));
        } else if constexpr (std::is_same_v<T, std::uint16_t>) {
          return constructor(append_numbers<T>(out, code::kUshort, items));
        } else if constexpr (std::is_same_v<T, std::uint32_t>) {
          return constructor(append_numbers<T>(out, code::kUint, items));
        } else if constexpr (std::is_same_v<T, std::uint64_t>) {
          return constructor(append_numbers<T>(out, code::kUlong, items));
        } else if constexpr (std::is_same_v<T, std::int32_t>) {
          return constructor(append_numbers<T>(out, code::kInt, items));
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          return constructor(append_numbers<T>(out, code::kLong, items));
        } else if constexpr (std::is_same_v<T, Timestamp>) {
          for (const Value* item : items) code::append_number(out, typed<Timestamp>(item).ms);
          return constructor(code::kTimestamp);
        } else if constexpr (std::is_same_v<T, Uuid>) {
          for (const Value* item : items) {
            for (const std::uint8_t byte : typed<Uuid>(item).bytes) code::append_byte(out, byte);
          }
          return constructor(code::kUuid);
        } else if constexpr (std::is_same_v<T, Binary>) {
          return constructor(append_variables<T>(out, code::kBinary8, items));
        } else if constexpr (std::is_same_v<T, std::string>) {
          return constructor(append_variables<T>(out, code::kString8, items));
        } else if constexpr (std::is_same_v<T, Symbol>) {
          return constructor(append_variables<T>(out, code::kSymbol8, items));
        } else if constexpr (std::is_same_v<T, List>) {
          for (const Value* item : items) {
            const List& list = typed<List>(item);
            std::string content;
            for (const Value& each : list.items) append_value(content, each);
            append_compound(out, list.items.size(), content);
          }
          return constructor(code::kList32);
        } else if constexpr (std::is_same_v<T, Map>) {
          for (const Value* item : items) {
            const Map& map = typed<Map>(item);
            std::string content;
            for (const MapEntry& entry : map.entries) {
              append_value(content, entry.key);
              append_value(content, entry.value);
            }
            append_compound(out, 2 * map.entries.size(), content);
          }
          return constructor(code::kMap32);
        } else if constexpr (std::is_same_v<T, Array>) {
          for (const Value* item : items) {
            Items nested;
            for (const Value& each : typed<Array>(item).items) nested.push_back(&each);
            std::string content;
            const std::string nested_constructor = append_items(content, nested);
            append_compound(out, nested.size(), nested_constructor + content);
          }
          return constructor(code::kArray32);
        } else if constexpr (std::is_same_v<T, Described>) {
          Items values;
          for (const Value* item : items) {
            const Described& described = typed<Described>(item);
            KYANITE_ASSERT(described.pair.size() == 2 && described.pair[0] == first.pair[0]);
            values.push_back(&described.pair[1]);
          }
          std::string head = constructor(code::kDescribed);
          append_value(head, first.pair[0]);
          return head + append_items(out, values);
        } else {
          return constructor(append_forms<T>(out, items));
        }
      },
      items.empty() ? kNothing.of : items.front()->of);
}

}  // namespace

void append_array(std::string& out, const std::vector<Value>& items) {
  Items pointers;
  pointers.reserve(items.size());
  for (const Value& item : items) pointers.push_back(&item);
  std::string content;
  const std::string constructor = append_items(content, pointers);
  append_array_of(out, items.size(), constructor, content);
}

void append_text_array(std::string& out, std::uint8_t small_code, const std::vector<std::string>& texts) {
  const bool wide =
      std::any_of(texts.begin(), texts.end(), [](const std::string& text) { return text.size() > 0xff; });
  std::string content;
  for (const std::string& text : texts) append_sized(content, wide, text);
  const char constructor = static_cast<char>(wide ? small_code + code::kWide : small_code);
  append_array_of(out, texts.size(), {&constructor, 1}, content);
}

void append_fixed(std::string& out, std::int8_t value) {
  code::append_byte(out, code::kByte);
  code::append_byte(out, static_cast<std::uint8_t>(value));
}

void append_fixed(std::string& out, std::int16_t value) {
  code::append_byte(out, code::kShort);
  code::append_number(out, value);
}

void append_fixed(std::string& out, float value) {
  code::append_byte(out, code::kFloat);
  code::append_number(out, std::bit_cast<std::uint32_t>(value));
}

void append_fixed(std::string& out, double value) {
  code::append_byte(out, code::kDouble);
  code::append_number(out, std::bit_cast<std::uint64_t>(value));
}

void append_fixed(std::string& out, Char value) {
  code::append_byte(out, code::kChar);
  code::append_number(out, value.code);
}

void append_fixed(std::string& out, const Decimal& value) {
  code::append_byte(out, decimal_code(value));
  out.append(value.bytes);
}

}  // namespace kyanite::amqp
