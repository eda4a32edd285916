#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

// The log: one event a line, on standard error. As JSON
//   {"time":"2026-01-05T10:00:01.123Z","level":"info","event":"device_connected","device":"d1","conn":"0.17.3"}
// or as text for people. Fields have fixed names (device, module, conn, tracking_id, peer, reason, ...);
// payloads, keys and tokens are never logged.
//
// Threads: any. The caller formats its line and queues it; a thread of the log writes. The queue holds
// kQueueLines; when the writer falls behind, the oldest lines go and a later line says how many
// (log_dropped). Before start() and after stop() lines are written directly.
namespace kyanite::log {

enum class Level { debug, info, warning, error, off };
inline constexpr std::size_t kQueueLines = 4096;

// "debug", "info", "warning" or "warn", "error", "off".
std::optional<Level> level_from_text(std::string_view text);
std::string_view to_text(Level level);

struct Field {
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  Field(std::string_view n, std::string_view text) : name(n), value(text) {}
  Field(std::string_view n, const char* text) : name(n), value(std::string_view(text)) {}
  Field(std::string_view n, const std::string& text) : name(n), value(std::string_view(text)) {}
  Field(std::string_view n, bool flag) : name(n), value(flag) {}
  Field(std::string_view n, double number) : name(n), value(number) {}
  Field(std::string_view n, std::signed_integral auto number) : name(n), value(std::int64_t{number}) {}
  Field(std::string_view n,
        std::unsigned_integral auto number) requires(!std::same_as<decltype(number), bool>)
      : name(n), value(std::uint64_t{number}) {}

  std::string_view name;
  Value value;
};
using Fields = std::initializer_list<Field>;

struct Options {
  Level level = Level::info;
  bool json = true;
};

// Starts the writer thread. Called once by the application, which calls stop() last.
void start(const Options& options);
void stop();  // writes what is queued

void set_level(Level level);
Level level();
inline bool enabled(Level at) { return at >= level(); }

// Lines lost so far because the writer was behind.
std::uint64_t dropped();

void event(Level at, std::string_view name, Fields fields = {});
inline void debug(std::string_view name, Fields fields = {}) { event(Level::debug, name, fields); }
inline void info(std::string_view name, Fields fields = {}) { event(Level::info, name, fields); }
inline void warning(std::string_view name, Fields fields = {}) { event(Level::warning, name, fields); }
inline void error(std::string_view name, Fields fields = {}) { event(Level::error, name, fields); }

// One line as it is written, without the line end; what event() uses and tests read.
std::string format_line(bool json, std::string_view time, Level at, std::string_view name, Fields fields);

}  // namespace kyanite::log
