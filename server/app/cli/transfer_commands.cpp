#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <thread>
#include <vector>

#include "protocol/base/json_text.h"
#include "protocol/base/limits.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"
#include "server/app/first_start/files.h"

// export and import: a hub's devices and modules with their twins as a file, in the item form of bulk
// requests, an item a line. So a fleet moves from one hub to another without a blob service.
namespace kyanite::cli {
namespace {

constexpr std::size_t kRequestBytes = 768 * 1024;  // of one bulk request, about
constexpr milliseconds kBusyPauseMax{5'000};
constexpr std::chrono::minutes kBusyTimeMax{2};  // of one request
constexpr std::size_t kArrayBytesMax = 256 * 1024 * 1024;

struct TransferOptions {
  std::shared_ptr<HubOptions> hub;
  std::string file;
  bool without_keys = false;
};

// The file as it grows, for its owner alone, since it holds keys; it takes its name when it is whole.
class ExportFile {
 public:
  explicit ExportFile(std::string name) : name_(std::move(name)), part_(name_ + ".part") {
    const int fd = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd >= 0) file_ = ::fdopen(fd, "w");
  }
  ~ExportFile() {
    if (file_) std::fclose(file_);
    if (file_ || failed_) ::unlink(part_.c_str());
  }
  ExportFile(const ExportFile&) = delete;
  ExportFile& operator=(const ExportFile&) = delete;

  std::FILE* stream() const { return file_; }
  // Nothing when the file stands under its name.
  bool close() {
    const bool written = std::fflush(file_) == 0 && ::fsync(::fileno(file_)) == 0;
    const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
    failed_ = !written || !closed || std::rename(part_.c_str(), name_.c_str()) != 0;
    return !failed_;
  }

 private:
  std::string name_;
  std::string part_;
  std::FILE* file_ = nullptr;
  bool failed_ = false;
};

int export_to(const TransferOptions& options, RestClient& hub, std::FILE* stream, std::uint64_t& lines) {
  bool written = true;
  const std::string path = options.without_keys ? "/kyanite/v1/registry?keys=false" : "/kyanite/v1/registry";
  const auto read = hub.read_lines(path, [&](std::string_view line) {
    ++lines;
    written =
        std::fwrite(line.data(), 1, line.size(), stream) == line.size() && std::fputc('\n', stream) != EOF;
    return written;
  });
  if (!read) return fail(read.error().detail);
  if (!written) return fail("the export cannot be written: " + system_reason(errno));
  return kDone;
}

int export_registry(const TransferOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  std::uint64_t lines = 0;
  if (options.file == "-") {
    const int done = export_to(options, hub, stdout, lines);
    return done == kDone && std::fflush(stdout) != 0 ? fail("the export cannot be written") : done;
  }
  ExportFile file(options.file);
  if (!file.stream()) return fail(options.file + " cannot be written: " + system_reason(errno));
  if (const int done = export_to(options, hub, file.stream(), lines); done != kDone) return done;
  if (!file.close()) return fail(options.file + " cannot be written: " + system_reason(errno));
  std::fprintf(stderr, "kyanite: %llu identities in %s%s\n", static_cast<unsigned long long>(lines),
               options.file.c_str(), options.without_keys ? "" : "; it holds their keys");
  return kDone;
}

// Sends items in requests of limits::kBulkItemsMax at most, and tells of what was refused by its line.
class BulkSender {
 public:
  explicit BulkSender(RestClient& hub) : hub_(hub) {}

  Result<void> add(std::string_view item, std::size_t line) {
    const Result<Json> json = parse_json(item);
    const Json* id = json ? find_member(*json, "id") : nullptr;
    if (!id || !id->is_string()) {
      refuse(line, json ? "no object with an id" : json.error().detail);
      return {};
    }
    const Json* module = find_member(*json, "moduleId");
    const std::string key =
        id->get<std::string>() + '\n' + (module && module->is_string() ? module->get<std::string>() : "");
    // One request may hold an identity once.
    const bool full = items_.size() >= limits::kBulkItemsMax || bytes_ + item.size() > kRequestBytes;
    if (full || places_.contains(key)) {
      if (Result<void> sent = send(); !sent) return sent;
    }
    places_[key] = line;
    items_.emplace_back(item);
    bytes_ += item.size() + 1;
    return {};
  }

  Result<void> send() {
    if (items_.empty()) return {};
    std::string body = "[";
    for (const std::string& item : items_) body += (body.size() > 1 ? "," : "") + item;
    body += "]";
    const Result<RestAnswer> answer = ask_until_taken(body);
    if (!answer) return answer.error();
    const Result<Json> json = parse_json(answer->body);
    const Json* errors = json ? find_member(*json, "errors") : nullptr;
    if (!errors || !errors->is_array()) return Error(Errc::argument_invalid, describe_refusal(*answer));
    for (const Json& error : *errors) tell(error);
    taken_ += items_.size() - errors->size();
    items_.clear();
    places_.clear();
    bytes_ = 0;
    return {};
  }

  std::uint64_t taken() const { return taken_; }
  std::uint64_t refused() const { return refused_; }

 private:
  // A hub under pressure or at its rate refuses the whole request, which changes nothing.
  Result<RestAnswer> ask_until_taken(const std::string& body) {
    constexpr int kThrottled = 429, kBusy = 503;
    const auto until = std::chrono::steady_clock::now() + kBusyTimeMax;
    for (milliseconds pause{250};; pause = std::min<milliseconds>(2 * pause, kBusyPauseMax)) {
      Result<RestAnswer> answer = hub_.ask("POST", "/devices", body);
      const bool is_busy = answer && (answer->status == kThrottled || answer->status == kBusy);
      if (!is_busy || std::chrono::steady_clock::now() + pause > until) return answer;
      if (!std::exchange(told_busy_, true)) std::fprintf(stderr, "kyanite: the hub is busy, trying again\n");
      std::this_thread::sleep_for(pause);
    }
  }

  void tell(const Json& error) {
    const std::string device = text_member(error, "deviceId");
    const std::string module = text_member(error, "moduleId");
    const auto place = places_.find(device + '\n' + module);
    refuse(place == places_.end() ? 0 : place->second,
           device + (module.empty() ? "" : "/" + module) + ": " + text_member(error, "errorStatus"));
  }
  void refuse(std::size_t line, const std::string& why) {
    ++refused_;
    std::fprintf(stderr, "kyanite: line %zu: %s\n", line, why.c_str());
  }

  RestClient& hub_;
  std::vector<std::string> items_;
  std::map<std::string, std::size_t> places_;  // identity to line, of the request at hand
  std::size_t bytes_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t refused_ = 0;
  bool told_busy_ = false;
};

Result<void> send_array(BulkSender& sender, std::string text, std::istream& in) {
  for (std::string line; std::getline(in, line);) {
    text += '\n' + line;
    if (text.size() > kArrayBytesMax) {
      return Error(Errc::argument_invalid, "the array is too large: write an item a line instead");
    }
  }
  const auto items = split_json_array(text);
  if (!items) return Error(Errc::argument_invalid, "the file is no JSON array");
  for (const std::string_view item : *items) {
    const auto before = std::string_view(text).substr(0, static_cast<std::size_t>(item.data() - text.data()));
    const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    if (Result<void> added = sender.add(item, line); !added) return added;
  }
  return sender.send();
}

Result<void> send_all(BulkSender& sender, std::istream& in) {
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::string_view text = without_byte_order_mark(line);
    const std::size_t begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) continue;
    if (number == 1 && text[begin] == '[') return send_array(sender, std::string(text), in);
    if (Result<void> added = sender.add(text, number); !added) return added;
  }
  if (in.bad()) return Error(Errc::io_failed, "the file cannot be read to its end");
  return sender.send();
}

int import_registry(const TransferOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  std::ifstream file;
  if (options.file != "-") {
    file.open(options.file, std::ios::binary);
    if (!file) return fail(options.file + " cannot be read: " + system_reason(errno));
  }
  BulkSender sender(hub);
  const Result<void> sent = send_all(sender, options.file == "-" ? std::cin : file);
  std::fprintf(stderr, "kyanite: %llu items carried out, %llu refused\n",
               static_cast<unsigned long long>(sender.taken()),
               static_cast<unsigned long long>(sender.refused()));
  if (!sent) return fail(sent.error().detail);
  return sender.refused() == 0 ? kDone : kFailed;
}

}  // namespace

void add_transfer_commands(CLI::App& app, int& exit_code) {
  const auto declare = [&app](const char* name, const char* what, const char* file) {
    auto* command = app.add_subcommand(name, what);
    auto options = std::make_shared<TransferOptions>();
    options->hub = add_hub_options(*command);
    command->add_option("file", options->file, file)->required()->type_name("FILE");
    return std::pair(command, options);
  };
  const auto [save, to] =
      declare("export", "write all devices and modules with twins and keys, an item a line",
              "where to, or - for standard output; made with mode 0600");
  save->add_flag("--no-keys", to->without_keys, "leave symmetric keys out");
  save->callback([options = to, &exit_code] { exit_code = export_registry(*options); });
  const auto [load, from] =
      declare("import", "create and update what the items of a file say",
              "what `export` wrote, or any items of bulk requests, or - for standard input");
  load->callback([options = from, &exit_code] { exit_code = import_registry(*options); });
}

}  // namespace kyanite::cli
