#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "storage/memory/memory_state.h"
#include "tests/sim/judge.h"

namespace kyanite::sim {

// Telemetry: what was acknowledged is in the log, once, in one partition per device and in the order sent on
// its connection, which is a link's over AMQP; nothing is there that nobody sent. Bodies are "t<number>",
// those of wills "w<number>".
class TelemetryChecker {
 public:
  explicit TelemetryChecker(Judge& judge) : judge_(judge) {}

  void sent(std::uint64_t number, const Identity& sender, std::uint64_t connection);
  void acknowledged(std::uint64_t number);
  // Sent as one, these are in the log all together or not at all.
  void sent_together(std::uint64_t first, std::uint64_t last) { batches_[first] = last; }
  void will_set(std::uint64_t number, const Identity& sender);
  void on_commit(const MemoryState& state);
  void finish(const MemoryState& state);

 private:
  struct Message {
    Identity sender;
    std::uint64_t connection = 0;
    std::size_t times = 0;  // in the log
    bool acknowledged = false;
  };
  struct Will {
    Identity sender;
    bool fired = false;
  };
  void on_record(std::uint32_t partition, const TelemetryRecord& record);

  Judge& judge_;
  std::map<std::uint64_t, Message> messages_;
  std::map<std::uint64_t, std::uint64_t> batches_;  // last number by the first
  std::map<std::uint64_t, Will> wills_;
  std::vector<std::uint64_t> seen_;                    // records, by partition
  std::map<std::string, std::uint32_t> partition_of_;  // by device
  std::map<std::uint64_t, std::uint64_t> newest_;      // message of a connection in the log
};

// The number in a body such as "t17"; 0 when it has another form.
std::uint64_t number_of(std::string_view text, char kind);
std::string name_of(const Identity& id);

}  // namespace kyanite::sim
