#include <CLI/CLI.hpp>
#include <cstdio>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/json_command.h"
#include "server/app/first_start/files.h"

// configuration: list, show, apply (create, or update what is there), delete. What is shown is JSON.
namespace kyanite::cli {
namespace {

struct ConfigurationOptions : JsonCommandOptions {
  std::string id;
  std::string file;

  std::string path() const { return "/configurations/" + percent_encode(id); }
};
using ConfigurationOptionsPtr = std::shared_ptr<ConfigurationOptions>;

int list_configurations(const ConfigurationOptions&, RestClient& hub) {
  return print_answer(hub.ask_json("GET", "/configurations"));
}

int show_configuration(const ConfigurationOptions& options, RestClient& hub) {
  return print_answer(hub.ask_json("GET", options.path()));
}

// Of one that is there the content cannot change: the hub says nothing about it, so this does.
int apply_configuration(const ConfigurationOptions& options, RestClient& hub) {
  const auto text = read_file(options.file);
  if (!text) return fail(text.error().detail);
  Result<Json> body = parse_json(*text);
  if (!body || !body->is_object()) return fail(options.file + " must hold a JSON object");
  (*body)["id"] = options.id;
  const auto present = hub.ask("GET", options.path());
  if (!present) return fail(present.error().detail);
  if (present->status == 404) return print_answer(hub.ask_json("PUT", options.path(), dump_json(*body)));
  if (present->status != 200) return fail(describe_refusal(*present));
  const Result<Json> changed =
      hub.ask_json("PUT", options.path(), dump_json(*body), {"If-Match: " + present->etag});
  if (changed && body->contains("content") && changed->contains("content") &&
      (*changed)["content"] != (*body)["content"]) {
    std::fprintf(stderr, "kyanite: the content of a configuration never changes; it stays as it was\n");
  }
  return print_answer(changed);
}

int delete_configuration(const ConfigurationOptions& options, RestClient& hub) {
  const auto answer = hub.ask("DELETE", options.path());
  if (!answer) return fail(answer.error().detail);
  return answer->status == 204 ? kDone : fail(describe_refusal(*answer));
}

using ConfigurationAction = int (*)(const ConfigurationOptions&, RestClient&);

}  // namespace

void add_configuration_commands(CLI::App& app, int& exit_code) {
  CLI::App& group = *app.add_subcommand("configuration", "automatic configurations");
  group.require_subcommand(1);
  const auto make = [] { return std::make_shared<ConfigurationOptions>(); };
  declare_json_command(group, "list", "list them", make(), list_configurations, exit_code);
  const auto with_id = [&](const char* name, const char* description, ConfigurationAction action) {
    const auto options = make();
    CLI::App& command = declare_json_command(group, name, description, options, action, exit_code);
    command.add_option("CONFIGURATION", options->id, "configuration id")->required();
    return std::pair<CLI::App&, ConfigurationOptionsPtr>(command, options);
  };
  with_id("show", "show one with its counts", show_configuration);
  with_id("delete", "delete one; what twins got from it stays", delete_configuration);
  const auto [apply, options] =
      with_id("apply", "create one, or update condition, priority, labels and metrics", apply_configuration);
  apply.add_option("FILE", options->file, "JSON with content, targetCondition, priority, labels, metrics")
      ->required();
}

}  // namespace kyanite::cli
