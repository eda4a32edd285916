#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "protocol/base/json_text.h"
#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"
#include "server/app/cli/terminal_text.h"
#include "server/app/first_start/files.h"

namespace kyanite::cli {
namespace {

constexpr seconds kSpareTime{15};  // beyond the call's own timeouts, for the hub's answer to arrive

struct MethodOptions {
  std::shared_ptr<HubOptions> hub;
  std::string device;
  std::string module;
  std::string method;
  std::string payload;  // JSON, or @file
  int response_seconds = 30;
  int connect_seconds = 0;

  std::string path() const {
    std::string out = "/twins/" + percent_encode(device);
    if (!module.empty()) out += "/modules/" + percent_encode(module);
    return out + "/methods";
  }
};

// The payload goes out as it was given, so that no number changes its form.
Result<std::string> request_body(const MethodOptions& options) {
  Json head;
  head["methodName"] = options.method;
  head["responseTimeoutInSeconds"] = options.response_seconds;
  head["connectTimeoutInSeconds"] = options.connect_seconds;
  std::string body = dump_json(head);
  if (options.payload.empty()) return body;
  std::string payload = options.payload;
  if (payload.front() == '@') {
    auto text = read_file(payload.substr(1));
    if (!text) return text.error();
    payload = std::move(*text);
  }
  payload = without_byte_order_mark(payload);
  if (const auto checked = check_json(payload); !checked) {
    return Error(Errc::argument_invalid, "the payload is " + checked.error().detail +
                                             "; a text needs its double quotes: --payload '\"hello\"'");
  }
  body.pop_back();
  return body + ",\"payload\":" + payload + "}";
}

int invoke(const MethodOptions& options) {
  const auto body = request_body(options);
  if (!body) return fail(body.error().detail);
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  hub.set_answer_time(seconds{options.response_seconds + options.connect_seconds} + kSpareTime);
  const auto answer = hub.ask("POST", options.path(), *body);
  if (!answer) return fail(answer.error().detail);
  if (answer->status != 200) return fail(describe_refusal(*answer));
  std::printf("%s\n", printable_json(answer->body).c_str());
  return kDone;
}

}  // namespace

void add_method_commands(CLI::App& app, int& exit_code) {
  auto* group = app.add_subcommand("method", "direct methods of devices and modules");
  group->require_subcommand(1);
  auto* command = group->add_subcommand(
      "invoke", "call one and print the answer as JSON: {\"status\":..., \"payload\":...}");
  const auto options = std::make_shared<MethodOptions>();
  options->hub = add_hub_options(*command);
  command->add_option("DEVICE", options->device, "device id")->required();
  command->add_option("METHOD", options->method, "name of the method")->required();
  command->add_option("--module", options->module, "a module of the device")->type_name("ID");
  command
      ->add_option("--payload", options->payload,
                   "JSON, or @FILE to read it from; without it the body is empty")
      ->type_name("JSON");
  command->add_option("--timeout", options->response_seconds, "time for the device to answer, 5 to 300")
      ->type_name("S")
      ->capture_default_str()
      ->check(CLI::Range(5, 300));
  command
      ->add_option("--connect-timeout", options->connect_seconds,
                   "time for the device to connect and subscribe, at most --timeout")
      ->type_name("S")
      ->capture_default_str()
      ->check(CLI::Range(0, 300));
  command->footer("The exit code is 0 whatever status the device answers, and 1 when no answer came.");
  command->callback([options, &exit_code] { exit_code = invoke(*options); });
}

}  // namespace kyanite::cli
