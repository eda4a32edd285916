#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"
#include "storage/telemetry_log.h"

namespace kyanite {

// Events of one partition in a row, encoded for readers; shared and never changed.
struct EventPage {
  struct Event {
    TelemetryOffset offset;
    std::size_t end = 0;  // in `bytes`
  };
  TelemetryOffset from;  // what was asked for
  TelemetryOffset next;  // where to go on
  std::string bytes;
  std::vector<Event> events;

  // The first event at or behind the offset; events.size() when there is none.
  std::size_t index_of(TelemetryOffset offset) const;
  std::string_view event(std::size_t index) const;
  std::size_t cost() const { return bytes.capacity() + events.capacity() * sizeof(Event); }
};
using EventPagePtr = std::shared_ptr<const EventPage>;

// EventPages reads pages of the telemetry log for the readers of one shard and encodes each event once:
// readers that stand at the same place share the page, while it is read and as long as it is kept.
//
// Owner: the shard's EventsShard; destroyed after the shard's loop stopped. Bound: kKeptBytes of pages that
// nobody may use any more, the least recently used go first; one read for each place.
class EventPages {
 public:
  static constexpr std::size_t kRecordsMax = 256;
  static constexpr std::size_t kRecordBytes = 64 * 1024;  // of a page as stored; one record at least
  static constexpr std::size_t kKeptBytes = 2 * 1024 * 1024;

  EventPages(Executor& executor, TelemetryLog& log, std::size_t kept_bytes = kKeptBytes)
      : executor_(executor), log_(log), kept_bytes_max_(kept_bytes) {}
  EventPages(const EventPages&) = delete;
  EventPages& operator=(const EventPages&) = delete;

  // A kept page with the event at this place, null when none is.
  EventPagePtr find(PartitionId partition, TelemetryOffset from);
  // Reads from the log. Errors: those of TelemetryLog::read.
  void read(PartitionId partition, TelemetryOffset from, Reply<EventPagePtr> reply);

  // What was made and what was shared, for measurements.
  std::uint64_t encoded_events() const { return encoded_events_; }
  std::size_t kept_bytes() const { return kept_bytes_; }

 private:
  using Place = std::pair<PartitionId, TelemetryOffset>;
  struct Kept {
    EventPagePtr page;
    std::list<Place>::iterator use;
  };

  void on_read(const Place& place, Result<TelemetryPage> read);
  void keep(const Place& place, EventPagePtr page);

  Executor& executor_;
  TelemetryLog& log_;
  const std::size_t kept_bytes_max_;
  std::map<Place, Kept> kept_;
  std::list<Place> uses_;  // the last used first
  std::size_t kept_bytes_ = 0;
  std::map<Place, std::vector<Reply<EventPagePtr>>> reading_;
  std::uint64_t encoded_events_ = 0;
};

}  // namespace kyanite
