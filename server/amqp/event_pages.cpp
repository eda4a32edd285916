#include "server/amqp/event_pages.h"

#include <algorithm>

#include "server/amqp/event_message.h"

namespace kyanite {
namespace {

// What an event has beside what is stored, roughly: names of annotations.
constexpr std::size_t kNamesBytes = 384;

EventPagePtr encode_page(TelemetryOffset from, const TelemetryPage& read) {
  auto page = std::make_shared<EventPage>();
  page->from = from;
  page->next = std::max(read.next, from);
  page->events.reserve(read.records.size());
  std::size_t bytes = 0;
  for (const TelemetryRecord& record : read.records)
    bytes += record.body.size() + record.auth_method.size() + kNamesBytes;
  page->bytes.reserve(bytes);
  for (const TelemetryRecord& record : read.records) {
    append_event(page->bytes, record);
    page->events.push_back({record.offset, page->bytes.size()});
  }
  return page;
}

}  // namespace

std::size_t EventPage::index_of(TelemetryOffset offset) const {
  const auto at = std::partition_point(events.begin(), events.end(),
                                       [&](const Event& event) { return event.offset < offset; });
  return static_cast<std::size_t>(at - events.begin());
}

std::string_view EventPage::event(std::size_t index) const {
  const std::size_t begin = index == 0 ? 0 : events[index - 1].end;
  return std::string_view(bytes).substr(begin, events[index].end - begin);
}

EventPagePtr EventPages::find(PartitionId partition, TelemetryOffset from) {
  auto after = kept_.upper_bound({partition, from});
  if (after == kept_.begin()) return nullptr;
  const auto kept = std::prev(after);
  if (kept->first.first != partition || kept->second.page->next <= from) return nullptr;
  uses_.splice(uses_.begin(), uses_, kept->second.use);
  return kept->second.page;
}

void EventPages::read(PartitionId partition, TelemetryOffset from, Reply<EventPagePtr> reply) {
  const Place place{partition, from};
  std::vector<Reply<EventPagePtr>>& waiting = reading_[place];
  waiting.push_back(std::move(reply));
  if (waiting.size() > 1) return;
  log_.read(partition, from, kRecordsMax, kRecordBytes,
            Reply<TelemetryPage>(
                executor_, [this, place](Result<TelemetryPage> read) { on_read(place, std::move(read)); }));
}

void EventPages::on_read(const Place& place, Result<TelemetryPage> read) {
  const auto reading = reading_.find(place);
  std::vector<Reply<EventPagePtr>> waiting = std::move(reading->second);
  reading_.erase(reading);
  if (!read) {
    for (Reply<EventPagePtr>& reply : waiting) reply(read.error());
    return;
  }
  EventPagePtr page = encode_page(place.second, *read);
  encoded_events_ += page->events.size();
  if (!page->events.empty()) keep(place, page);
  for (Reply<EventPagePtr>& reply : waiting) reply(page);
}

// A page at the same place replaces a shorter one, which was read when the log ended there.
void EventPages::keep(const Place& place, EventPagePtr page) {
  if (const auto old = kept_.find(place); old != kept_.end()) {
    kept_bytes_ -= old->second.page->cost();
    uses_.erase(old->second.use);
    kept_.erase(old);
  }
  kept_bytes_ += page->cost();
  uses_.push_front(place);
  kept_.emplace(place, Kept{std::move(page), uses_.begin()});
  while (kept_bytes_ > kept_bytes_max_ && !uses_.empty()) {
    const auto last = kept_.find(uses_.back());
    kept_bytes_ -= last->second.page->cost();
    kept_.erase(last);
    uses_.pop_back();
  }
}

}  // namespace kyanite
