#include "server/amqp/event_position.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::string_view kSelector = "apache.org:selector-filter:string";
constexpr std::string_view kAnnotation = "amqp.annotation.";
constexpr std::int64_t kLastMs = 253'402'300'799'999;  // the end of the year 9999

enum class SelectorField { offset, sequence, time };

Error unreadable_selector(std::string_view what) {
  return Error(Errc::argument_invalid, "the filter of the source cannot be read: " + std::string(what));
}

void skip_spaces(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

std::optional<SelectorField> field_from(std::string_view name) {
  if (equals_ignoring_case(name, "x-opt-offset")) return SelectorField::offset;
  if (equals_ignoring_case(name, "x-opt-sequence-number")) return SelectorField::sequence;
  if (equals_ignoring_case(name, "x-opt-enqueued-time")) return SelectorField::time;
  if (equals_ignoring_case(name, "x-opt-enqueuedtimeutc")) return SelectorField::time;
  return std::nullopt;
}

// The value, out of its quotes if it has any; nothing when something follows it.
std::optional<std::string_view> value_from(std::string_view text) {
  skip_spaces(text);
  std::string_view value;
  if (!text.empty() && text.front() == '\'') {
    const std::size_t end = text.find('\'', 1);
    if (end == std::string_view::npos) return std::nullopt;
    value = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
  } else {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    value = text.substr(0, end);
    text.remove_prefix(end);
  }
  skip_spaces(text);
  return text.empty() && !value.empty() ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Result<EventPosition> parse_event_selector(std::string_view text) {
  skip_spaces(text);
  if (!text.starts_with(kAnnotation)) return unreadable_selector("it does not begin with amqp.annotation.");
  text.remove_prefix(kAnnotation.size());
  const std::size_t name_end = std::min(text.find_first_of(" \t>"), text.size());
  const auto field = field_from(text.substr(0, name_end));
  if (!field) return unreadable_selector("the annotation is none of offset, sequence number and time");
  text.remove_prefix(name_end);
  skip_spaces(text);
  if (!text.starts_with('>')) return unreadable_selector("the comparison is neither > nor >=");
  text.remove_prefix(1);
  const bool inclusive = text.starts_with('=');
  if (inclusive) text.remove_prefix(1);
  const auto value = value_from(text);
  if (!value) return unreadable_selector("its value is missing, or something stands behind it");
  if (*field == SelectorField::offset && *value == "@latest") return EventPosition(Latest{});
  const auto number = whole_number(*value);
  if (!number) return unreadable_selector("its value is no whole number");
  if (*field == SelectorField::time) {
    const std::int64_t ms = std::min(*number, kLastMs) + (inclusive ? 0 : 1);
    return EventPosition(WallTime(milliseconds(std::max<std::int64_t>(ms, 0))));
  }
  if (*number < -1) return unreadable_selector("its value is less than -1");
  // -1 stands before the first event, whatever the comparison.
  if (*number == -1) return EventPosition(TelemetryOffset{0});
  return EventPosition(TelemetryOffset{static_cast<std::uint64_t>(*number) + (inclusive ? 0 : 1)});
}

Result<EventPosition> event_position_of(const amqp::Map& filter) {
  const amqp::Value* selector = filter.find(kSelector);
  if (!selector || selector->is_null()) return EventPosition(TelemetryOffset{0});
  const auto text = selector->text();  // of a described value too, whatever its descriptor
  if (!text) return unreadable_selector("it is no text");
  return parse_event_selector(*text);
}

}  // namespace kyanite
