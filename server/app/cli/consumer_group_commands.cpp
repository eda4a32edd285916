#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/json_command.h"

// Consumer groups of those who read events over AMQP (spec amqp.md 6.4).
namespace kyanite::cli {
namespace {

constexpr const char* kGroupsPath = "/kyanite/v1/consumer-groups";

struct ConsumerGroupOptions : JsonCommandOptions {
  std::string name;

  std::string path() const { return std::string(kGroupsPath) + "/" + percent_encode(name); }
};

std::string group_text(const Json& group, const char* name) {
  const Json* member = group.is_object() ? find_member(group, name) : nullptr;
  if (!member) return {};
  return member->is_string() ? member->get<std::string>() : dump_json(*member);
}

int list_groups(const ConsumerGroupOptions& options, RestClient& hub) {
  const auto answer = hub.ask_json("GET", kGroupsPath);
  if (!answer) return fail(answer.error().detail);
  if (options.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return kDone;
  }
  const Json* groups = answer->is_object() ? find_member(*answer, "consumerGroups") : nullptr;
  if (!groups || !groups->is_array()) return fail("the hub answered without a list");
  for (const Json& group : *groups) {
    std::printf("%-30s  %s  %s readers\n", group_text(group, "name").c_str(),
                group_text(group, "created").c_str(), group_text(group, "readers").c_str());
  }
  return kDone;
}

int create_group(const ConsumerGroupOptions& options, RestClient& hub) {
  const auto group = hub.ask_json("PUT", options.path());
  if (!group) return fail(group.error().detail);
  if (options.json) std::printf("%s\n", group->dump(2).c_str());
  return kDone;
}

int delete_group(const ConsumerGroupOptions& options, RestClient& hub) {
  const auto answer = hub.ask("DELETE", options.path());
  if (!answer) return fail(answer.error().detail);
  return answer->status == 204 ? kDone : fail(describe_refusal(*answer));
}

}  // namespace

void add_consumer_group_commands(CLI::App& app, int& exit_code) {
  auto* groups = app.add_subcommand("consumer-group", "who reads events over AMQP beside each other");
  groups->require_subcommand(1);
  const auto declare = [&](const char* name, const char* description, bool has_name,
                           int (*action)(const ConsumerGroupOptions&, RestClient&)) {
    const auto options = std::make_shared<ConsumerGroupOptions>();
    CLI::App& command =
        declare_json_command(*groups, name, description, options, action, exit_code, "print JSON");
    if (has_name) command.add_option("NAME", options->name, "of the consumer group")->required();
  };
  declare("list", "show them, with how many readers each has now", false, list_groups);
  declare("create", "make one; one that is there stays as it is", true, create_group);
  declare("delete", "remove one and disconnect its readers", true, delete_group);
}

}  // namespace kyanite::cli
