#include "protocol/amqp/value.h"

#include <charconv>
#include <limits>
#include <type_traits>

#include "protocol/base/hex_digit.h"

namespace kyanite::amqp {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

template <class T>
std::string decimal_text(T number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number);
  return {text, end.ptr};
}

// A dash stands before these bytes.
constexpr bool begins_uuid_group(std::size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

}  // namespace

std::string to_text(const Uuid& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (begins_uuid_group(i)) text += '-';
    text += kDigits[uuid.bytes[i] >> 4];
    text += kDigits[uuid.bytes[i] & 0xf];
  }
  return text;
}

std::optional<Uuid> uuid_from_text(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (begins_uuid_group(i) && text[at++] != '-') return std::nullopt;
    const int high = hex_value(text[at++]);
    const int low = hex_value(text[at++]);
    if (high < 0 || low < 0) return std::nullopt;
    uuid.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return uuid;
}

Value::Value() = default;
Value::Value(const char* text) : of(std::string(text)) {}
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;

const Value* Map::find(std::string_view key) const {
  for (const MapEntry& entry : entries) {
    if (entry.key.text() == key) return &entry.value;
  }
  return nullptr;
}

std::optional<std::string_view> Value::text() const {
  if (const auto* string = as<std::string>()) return *string;
  if (const auto* symbol = as<Symbol>()) return symbol->text;
  if (const auto* described = as<Described>(); described && described->pair.size() == 2)
    return described->pair[1].text();
  return std::nullopt;
}

std::optional<std::int64_t> Value::integer() const {
  return std::visit(
      [](const auto& value) -> std::optional<std::int64_t> {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
          if constexpr (std::is_same_v<T, std::uint64_t>) {
            if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
              return std::nullopt;
          }
          return static_cast<std::int64_t>(value);
        } else {
          return std::nullopt;
        }
      },
      of);
}

bool operator==(const Value& a, const Value& b) { return a.of == b.of; }
bool operator==(const List& a, const List& b) { return a.items == b.items; }
bool operator==(const Map& a, const Map& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (std::size_t i = 0; i < a.entries.size(); ++i) {
    if (!(a.entries[i].key == b.entries[i].key && a.entries[i].value == b.entries[i].value)) return false;
  }
  return true;
}
bool operator==(const Array& a, const Array& b) { return a.items == b.items; }
bool operator==(const Described& a, const Described& b) { return a.pair == b.pair; }

std::string text_of(const Value& value) {
  if (const auto text = value.text()) return std::string(*text);
  return std::visit(
      Overloaded{[](const Uuid& uuid) { return to_text(uuid); },
                 [](const Binary& binary) { return binary.bytes; }, [](bool) { return std::string(); },
                 [](const auto& other) {
                   if constexpr (std::is_arithmetic_v<std::decay_t<decltype(other)>>)
                     return decimal_text(other);
                   else
                     return std::string();
                 }},
      value.of);
}

}  // namespace kyanite::amqp
