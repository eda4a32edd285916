#include "server/amqp/property_text.h"

#include <charconv>
#include <cmath>
#include <iterator>
#include <type_traits>

#include "protocol/base/assert.h"
#include "protocol/base/iso_time.h"

namespace kyanite {
namespace {

template <class Number>
std::string decimal(Number number) {
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), number).ptr;
  return std::string(std::begin(text), end);
}

struct PropertyText {
  std::optional<std::string> operator()(bool value) const { return value ? "true" : "false"; }
  std::optional<std::string> operator()(const std::string& text) const { return text; }
  std::optional<std::string> operator()(const amqp::Symbol& symbol) const { return symbol.text; }
  std::optional<std::string> operator()(const amqp::Binary& binary) const { return binary.bytes; }
  std::optional<std::string> operator()(const amqp::Uuid& uuid) const { return amqp::to_text(uuid); }
  std::optional<std::string> operator()(const amqp::Timestamp& time) const { return time_text(time); }
  std::optional<std::string> operator()(const amqp::Described& described) const {
    if (described.pair.size() != 2) return std::nullopt;
    return property_text(described.pair[1]);
  }
  template <class T>
  std::optional<std::string> operator()(const T& value) const {
    if constexpr (std::is_arithmetic_v<T>) {
      return decimal(value);
    } else {
      return std::nullopt;
    }
  }
};

}  // namespace

std::optional<std::string> property_text(const amqp::Value& value) {
  return std::visit(PropertyText{}, value.of);
}

std::optional<std::string> time_text(amqp::Timestamp time) {
  constexpr std::int64_t kYear1 = -62'135'596'800'000;
  constexpr std::int64_t kYear10000 = 253'402'300'800'000;
  if (time.ms < kYear1 || time.ms >= kYear10000) return std::nullopt;
  return to_iso_time(WallTime(milliseconds(time.ms)));
}

std::string guid_bytes(std::string_view guid) {
  const auto uuid = amqp::uuid_from_text(guid);
  KYANITE_ASSERT(uuid);
  return std::string(uuid->bytes.begin(), uuid->bytes.end());
}

}  // namespace kyanite
