#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/amqp/value.h"

namespace kyanite::amqp {

// Writer appends encoded values to the caller's buffer, each in its shortest form but for two rules of real
// clients (spec amqp.md 2.2): descriptors are smallulong, and a list is list8 or list32, never list0.
//
// Compounds are opened and closed: begin_list() .. end(). Items are counted by the writer, which is why every
// append goes through it while a compound is open. Bound: kDepthMax open compounds.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void null();
  void boolean(bool value);
  void ubyte(std::uint8_t value);
  void ushort(std::uint16_t value);
  void uint(std::uint32_t value);
  void ulong(std::uint64_t value);
  void int32(std::int32_t value);
  void int64(std::int64_t value);
  void timestamp(std::int64_t ms);
  void uuid(const Uuid& value);
  void binary(std::string_view bytes);
  void string(std::string_view text);
  void symbol(std::string_view text);
  void value(const Value& value);
  // Bytes that are one complete encoded value already.
  void encoded(std::string_view bytes);

  // 00 53 code: the next value is described. Not an item by itself.
  void descriptor(std::uint8_t code);
  void begin_list();
  void begin_map();
  // An array of symbols or of strings; an empty one is null.
  void symbols(const std::vector<std::string>& texts);
  void strings(const std::vector<std::string>& texts);
  void end();

 private:
  struct Open {
    std::size_t at = 0;  // of the constructor byte
    std::uint32_t count = 0;
  };
  static constexpr std::size_t kDepthMax = 24;
  void item();
  void begin(std::uint8_t constructor);

  std::string& out_;
  Open open_[kDepthMax];
  std::size_t depth_ = 0;
};

// Appends one value in a call of its own.
void append_value(std::string& out, const Value& value);

}  // namespace kyanite::amqp
