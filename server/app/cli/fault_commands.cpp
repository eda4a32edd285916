#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"

// Faults of a hub that runs with --test-control.
namespace kyanite::cli {
namespace {

constexpr const char* kFaultsPath = "/kyanite/v1/faults";

std::string fault_text(const Json& fault, std::string_view name) {
  const Json* value = fault.is_object() ? find_member(fault, name) : nullptr;
  if (!value) return "-";
  return value->is_string() ? value->get<std::string>() : value->dump();
}

void print_fault_line(const Json& fault) {
  std::printf("%-12s %-14s %-8s hits %-6s ends in %-8s %s\n", fault_text(fault, "id").c_str(),
              fault_text(fault, "kind").c_str(), fault_text(fault, "active") == "true" ? "active" : "waiting",
              fault_text(fault, "hits").c_str(), fault_text(fault, "endsInSeconds").c_str(),
              fault_text(fault, "scope").c_str());
}

int print_faults(const Result<Json>& answer, bool as_json) {
  if (!answer) return fail(answer.error().detail);
  if (as_json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return kDone;
  }
  const Json* list = answer->is_object() ? find_member(*answer, "faults") : nullptr;
  if (!list) {
    print_fault_line(*answer);
  } else {
    for (const Json& fault : *list) print_fault_line(fault);
  }
  return kDone;
}

struct FaultOptions {
  std::shared_ptr<HubOptions> hub;
  bool json = false;
  std::string id, kind, device, module, on, direction;
  std::optional<double> share, seconds, after, delay;
  std::optional<std::uint64_t> seed, nth, count, bytes;
  std::optional<int> code, status;
  bool orderly = false;
  bool after_operation = false;
  std::vector<std::string> routes;

  Json body() const;
};

Json FaultOptions::body() const {
  Json body;
  body["kind"] = kind;
  const auto put = [](Json& into, const char* name, const auto& value) {
    if (value) into[name] = *value;
  };
  const auto put_text = [](Json& into, const char* name, const std::string& value) {
    if (!value.empty()) into[name] = value;
  };
  Json scope = Json::object();
  put_text(scope, "device", device);
  put_text(scope, "module", module);
  put(scope, "sharePercent", share);
  put(scope, "seed", seed);
  if (!scope.empty()) body["scope"] = std::move(scope);
  put_text(body, "id", id);
  put_text(body, "on", on);
  put_text(body, "direction", direction);
  put(body, "nth", nth);
  put(body, "count", count);
  put(body, "bytes", bytes);
  put(body, "code", code);
  put(body, "status", status);
  put(body, "delaySeconds", delay);
  put(body, "durationSeconds", seconds);
  put(body, "afterSeconds", after);
  if (orderly) body["orderly"] = true;
  if (after_operation) body["afterOperation"] = true;
  if (!routes.empty()) body["routes"] = routes;
  return body;
}

}  // namespace

void add_fault_commands(CLI::App& app, int& exit_code) {
  auto* group = app.add_subcommand("fault", "make a hub fail that runs with --test-control");
  group->require_subcommand(1);
  const auto declare = [&](const char* name, const char* description, auto run) {
    auto* command = group->add_subcommand(name, description);
    const auto options = std::make_shared<FaultOptions>();
    options->hub = add_hub_options(*command);
    command->callback([options, run, &exit_code] {
      auto target = find_hub(*options->hub);
      if (!target) {
        exit_code = fail(target.error().detail);
        return;
      }
      RestClient hub(std::move(*target));
      exit_code = run(*options, hub);
    });
    return std::pair(command, options);
  };
  auto [add, rule] = declare("add", "add a rule", [](const FaultOptions& options, RestClient& hub) {
    return print_faults(hub.ask_json("POST", kFaultsPath, dump_json(options.body())), options.json);
  });
  add->add_option("KIND", rule->kind, "drop, refuseConnect, holdPubacks, losePuback, cut, delay or httpError")
      ->required();
  add->add_flag("--json", rule->json, "print JSON");
  add->add_option("--id", rule->id, "name of the rule; the hub's choice without it");
  add->add_option("--device", rule->device, "only this device and its modules");
  add->add_option("--module", rule->module, "only this module of the device");
  add->add_option("--share", rule->share, "percent of the devices, chosen by a hash of their ids");
  add->add_option("--seed", rule->seed, "another one chooses other devices");
  add->add_option("--on", rule->on, "when to drop: now, connect, publish or puback");
  add->add_flag("--orderly", rule->orderly, "a drop lets out what is queued first");
  add->add_option("--code", rule->code, "of CONNACK, 1 to 5");
  add->add_option("--bytes", rule->bytes, "before the cut");
  add->add_option("--direction", rule->direction, "of the cut: fromDevice or toDevice");
  add->add_option("--delay", rule->delay, "seconds to wait");
  add->add_option("--status", rule->status, "429, 500, 502, 503 or 504");
  add->add_option("--route", rule->routes, "\"GET /twins/*\"; may be given more than once");
  add->add_flag("--after-operation", rule->after_operation,
                "carry the request out, then answer with the error");
  add->add_option("--nth", rule->nth, "the first event that is hit, counted from 1");
  add->add_option("--count", rule->count, "events hit before the rule ends");
  add->add_option("--after", rule->after, "seconds until the rule begins");
  add->add_option("--seconds", rule->seconds, "how long the rule lasts, 300 without it");
  auto [list, listed] =
      declare("list", "list the rules in force", [](const FaultOptions& options, RestClient& hub) {
        return print_faults(hub.ask_json("GET", kFaultsPath, ""), options.json);
      });
  list->add_flag("--json", listed->json, "print JSON");
  auto [clear, cleared] =
      declare("clear", "remove one rule or all", [](const FaultOptions& options, RestClient& hub) {
        const std::string path =
            options.id.empty() ? kFaultsPath : kFaultsPath + ("/" + percent_encode(options.id));
        const auto answer = hub.ask("DELETE", path);
        if (!answer) return fail(answer.error().detail);
        return answer->status == 204 ? kDone : fail(describe_refusal(*answer));
      });
  clear->add_option("ID", cleared->id, "all without it");
}

}  // namespace kyanite::cli
