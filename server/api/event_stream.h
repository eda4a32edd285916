#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/http/response.h"
#include "server/api/api_call.h"
#include "server/api/event_query.h"

namespace kyanite {

// EventStream sends the events of the telemetry log to one reader: it reads page by page, partition by
// partition in turn, and waits for new records where a partition is read up. The order within a partition is
// the log's.
//
// Owner: the HTTP connection; the ApiContext outlives it. Destruction cancels what it waits for.
// Bound: one page in memory beyond limits::kOutputHighBytes of output; at most limits::kEventStreamsMax
// streams a shard. When retention overtakes the reader it goes on with the oldest record kept; the offsets
// show the gap. A failed read cuts the response off, a store that closes ends it.
class EventStream final : public ResponseStream {
 public:
  static constexpr seconds kHeartbeatEvery{15};

  // Fixes the start at once where that needs no reading: events committed after this call are past "now".
  EventStream(ApiContext& context, EventQuery query);
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;
  ~EventStream() override;

  void start(Output& output) override;
  void on_writable() override;

 private:
  struct Cursor {
    PartitionId partition;
    TelemetryOffset next{};
    bool located = true;   // false: `next` must be found by time first
    bool waiting = false;  // for records past `next`
    WaitId wait{};
  };

  template <class T>
  Reply<T> reply_to(void (EventStream::*step)(Cursor&, Result<T>), std::size_t cursor);

  void add_cursor(PartitionId partition);
  void pump();
  void advance(std::size_t index);
  void on_located(Cursor& cursor, Result<TelemetryOffset> offset);
  void on_page(Cursor& cursor, Result<TelemetryPage> page);
  void on_new_records(Cursor& cursor, Result<TelemetryOffset> end);
  void send(const TelemetryPage& page, PartitionId partition);
  bool wanted(const TelemetryRecord& record) const;

  void arm_timer();
  void on_timer();
  void stop_waiting();
  void finish();
  void fail();

  ApiContext& context_;
  EventQuery query_;
  std::vector<Cursor> cursors_;
  std::size_t turn_ = 0;  // the cursor that is read next
  bool reading_ = false;  // one page or one search at a time
  bool ended_ = false;
  std::uint64_t sent_ = 0;
  SteadyTime last_event_{};
  SteadyTime last_write_{};
  TimerId timer_{};
  Output* output_ = nullptr;
  // Replies hold it weakly: one that comes after the destructor does nothing.
  std::shared_ptr<EventStream*> self_;
};

// GET /kyanite/v1/events. Errors: Errc::busy when the shard has its maximum of open streams.
void stream_events(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
