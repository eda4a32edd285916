#include "server/observe/log.h"

#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <mutex>

#include "protocol/base/iso_time.h"
#include "server/observe/json_text.h"

namespace kyanite::log {
namespace {

// The log's state. The mutex guards start and stop against lines that arrive meanwhile; lines themselves only
// copy the logger's pointer.
struct Writer {
  std::mutex mutex;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> logger;
  std::uint64_t dropped_reported = 0;
  std::uint64_t dropped_before = 0;
};

Writer& writer() {
  static Writer* const instance =
      new Writer;  // never destroyed: lines may come from threads that outlive main
  return *instance;
}

std::atomic<Level> current_level{Level::info};
std::atomic<bool> json_lines{false};

std::string now_text() {
  const auto now = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  std::string text = to_iso_time(now);
  text.erase(text.size() - 5, 4);  // seven digits of a fraction to three
  return text;
}

template <class Number>
void append_number(std::string& out, Number number) {
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  if (error == std::errc()) out.append(digits, end);
}

bool is_plain(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F || c == '"' || c == '=') return false;
  }
  return !text.empty();
}

void append_value(std::string& out, const Field::Value& value, bool json) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    if (!json && is_plain(*text)) {
      out += *text;
    } else {
      append_json_string(out, *text);
    }
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
    append_number(out, *number);
  } else if (const auto* natural = std::get_if<std::uint64_t>(&value)) {
    append_number(out, *natural);
  } else if (const auto* real = std::get_if<double>(&value)) {
    if (std::isfinite(*real)) {
      append_number(out, *real);
    } else {
      out += "null";
    }
  }
}

spdlog::level::level_enum to_spdlog(Level at) {
  switch (at) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

void write_directly(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fputc('\n', stderr);
}

void write(Level at, const std::string& line) {
  std::shared_ptr<spdlog::logger> logger;
  std::uint64_t newly_dropped = 0;
  {
    Writer& w = writer();
    const std::lock_guard lock(w.mutex);
    logger = w.logger;
    if (w.pool) {
      const std::uint64_t total = w.pool->overrun_counter();
      newly_dropped = total - w.dropped_reported;
      w.dropped_reported = total;
    }
  }
  if (!logger) return write_directly(line);
  if (newly_dropped > 0) {
    const std::string note =
        format_line(json_lines, now_text(), Level::warning, "log_dropped", {{"lines", newly_dropped}});
    logger->log(spdlog::level::warn, spdlog::string_view_t(note.data(), note.size()));
  }
  logger->log(to_spdlog(at), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

std::optional<Level> level_from_text(std::string_view text) {
  if (text == "debug") return Level::debug;
  if (text == "info") return Level::info;
  if (text == "warning" || text == "warn") return Level::warning;
  if (text == "error") return Level::error;
  if (text == "off") return Level::off;
  return std::nullopt;
}

std::string_view to_text(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
    case Level::off:
      return "off";
  }
  return "info";
}

void start(const Options& options) {
  json_lines = options.json;
  current_level = options.level;
  auto pool = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1);
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  // The line is complete already, so spdlog adds nothing but the line end.
  sink->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
  auto logger = std::make_shared<spdlog::async_logger>("kyanite", std::move(sink), pool,
                                                       spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog::level::trace);
  Writer& w = writer();
  const std::lock_guard lock(w.mutex);
  w.pool = std::move(pool);
  w.logger = std::move(logger);
  w.dropped_reported = 0;
}

void stop() {
  Writer& w = writer();
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> logger;
  {
    const std::lock_guard lock(w.mutex);
    pool.swap(w.pool);
    logger.swap(w.logger);
    if (pool) w.dropped_before += pool->overrun_counter();
  }
  logger.reset();
  pool.reset();  // joins its thread after the queue is written
}

void set_level(Level level) { current_level = level; }
Level level() { return current_level.load(std::memory_order_relaxed); }

std::uint64_t dropped() {
  Writer& w = writer();
  const std::lock_guard lock(w.mutex);
  return w.dropped_before + (w.pool ? w.pool->overrun_counter() : 0);
}

std::string format_line(bool json, std::string_view time, Level at, std::string_view name, Fields fields) {
  std::string line;
  line.reserve(160);
  if (!json) {
    line.append(time).append(" ").append(to_text(at)).append(" ").append(name);
    for (const Field& field : fields) {
      line.append(" ").append(field.name).append("=");
      append_value(line, field.value, false);
    }
    return line;
  }
  line.append("{\"time\":\"").append(time).append("\",\"level\":\"").append(to_text(at));
  line.append("\",\"event\":");
  append_json_string(line, name);
  for (const Field& field : fields) {
    line += ',';
    append_json_string(line, field.name);
    line += ':';
    append_value(line, field.value, true);
  }
  line += '}';
  return line;
}

void event(Level at, std::string_view name, Fields fields) {
  if (!enabled(at) || at == Level::off) return;
  write(at, format_line(json_lines, now_text(), at, name, fields));
}

}  // namespace kyanite::log
