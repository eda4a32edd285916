#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/event_text.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"

namespace kyanite::cli {
namespace {

struct EventOptions {
  std::shared_ptr<HubOptions> hub;
  std::string device;
  std::string module;
  std::optional<std::uint32_t> partition;
  std::string source;
  std::string from = "now";
  std::optional<std::uint64_t> count;
  std::uint64_t timeout_seconds = 0;
  bool json = false;
};

std::string event_path(const EventOptions& options) {
  std::string path = "/kyanite/v1/events?from=" + percent_encode(options.from);
  if (!options.device.empty()) path += "&device=" + percent_encode(options.device);
  if (!options.module.empty()) path += "&module=" + percent_encode(options.module);
  if (options.partition) path += "&partition=" + std::to_string(*options.partition);
  if (!options.source.empty()) path += "&source=" + percent_encode(options.source);
  if (options.count) path += "&count=" + std::to_string(*options.count);
  if (options.timeout_seconds > 0) path += "&timeout=" + std::to_string(options.timeout_seconds);
  return path;
}

int events(const EventOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  std::uint64_t seen = 0;
  const auto read = hub.read_lines(event_path(options), [&](std::string_view line) {
    ++seen;
    const std::string text = options.json ? std::string(line) : event_line(line);
    // A closed pipe ends the reading quietly, as for any filter.
    if (std::printf("%s\n", text.c_str()) < 0 || std::fflush(stdout) != 0) return false;
    return !options.count || seen < *options.count;
  });
  if (!read) return fail(read.error().detail);
  if (options.count && seen < *options.count) {
    std::fprintf(stderr, "kyanite: %llu of %llu events came before the time was over\n",
                 static_cast<unsigned long long>(seen), static_cast<unsigned long long>(*options.count));
    return kTooFewEvents;
  }
  return kDone;
}

}  // namespace

void add_event_commands(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("events", "print telemetry and the hub's own events as they arrive");
  const auto options = std::make_shared<EventOptions>();
  options->hub = add_hub_options(*command);
  command->add_option("--device", options->device, "only of this device and its modules")->type_name("ID");
  command->add_option("--module", options->module, "only of modules with this id")->type_name("ID");
  command->add_option("--partition", options->partition, "only of this partition");
  command
      ->add_option("--source", options->source,
                   "only of these sources: Telemetry, twinChangeEvents, deviceLifecycleEvents, "
                   "deviceConnectionStateEvents, operationsMonitoringEvents")
      ->type_name("SOURCE[,SOURCE]");
  command
      ->add_option("--from", options->from,
                   "where to begin: start, now, an offset, or a UTC time like 2026-01-05T10:00:01Z")
      ->capture_default_str();
  command->add_option("--count", options->count, "end after so many events")->type_name("N");
  command
      ->add_option("--timeout", options->timeout_seconds,
                   "end when no event came for so many seconds; 0 waits for ever")
      ->type_name("S");
  command->add_flag("--json", options->json, "print one JSON object a line");
  command->callback([options, &exit_code] { exit_code = events(*options); });
}

}  // namespace kyanite::cli
