// Bytes of a peer as AMQP values, one behind the other. What becomes a value is passed over to the same
// place, and what is refused is refused both ways. A value that is written is read as itself.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/amqp/reader.h"
#include "protocol/amqp/value.h"
#include "protocol/amqp/writer.h"
#include "protocol/base/assert.h"

namespace {

using namespace kyanite;
using namespace kyanite::amqp;

std::string written(const Value& value) {
  std::string out;
  append_value(out, value);
  return out;
}

// The quick calls take what the others take, to the same place.
void check_quick_calls(std::string_view bytes) {
  Reader quick(bytes);
  Reader whole(bytes);
  std::uint32_t number = 0;
  std::uint64_t code = 0;
  bool flag = false;
  std::string_view binary;
  Reader::Compound list;
  if (quick.take_unsigned(number)) {
    KYANITE_ASSERT(**whole.unsigned_number() == number);
  } else if (quick.take_boolean(flag)) {
    KYANITE_ASSERT(**whole.boolean() == flag);
  } else if (quick.take_binary(binary)) {
    KYANITE_ASSERT(**whole.binary() == binary);
  } else if (quick.take_list(code, list)) {
    KYANITE_ASSERT(*whole.descriptor() == code);
    const auto same = whole.list();
    KYANITE_ASSERT(same && same->count == list.count && same->items == list.items);
  } else if (quick.take_null()) {
    KYANITE_ASSERT(whole.value()->is_null());
  }
  KYANITE_ASSERT(quick.position() == whole.position());
}

void check_typed_calls(std::string_view bytes) {
  if (const auto text = Reader(bytes).text(); text && *text)
    KYANITE_ASSERT(Reader(bytes).value()->text() == **text);
  if (const auto flag = Reader(bytes).boolean(); flag && *flag)
    KYANITE_ASSERT(*Reader(bytes).value()->as<bool>() == **flag);
  if (const auto number = Reader(bytes).signed_number(); number && *number) {
    const Value value = *Reader(bytes).value();
    const auto* timestamp = value.as<Timestamp>();
    KYANITE_ASSERT((timestamp ? timestamp->ms : *value.integer()) == **number);
  }
  if (const auto number = Reader(bytes).unsigned_number(); number && *number)
    KYANITE_ASSERT(text_of(*Reader(bytes).value()) == std::to_string(**number) || bytes[0] == '\x83');
  (void)Reader(bytes).binary();
  (void)Reader(bytes).symbols();
  (void)Reader(bytes).descriptor();
  (void)Reader(bytes).map();
  if (const auto list = Reader(bytes).list()) KYANITE_ASSERT(list->count <= list->items.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Reader reader(bytes);
  Reader passing(bytes);
  while (!reader.at_end()) {
    const std::string_view rest = reader.rest();
    check_typed_calls(rest);
    check_quick_calls(rest);
    const auto value = reader.value();
    const auto encoded = passing.encoded();
    KYANITE_ASSERT(value.has_value() == encoded.has_value());
    if (!value) break;
    KYANITE_ASSERT(reader.position() == passing.position());
    KYANITE_ASSERT(rest.substr(0, encoded->size()) == *encoded);
    // Compared by what is written: a number that is none is not equal to itself.
    const std::string first = written(*value);
    Reader again(first);
    const auto same = again.value();
    KYANITE_ASSERT(same.has_value() && again.at_end());
    KYANITE_ASSERT(written(*same) == first);
  }
  return 0;
}
