// Bytes of a peer as an AMQP message and as a batch of messages. A message that was read has its body in
// itself; its sections, written and read once more, are the same.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "protocol/amqp/message.h"
#include "protocol/base/assert.h"

namespace {

using namespace kyanite;
using namespace kyanite::amqp;

std::string rewritten(const Message& message) {
  std::string out;
  append_delivery_annotations(out, message.delivery_annotations);
  append_message_annotations(out, message.message_annotations);
  append_properties(out, message.properties);
  append_application_properties(out, message.application_properties);
  for (const std::string_view data : message.data) append_data(out, data);
  if (message.body_kind == BodyKind::value) append_amqp_value(out, message.value);
  return out;
}

bool lies_in(std::string_view part, std::string_view whole) {
  const std::less_equal<const char*> before;
  return part.empty() || (before(whole.data(), part.data()) &&
                          before(part.data() + part.size(), whole.data() + whole.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto message = read_message(bytes)) {
    for (const std::string_view part : message->data) KYANITE_ASSERT(lies_in(part, bytes));
    const auto body = message->body_bytes();
    KYANITE_ASSERT(!body || body->size() <= size);
    const std::string first = rewritten(*message);
    const auto again = read_message(first);
    KYANITE_ASSERT(again.has_value());
    KYANITE_ASSERT(rewritten(*again) == first);
    if (body && message->body_kind != BodyKind::none) KYANITE_ASSERT(*again->body_bytes() == *body);
  }
  if (const auto messages = split_batch(bytes)) {
    KYANITE_ASSERT(!messages->empty());
    for (const std::string_view message : *messages) {
      KYANITE_ASSERT(lies_in(message, bytes));
      (void)read_message(message);
    }
  }
  return 0;
}
