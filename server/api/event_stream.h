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
// show the gap. An idle timeout counts from when what stood in the log at the start was read, and ends the
// stream when what stands there by then has been looked at: neither a slow store nor a slow reader loses
// events by it, nor do other devices' events put it off. A failed read cuts the response off, a store that
// closes ends it.
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
    TelemetryOffset goal{};  // of `idle_`: to be read before its next step
    bool located = true;     // false: `next` must be found by time first
    WallTime since{};        // that time; with one that is ahead, what comes before it is not wanted
    bool waiting = false;    // for records past `next`
    WaitId wait{};
  };

  // Where an idle timeout is.
  enum class Idle : std::uint8_t {
    first_read,  // what stood in the log at the start is being read
    counting,    // since idle_since_
    last_look,   // its time is over; what stands in the log by now is being read
  };

  template <class T>
  Reply<T> reply_to(void (EventStream::*step)(Cursor&, Result<T>), std::size_t cursor);

  void add_cursor(PartitionId partition);
  void pump();
  void advance(std::size_t index);
  void on_located(Cursor& cursor, Result<TelemetryOffset> offset);
  void on_page(Cursor& cursor, Result<TelemetryPage> page);
  void on_new_records(Cursor& cursor, Result<TelemetryOffset> end);
  void send(const TelemetryPage& page, const Cursor& cursor);
  bool wanted(const TelemetryRecord& record, const Cursor& cursor) const;

  void watch_idle();
  bool at_goals() const;
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
  Idle idle_ = Idle::first_read;
  bool ended_ = false;
  std::uint64_t sent_ = 0;
  SteadyTime idle_since_{};
  SteadyTime last_write_{};
  TimerId timer_{};
  Output* output_ = nullptr;
  // Replies hold it weakly: one that comes after the destructor does nothing.
  std::shared_ptr<EventStream*> self_;
};

// GET /kyanite/v1/events. Errors: Errc::busy when the shard has its maximum of open streams.
void stream_events(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
