#include <CLI/CLI.hpp>

#include "protocol/base/json_text.h"
#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/json_command.h"
#include "server/app/first_start/files.h"

// job: create-twin, create-method, show, list, cancel. All print JSON.
namespace kyanite::cli {
namespace {

struct JobOptions : JsonCommandOptions {
  std::string id;
  std::string condition = "*";
  std::string start;
  int most_seconds = 3600;
  std::string desired;  // JSON, or @FILE
  std::string tags;
  std::string method;
  std::string payload;
  int response_seconds = 30;
  int connect_seconds = 0;
  std::string type;
  std::string status;

  std::string path() const { return "/jobs/v2/" + percent_encode(id); }
};
using JobOptionsPtr = std::shared_ptr<JobOptions>;

// The text of a JSON value given on the command line, or in a file.
Result<std::string> job_value(const char* flag, const std::string& value) {
  std::string text = value;
  if (value.starts_with('@')) {
    auto content = read_file(value.substr(1));
    if (!content) return content.error();
    text = std::move(*content);
  }
  text = without_byte_order_mark(text);
  if (auto checked = check_json(text); !checked) {
    return Error(Errc::argument_invalid, std::string(flag) + " is " + checked.error().detail);
  }
  return text;
}

int put_job(const JobOptions& options, RestClient& hub, const char* type, const std::string& work) {
  Json head{{"jobId", options.id},
            {"type", type},
            {"queryCondition", options.condition},
            {"maxExecutionTimeInSeconds", options.most_seconds}};
  if (!options.start.empty()) head["startTime"] = options.start;
  std::string body = dump_json(head);
  body.pop_back();
  return print_answer(hub.ask_json("PUT", options.path(), body + "," + work + "}"));
}

int create_twin_job(const JobOptions& options, RestClient& hub) {
  if (options.tags.empty() && options.desired.empty()) {
    return fail("name what to change: --desired or --tags");
  }
  std::string work = R"("updateTwin":{"etag":"*")";
  if (!options.tags.empty()) {
    const auto tags = job_value("--tags", options.tags);
    if (!tags) return fail(tags.error().detail);
    work += ",\"tags\":" + *tags;
  }
  if (!options.desired.empty()) {
    const auto desired = job_value("--desired", options.desired);
    if (!desired) return fail(desired.error().detail);
    work += ",\"properties\":{\"desired\":" + *desired + "}";
  }
  return put_job(options, hub, "scheduleUpdateTwin", work + "}");
}

int create_method_job(const JobOptions& options, RestClient& hub) {
  Json method{{"methodName", options.method},
              {"responseTimeoutInSeconds", options.response_seconds},
              {"connectTimeoutInSeconds", options.connect_seconds}};
  std::string work = dump_json(method);
  if (!options.payload.empty()) {
    const auto payload = job_value("--payload", options.payload);
    if (!payload) return fail(payload.error().detail);
    work.pop_back();
    work += ",\"payload\":" + *payload + "}";
  }
  return put_job(options, hub, "scheduleDeviceMethod", "\"cloudToDeviceMethod\":" + work);
}

int show_job(const JobOptions& options, RestClient& hub) {
  return print_answer(hub.ask_json("GET", options.path()));
}

int cancel_job(const JobOptions& options, RestClient& hub) {
  return print_answer(hub.ask_json("POST", options.path() + "/cancel"));
}

int list_jobs(const JobOptions& options, RestClient& hub) {
  std::string path = "/jobs/v2/query?jobType=" + percent_encode(options.type);
  path += "&jobStatus=" + percent_encode(options.status);
  Json all = Json::array();
  std::string continuation;
  do {
    std::vector<std::string> headers{"x-ms-max-item-count: 1000"};
    if (!continuation.empty()) headers.push_back("x-ms-continuation: " + continuation);
    const Result<RestAnswer> page = hub.ask("GET", path, {}, headers);
    if (!page) return fail(page.error().detail);
    if (page->status != 200) return fail(describe_refusal(*page));
    const Result<Json> jobs = parse_json(page->body);
    if (!jobs || !jobs->is_array()) return fail("the hub answered with something that is no list of jobs");
    for (const Json& job : *jobs) all.push_back(job);
    continuation = page->continuation;
  } while (!continuation.empty());
  return print_answer(all);
}

void add_job_id(CLI::App& command, JobOptions& options) {
  command.add_option("JOB", options.id, "job id")->required();
}

void add_job_flags(CLI::App& command, JobOptions& options) {
  add_job_id(command, options);
  command
      .add_option("--query", options.condition,
                  "which devices: a WHERE expression, * for all, or FROM devices.modules WHERE ...")
      ->type_name("CONDITION")
      ->capture_default_str();
  command.add_option("--start", options.start, "not before it, like 2026-01-05T10:00:00Z")->type_name("TIME");
  command.add_option("--most", options.most_seconds, "how long the job may run")
      ->type_name("S")
      ->capture_default_str();
}

}  // namespace

void add_job_commands(CLI::App& app, int& exit_code) {
  CLI::App& group = *app.add_subcommand("job", "scheduled jobs over many devices");
  group.require_subcommand(1);
  const auto make = [] { return std::make_shared<JobOptions>(); };
  auto options = make();
  CLI::App& twin = declare_json_command(group, "create-twin", "merge into twins, null deletes", options,
                                        create_twin_job, exit_code);
  add_job_flags(twin, *options);
  twin.add_option("--desired", options->desired, "desired properties: JSON, or @FILE")->type_name("JSON");
  twin.add_option("--tags", options->tags, "tags: JSON, or @FILE")->type_name("JSON");
  options = make();
  CLI::App& method = declare_json_command(group, "create-method", "call a direct method", options,
                                          create_method_job, exit_code);
  add_job_flags(method, *options);
  method.add_option("--method", options->method, "name of the method")->required()->type_name("NAME");
  method.add_option("--payload", options->payload, "JSON, or @FILE to read it from")->type_name("JSON");
  method.add_option("--timeout", options->response_seconds, "time for a device to answer, 5 to 300")
      ->type_name("S")
      ->capture_default_str();
  method.add_option("--connect-timeout", options->connect_seconds, "time for a device to connect")
      ->type_name("S")
      ->capture_default_str();
  options = make();
  add_job_id(declare_json_command(group, "show", "show one", options, show_job, exit_code), *options);
  options = make();
  add_job_id(
      declare_json_command(group, "cancel", "cancel one that has not begun", options, cancel_job, exit_code),
      *options);
  options = make();
  CLI::App& list = declare_json_command(group, "list", "list them", options, list_jobs, exit_code);
  list.add_option("--type", options->type, "scheduleUpdateTwin or scheduleDeviceMethod")->type_name("TYPE");
  list.add_option("--status", options->status, "only those with this status")->type_name("STATUS");
}

}  // namespace kyanite::cli
