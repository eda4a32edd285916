#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/topics/property_bag.h"
#include "server/hub/hub_services.h"
#include "server/hub/telemetry_ingest.h"

namespace kyanite {

// One message of a request.
struct TelemetryItem {
  PropertyBag properties;  // size_bytes is set
  std::string body;
  std::size_t bytes() const { return properties.size_bytes + body.size(); }
};

// TelemetryRequests appends what requests of one shard bring as telemetry and answers each once it is
// durable.
//
// Owner: its shard's ApiRouter; destroyed after the shard's loop and the stores stopped. Threads:
// on_committed from the commit thread, everything else on the shard. Reply: after the commit of all of a
// request's messages, which take effect together or not at all. Errors: message_too_large; busy while the
// stores ask for a pause. Bound: the requests of the shard's HTTP connections.
class TelemetryRequests final : public TelemetryAckSink {
 public:
  explicit TelemetryRequests(HubServices& services);

  void append(const Identity& identity, const RequestVerdict& caller, const std::vector<TelemetryItem>& items,
              Reply<void> reply);

  void on_committed(std::vector<Ack> acks) override;

  // Accepted since the start.
  std::uint64_t messages() const { return messages_; }
  std::uint64_t bytes() const { return bytes_; }  // of their bodies

 private:
  void answer(const std::vector<Ack>& acks);

  HubServices& services_;
  TelemetryIngest ingest_;
  std::uint64_t next_ = 1;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::unordered_map<std::uint64_t, Reply<void>> waiting_;  // by the sequence of their last message
};

}  // namespace kyanite
