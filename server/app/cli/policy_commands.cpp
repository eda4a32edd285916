#include <CLI/CLI.hpp>
#include <cstdio>

#include "protocol/auth/connection_string.h"
#include "protocol/base/percent_encoding.h"
#include "server/app/cli/json_command.h"
#include "server/app/first_start/files.h"

// The shared access policies, with the keys that back ends and device makers get (service-rest.md 2.2). The
// hub tells them only to a login with every right, such as iothubowner.
namespace kyanite::cli {
namespace {

struct PolicyOptions : JsonCommandOptions {
  std::string name;
  std::string key;
  std::string rights;
  std::string primary_key_file;
  std::string secondary_key_file;
  bool secondary = false;
  bool emulator = false;

  std::string path() const { return "/kyanite/v1/policies/" + percent_encode(name); }
};

void print(const PolicyOptions& options, const Json& policy) {
  if (options.json) {
    std::printf("%s\n", policy.dump(2).c_str());
    return;
  }
  std::printf("policy             %s\n", text_member(policy, "name").c_str());
  std::printf("rights             %s\n", text_member(policy, "rights").c_str());
  std::printf("primary key        %s\n", text_member(policy, "primaryKey").c_str());
  std::printf("secondary key      %s\n", text_member(policy, "secondaryKey").c_str());
  std::printf("connection string  %s\n", text_member(policy, "connectionString").c_str());
}

int list(const PolicyOptions& options, RestClient& hub) {
  const auto answer = hub.ask_json("GET", "/kyanite/v1/policies");
  if (!answer) return fail(answer.error().detail);
  if (options.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return kDone;
  }
  const Json* policies = answer->is_object() ? find_member(*answer, "policies") : nullptr;
  if (!policies || !policies->is_array()) return fail("the hub answered without a list");
  for (const Json& policy : *policies) {
    std::printf("%-20s  %s\n", text_member(policy, "name").c_str(), text_member(policy, "rights").c_str());
  }
  return kDone;
}

int show(const PolicyOptions& options, RestClient& hub) {
  const auto policy = hub.ask_json("GET", options.path());
  if (!policy) return fail(policy.error().detail);
  print(options, *policy);
  return kDone;
}

int print_connection_string(const PolicyOptions& options, RestClient& hub) {
  const auto policy = hub.ask_json("GET", options.path());
  if (!policy) return fail(policy.error().detail);
  auto connection = parse_connection_string(text_member(*policy, "connectionString"));
  if (!connection) return fail("the hub answered without a connection string");
  if (options.secondary) connection->key = text_member(*policy, "secondaryKey");
  if (options.json) {
    Json out;
    out["connectionString"] = to_string(*connection);
    out["caFile"] = hub.target().ca_file;
    std::printf("%s\n", out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    std::printf("%s\n", to_string(*connection).c_str());
  }
  return kDone;
}

// The hub makes it with the primary key.
int print_events_string(const PolicyOptions& options, RestClient& hub) {
  const auto policy = hub.ask_json("GET", options.path());
  if (!policy) return fail(policy.error().detail);
  std::string text =
      text_member(*policy, options.emulator ? "eventsEmulatorConnectionString" : "eventsConnectionString");
  if (text.empty()) {
    return fail(options.emulator ? "the hub has no listener without TLS; --amqp opens one"
                                 : "the hub does not listen for AMQP");
  }
  if (options.secondary) {
    const std::string primary = text_member(*policy, "primaryKey");
    const std::size_t at = text.find(primary);
    if (primary.empty() || at == std::string::npos) return fail("the hub answered without its key");
    text.replace(at, primary.size(), text_member(*policy, "secondaryKey"));
  }
  if (options.json) {
    Json out;
    out["connectionString"] = text;
    out["caFile"] = hub.target().ca_file;
    std::printf("%s\n", out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    std::printf("%s\n", text.c_str());
  }
  return kDone;
}

int regenerate(const PolicyOptions& options, RestClient& hub) {
  Json body;
  body["key"] = options.key;
  const auto policy = hub.ask_json("POST", options.path() + "/regenerate-key", dump_json(body));
  if (!policy) return fail(policy.error().detail);
  print(options, *policy);
  return kDone;
}

// Keys come from files, since the command line is seen by others.
Result<void> read_key(const std::string& file, const char* member, Json& body) {
  if (file.empty()) return {};
  Result<std::string> text = read_file(file);
  if (!text) return text.error();
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  body[member] = *text;
  return {};
}

int add(const PolicyOptions& options, RestClient& hub) {
  Json body;
  body["rights"] = options.rights;
  for (const auto& read : {read_key(options.primary_key_file, "primaryKey", body),
                           read_key(options.secondary_key_file, "secondaryKey", body)}) {
    if (!read) return fail(read.error().detail);
  }
  const auto policy = hub.ask_json("PUT", options.path(), dump_json(body));
  if (!policy) return fail(policy.error().detail);
  print(options, *policy);
  return kDone;
}

int update(const PolicyOptions& options, RestClient& hub) {
  Json body;
  body["rights"] = options.rights;
  const auto policy = hub.ask_json("PUT", options.path(), dump_json(body), {"If-Match: *"});
  if (!policy) return fail(policy.error().detail);
  print(options, *policy);
  return kDone;
}

int erase(const PolicyOptions& options, RestClient& hub) {
  const auto erased = hub.ask_json("DELETE", options.path());
  return erased ? kDone : fail(erased.error().detail);
}

}  // namespace

void add_policy_commands(CLI::App& app, int& exit_code) {
  auto* group = app.add_subcommand("policy", "shared access policies and their keys; needs every right");
  group->require_subcommand(1);
  const auto declare = [&](const char* name, const char* description, bool has_name,
                           int (*action)(const PolicyOptions&, RestClient&)) {
    const auto options = std::make_shared<PolicyOptions>();
    CLI::App* command =
        &declare_json_command(*group, name, description, options, action, exit_code, "print JSON");
    if (has_name) {
      command->add_option("NAME", options->name, "such as service, device or registryRead")->required();
    }
    return std::pair(command, options);
  };
  declare("list", "list them with their rights; --json also shows their keys", false, list);
  declare("show", "show one, with its keys", true, show);
  const auto [string_command, string_options] =
      declare("connection-string", "print what to paste into a back end", true, print_connection_string);
  string_command->add_flag("--secondary", string_options->secondary, "with the secondary key");
  const auto [events_command, events_options] = declare(
      "events-connection-string", "print what to paste into an Event Hubs client", true, print_events_string);
  events_command->add_flag("--secondary", events_options->secondary, "with the secondary key");
  events_command->add_flag("--emulator", events_options->emulator,
                           "for the listener without TLS, as for an emulator");
  const char* rights_help =
      "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect: one or more, separated by commas";
  const auto [add_command, add_options] =
      declare("add", "make a policy of your own, with random keys unless files have them", true, add);
  add_command->add_option("--rights", add_options->rights, rights_help)->required();
  add_command->add_option("--primary-key-file", add_options->primary_key_file, "file with the key, base64")
      ->type_name("FILE");
  add_command
      ->add_option("--secondary-key-file", add_options->secondary_key_file, "file with the key, base64")
      ->type_name("FILE");
  const auto [update_command, update_options] =
      declare("update", "give a policy of your own other rights; its keys stay", true, update);
  update_command->add_option("--rights", update_options->rights, rights_help)->required();
  declare("delete", "delete a policy of your own; what its keys signed is refused at once", true, erase);
  const auto [regenerate_command, regenerate_options] =
      declare("regenerate", "replace a key; what the old one signed is refused at once", true, regenerate);
  regenerate_command->add_option("--key", regenerate_options->key, "which of the two: primary or secondary")
      ->required()
      ->check(CLI::IsMember({"primary", "secondary"}));
}

}  // namespace kyanite::cli
