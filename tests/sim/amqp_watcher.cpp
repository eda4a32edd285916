#include "tests/sim/amqp_watcher.h"

#include <utility>

#include "protocol/amqp/reader.h"

namespace kyanite::sim {
namespace {

constexpr std::uint64_t kSaslOutcome = 0x44;

}  // namespace

Result<void> AmqpWatcher::take(std::string_view bytes) {
  decoder_.feed(bytes);
  for (;;) {
    if (awaits_header_) {
      const auto header = decoder_.next_header();
      if (!header) return header.error();
      if (!*header) break;
      awaits_header_ = false;
    }
    const auto frame = decoder_.next_frame();
    if (!frame) return frame.error();
    if (!*frame) break;
    if (Result<void> read = on_frame(**frame); !read) return read;
  }
  decoder_.hold();
  return {};
}

Result<void> AmqpWatcher::on_frame(const amqp::Frame& frame) {
  if (frame.body.empty()) return {};
  if (frame.type == amqp::FrameType::sasl) {  // AMQP's own header follows the outcome
    const auto code = amqp::Reader(frame.body).descriptor();
    awaits_header_ = code && *code == kSaslOutcome;
    return {};
  }
  const auto performative = amqp::read_performative(frame.body);
  if (!performative) return performative.error();
  if (const auto* attach = std::get_if<amqp::Attach>(&*performative)) {
    if (attach->role == amqp::Role::sender && !attach->source.is_null()) {
      links_[attach->handle] = {attach->source.address, new_number_(), {}};
    }
  } else if (const auto* transfer = std::get_if<amqp::Transfer>(&*performative)) {
    return on_transfer(*transfer);
  } else if (const auto* detach = std::get_if<amqp::Detach>(&*performative)) {
    links_.erase(detach->handle);
  }
  return {};
}

Result<void> AmqpWatcher::on_transfer(const amqp::Transfer& transfer) {
  const auto link = links_.find(transfer.handle);
  if (link == links_.end()) return Error(Errc::protocol_violation, "a transfer on a link that is not open");
  link->second.assembled += transfer.payload;
  if (transfer.more) return {};
  const std::string bytes = std::exchange(link->second.assembled, {});
  const auto message = amqp::read_message(bytes);
  if (!message) return message.error();
  on_message_(link->second, *message);
  return {};
}

}  // namespace kyanite::sim
