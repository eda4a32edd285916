#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "protocol/base/iso_time.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"

// Cloud-to-device messages and the feedback on them (service-rest.md 8).
namespace kyanite::cli {
namespace {

struct SendOptions {
  std::shared_ptr<HubOptions> hub;
  std::string device;
  std::string body;
  std::vector<std::string> properties;
  std::string message_id;
  std::string correlation_id;
  std::string user_id;
  std::string content_type;
  std::string content_encoding;
  std::string ack;
  std::string expiry;
  std::uint64_t ttl_seconds = 0;
};

struct PurgeOptions {
  std::shared_ptr<HubOptions> hub;
  std::string device;
  bool json = false;
};

struct FeedbackOptions {
  std::shared_ptr<HubOptions> hub;
  std::uint64_t count = 0;
  std::uint64_t timeout_seconds = 0;
  bool peek = false;
  bool json = false;
};

std::string read_all(std::istream& in) {
  // One byte more than the hub takes is enough for it to say so.
  std::string out(limits::kC2dBytesMax + 1, '\0');
  in.read(out.data(), static_cast<std::streamsize>(out.size()));
  out.resize(static_cast<std::size_t>(in.gcount()));
  return out;
}

// The text itself, @FILE or - for standard input.
Result<std::string> read_body(const std::string& given) {
  if (given == "-") return read_all(std::cin);
  if (!given.starts_with('@')) return given;
  std::ifstream file(given.substr(1), std::ios::binary);
  if (!file) return Error(Errc::io_failed, "cannot read " + given.substr(1));
  return read_all(file);
}

Result<std::vector<std::string>> headers_of(const SendOptions& options) {
  std::vector<std::string> headers{"Content-Type:"};  // none but what the caller asks for
  const auto put = [&headers](std::string_view name, const std::string& value) {
    if (!value.empty()) headers.push_back(std::string(name) + ": " + value);
  };
  put("iothub-messageid", options.message_id);
  put("iothub-correlationid", options.correlation_id);
  put("iothub-userid", options.user_id);
  put("iothub-contenttype", options.content_type);
  put("iothub-contentencoding", options.content_encoding);
  put("iothub-ack", options.ack);
  put("iothub-expiry", options.expiry);
  if (options.ttl_seconds > 0) {
    const auto now = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
    put("iothub-expiry", to_iso_time(now + seconds(options.ttl_seconds)));
  }
  for (const std::string& property : options.properties) {
    const std::size_t equals = property.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Error(Errc::argument_invalid, "write a property as NAME=VALUE, not " + property);
    }
    // A header without a value is written with a semicolon for libcurl.
    const std::string value = property.substr(equals + 1);
    headers.push_back("iothub-app-" + property.substr(0, equals) + (value.empty() ? ";" : ": " + value));
  }
  for (const std::string& header : headers) {
    if (header.find_first_of("\r\n") != std::string::npos) {
      return Error(Errc::argument_invalid, "a property cannot hold a line break");
    }
  }
  return headers;
}

int send(const SendOptions& options) {
  const auto headers = headers_of(options);
  if (!headers) return fail(headers.error().detail);
  const auto body = read_body(options.body);
  if (!body) return fail(body.error().detail);
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  const auto answer = hub.ask("POST", "/devices/" + percent_encode(options.device) + "/messages/deviceBound",
                              *body, *headers);
  if (!answer) return fail(answer.error().detail);
  if (answer->status != 204) return fail(describe_refusal(*answer));
  std::printf("queued for %s\n", options.device.c_str());
  return kDone;
}

int purge(const PurgeOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  const auto answer = hub.ask_json("DELETE", "/devices/" + percent_encode(options.device) + "/commands");
  if (!answer) return fail(answer.error().detail);
  if (options.json) {
    std::printf("%s\n", answer->dump(2).c_str());
    return kDone;
  }
  const Json* purged = answer->is_object() ? find_member(*answer, "totalMessagesPurged") : nullptr;
  if (!purged || !purged->is_number_unsigned()) return fail("the hub answered without a number");
  std::printf("purged %llu\n", static_cast<unsigned long long>(purged->get<std::uint64_t>()));
  return kDone;
}

void print(const FeedbackOptions& options, const Json& record) {
  if (options.json) {
    std::printf("%s\n", record.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    std::printf("%s  %s  %-21s  %s\n", text_member(record, "enqueuedTimeUtc").c_str(),
                text_member(record, "deviceId").c_str(), text_member(record, "statusCode").c_str(),
                text_member(record, "originalMessageId").c_str());
  }
}

constexpr std::string_view kFeedbackPath = "/messages/serviceBound/feedback";
constexpr milliseconds kPollEvery{500};

// Takes batch after batch: what was shown is completed, with --peek given back in the end.
class FeedbackReader {
 public:
  FeedbackReader(const FeedbackOptions& options, RestClient& hub) : options_(options), hub_(hub) {}

  int run() {
    const auto deadline = std::chrono::steady_clock::now() + seconds(options_.timeout_seconds);
    while (options_.count == 0 || shown_ < options_.count) {
      const auto batch = take_batch();
      if (!batch) return finish(fail(batch.error().detail));
      if (*batch) continue;
      if (options_.peek) break;
      if (options_.timeout_seconds > 0 && std::chrono::steady_clock::now() >= deadline) break;
      std::this_thread::sleep_for(kPollEvery);
    }
    return finish(shown_ < options_.count ? kTooFewEvents : kDone);
  }

 private:
  // False when there is none at present.
  Result<bool> take_batch() {
    const auto answer = hub_.ask("GET", std::string(kFeedbackPath));
    if (!answer) return answer.error();
    if (answer->status == 204) return false;
    if (answer->status != 200) return Error(Errc::argument_invalid, describe_refusal(*answer));
    const auto records = parse_json(answer->body);
    if (!records || !records->is_array() || answer->etag.size() < 3) {
      return Error(Errc::io_failed, "the hub answered without a batch of feedback");
    }
    for (const Json& record : *records) print(options_, record);
    if (std::fflush(stdout) != 0) return Error(Errc::io_failed, "the output is closed");
    shown_ += records->size();
    const std::string lock = answer->etag.substr(1, answer->etag.size() - 2);
    if (options_.peek) {
      peeked_.push_back(lock);
      return true;
    }
    const auto done = hub_.ask("DELETE", std::string(kFeedbackPath) + "/" + percent_encode(lock));
    if (!done) return done.error();
    if (done->status != 204) return Error(Errc::argument_invalid, describe_refusal(*done));
    return true;
  }

  int finish(int status) {
    for (const std::string& lock : peeked_) {
      const auto done =
          hub_.ask("POST", std::string(kFeedbackPath) + "/" + percent_encode(lock) + "/abandon");
      if (!done) return fail(done.error().detail);
    }
    return status;
  }

  const FeedbackOptions& options_;
  RestClient& hub_;
  std::uint64_t shown_ = 0;
  std::vector<std::string> peeked_;
};

int feedback(const FeedbackOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  return FeedbackReader(options, hub).run();
}

void add_send(CLI::App& group, int& exit_code) {
  auto* command = group.add_subcommand("send", "queue a message for a device");
  const auto options = std::make_shared<SendOptions>();
  options->hub = add_hub_options(*command);
  command->add_option("DEVICE", options->device, "its id")->required();
  command->add_option("BODY", options->body, "the text, @FILE, or - for standard input");
  command
      ->add_option("--property", options->properties, "an application property; may be given several times")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
  command->add_option("--message-id", options->message_id, "names the message in feedback")->type_name("ID");
  command->add_option("--correlation-id", options->correlation_id)->type_name("ID");
  command->add_option("--user-id", options->user_id)->type_name("ID");
  command->add_option("--content-type", options->content_type, "such as application/json")->type_name("TYPE");
  command->add_option("--content-encoding", options->content_encoding, "such as utf-8")->type_name("NAME");
  command->add_option("--ack", options->ack, "which ends to hear of with `kyanite feedback`")
      ->check(CLI::IsMember({"none", "positive", "negative", "full"}));
  auto* expiry = command->add_option("--expiry", options->expiry, "an end like 2026-01-05T10:00:01Z");
  expiry->type_name("TIME");
  command->add_option("--ttl", options->ttl_seconds, "seconds from now to the end")
      ->type_name("S")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{315'360'000}))
      ->excludes(expiry);
  command->callback([options, &exit_code] { exit_code = send(*options); });
}

}  // namespace

void add_c2d_commands(CLI::App& app, int& exit_code) {
  auto* group = app.add_subcommand("c2d", "cloud-to-device messages");
  group->require_subcommand(1);
  add_send(*group, exit_code);

  auto* purge_command = group->add_subcommand("purge", "remove all messages queued for a device");
  const auto purge_options = std::make_shared<PurgeOptions>();
  purge_options->hub = add_hub_options(*purge_command);
  purge_command->add_option("DEVICE", purge_options->device, "its id")->required();
  purge_command->add_flag("--json", purge_options->json, "print JSON");
  purge_command->callback([purge_options, &exit_code] { exit_code = purge(*purge_options); });

  auto* command = app.add_subcommand("feedback", "print what became of messages, and remove it from the hub");
  const auto options = std::make_shared<FeedbackOptions>();
  options->hub = add_hub_options(*command);
  command->add_option("--count", options->count, "end after so many; a batch of up to 64 is taken as a whole")
      ->type_name("N");
  command->add_option("--timeout", options->timeout_seconds, "end after so many seconds; 0 waits for ever")
      ->type_name("S");
  command->add_flag("--peek", options->peek, "show what is there now and leave it");
  command->add_flag("--json", options->json, "print one JSON object a line");
  command->callback([options, &exit_code] { exit_code = feedback(*options); });
}

}  // namespace kyanite::cli
