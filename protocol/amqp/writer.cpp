#include "protocol/amqp/writer.h"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "protocol/amqp/array_writer.h"
#include "protocol/amqp/type_codes.h"
#include "protocol/base/assert.h"

namespace kyanite::amqp {
namespace {

// The size of a list or map in its one-byte form counts the byte of its count too.
constexpr std::size_t kSmallHeadBytes = 3;  // constructor, size, count

void append_variable(std::string& out, std::uint8_t small_code, std::string_view bytes) {
  if (bytes.size() <= 0xff) {
    code::append_byte(out, small_code);
    code::append_byte(out, static_cast<std::uint8_t>(bytes.size()));
  } else {
    KYANITE_ASSERT(bytes.size() <= 0xffffffff);
    code::append_byte(out, static_cast<std::uint8_t>(small_code + code::kWide));
    code::append_number(out, static_cast<std::uint32_t>(bytes.size()));
  }
  out.append(bytes);
}

}  // namespace

void Writer::item() {
  if (depth_ > 0) ++open_[depth_ - 1].count;
}

void Writer::null() {
  item();
  code::append_byte(out_, code::kNull);
}

void Writer::boolean(bool value) {
  item();
  code::append_byte(out_, value ? code::kTrue : code::kFalse);
}

void Writer::ubyte(std::uint8_t value) {
  item();
  code::append_byte(out_, code::kUbyte);
  code::append_byte(out_, value);
}

void Writer::ushort(std::uint16_t value) {
  item();
  code::append_byte(out_, code::kUshort);
  code::append_number(out_, value);
}

void Writer::uint(std::uint32_t value) {
  item();
  if (value == 0) return code::append_byte(out_, code::kUint0);
  if (value <= 0xff) {
    code::append_byte(out_, code::kSmallUint);
    return code::append_byte(out_, static_cast<std::uint8_t>(value));
  }
  code::append_byte(out_, code::kUint);
  code::append_number(out_, value);
}

void Writer::ulong(std::uint64_t value) {
  item();
  if (value == 0) return code::append_byte(out_, code::kUlong0);
  if (value <= 0xff) {
    code::append_byte(out_, code::kSmallUlong);
    return code::append_byte(out_, static_cast<std::uint8_t>(value));
  }
  code::append_byte(out_, code::kUlong);
  code::append_number(out_, value);
}

void Writer::int32(std::int32_t value) {
  item();
  const bool is_small = value >= -128 && value <= 127;
  code::append_byte(out_, is_small ? code::kSmallInt : code::kInt);
  if (is_small)
    code::append_byte(out_, static_cast<std::uint8_t>(value));
  else
    code::append_number(out_, value);
}

void Writer::int64(std::int64_t value) {
  item();
  const bool is_small = value >= -128 && value <= 127;
  code::append_byte(out_, is_small ? code::kSmallLong : code::kLong);
  if (is_small)
    code::append_byte(out_, static_cast<std::uint8_t>(value));
  else
    code::append_number(out_, value);
}

void Writer::timestamp(std::int64_t ms) {
  item();
  code::append_byte(out_, code::kTimestamp);
  code::append_number(out_, ms);
}

void Writer::uuid(const Uuid& value) {
  item();
  code::append_byte(out_, code::kUuid);
  for (const std::uint8_t byte : value.bytes) code::append_byte(out_, byte);
}

void Writer::binary(std::string_view bytes) {
  item();
  append_variable(out_, code::kBinary8, bytes);
}

void Writer::string(std::string_view text) {
  item();
  append_variable(out_, code::kString8, text);
}

void Writer::symbol(std::string_view text) {
  item();
  append_variable(out_, code::kSymbol8, text);
}

void Writer::encoded(std::string_view bytes) {
  item();
  out_.append(bytes);
}

void Writer::descriptor(std::uint8_t code) {
  code::append_byte(out_, code::kDescribed);
  code::append_byte(out_, code::kSmallUlong);
  code::append_byte(out_, code);
}

void Writer::begin(std::uint8_t constructor) {
  item();
  KYANITE_ASSERT(depth_ < kDepthMax);
  open_[depth_++] = {out_.size(), 0};
  code::append_byte(out_, constructor);
  out_.append(kSmallHeadBytes - 1, '\0');
}

void Writer::begin_list() { begin(code::kList8); }
void Writer::begin_map() { begin(code::kMap8); }

void Writer::end() {
  KYANITE_ASSERT(depth_ > 0);
  const Open open = open_[--depth_];
  const std::size_t items_bytes = out_.size() - open.at - kSmallHeadBytes;
  if (items_bytes + 1 <= 0xff && open.count <= 0xff) {
    out_[open.at + 1] = static_cast<char>(items_bytes + 1);
    out_[open.at + 2] = static_cast<char>(open.count);
    return;
  }
  KYANITE_ASSERT(items_bytes + 4 <= 0xffffffff);
  out_.insert(open.at + kSmallHeadBytes, 6, '\0');
  out_[open.at] = static_cast<char>(static_cast<std::uint8_t>(out_[open.at]) + code::kWide);
  code::store(&out_[open.at + 1], static_cast<std::uint32_t>(items_bytes + 4));
  code::store(&out_[open.at + 5], open.count);
}

void Writer::symbols(const std::vector<std::string>& texts) {
  if (texts.empty()) return null();
  item();
  append_text_array(out_, code::kSymbol8, texts);
}

void Writer::strings(const std::vector<std::string>& texts) {
  if (texts.empty()) return null();
  item();
  append_text_array(out_, code::kString8, texts);
}

void Writer::value(const Value& value) {
  std::visit(
      [this](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          null();
        } else if constexpr (std::is_same_v<T, bool>) {
          boolean(v);
        } else if constexpr (std::is_same_v<T, std::uint8_t>) {
          ubyte(v);
        } else if constexpr (std::is_same_v<T, std::uint16_t>) {
          ushort(v);
        } else if constexpr (std::is_same_v<T, std::uint32_t>) {
          uint(v);
        } else if constexpr (std::is_same_v<T, std::uint64_t>) {
          ulong(v);
        } else if constexpr (std::is_same_v<T, std::int32_t>) {
          int32(v);
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          int64(v);
        } else if constexpr (std::is_same_v<T, Timestamp>) {
          timestamp(v.ms);
        } else if constexpr (std::is_same_v<T, Uuid>) {
          uuid(v);
        } else if constexpr (std::is_same_v<T, Binary>) {
          binary(v.bytes);
        } else if constexpr (std::is_same_v<T, std::string>) {
          string(v);
        } else if constexpr (std::is_same_v<T, Symbol>) {
          symbol(v.text);
        } else if constexpr (std::is_same_v<T, List>) {
          begin_list();
          for (const Value& each : v.items) this->value(each);
          end();
        } else if constexpr (std::is_same_v<T, Map>) {
          begin_map();
          for (const MapEntry& entry : v.entries) {
            this->value(entry.key);
            this->value(entry.value);
          }
          end();
        } else if constexpr (std::is_same_v<T, Array>) {
          item();
          append_array(out_, v.items);
        } else if constexpr (std::is_same_v<T, Described>) {
          KYANITE_ASSERT(v.pair.size() == 2);
          item();
          code::append_byte(out_, code::kDescribed);
          append_value(out_, v.pair[0]);
          append_value(out_, v.pair[1]);
        } else {
          // byte, short, float, double, decimals and char have one form each, the same as in arrays.
          item();
          append_fixed(out_, v);
        }
      },
      value.of);
}

void append_value(std::string& out, const Value& value) { Writer(out).value(value); }

}  // namespace kyanite::amqp
