#pragma once

#include <cstdint>

#include "protocol/amqp/type_codes.h"

namespace kyanite::amqp {

// How a value of a type lies behind its constructor: so many bytes; a size and as many bytes; or a size, a
// count and items. `width` is of the bytes, or of the size and of the count.
enum class TypeShape : std::uint8_t { none, fixed, variable, compound, array };
struct TypeLayout {
  TypeShape shape = TypeShape::none;
  std::uint8_t width = 0;
};

// TypeShape::none for what is no constructor of the standard.
constexpr TypeLayout layout_of(std::uint8_t constructor) {
  switch (constructor) {
    case code::kNull:
    case code::kTrue:
    case code::kFalse:
    case code::kUint0:
    case code::kUlong0:
    case code::kList0:
      return {TypeShape::fixed, 0};
    case code::kUbyte:
    case code::kByte:
    case code::kSmallUint:
    case code::kSmallUlong:
    case code::kSmallInt:
    case code::kSmallLong:
    case code::kBoolean:
      return {TypeShape::fixed, 1};
    case code::kUshort:
    case code::kShort:
      return {TypeShape::fixed, 2};
    case code::kUint:
    case code::kInt:
    case code::kFloat:
    case code::kChar:
    case code::kDecimal32:
      return {TypeShape::fixed, 4};
    case code::kUlong:
    case code::kLong:
    case code::kDouble:
    case code::kTimestamp:
    case code::kDecimal64:
      return {TypeShape::fixed, 8};
    case code::kDecimal128:
    case code::kUuid:
      return {TypeShape::fixed, 16};
    case code::kBinary8:
    case code::kString8:
    case code::kSymbol8:
      return {TypeShape::variable, 1};
    case code::kBinary32:
    case code::kString32:
    case code::kSymbol32:
      return {TypeShape::variable, 4};
    case code::kList8:
    case code::kMap8:
      return {TypeShape::compound, 1};
    case code::kList32:
    case code::kMap32:
      return {TypeShape::compound, 4};
    case code::kArray8:
      return {TypeShape::array, 1};
    case code::kArray32:
      return {TypeShape::array, 4};
    default:
      return {};
  }
}

constexpr bool is_map(std::uint8_t constructor) {
  return constructor == code::kMap8 || constructor == code::kMap32;
}

}  // namespace kyanite::amqp
