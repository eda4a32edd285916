#include <CLI/CLI.hpp>
#include <cstdio>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"

// The store of a hub that runs with --test-control: back to empty, snapshots of it.
namespace kyanite::cli {
namespace {

// Answered when the hub has the other store.
int change_store_of(RestClient& hub, const std::string& path) {
  const Result<Json> asked = hub.ask_json("POST", path);
  return asked ? kDone : fail(asked.error().detail);
}

std::string snapshot_path(const std::string& name) { return "/kyanite/v1/snapshots/" + percent_encode(name); }

}  // namespace

void add_snapshot_commands(CLI::App& app, int& exit_code) {
  struct Options {
    std::shared_ptr<HubOptions> hub;
    std::string name;
  };
  const auto declare = [&exit_code](CLI::App* parent, const char* name, const char* description, bool named,
                                    auto run) {
    auto* command = parent->add_subcommand(name, description);
    const auto options = std::make_shared<Options>();
    options->hub = add_hub_options(*command);
    if (named) command->add_option("NAME", options->name, "letters, digits, - and _")->required();
    command->callback([options, run, &exit_code] {
      auto target = find_hub(*options->hub);
      if (!target) {
        exit_code = fail(target.error().detail);
        return;
      }
      RestClient hub(std::move(*target));
      exit_code = run(options->name, hub);
    });
  };
  declare(&app, "reset", "empty the store of a hub that runs with --test-control", false,
          [](const std::string&, RestClient& hub) { return change_store_of(hub, "/kyanite/v1/reset"); });
  auto* group =
      app.add_subcommand("snapshot", "snapshots of the store of a hub that runs with --test-control");
  group->require_subcommand(1);
  const auto print = [](const Result<Json>& answer) {
    if (!answer) return fail(answer.error().detail);
    std::printf("%s\n", answer->dump(2).c_str());
    return static_cast<int>(kDone);
  };
  declare(group, "list", "list them", false, [print](const std::string&, RestClient& hub) {
    return print(hub.ask_json("GET", "/kyanite/v1/snapshots"));
  });
  declare(group, "take", "keep the store as it is now", true,
          [print](const std::string& name, RestClient& hub) {
            return print(hub.ask_json("PUT", snapshot_path(name)));
          });
  declare(group, "restore", "begin anew with one", true, [](const std::string& name, RestClient& hub) {
    return change_store_of(hub, snapshot_path(name) + "/restore");
  });
  declare(group, "delete", "delete one", true, [](const std::string& name, RestClient& hub) {
    const auto answer = hub.ask("DELETE", snapshot_path(name));
    if (!answer) return fail(answer.error().detail);
    return answer->status == 204 ? static_cast<int>(kDone) : fail(describe_refusal(*answer));
  });
}

}  // namespace kyanite::cli
