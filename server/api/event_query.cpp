#include "server/api/event_query.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"
#include "server/hub/message_source.h"

namespace kyanite {
namespace {

constexpr std::uint64_t kMillisecondsMin = 100'000'000'000;      // smaller numbers are offsets
constexpr std::uint64_t kMillisecondsMax = 253'402'300'799'999;  // the end of the year 9999
constexpr std::uint64_t kWaitMax = 86'400;

Error invalid_query(std::string_view sentence) {
  return Error(Errc::argument_invalid, std::string(sentence));
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The value unless the parameter is missing or empty.
std::optional<std::string_view> value_of(const HttpRequest& request, std::string_view name) {
  const auto value = request.query_value(name);
  return value && !value->empty() ? value : std::nullopt;
}

Result<EventStart> parse_start(std::string_view text) {
  if (equals_ignoring_case(text, "start")) return EventStart(FromStart{});
  if (equals_ignoring_case(text, "now") || equals_ignoring_case(text, "end")) return EventStart(FromNow{});
  if (const auto number = parse_number(text)) {
    if (*number < kMillisecondsMin) return EventStart(TelemetryOffset{*number});
    if (*number > kMillisecondsMax) return invalid_query("from is later than the year 9999");
    return EventStart(WallTime(milliseconds(*number)));
  }
  if (const auto time = parse_iso_time(text)) return EventStart(*time);
  return invalid_query(
      "from must be start, now, end, an offset, a UTC time like 2026-01-05T10:00:01Z, or unix milliseconds");
}

Result<std::vector<MessageSource>> parse_sources(std::string_view text) {
  std::vector<MessageSource> sources;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto source = message_source_from_text(text.substr(begin, end - begin));
    if (!source) {
      return invalid_query(
          "source must be Telemetry, twinChangeEvents, deviceLifecycleEvents, deviceConnectionStateEvents or "
          "operationsMonitoringEvents");
    }
    if (std::find(sources.begin(), sources.end(), *source) == sources.end()) sources.push_back(*source);
    begin = end + 1;
  }
  return sources;
}

Result<std::map<PartitionId, TelemetryOffset>> parse_resume(std::string_view text, std::uint32_t partitions) {
  std::map<PartitionId, TelemetryOffset> resume;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view place = text.substr(begin, end - begin);
    const std::size_t sign = std::min(place.find('@'), place.size());
    const auto partition = parse_number(place.substr(0, sign));
    const auto offset = parse_number(place.substr(std::min(sign + 1, place.size())));
    if (!partition || *partition >= partitions || !offset) {
      return invalid_query("at must be PARTITION@OFFSET[,PARTITION@OFFSET] with partitions below " +
                           std::to_string(partitions));
    }
    resume[PartitionId{static_cast<std::uint32_t>(*partition)}] = TelemetryOffset{*offset};
    begin = end + 1;
  }
  return resume;
}

EventFormat accepted_format(const HttpRequest& request) {
  const auto accept = request.header("accept");
  const bool wants_events = accept && to_lower_ascii(*accept).find("text/event-stream") != std::string::npos;
  return wants_events ? EventFormat::server_sent_events : EventFormat::json_lines;
}

}  // namespace

Result<EventQuery> parse_event_query(const HttpRequest& request, std::uint32_t partitions) {
  EventQuery query;
  query.format = accepted_format(request);
  if (const auto device = value_of(request, "device")) {
    if (!is_valid_id(*device)) return invalid_query("device is not a device ID");
    query.device = *device;
  }
  if (const auto module = value_of(request, "module")) {
    if (!is_valid_id(*module)) return invalid_query("module is not a module ID");
    query.module = *module;
  }
  if (const auto text = value_of(request, "partition")) {
    const auto number = parse_number(*text);
    if (!number || *number >= partitions) {
      return invalid_query("partition must be a number below " + std::to_string(partitions));
    }
    query.partition = PartitionId{static_cast<std::uint32_t>(*number)};
  }
  if (const auto text = value_of(request, "source")) {
    Result<std::vector<MessageSource>> sources = parse_sources(*text);
    if (!sources) return sources.error();
    query.sources = std::move(*sources);
  }
  if (const auto text = value_of(request, "from")) {
    const Result<EventStart> start = parse_start(*text);
    if (!start) return start.error();
    query.start = *start;
  }
  if (const auto text = value_of(request, "at")) {
    auto resume = parse_resume(*text, partitions);
    if (!resume) return resume.error();
    query.resume = std::move(*resume);
  }
  if (const auto text = value_of(request, "count")) {
    query.count = parse_number(*text);
    if (!query.count || *query.count == 0) return invalid_query("count must be a number of at least 1");
  }
  if (const auto text = value_of(request, "timeout")) {
    const auto number = parse_number(*text);
    if (!number || *number > kWaitMax)
      return invalid_query("timeout must be a number of seconds up to 86400");
    if (*number > 0) query.idle_timeout = seconds(*number);
  }
  return query;
}

}  // namespace kyanite
