#include "server/api/wait_query.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::array kConditions{
    std::pair<std::string_view, WaitCondition>{"connected", WaitCondition::connected},
    std::pair<std::string_view, WaitCondition>{"disconnected", WaitCondition::disconnected},
    std::pair<std::string_view, WaitCondition>{"message", WaitCondition::message},
    std::pair<std::string_view, WaitCondition>{"twin", WaitCondition::twin},
    std::pair<std::string_view, WaitCondition>{"c2dEmpty", WaitCondition::c2d_empty},
};

Error invalid_wait(std::string sentence) { return Error(Errc::argument_invalid, std::move(sentence)); }

std::optional<WaitCondition> wait_condition(const HttpRequest& request) {
  const auto name = request.query_value("condition");
  for (const auto& [known, condition] : kConditions) {
    if (name && equals_ignoring_case(*name, known)) return condition;
  }
  return std::nullopt;
}

Result<milliseconds> parse_wait_time(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(number > 0 && number <= static_cast<double>(limits::kWaitMax.count()))) {
    return invalid_wait("timeout must be a number of seconds above 0 and up to 300");
  }
  return milliseconds(static_cast<std::int64_t>(std::ceil(number * 1000)));
}

std::vector<std::string> split_path(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::string_view to_text(WaitCondition condition) {
  for (const auto& [name, known] : kConditions) {
    if (known == condition) return name;
  }
  return {};
}

Result<WaitQuery> parse_wait_query(const HttpRequest& request, std::uint32_t partitions) {
  WaitQuery query;
  const auto condition = wait_condition(request);
  if (!condition) return invalid_wait("condition must be connected, disconnected, message, twin or c2dEmpty");
  query.condition = *condition;
  const auto device = request.query_value("device");
  if (!device || !is_valid_id(*device)) return invalid_wait("device must be a device ID");
  query.identity.device = *device;
  if (const auto module = request.query_value("module")) {
    if (!is_valid_id(*module)) return invalid_wait("module is not a module ID");
    query.identity.module = *module;
  }
  if (const auto text = request.query_value("timeout")) {
    const Result<milliseconds> time = parse_wait_time(*text);
    if (!time) return time.error();
    query.timeout = *time;
  }
  if (query.condition == WaitCondition::c2d_empty && query.identity.is_module())
    return invalid_wait("only devices have a queue");
  if (query.condition == WaitCondition::twin) {
    const auto path = request.query_value("path");
    if (!path || path->empty()) return invalid_wait("path must be as properties.reported.temperature");
    query.path = split_path(*path);
    if (const auto text = request.query_value("value")) {
      Result<Json> value = parse_json(*text);
      if (!value) return invalid_wait("value must be JSON; a text has quotation marks");
      query.value = std::move(*value);
    }
  }
  if (query.condition == WaitCondition::message) {
    HttpRequest events = request;
    std::erase_if(events.query, [](const auto& parameter) {
      return parameter.first != "device" && parameter.first != "module" && parameter.first != "source" &&
             parameter.first != "from";
    });
    Result<EventQuery> parsed = parse_event_query(events, partitions);
    if (!parsed) return parsed.error();
    query.events = std::move(*parsed);
    query.contains = request.query_value("contains").value_or("");
  }
  return query;
}

}  // namespace kyanite
