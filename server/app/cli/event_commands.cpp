#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/event_checkpoint.h"
#include "server/app/cli/event_text.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"
#include "server/app/cli/terminal_text.h"

namespace kyanite::cli {
namespace {

struct EventOptions {
  std::shared_ptr<HubOptions> hub;
  std::string device;
  std::string module;
  std::optional<std::uint32_t> partition;
  std::string source;
  std::string from = "now";
  std::string group;
  std::string checkpoint;
  std::optional<std::uint64_t> count;
  std::uint64_t timeout_seconds = 0;
  bool json = false;
};

std::string event_path(const EventOptions& options, const std::string& places) {
  std::string path = "/kyanite/v1/events?from=" + percent_encode(options.from);
  if (!places.empty()) path += "&at=" + percent_encode(places);
  if (!options.device.empty()) path += "&device=" + percent_encode(options.device);
  if (!options.module.empty()) path += "&module=" + percent_encode(options.module);
  if (options.partition) path += "&partition=" + std::to_string(*options.partition);
  if (!options.source.empty()) path += "&source=" + percent_encode(options.source);
  if (options.count) path += "&count=" + std::to_string(*options.count);
  if (options.timeout_seconds > 0) path += "&timeout=" + std::to_string(options.timeout_seconds);
  return path;
}

// A misspelt group would otherwise read as if it had never read anything.
Result<void> check_group(RestClient& hub, const std::string& name) {
  const auto answer = hub.ask_json("GET", "/kyanite/v1/consumer-groups");
  if (!answer) return answer.error();
  const Json* groups = answer->is_object() ? find_member(*answer, "consumerGroups") : nullptr;
  if (!groups || !groups->is_array()) return Error(Errc::format_error, "the hub answered without a list");
  for (const Json& group : *groups) {
    const Json* known = group.is_object() ? find_member(group, "name") : nullptr;
    if (known && known->is_string() && equals_ignoring_case(known->get_ref<const std::string&>(), name))
      return {};
  }
  return Error(Errc::not_found, "there is no consumer group " + name + "; `kyanite consumer-group create " +
                                    name + "` makes it");
}

int events(const EventOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  if (!options.group.empty()) {
    if (const auto known = check_group(hub, options.group); !known) return fail(known.error().detail);
  }
  std::optional<EventCheckpoint> checkpoint;
  if (!options.checkpoint.empty()) {
    auto loaded =
        EventCheckpoint::load(options.checkpoint, options.group.empty() ? "$Default" : options.group);
    if (!loaded) return fail(loaded.error().detail);
    checkpoint = std::move(*loaded);
  }
  std::uint64_t seen = 0;
  std::string problem;
  const auto read = hub.read_lines(
      event_path(options, checkpoint ? checkpoint->places() : std::string()), [&](std::string_view line) {
        ++seen;
        const std::string text = options.json ? printable_json(line) : event_line(line);
        // A closed pipe ends the reading quietly, as for any filter.
        if (std::printf("%s\n", text.c_str()) < 0 || std::fflush(stdout) != 0) return false;
        if (checkpoint) {
          if (const auto kept = checkpoint->pass(line); !kept) {
            problem = kept.error().detail;
            return false;
          }
        }
        return !options.count || seen < *options.count;
      });
  if (!problem.empty()) return fail(problem);
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
      ->add_option(
          "--from", options->from,
          "where to begin: start, now or end, an offset (which is the sequence number too), or a UTC "
          "time like 2026-01-05T10:00:01Z")
      ->capture_default_str();
  command
      ->add_option("--consumer-group", options->group,
                   "for whom the place in --checkpoint is kept; must be there")
      ->type_name("GROUP");
  command
      ->add_option(
          "--checkpoint", options->checkpoint,
          "file that keeps the place in each partition: the next reading goes on there, and by --from "
          "in partitions that it does not name")
      ->type_name("FILE");
  command->add_option("--count", options->count, "end after so many events")->type_name("N");
  command
      ->add_option("--timeout", options->timeout_seconds,
                   "end when no event came for so many seconds; 0 waits for ever")
      ->type_name("S");
  command->add_flag("--json", options->json, "print one JSON object a line");
  command->callback([options, &exit_code] { exit_code = events(*options); });
}

}  // namespace kyanite::cli
