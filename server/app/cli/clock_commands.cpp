#include <CLI/CLI.hpp>
#include <cstdio>

#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"

// The clock of a hub that runs with --test-control.
namespace kyanite::cli {
namespace {

constexpr const char* kClockPath = "/kyanite/v1/clock";

int print(const Result<Json>& clock, bool as_json) {
  if (!clock) return fail(clock.error().detail);
  if (as_json) {
    std::printf("%s\n", clock->dump(2).c_str());
    return kDone;
  }
  const Json* now = clock->is_object() ? find_member(*clock, "now") : nullptr;
  const Json* shift = clock->is_object() ? find_member(*clock, "shiftSeconds") : nullptr;
  if (!now || !now->is_string() || !shift || !shift->is_number())
    return fail("the hub answered without a time");
  std::printf("now    %s\n", now->get<std::string>().c_str());
  std::printf("shift  %.3f s\n", shift->get<double>());
  return kDone;
}

}  // namespace

void add_clock_commands(CLI::App& app, int& exit_code) {
  auto* group = app.add_subcommand("clock", "shift the clock of a hub that runs with --test-control");
  group->require_subcommand(1);
  struct Options {
    std::shared_ptr<HubOptions> hub;
    double seconds = 0;
    bool json = false;
  };
  // `member` names the number in the body; nothing is sent without one.
  const auto declare = [&](const char* name, const char* description, std::string verb, std::string member) {
    auto* command = group->add_subcommand(name, description);
    const auto options = std::make_shared<Options>();
    options->hub = add_hub_options(*command);
    command->add_flag("--json", options->json, "print JSON");
    if (!member.empty()) {
      command->add_option("SECONDS", options->seconds, "may be a fraction, or negative")->required();
    }
    command->callback([options, verb, member, &exit_code] {
      auto target = find_hub(*options->hub);
      if (!target) {
        exit_code = fail(target.error().detail);
        return;
      }
      RestClient hub(std::move(*target));
      Json body;
      if (!member.empty()) body[member] = options->seconds;
      exit_code = print(hub.ask_json(verb, kClockPath, member.empty() ? "" : dump_json(body)), options->json);
    });
  };
  declare("show", "show the hub's time", "GET", "");
  declare("shift", "set the hub's clock so far ahead of the real one", "PUT", "shiftSeconds");
  declare("advance", "move the hub's clock on from where it stands", "PUT", "advanceSeconds");
  declare("reset", "return to the real time", "DELETE", "");
}

}  // namespace kyanite::cli
