#include <CLI/CLI.hpp>
#include <cstdio>

#include "server/app/cli/json_command.h"

// What an operator asks of the running process: read the configuration again, log more or less.
namespace kyanite::cli {
namespace {

struct ReloadOptions : JsonCommandOptions {};

struct LogLevelOptions : JsonCommandOptions {
  std::string level;
};

void print_words(const char* title, const Json& report, const char* name) {
  const Json* words = report.is_object() ? find_member(report, name) : nullptr;
  if (!words || !words->is_array()) return;
  for (const Json& word : *words) {
    if (word.is_string()) std::printf("%-15s  %s\n", title, word.get_ref<const std::string&>().c_str());
  }
}

int reload_hub(const ReloadOptions& options, RestClient& hub) {
  const auto report = hub.ask_json("POST", "/kyanite/v1/reload");
  if (!report || options.json) return print_answer(report);
  print_words("changed", *report, "changed");
  print_words("needs a restart", *report, "needsRestart");
  print_words("kept", *report, "kept");
  return kDone;
}

int log_level(const LogLevelOptions& options, RestClient& hub) {
  constexpr const char* kLogLevelPath = "/kyanite/v1/log-level";
  const auto answer = options.level.empty()
                          ? hub.ask_json("GET", kLogLevelPath)
                          : hub.ask_json("PUT", kLogLevelPath, dump_json(Json{{"level", options.level}}));
  if (!answer || options.json) return print_answer(answer);
  const Json* level = answer->is_object() ? find_member(*answer, "level") : nullptr;
  if (!level || !level->is_string()) return fail("the hub answered without a level");
  std::printf("%s\n", level->get_ref<const std::string&>().c_str());
  return kDone;
}

}  // namespace

void add_operator_commands(CLI::App& app, int& exit_code) {
  declare_json_command(app, "reload",
                       "have the hub read its configuration and certificates again, as SIGHUP does",
                       std::make_shared<ReloadOptions>(), reload_hub, exit_code, "print JSON");
  const auto options = std::make_shared<LogLevelOptions>();
  declare_json_command(app, "log-level",
                       "show the level of the hub's log, or set it until the next start or reload", options,
                       log_level, exit_code, "print JSON")
      .add_option("LEVEL", options->level, "debug, info, warning, error or off")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}));
}

}  // namespace kyanite::cli
