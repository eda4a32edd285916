#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// The types of AMQP 1.0 (part 1 of the standard) as values that own what they hold.
namespace kyanite::amqp {

// Each is a type of its own on the wire, so that a value can be sent back exactly as it came.
struct Symbol {
  std::string text;
  friend bool operator==(const Symbol&, const Symbol&) = default;
};
struct Binary {
  std::string bytes;
  friend bool operator==(const Binary&, const Binary&) = default;
};
struct Timestamp {
  std::int64_t ms = 0;  // since 1970, may be negative
  friend bool operator==(const Timestamp&, const Timestamp&) = default;
};
struct Char {
  std::uint32_t code = 0;
  friend bool operator==(const Char&, const Char&) = default;
};
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  friend bool operator==(const Uuid&, const Uuid&) = default;
};
// decimal32, 64 and 128: kept as they came, since nobody counts with them.
struct Decimal {
  std::string bytes;  // 4, 8 or 16
  friend bool operator==(const Decimal&, const Decimal&) = default;
};

// Canonical text, lower case: 8-4-4-4-12.
std::string to_text(const Uuid& uuid);
// Reads that form in any case; nothing for other text.
std::optional<Uuid> uuid_from_text(std::string_view text);

struct Value;
struct MapEntry;
struct List {
  std::vector<Value> items;
};
// Keys in the order sent. A key that stands twice is kept twice; find() gives the first.
struct Map {
  std::vector<MapEntry> entries;
  // Compares the text of string and symbol keys alike: peers confuse the two (spec amqp.md 2.3).
  const Value* find(std::string_view key) const;
  bool empty() const { return entries.empty(); }
};
// Items of one type, which the first one tells; empty arrays lose their type.
struct Array {
  std::vector<Value> items;
};
// A value under a descriptor: an ulong code or a symbol.
struct Described {
  std::vector<Value> pair;  // descriptor, value
};

template <class T, class Variant>
inline constexpr bool kIsAlternative = false;
template <class T, class... Ts>
inline constexpr bool kIsAlternative<T, std::variant<Ts...>> = (std::is_same_v<T, Ts> || ...);

// Value is one AMQP value of any type, maybe nested. Bound: the reader's limits on depth and count.
struct Value {
  using Variant =
      std::variant<std::monostate, bool, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t,
                   std::int8_t, std::int16_t, std::int32_t, std::int64_t, float, double, Decimal, Char,
                   Timestamp, Uuid, Binary, std::string, Symbol, List, Map, Array, Described>;
  Variant of;

  Value();
  template <class T>
  requires kIsAlternative<T, Variant> Value(T value)
      : of(std::move(value)) {}  // NOLINT(google-explicit-constructor): a map reads as it is written
  Value(const char* text);       // NOLINT(google-explicit-constructor)
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();

  bool is_null() const { return std::holds_alternative<std::monostate>(of); }
  template <class T>
  const T* as() const {
    return std::get_if<T>(&of);
  }
  // A string's or a symbol's text; nothing for other types. A described value is looked into.
  std::optional<std::string_view> text() const;
  // Any integer type that fits; nothing for other types.
  std::optional<std::int64_t> integer() const;

  friend bool operator==(const Value& a, const Value& b);
};
struct MapEntry {
  Value key;
  Value value;
};
bool operator==(const List& a, const List& b);
bool operator==(const Map& a, const Map& b);
bool operator==(const Array& a, const Array& b);
bool operator==(const Described& a, const Described& b);

// The value as people read it, for correlation ids that are compared by text: strings and symbols as they
// are, uuids in canonical form, numbers in decimal, binary as it is. Empty for other types.
std::string text_of(const Value& value);

}  // namespace kyanite::amqp
