#include "protocol/amqp/reader.h"

#include <limits>
#include <string>

#include "protocol/amqp/symbol_descriptors.h"
#include "protocol/amqp/type_codes.h"
#include "protocol/amqp/type_layout.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite::amqp {
namespace {

Error malformed_value(std::string detail) { return {Errc::malformed_packet, std::move(detail)}; }

Error unexpected_type(const char* wanted, std::uint8_t constructor) {
  static constexpr char kDigits[] = "0123456789abcdef";
  return malformed_value(std::string(wanted) + " was expected, not a value of type 0x" +
                         kDigits[constructor >> 4] + kDigits[constructor & 0xf]);
}

// What is wrong with the bytes of a scalar; null when nothing is.
const char* fault_of(std::uint8_t constructor, std::string_view bytes) {
  switch (constructor) {
    case code::kBoolean:
      return code::byte_at(bytes, 0) > 1 ? "a boolean is neither 0 nor 1" : nullptr;
    case code::kChar: {
      const std::uint64_t point = code::load(bytes);
      const bool valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
      return valid ? nullptr : "a char is no Unicode character";
    }
    case code::kString8:
    case code::kString32:
    case code::kSymbol8:
    case code::kSymbol32:
      return is_valid_utf8(bytes) ? nullptr : "a text is not UTF-8";
    default:
      return nullptr;
  }
}

}  // namespace

Result<std::uint8_t> Reader::constructor() {
  if (at_end()) return malformed_value("the bytes end where a value should begin");
  return code::byte_at(bytes_, at_++);
}

Result<std::string_view> Reader::take(std::size_t bytes) {
  if (bytes > bytes_.size() - at_) return malformed_value("a value is longer than the bytes that are there");
  const std::string_view taken = bytes_.substr(at_, bytes);
  at_ += bytes;
  return taken;
}

// Takes what belongs to a value behind its constructor and judges all but the items.
Result<Reader::Body> Reader::body(std::uint8_t constructor) {
  const TypeLayout layout = layout_of(constructor);
  if (layout.shape == TypeShape::none) return unexpected_type("a type of AMQP 1.0", constructor);
  std::size_t size = layout.width;
  if (layout.shape != TypeShape::fixed) {
    const Result<std::string_view> told = take(layout.width);
    if (!told) return told.error();
    size = static_cast<std::size_t>(code::load(*told));
  }
  const Result<std::string_view> bytes = take(size);
  if (!bytes) return bytes.error();
  if (layout.shape == TypeShape::fixed || layout.shape == TypeShape::variable) {
    if (const char* fault = fault_of(constructor, *bytes)) return malformed_value(fault);
    return Body{*bytes, 0};
  }
  if (size < layout.width) return malformed_value("a compound has no room for its count");
  const Body body{bytes->substr(layout.width),
                  static_cast<std::uint32_t>(code::load(bytes->substr(0, layout.width)))};
  if (layout.shape == TypeShape::compound && body.count > body.bytes.size())
    return malformed_value("a compound counts more items than it has bytes");
  if (is_map(constructor) && body.count % 2 != 0) return malformed_value("a map has a key without a value");
  return body;
}

Result<Value> Reader::value() { return read(0); }

Result<std::string_view> Reader::encoded() {
  const std::size_t begin = at_;
  if (auto passed = pass(0); !passed) return passed.error();
  return bytes_.substr(begin, at_ - begin);
}

Result<void> Reader::skip() { return pass(0); }

// A descriptor without its leading 00: a scalar. (The standard reserves all but ulong and symbol; some peers
// take other scalars.)
Result<std::string_view> Reader::descriptor_bytes() {
  const std::size_t begin = at_;
  const Result<std::uint8_t> type = constructor();
  if (!type) return type.error();
  const TypeShape shape = layout_of(*type).shape;
  if (*type == code::kList0 || (shape != TypeShape::fixed && shape != TypeShape::variable))
    return unexpected_type("a descriptor", *type);
  if (const Result<Body> taken = body(*type); !taken) return taken.error();
  return bytes_.substr(begin, at_ - begin);
}

Result<std::uint64_t> Reader::descriptor() {
  const Result<std::uint8_t> mark = constructor();
  if (!mark) return mark.error();
  if (*mark != code::kDescribed) return unexpected_type("a described value", *mark);
  if (at_end()) return malformed_value("the bytes end where a descriptor should begin");
  switch (code::byte_at(bytes_, at_)) {
    case code::kSmallUlong:
    case code::kUlong:
    case code::kUlong0: {
      const Result<Integer> number = integer();
      if (!number) return number.error();
      return number->bits;
    }
    case code::kSymbol8:
    case code::kSymbol32: {
      const Result<std::optional<std::string_view>> name = text();
      if (!name) return name.error();
      return code_of_descriptor(**name);
    }
    default:
      return unexpected_type("a descriptor", code::byte_at(bytes_, at_));
  }
}

Result<std::optional<bool>> Reader::boolean() {
  const Result<std::uint8_t> type = constructor();
  if (!type) return type.error();
  switch (*type) {
    case code::kNull:
      return std::optional<bool>();
    case code::kTrue:
      return std::optional<bool>(true);
    case code::kFalse:
      return std::optional<bool>(false);
    case code::kBoolean: {
      const Result<Body> taken = body(*type);
      if (!taken) return taken.error();
      return std::optional<bool>(taken->bytes[0] != 0);
    }
    default:
      return unexpected_type("a boolean", *type);
  }
}

Result<Reader::Integer> Reader::integer() {
  const Result<std::uint8_t> type = constructor();
  if (!type) return type.error();
  bool is_signed = false;
  switch (*type) {
    case code::kNull:
      return Integer{true, false, 0};
    case code::kUint0:
    case code::kUlong0:
      return Integer{};
    case code::kUbyte:
    case code::kSmallUint:
    case code::kSmallUlong:
    case code::kUshort:
    case code::kUint:
    case code::kUlong:
      break;
    case code::kByte:
    case code::kSmallInt:
    case code::kSmallLong:
    case code::kShort:
    case code::kInt:
    case code::kLong:
    case code::kTimestamp:
      is_signed = true;
      break;
    default:
      return unexpected_type("an integer", *type);
  }
  const Result<std::string_view> bytes = take(layout_of(*type).width);
  if (!bytes) return bytes.error();
  Integer number{false, false, code::load(*bytes)};
  if (is_signed && (code::byte_at(*bytes, 0) & 0x80) != 0) {
    number.is_negative = true;
    if (bytes->size() < 8) number.bits |= ~std::uint64_t{0} << (8 * bytes->size());
  }
  return number;
}

Result<std::optional<std::uint64_t>> Reader::unsigned_number() {
  const Result<Integer> number = integer();
  if (!number) return number.error();
  if (number->is_null) return std::optional<std::uint64_t>();
  if (number->is_negative) return malformed_value("a number is negative that cannot be");
  return std::optional(number->bits);
}

Result<std::optional<std::int64_t>> Reader::signed_number() {
  const Result<Integer> number = integer();
  if (!number) return number.error();
  if (number->is_null) return std::optional<std::int64_t>();
  if (!number->is_negative &&
      number->bits > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return malformed_value("a number is beyond 63 bits");
  return std::optional(static_cast<std::int64_t>(number->bits));
}

Result<std::optional<std::int64_t>> Reader::timestamp() { return signed_number(); }

Result<std::optional<std::string_view>> Reader::bytes_of(bool binary_too) {
  const Result<std::uint8_t> type = constructor();
  if (!type) return type.error();
  switch (*type) {
    case code::kNull:
      return std::optional<std::string_view>();
    case code::kString8:
    case code::kString32:
      break;
    case code::kSymbol8:
    case code::kSymbol32:
      if (binary_too) return unexpected_type("a binary", *type);
      break;
    case code::kBinary8:
    case code::kBinary32:
      if (!binary_too) return unexpected_type("a text", *type);
      break;
    default:
      return unexpected_type(binary_too ? "a binary" : "a text", *type);
  }
  const Result<Body> taken = body(*type);
  if (!taken) return taken.error();
  return std::optional(taken->bytes);
}

Result<std::optional<std::string_view>> Reader::text() { return bytes_of(false); }
Result<std::optional<std::string_view>> Reader::binary() { return bytes_of(true); }

Result<std::vector<std::string>> Reader::symbols() {
  Result<Value> value = read(0);
  if (!value) return value.error();
  std::vector<std::string> texts;
  if (value->is_null()) return texts;
  if (const auto* array = value->as<Array>()) {
    for (const Value& item : array->items) {
      const auto text = item.text();
      if (!text || item.as<Described>()) return malformed_value("an array of symbols has something else");
      texts.emplace_back(*text);
    }
    return texts;
  }
  const auto text = value->text();
  if (!text || value->as<Described>()) return malformed_value("a symbol or an array of symbols was expected");
  texts.emplace_back(*text);
  return texts;
}

Result<Reader::Compound> Reader::compound(bool is_map_wanted) {
  const Result<std::uint8_t> type = constructor();
  if (!type) return type.error();
  const bool is_wanted =
      is_map_wanted ? is_map(*type) : layout_of(*type).shape == TypeShape::compound && !is_map(*type);
  if (!is_map_wanted && *type == code::kList0) return Compound{};
  if (!is_wanted) return unexpected_type(is_map_wanted ? "a map" : "a list", *type);
  const Result<Body> taken = body(*type);
  if (!taken) return taken.error();
  return Compound{taken->count, taken->bytes};
}

Result<Reader::Compound> Reader::list() { return compound(false); }
Result<Reader::Compound> Reader::map() { return compound(true); }

// Takes the constructor in front of an array's items and the right to as many of them.
Result<Reader::ItemType> Reader::item_type(std::uint32_t count) {
  ItemType items;
  const Result<std::uint8_t> first = constructor();
  if (!first) return first.error();
  items.constructor = *first;
  if (*first == code::kDescribed) {
    const Result<std::string_view> descriptor = descriptor_bytes();
    if (!descriptor) return descriptor.error();
    if (descriptor->size() > 2 + 0xff)
      return malformed_value("the descriptor of an array's items is too long");
    items.descriptor = *descriptor;
    const Result<std::uint8_t> second = constructor();
    if (!second) return second.error();
    items.constructor = *second;
  }
  const TypeLayout layout = layout_of(items.constructor);
  if (layout.shape == TypeShape::none)
    return unexpected_type("a type of an array's items", items.constructor);
  if (items.descriptor || layout.width == 0) {
    if (count > empty_items_left_) return malformed_value("too many items of arrays that take no bytes");
    empty_items_left_ -= count;
  } else if (count > bytes_.size() - at_) {
    return malformed_value("an array counts more items than it has bytes");
  }
  return items;
}

Result<void> Reader::pass(std::size_t depth) {
  const Result<std::uint8_t> type = constructor();
  if (!type) return type.error();
  if (*type != code::kDescribed) return pass_typed(*type, depth);
  if (depth == kDepthMax) return malformed_value("values are nested too deeply");
  if (const auto descriptor = descriptor_bytes(); !descriptor) return descriptor.error();
  return pass(depth + 1);
}

Result<void> Reader::pass_typed(std::uint8_t constructor, std::size_t depth) {
  const Result<Body> taken = body(constructor);
  if (!taken) return taken.error();
  const TypeShape shape = layout_of(constructor).shape;
  if (shape != TypeShape::compound && shape != TypeShape::array) return {};
  if (depth == kDepthMax) return malformed_value("values are nested too deeply");
  if (shape == TypeShape::array) return pass_array(*taken, depth);
  Reader items(taken->bytes);
  items.empty_items_left_ = empty_items_left_;
  for (std::uint32_t i = 0; i < taken->count; ++i) {
    if (auto passed = items.pass(depth + 1); !passed) return passed;
  }
  if (!items.at_end()) return malformed_value("a compound is longer than its items");
  empty_items_left_ = items.empty_items_left_;
  return {};
}

Result<void> Reader::pass_array(const Body& body, std::size_t depth) {
  if (body.count == 0 && body.bytes.empty()) return {};  // some peers leave out the constructor then
  Reader items(body.bytes);
  items.empty_items_left_ = empty_items_left_;
  const Result<ItemType> type = items.item_type(body.count);
  if (!type) return type.error();
  for (std::uint32_t i = 0; i < body.count; ++i) {
    if (auto passed = items.pass_typed(type->constructor, depth + 1); !passed) return passed;
  }
  if (!items.at_end()) return malformed_value("an array is longer than its items");
  empty_items_left_ = items.empty_items_left_;
  return {};
}

}  // namespace kyanite::amqp
