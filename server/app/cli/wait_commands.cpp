#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"
#include "server/app/cli/terminal_text.h"

// Waits for something to happen at a hub that runs with --test-control.
namespace kyanite::cli {

void add_wait_commands(CLI::App& app, int& exit_code) {
  struct Options {
    std::shared_ptr<HubOptions> hub;
    std::string condition, device, module, path, value, contains, from, source;
    double timeout = 30;
  };
  auto* command = app.add_subcommand("wait", "wait for a device of a hub that runs with --test-control");
  const auto options = std::make_shared<Options>();
  options->hub = add_hub_options(*command);
  command->add_option("CONDITION", options->condition, "connected, disconnected, message, twin or c2dEmpty")
      ->required();
  command->add_option("DEVICE", options->device)->required();
  command->add_option("--module", options->module, "a module of the device");
  command->add_option("--timeout", options->timeout, "seconds, up to 300")->capture_default_str();
  command->add_option("--path", options->path, "of a twin: properties.reported.temperature");
  command->add_option("--value", options->value, "of a twin: JSON; any value without it");
  command->add_option("--contains", options->contains, "of a message: part of its body");
  command->add_option("--from", options->from, "of a message: start, now, an offset or a time");
  command->add_option("--source", options->source, "of a message: as for events");
  command->callback([options, &exit_code] {
    auto target = find_hub(*options->hub);
    if (!target) {
      exit_code = fail(target.error().detail);
      return;
    }
    RestClient hub(std::move(*target));
    std::string path = "/kyanite/v1/wait?timeout=" + std::to_string(options->timeout);
    const auto add = [&path](const char* name, const std::string& value) {
      if (!value.empty()) path.append("&").append(name).append("=").append(percent_encode(value));
    };
    add("condition", options->condition);
    add("device", options->device);
    add("module", options->module);
    add("path", options->path);
    add("value", options->value);
    add("contains", options->contains);
    add("from", options->from);
    add("source", options->source);
    hub.set_answer_time(seconds(static_cast<std::int64_t>(std::ceil(std::max(0.0, options->timeout))) + 30));
    const auto answer = hub.ask_json("GET", path);
    if (!answer) {
      exit_code = fail(answer.error().detail);
      return;
    }
    std::printf("%s\n", dump_printable(*answer, 2).c_str());
    exit_code = kDone;
  });
}

}  // namespace kyanite::cli
