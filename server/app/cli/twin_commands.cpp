#include <CLI/CLI.hpp>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/json_command.h"
#include "server/app/first_start/files.h"

// twin: show, update (merge), replace. All print the whole twin as JSON.
namespace kyanite::cli {
namespace {

struct TwinOptions {
  std::shared_ptr<HubOptions> hub;
  std::string device;
  std::string module;
  std::string desired;  // JSON, or @FILE
  std::string tags;
  std::string if_match;
  bool json = false;  // as is printed in any case

  std::string path() const {
    std::string out = "/twins/" + percent_encode(device);
    if (!module.empty()) out += "/modules/" + percent_encode(module);
    return out;
  }
};
using TwinOptionsPtr = std::shared_ptr<TwinOptions>;

Result<Json> section_of(const char* flag, const std::string& value) {
  std::string text = value;
  if (value.starts_with('@')) {
    auto content = read_file(value.substr(1));
    if (!content) return content.error();
    text = std::move(*content);
  }
  Result<Json> json = parse_json(text);
  if (!json || (!json->is_object() && !json->is_null())) {
    return Error(Errc::argument_invalid,
                 std::string(flag) + " must be a JSON object or null, or @FILE with one");
  }
  return json;
}

int show(const TwinOptions& options, RestClient& hub) {
  return print_answer(hub.ask_json("GET", options.path()));
}

int write(const char* verb, const TwinOptions& options, RestClient& hub) {
  Json body = Json::object();
  if (!options.tags.empty()) {
    Result<Json> tags = section_of("--tags", options.tags);
    if (!tags) return fail(tags.error().detail);
    body["tags"] = std::move(*tags);
  }
  if (!options.desired.empty()) {
    Result<Json> desired = section_of("--desired", options.desired);
    if (!desired) return fail(desired.error().detail);
    body["properties"]["desired"] = std::move(*desired);
  }
  std::vector<std::string> headers;
  if (!options.if_match.empty()) headers.push_back("If-Match: " + options.if_match);
  return print_answer(hub.ask_json(verb, options.path(), dump_json(body), headers));
}

int update(const TwinOptions& options, RestClient& hub) {
  if (options.tags.empty() && options.desired.empty())
    return fail("name what to change: --desired or --tags");
  return write("PATCH", options, hub);
}

int replace(const TwinOptions& options, RestClient& hub) { return write("PUT", options, hub); }

using TwinAction = int (*)(const TwinOptions&, RestClient&);

CLI::App& declare_twin(CLI::App& group, const char* name, const char* description,
                       const TwinOptionsPtr& options, TwinAction action, int& exit_code) {
  CLI::App& command = *group.add_subcommand(name, description);
  options->hub = add_hub_options(command);
  command.add_flag("--json", options->json, "print JSON, as is done in any case");
  command.add_option("DEVICE", options->device, "device id")->required();
  command.add_option("--module", options->module, "the twin of this module of the device")->type_name("M");
  command.callback([options, action, &exit_code] {
    auto target = find_hub(*options->hub);
    if (!target) {
      exit_code = fail(target.error().detail);
      return;
    }
    RestClient hub(std::move(*target));
    exit_code = action(*options, hub);
  });
  return command;
}

void add_section_flags(CLI::App& command, TwinOptions& options) {
  command.add_option("--desired", options.desired, "desired properties: JSON, or @FILE")->type_name("JSON");
  command.add_option("--tags", options.tags, "tags: JSON, or @FILE")->type_name("JSON");
  command.add_option("--if-match", options.if_match, "only when the twin still has this etag")
      ->type_name("ETAG");
}

}  // namespace

void add_twin_commands(CLI::App& app, int& exit_code) {
  CLI::App& group = *app.add_subcommand("twin", "twins of devices and modules");
  group.require_subcommand(1);
  const auto make = [] { return std::make_shared<TwinOptions>(); };
  declare_twin(group, "show", "show one", make(), show, exit_code);
  auto options = make();
  add_section_flags(declare_twin(group, "update", "merge into it, null deletes", options, update, exit_code),
                    *options);
  options = make();
  add_section_flags(
      declare_twin(group, "replace", "replace tags and desired properties, what is not named is emptied",
                   options, replace, exit_code),
      *options);
}

}  // namespace kyanite::cli
