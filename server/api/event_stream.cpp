#include "server/api/event_stream.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "server/api/event_json.h"

namespace kyanite {
namespace {

constexpr std::size_t kPageRecordsMax = 256;
constexpr std::size_t kPageBytesMax = 64 * 1024;

}  // namespace

EventStream::EventStream(ApiContext& context, EventQuery query)
    : context_(context), query_(std::move(query)), self_(std::make_shared<EventStream*>(this)) {
  ++context_.event_streams_open;
  if (query_.partition) {
    add_cursor(*query_.partition);
  } else {
    const std::uint32_t partitions = context_.services.stores.telemetry().partitions();
    for (std::uint32_t index = 0; index < partitions; ++index) add_cursor(PartitionId{index});
  }
}

EventStream::~EventStream() {
  stop_waiting();
  --context_.event_streams_open;
}

void EventStream::add_cursor(PartitionId partition) {
  const TelemetryRange range = context_.services.stores.telemetry().range(partition);
  Cursor cursor;
  cursor.partition = partition;
  cursor.goal = range.end;
  if (const auto place = query_.resume.find(partition); place != query_.resume.end()) {
    cursor.next = std::max(place->second, range.begin);
  } else if (const auto* offset = std::get_if<TelemetryOffset>(&query_.start)) {
    cursor.next = std::max(*offset, range.begin);
  } else if (std::holds_alternative<FromNow>(query_.start)) {
    cursor.next = range.end;
  } else {
    cursor.next = range.begin;
    if (const auto* time = std::get_if<WallTime>(&query_.start)) {
      cursor.located = false;
      cursor.since = *time;
    }
  }
  cursors_.push_back(cursor);
}

void EventStream::start(Output& output) {
  output_ = &output;
  last_write_ = context_.services.executor.now();
  arm_timer();
  pump();
  watch_idle();
}

void EventStream::on_writable() { pump(); }

template <class T>
Reply<T> EventStream::reply_to(void (EventStream::*step)(Cursor&, Result<T>), std::size_t cursor) {
  return Reply<T>(context_.services.executor,
                  [self = std::weak_ptr<EventStream*>(self_), step, cursor](Result<T> result) {
                    const auto stream = self.lock();
                    if (!stream || (*stream)->ended_) return;
                    ((*stream)->*step)((*stream)->cursors_[cursor], std::move(result));
                  });
}

// Starts the next read, or waits on every partition that has nothing new.
void EventStream::pump() {
  if (ended_ || output_ == nullptr) return;
  for (std::size_t step = 0; step < cursors_.size(); ++step) {
    if (reading_ || output_->queued_bytes() >= limits::kOutputHighBytes) return;
    const std::size_t index = (turn_ + step) % cursors_.size();
    if (!cursors_[index].waiting) advance(index);
    if (reading_) turn_ = (index + 1) % cursors_.size();
  }
}

void EventStream::advance(std::size_t index) {
  TelemetryLog& log = context_.services.stores.telemetry();
  Cursor& cursor = cursors_[index];
  if (!cursor.located) {
    reading_ = true;
    log.find_time(cursor.partition, cursor.since, reply_to(&EventStream::on_located, index));
  } else if (log.range(cursor.partition).end > cursor.next) {
    reading_ = true;
    log.read(cursor.partition, cursor.next, kPageRecordsMax, kPageBytesMax,
             reply_to(&EventStream::on_page, index));
  } else {
    cursor.waiting = true;
    cursor.wait = log.wait_past(cursor.partition, cursor.next, reply_to(&EventStream::on_new_records, index));
  }
}

void EventStream::on_located(Cursor& cursor, Result<TelemetryOffset> offset) {
  reading_ = false;
  if (!offset) return fail();
  cursor.next = *offset;
  cursor.located = true;
  pump();
  watch_idle();
}

void EventStream::on_page(Cursor& cursor, Result<TelemetryPage> page) {
  reading_ = false;
  if (!page) return fail();
  cursor.next = std::max(page->next, cursor.next);
  send(*page, cursor);
  pump();
  watch_idle();
}

void EventStream::on_new_records(Cursor& cursor, Result<TelemetryOffset> end) {
  cursor.waiting = false;
  if (!end) return end.error().code == Errc::shutting_down ? finish() : fail();
  pump();
}

void EventStream::send(const TelemetryPage& page, const Cursor& cursor) {
  std::string piece;
  for (const TelemetryRecord& record : page.records) {
    if (query_.count && sent_ == *query_.count) break;
    if (!wanted(record, cursor)) continue;
    piece += frame_event(record, cursor.partition, query_.format);
    ++sent_;
  }
  if (!piece.empty()) {
    idle_since_ = last_write_ = context_.services.executor.now();
    if (idle_ == Idle::last_look) {
      idle_ = Idle::counting;
      arm_timer();
    }
    output_->write(std::move(piece));
  }
  if (query_.count && sent_ == *query_.count) finish();
}

bool EventStream::wanted(const TelemetryRecord& record, const Cursor& cursor) const {
  const auto& sources = query_.sources;
  return record.enqueued >= cursor.since && (!query_.device || record.sender.device == *query_.device) &&
         (!query_.module || record.sender.module == *query_.module) &&
         (sources.empty() || std::find(sources.begin(), sources.end(), record.source) != sources.end());
}

bool EventStream::at_goals() const {
  return std::all_of(cursors_.begin(), cursors_.end(),
                     [](const Cursor& cursor) { return cursor.located && cursor.next >= cursor.goal; });
}

// After each step of the reading, and when the timer runs.
void EventStream::watch_idle() {
  if (ended_ || !query_.idle_timeout) return;
  const SteadyTime now = context_.services.executor.now();
  if (idle_ == Idle::first_read && at_goals()) {
    idle_ = Idle::counting;
    idle_since_ = now;
    arm_timer();
  }
  if (idle_ == Idle::counting && now - idle_since_ >= *query_.idle_timeout) {
    idle_ = Idle::last_look;
    for (Cursor& cursor : cursors_) {
      cursor.goal = context_.services.stores.telemetry().range(cursor.partition).end;
    }
  }
  if (idle_ == Idle::last_look && at_goals()) finish();
}

void EventStream::arm_timer() {
  Executor& executor = context_.services.executor;
  if (timer_) executor.cancel(std::exchange(timer_, {}));
  SteadyTime due = last_write_ + kHeartbeatEvery;
  if (query_.idle_timeout && idle_ == Idle::counting) due = std::min(due, idle_since_ + *query_.idle_timeout);
  // Rounded up, so that what is due is due when the timer runs.
  const auto delay =
      std::chrono::ceil<milliseconds>(std::max(due - executor.now(), SteadyTime::duration::zero()));
  timer_ = executor.after(delay, [self = std::weak_ptr<EventStream*>(self_)] {
    if (const auto stream = self.lock()) (*stream)->on_timer();
  });
}

void EventStream::on_timer() {
  timer_ = {};
  if (ended_) return;
  const SteadyTime now = context_.services.executor.now();
  watch_idle();
  if (ended_) return;
  if (now - last_write_ >= kHeartbeatEvery) {
    last_write_ = now;
    // A reader that has not taken what is queued is the connection's to judge.
    if (output_->queued_bytes() == 0) output_->write(heartbeat(query_.format));
  }
  arm_timer();
}

void EventStream::stop_waiting() {
  ended_ = true;
  if (timer_) context_.services.executor.cancel(std::exchange(timer_, {}));
  for (Cursor& cursor : cursors_) {
    if (std::exchange(cursor.waiting, false)) context_.services.stores.telemetry().cancel_wait(cursor.wait);
  }
}

void EventStream::finish() {
  if (ended_) return;
  stop_waiting();
  output_->finish();
}

void EventStream::fail() {
  if (ended_) return;
  stop_waiting();
  output_->abort();
}

void stream_events(const ApiCall& call, Reply<HttpResponse> reply) {
  if (call.context.event_streams_open >= limits::kEventStreamsMax) {
    return reply(Error(Errc::busy, "the shard has its maximum of open event streams"));
  }
  Result<EventQuery> query =
      parse_event_query(call.request, call.context.services.stores.telemetry().partitions());
  if (!query) return reply(query.error());
  HttpResponse response;
  response.content_type =
      query->format == EventFormat::json_lines ? "application/x-ndjson" : "text/event-stream; charset=utf-8";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_unique<EventStream>(call.context, std::move(*query));
  reply(std::move(response));
}

}  // namespace kyanite
