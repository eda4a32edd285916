// The part of Reader that makes values.
#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "protocol/amqp/reader.h"
#include "protocol/amqp/type_codes.h"
#include "protocol/amqp/type_layout.h"

namespace kyanite::amqp {
namespace {

// The count is a peer's word: more room than this is made as the items come.
constexpr std::uint32_t kReservedMax = 16;

Error bad_nesting(const char* detail) { return {Errc::malformed_packet, detail}; }

Value describe(Value descriptor, Value value) {
  Described described;
  described.pair.reserve(2);
  described.pair.push_back(std::move(descriptor));
  described.pair.push_back(std::move(value));
  return described;
}

// A scalar that was judged.
Value scalar(std::uint8_t constructor, std::string_view bytes) {
  const auto number = [&] { return code::load(bytes); };
  switch (constructor) {
    case code::kTrue:
      return true;
    case code::kFalse:
      return false;
    case code::kBoolean:
      return bytes[0] != 0;
    case code::kUint0:
      return std::uint32_t{0};
    case code::kUlong0:
      return std::uint64_t{0};
    case code::kList0:
      return List{};
    case code::kUbyte:
      return static_cast<std::uint8_t>(number());
    case code::kByte:
      return static_cast<std::int8_t>(number());
    case code::kUshort:
      return static_cast<std::uint16_t>(number());
    case code::kShort:
      return static_cast<std::int16_t>(number());
    case code::kSmallUint:
    case code::kUint:
      return static_cast<std::uint32_t>(number());
    case code::kSmallUlong:
    case code::kUlong:
      return number();
    case code::kSmallInt:
      return std::int32_t{static_cast<std::int8_t>(number())};
    case code::kInt:
      return static_cast<std::int32_t>(number());
    case code::kSmallLong:
      return std::int64_t{static_cast<std::int8_t>(number())};
    case code::kLong:
      return static_cast<std::int64_t>(number());
    case code::kFloat:
      return std::bit_cast<float>(static_cast<std::uint32_t>(number()));
    case code::kDouble:
      return std::bit_cast<double>(number());
    case code::kChar:
      return Char{static_cast<std::uint32_t>(number())};
    case code::kTimestamp:
      return Timestamp{static_cast<std::int64_t>(number())};
    case code::kDecimal32:
    case code::kDecimal64:
    case code::kDecimal128:
      return Decimal{std::string(bytes)};
    case code::kUuid: {
      Uuid uuid;
      std::transform(bytes.begin(), bytes.end(), uuid.bytes.begin(),
                     [](char byte) { return static_cast<std::uint8_t>(byte); });
      return uuid;
    }
    case code::kBinary8:
    case code::kBinary32:
      return Binary{std::string(bytes)};
    case code::kString8:
    case code::kString32:
      return std::string(bytes);
    case code::kSymbol8:
    case code::kSymbol32:
      return Symbol{std::string(bytes)};
    default:
      return {};  // null
  }
}

}  // namespace

Result<Value> Reader::read(std::size_t depth) {
  const Result<std::uint8_t> type = constructor();
  if (!type) return type.error();
  if (*type != code::kDescribed) return read_typed(*type, depth);
  if (depth == kDepthMax) return bad_nesting("values are nested too deeply");
  const Result<std::string_view> descriptor = descriptor_bytes();
  if (!descriptor) return descriptor.error();
  Result<Value> value = read(depth + 1);
  if (!value) return value.error();
  return describe(*Reader(*descriptor).read(kDepthMax), std::move(*value));
}

Result<Value> Reader::read_typed(std::uint8_t constructor, std::size_t depth) {
  const Result<Body> taken = body(constructor);
  if (!taken) return taken.error();
  const TypeShape shape = layout_of(constructor).shape;
  if (shape != TypeShape::compound && shape != TypeShape::array) return scalar(constructor, taken->bytes);
  if (depth == kDepthMax) return bad_nesting("values are nested too deeply");
  return shape == TypeShape::array ? read_array(*taken, depth) : read_items(constructor, *taken, depth);
}

Result<Value> Reader::read_items(std::uint8_t constructor, const Body& body, std::size_t depth) {
  Reader items(body.bytes);
  items.empty_items_left_ = empty_items_left_;
  List list;
  Map map;
  if (is_map(constructor)) {
    map.entries.reserve(std::min(body.count / 2, kReservedMax));
    for (std::uint32_t i = 0; i < body.count; i += 2) {
      Result<Value> key = items.read(depth + 1);
      if (!key) return key.error();
      Result<Value> value = items.read(depth + 1);
      if (!value) return value.error();
      map.entries.push_back({std::move(*key), std::move(*value)});
    }
  } else {
    list.items.reserve(std::min(body.count, kReservedMax));
    for (std::uint32_t i = 0; i < body.count; ++i) {
      Result<Value> item = items.read(depth + 1);
      if (!item) return item.error();
      list.items.push_back(std::move(*item));
    }
  }
  if (!items.at_end()) return bad_nesting("a compound is longer than its items");
  empty_items_left_ = items.empty_items_left_;
  if (is_map(constructor)) return Value(std::move(map));
  return Value(std::move(list));
}

Result<Value> Reader::read_array(const Body& body, std::size_t depth) {
  Array array;
  if (body.count == 0 && body.bytes.empty()) return Value(std::move(array));
  Reader items(body.bytes);
  items.empty_items_left_ = empty_items_left_;
  const Result<ItemType> type = items.item_type(body.count);
  if (!type) return type.error();
  array.items.reserve(std::min(body.count, kReservedMax));
  for (std::uint32_t i = 0; i < body.count; ++i) {
    Result<Value> item = items.read_typed(type->constructor, depth + 1);
    if (!item) return item.error();
    if (type->descriptor)
      array.items.push_back(describe(*Reader(*type->descriptor).read(kDepthMax), std::move(*item)));
    else
      array.items.push_back(std::move(*item));
  }
  if (!items.at_end()) return bad_nesting("an array is longer than its items");
  empty_items_left_ = items.empty_items_left_;
  return Value(std::move(array));
}

}  // namespace kyanite::amqp
