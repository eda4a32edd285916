#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/amqp/value.h"
#include "protocol/base/result.h"

namespace kyanite::amqp {

// Reader takes encoded values from a peer's bytes, which it does not own. Every legal width of a type is
// accepted; nothing is believed: sizes, counts and depth are checked against the bytes that are there.
//
// Errors: Errc::malformed_packet with what is wrong; text that is not UTF-8 is. After an error the position
// means nothing. Bound: compounds and described values nested up to kDepthMax; an item costs a byte at least,
// but for items of arrays: of those of no size, and of those that share a descriptor, a Reader takes
// kEmptyItemsMax in all.
class Reader {
 public:
  struct Compound {
    std::uint32_t count = 0;
    std::string_view items;
  };

  static constexpr std::size_t kDepthMax = 16;
  static constexpr std::size_t kEmptyItemsMax = 1024;

  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool at_end() const { return at_ == bytes_.size(); }
  std::size_t position() const { return at_; }
  std::string_view rest() const { return bytes_.substr(at_); }

  // The next value whatever it is.
  Result<Value> value();
  // The same, not decoded: its bytes with the constructor, known to be well-formed.
  Result<std::string_view> encoded();
  Result<void> skip();

  // Described values: the code of the descriptor, which may be an ulong of any width or a symbol of the
  // standard's names ("amqp:open:list"); 0 for an unknown symbol. The value follows.
  Result<std::uint64_t> descriptor();
  // True when a described value, or null, is next.
  bool next_is_described() const { return !at_end() && bytes_[at_] == '\x00'; }
  bool next_is_null() const { return !at_end() && bytes_[at_] == '\x40'; }

  // Typed; null gives nothing. Integers of another width that fit are accepted.
  Result<std::optional<bool>> boolean();
  Result<std::optional<std::uint64_t>> unsigned_number();
  Result<std::optional<std::int64_t>> signed_number();
  Result<std::optional<std::int64_t>> timestamp();
  Result<std::optional<std::string_view>> text();    // string or symbol
  Result<std::optional<std::string_view>> binary();  // binary; also string
  // A symbol alone or an array of symbols (or of strings).
  Result<std::vector<std::string>> symbols();

  // The forms that nearly every field of a frame has, without the cost of a Result: false, with nothing
  // taken, for all others, errors among them.
  bool take_null() {
    if (!next_is_null()) return false;
    ++at_;
    return true;
  }
  bool take_boolean(bool& value) {
    if (at_end() || (bytes_[at_] != '\x41' && bytes_[at_] != '\x42')) return false;
    value = bytes_[at_++] == '\x41';
    return true;
  }
  bool take_unsigned(std::uint32_t& value);
  bool take_binary(std::string_view& bytes);
  bool take_list(std::uint64_t& descriptor, Compound& list);

  // A list (or a map): its items alone, with their number.
  Result<Compound> list();
  Result<Compound> map();  // count is of keys and values together; an odd one is an error

 private:
  // What stands behind a constructor: the bytes of a scalar, or the items of a compound or an array.
  struct Body {
    std::string_view bytes;
    std::uint32_t count = 0;
  };
  // An integer of any type.
  struct Integer {
    bool is_null = false;
    bool is_negative = false;
    std::uint64_t bits = 0;
  };
  // The constructor that the items of an array share, with the descriptor in front of it.
  struct ItemType {
    std::uint8_t constructor = 0;
    std::optional<std::string_view> descriptor;
  };

  Result<std::uint8_t> constructor();
  Result<std::string_view> take(std::size_t bytes);
  Result<Body> body(std::uint8_t constructor);
  Result<Integer> integer();
  Result<std::string_view> descriptor_bytes();
  Result<ItemType> item_type(std::uint32_t count);
  Result<std::optional<std::string_view>> bytes_of(bool binary_too);
  Result<Compound> compound(bool is_map);

  Result<Value> read(std::size_t depth);
  Result<Value> read_typed(std::uint8_t constructor, std::size_t depth);
  Result<Value> read_items(std::uint8_t constructor, const Body& body, std::size_t depth);
  Result<Value> read_array(const Body& body, std::size_t depth);
  // The same without making values.
  Result<void> pass(std::size_t depth);
  Result<void> pass_typed(std::uint8_t constructor, std::size_t depth);
  Result<void> pass_array(const Body& body, std::size_t depth);

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::size_t empty_items_left_ = kEmptyItemsMax;
};

inline bool Reader::take_unsigned(std::uint32_t& value) {
  const std::size_t left = bytes_.size() - at_;
  if (left == 0) return false;
  const auto* bytes = reinterpret_cast<const unsigned char*>(bytes_.data()) + at_;
  switch (bytes[0]) {
    case 0x43:  // uint0, ulong0
    case 0x44:
      value = 0;
      at_ += 1;
      return true;
    case 0x50:  // ubyte, smalluint, smallulong
    case 0x52:
    case 0x53:
      if (left < 2) return false;
      value = bytes[1];
      at_ += 2;
      return true;
    case 0x70:  // uint
      if (left < 5) return false;
      value = std::uint32_t{bytes[1]} << 24 | std::uint32_t{bytes[2]} << 16 | std::uint32_t{bytes[3]} << 8 |
              bytes[4];
      at_ += 5;
      return true;
    default:
      return false;
  }
}

// binary of the short form.
inline bool Reader::take_binary(std::string_view& bytes) {
  const std::size_t left = bytes_.size() - at_;
  if (left < 2 || bytes_[at_] != '\xa0') return false;
  const std::size_t size = static_cast<unsigned char>(bytes_[at_ + 1]);
  if (size > left - 2) return false;
  bytes = bytes_.substr(at_ + 2, size);
  at_ += 2 + size;
  return true;
}

// 00 53 code c0 size count: a described list of the short forms.
inline bool Reader::take_list(std::uint64_t& descriptor, Compound& list) {
  const std::size_t left = bytes_.size() - at_;
  if (left < 6) return false;
  const auto* bytes = reinterpret_cast<const unsigned char*>(bytes_.data()) + at_;
  if (bytes[0] != 0x00 || bytes[1] != 0x53 || bytes[3] != 0xc0) return false;
  const std::size_t size = bytes[4];
  if (size == 0 || size > left - 5 || bytes[5] > size - 1) return false;
  descriptor = bytes[2];
  list = {bytes[5], bytes_.substr(at_ + 6, size - 1)};
  at_ += 5 + size;
  return true;
}

}  // namespace kyanite::amqp
