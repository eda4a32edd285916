#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/amqp/value.h"

// Arrays, whose items share one constructor, and the types that have a single form. For Writer alone.
namespace kyanite::amqp {

// All items are of the first one's type (asserted); described ones have the same descriptor.
void append_array(std::string& out, const std::vector<Value>& items);
// `small_code` is of the one-byte form.
void append_text_array(std::string& out, std::uint8_t small_code, const std::vector<std::string>& texts);

// The constructor and the value.
void append_fixed(std::string& out, std::int8_t value);
void append_fixed(std::string& out, std::int16_t value);
void append_fixed(std::string& out, float value);
void append_fixed(std::string& out, double value);
void append_fixed(std::string& out, Char value);
void append_fixed(std::string& out, const Decimal& value);

}  // namespace kyanite::amqp
