#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/json_command.h"
#include "server/app/cli/terminal_text.h"

// Who connected, who left and who was refused, and why.
namespace kyanite::cli {
namespace {

struct ConnectionOptions : JsonCommandOptions {
  std::string device;
  std::string module;
  std::string since;
  int limit = 100;
  bool refused = false;

  std::string path() const {
    std::string path = "/kyanite/v1/connections?limit=" + std::to_string(limit);
    const auto add = [&path](const char* name, const std::string& value) {
      if (!value.empty()) path += std::string("&") + name + "=" + percent_encode(value);
    };
    add("device", device);
    add("module", module);
    add("since", since);
    add("event", refused ? "refused" : "");
    return path;
  }
};

std::string entry_text(const Json& entry, const char* name) {
  const Json* member = entry.is_object() ? find_member(entry, name) : nullptr;
  if (!member || member->is_null()) return {};
  return member->is_string() ? member->get<std::string>() : dump_json(*member);
}

// What a client claimed to be called may hold anything.
void print_connection(const Json& entry) {
  std::string who = entry_text(entry, "deviceId");
  if (const std::string module = entry_text(entry, "moduleId"); !module.empty()) who += "/" + module;
  if (who.empty()) who = "(no id, " + to_lower_ascii(entry_text(entry, "protocol")) + ")";
  std::string why = entry_text(entry, "reason");
  if (const std::string detail = entry_text(entry, "detail"); !detail.empty()) {
    why += (why.empty() ? "" : ": ") + detail;
  }
  const std::string count = entry_text(entry, "count");
  if (!count.empty() && count != "1")
    why += " (" + count + " times since " + entry_text(entry, "firstTime") + ")";
  std::printf("%s  %-12s  %-24s  %-15s  %s\n", entry_text(entry, "time").c_str(),
              entry_text(entry, "event").c_str(), printable(who).c_str(),
              entry_text(entry, "address").c_str(), printable(why).c_str());
  if (const std::string explanation = entry_text(entry, "explanation"); !explanation.empty()) {
    std::printf("    %s\n", explanation.c_str());
  }
}

int list_connections(const ConnectionOptions& options, RestClient& hub) {
  const auto answer = hub.ask_json("GET", options.path());
  if (!answer) return fail(answer.error().detail);
  if (options.json) {
    std::printf("%s\n", dump_printable(*answer, 2).c_str());
    return kDone;
  }
  const Json* entries = answer->is_object() ? find_member(*answer, "connections") : nullptr;
  if (!entries || !entries->is_array()) return fail("the hub answered without a list");
  // The newest last, where the reader of a terminal looks.
  for (auto entry = entries->rbegin(); entry != entries->rend(); ++entry) print_connection(*entry);
  return kDone;
}

}  // namespace

void add_connection_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<ConnectionOptions>();
  CLI::App& command =
      declare_json_command(app, "connections", "who connected, left or was refused lately, and why", options,
                           list_connections, exit_code, "print JSON");
  command.add_option("--device", options->device, "only this device and its modules");
  command.add_option("--module", options->module, "only modules with this id");
  command.add_flag("--refused", options->refused, "only those that were refused");
  command.add_option("--since", options->since, "only from this UTC time on, as 2026-01-05T10:00:00Z");
  command.add_option("--limit", options->limit, "how many, the newest")->check(CLI::Range(1, 1000));
}

}  // namespace kyanite::cli
