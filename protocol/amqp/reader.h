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

  // A list (or a map): a reader of its items alone, with their number.
  struct Compound {
    std::uint32_t count = 0;
    std::string_view items;
  };
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

}  // namespace kyanite::amqp
