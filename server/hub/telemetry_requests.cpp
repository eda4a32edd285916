#include "server/hub/telemetry_requests.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"

namespace kyanite {

TelemetryRequests::TelemetryRequests(HubServices& services)
    : services_(services), ingest_(services.stores.telemetry(), *this, services.settings.mqtt, [this] {
        services_.executor.post([this] { ingest_.flush(); });
      }) {}

// Batches of one shard commit in order, and what is appended in one turn is one batch: the last message is
// acknowledged after all of them.
void TelemetryRequests::append(const Identity& identity, const RequestVerdict& caller,
                               const std::vector<TelemetryItem>& items, Reply<void> reply) {
  if (services_.stores.pressure() != StorePressure::none) {
    return reply(Error(Errc::busy, "the store takes no writes at present"));
  }
  const auto is_too_large = [](const TelemetryItem& item) {
    return item.bytes() > limits::kTelemetryBytesMax;
  };
  if (std::any_of(items.begin(), items.end(), is_too_large)) return reply(Error(Errc::message_too_large));
  if (items.empty()) return reply({});
  Attachment attachment;
  attachment.generation_id = caller.generation_id;
  attachment.scope = caller.scope;
  attachment.kind = caller.kind;
  const TelemetryOrigin origin = ingest_.make_origin(identity, attachment, {});
  const std::uint64_t sequence = next_++;
  waiting_.emplace(sequence, std::move(reply));
  for (const TelemetryItem& item : items) {
    const bool is_last = &item == &items.back();
    const auto done =
        ingest_.append(origin, item.properties, item.body, {ConnectionRef{}, sequence}, is_last);
    KYANITE_ASSERT(done);
    ++messages_;
    bytes_ += item.body.size();
  }
}

void TelemetryRequests::on_committed(std::vector<Ack> acks) {
  services_.executor.post([this, acks = std::move(acks)] { answer(acks); });
}

void TelemetryRequests::answer(const std::vector<Ack>& acks) {
  for (const Ack& ack : acks) {
    auto entry = waiting_.extract(ack.sequence);
    if (!entry.empty()) entry.mapped()({});
  }
}

}  // namespace kyanite
