#include <signal.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>
#include <vector>

#include "protocol/base/iso_time.h"
#include "server/app/backup/backup.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/redact.h"
#include "server/app/cli/rest_client.h"
#include "server/app/cli/settings_flags.h"
#include "server/app/cli/tar_writer.h"
#include "server/app/first_start/data_directory.h"
#include "server/app/first_start/files.h"
#include "server/app/first_start/pki.h"
#include "server/app/http_fetch.h"
#include "server/app/version.h"
#include "storage/rocksdb/store_check.h"

// One file to send to whoever helps: what a hub and its machine look like, without a key, token or payload. A
// part that cannot be had says why, so that a hub that is down gives a bundle too.
namespace kyanite::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLogBytesMax = 4 * 1024 * 1024;  // of its end
constexpr std::size_t kListedFilesMax = 5000;
constexpr seconds kPatience{10};

struct BundleOptions {
  std::shared_ptr<HubOptions> hub;
  std::string file;
  std::string log;
  std::string admin;
  SettingsFlags settings;  // the configuration file alone
};

// The last bytes of a file, from the beginning of a line.
Result<std::string> tail_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return Error(Errc::io_failed, path.string() + " is no file");
  const std::uint64_t size = fs::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  if (error || !in) return Error(Errc::io_failed, "cannot read " + path.string());
  if (size > kLogBytesMax) in.seekg(static_cast<std::streamoff>(size - kLogBytesMax));
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (size > kLogBytesMax) text.erase(0, text.find('\n') + 1);
  return text;
}

std::string or_reason(const Result<std::string>& text) {
  return text ? *text : "not there: " + text.error().detail + "\n";
}

std::string pretty(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

class SupportBundle {
 public:
  explicit SupportBundle(const BundleOptions& options)
      : options_(options), data_(data_directory_of(*options.hub, process_search())) {
    if (const auto text = read_file(data_ / "hub.json")) {
      const auto hub = decode_hub_file(*text);
      if (hub) pid_ = hub->pid;
      if (Result<Json> json = parse_json(*text)) hub_json_ = std::move(*json);
    }
    // The process that a killed hub's file names may be another one by now, or one of another container.
    if (!DataDirectory::is_in_use(data_) || (pid_ > 0 && ::kill(pid_, 0) != 0 && errno == ESRCH)) pid_ = 0;
  }

  Result<void> write() {
    TarGzWriter tar(options_.file);
    if (auto opened = tar.open(); !opened) return opened;
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    const auto add = [&](const std::string& name, const std::string& text) {
      return tar.add("kyanite-support/" + name, redact(text), now);
    };
    const std::pair<const char*, std::string> parts[] = {
        {"version.txt", "kyanite " + std::string(kVersion) + "\n"},
        {"settings.json", settings()},
        {"hub.json", hub_facts()},
        {"status.json", ask("/kyanite/v1/status", {})},
        {"policies.json",
         ask("/kyanite/v1/policies", {"primaryKey", "secondaryKey", "connectionString",
                                      "eventsConnectionString", "eventsEmulatorConnectionString", "etag"})},
        {"ca-certificates.json",
         ask("/kyanite/v1/ca-certificates", {"certificate", "verificationCode", "etag"})},
        {"backups.json", ask("/kyanite/v1/backups", {})},
        {"metrics.txt", metrics()},
        {"log.txt", log()},
        {"store.json", store()},
        {"files.txt", listing()},
        {"certificates.json", certificates()},
        {"system.txt", system()},
        {"process.txt", process()},
    };
    for (const auto& [name, text] : parts) {
      if (auto added = add(name, text); !added) return added;
      std::printf("%-22s %zu bytes\n", name, text.size());
    }
    return tar.finish();
  }

 private:
  std::string settings() const;
  std::string hub_facts() const;
  std::string ask(const std::string& path, const std::vector<std::string>& without);
  std::string metrics() const;
  std::string log() const;
  std::string store() const;
  std::string listing() const;
  std::string certificates() const;
  std::string system() const;
  std::string process() const;

  const BundleOptions& options_;
  const fs::path data_;
  int pid_ = 0;  // 0: no hub known to run here
  Json hub_json_;
  std::optional<std::string> unreachable_;  // why, once it was tried
};

// As this command sees them, which is as the hub does when it has the same file and environment.
std::string SupportBundle::settings() const {
  const LoadedSettings loaded = load_from_process(options_.settings);
  Json out = show_settings(loaded.settings);
  Json& address = out["auth"]["bearerJwksUri"];
  if (address.is_string()) {
    std::string text = address.get<std::string>();
    const std::size_t at = text.find('@'), query = text.find('?');
    if (query != std::string::npos) text = text.substr(0, query) + "?***";
    if (at != std::string::npos && at < text.size()) text = "https://***" + text.substr(at);
    address = text;
  }
  Json problems = Json::array();
  for (const Problem& problem : loaded.problems) problems.push_back(to_text(Problems{problem}));
  return pretty(
      Json{{"from", "the configuration file, the environment and the defaults that this command saw"},
           {"settings", std::move(out)},
           {"problems", std::move(problems)}});
}

std::string SupportBundle::hub_facts() const {
  if (!hub_json_.is_object()) return "not there: no hub.json in " + data_.string() + "\n";
  Json out = Json::object();
  for (const auto& [name, value] : members_of(hub_json_)) {
    if (name.find("tring") == std::string::npos) out[name] = value;  // connection strings stay here
  }
  out["processRuns"] = pid_ > 0;
  return pretty(out);
}

std::string SupportBundle::ask(const std::string& path, const std::vector<std::string>& without) {
  if (unreachable_) return "not there: " + *unreachable_ + "\n";
  auto target = find_hub(*options_.hub);
  if (!target) {
    unreachable_ = target.error().detail;
    return "not there: " + *unreachable_ + "\n";
  }
  RestClient hub(std::move(*target));
  hub.set_answer_time(kPatience);
  Result<Json> answer = hub.ask_json("GET", path);
  if (!answer) {
    if (answer.error().code == Errc::io_failed) unreachable_ = answer.error().detail;
    return "not there: " + answer.error().detail + "\n";
  }
  if (answer->is_object()) {
    for (auto& [name, list] : members_of(*answer)) {
      if (!list.is_array()) continue;
      for (Json& entry : list) {
        if (!entry.is_object()) continue;
        for (const std::string& secret : without) entry.erase(secret);
      }
    }
  }
  return pretty(*answer);
}

std::string SupportBundle::metrics() const {
  std::string base = options_.admin;
  if (base.empty() && hub_json_.is_object()) {
    const Json* admin = find_member(hub_json_, "adminConnect");
    if (admin && admin->is_string()) base = admin->get<std::string>();
  }
  if (base.empty())
    return "not there: the address of the admin port is not known; name it with --admin ADDR:PORT\n";
  const auto answer = fetch_http({.url = "http://" + base + "/metrics",
                                  .direct = true,
                                  .ca_file = {},
                                  .time = kPatience,
                                  .bytes_max = 16 * 1024 * 1024},
                                 [] { return false; });
  if (!answer) return "not there: " + answer.error().detail + "\n";
  if (answer->status != 200)
    return "not there: the admin port answered " + std::to_string(answer->status) + "\n";
  return answer->body;
}

// Named, or where the standard error of the hub leads to when that is a file.
std::string SupportBundle::log() const {
  fs::path file = options_.log;
  std::error_code error;
  if (file.empty() && pid_ > 0) file = fs::read_symlink("/proc/" + std::to_string(pid_) + "/fd/2", error);
  if (file.empty() || (options_.log.empty() && !fs::is_regular_file(file, error))) {
    return "not there: the hub's log goes to no file that this command knows; name it with --log FILE, or "
           "attach "
           "what `journalctl -u kyanite --since today` or `docker logs` prints\n";
  }
  return or_reason(tail_of(file));
}

std::string SupportBundle::store() const {
  if (pid_ > 0) return "not looked into: a hub runs; status.json has what it says\n";
  const Result<StoreCounts> counts = estimate_store(data_ / "store");
  if (!counts) return "not there: " + counts.error().detail + "\n";
  return pretty(Json{{"estimated", true},
                     {"storeFormat", counts->format_version},
                     {"telemetryPartitions", counts->partitions},
                     {"tables", counts->tables},
                     {"tableBytes", counts->table_bytes},
                     {"devices", counts->devices},
                     {"modules", counts->modules},
                     {"sessions", counts->sessions},
                     {"cloudToDeviceMessages", counts->c2d_messages},
                     {"feedback", counts->feedback},
                     {"documents", counts->documents},
                     {"events", counts->events}});
}

// Names, sizes and rights, nothing of what is inside. Uploaded files have hashes for names.
std::string SupportBundle::listing() const {
  std::string out;
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  std::error_code error;
  for (auto entry =
           fs::recursive_directory_iterator(data_, fs::directory_options::skip_permission_denied, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    struct stat facts {};
    if (::lstat(entry->path().c_str(), &facts) != 0) continue;
    ++files;
    if (S_ISREG(facts.st_mode)) bytes += static_cast<std::uint64_t>(facts.st_size);
    if (files > kListedFilesMax) continue;
    char line[64];
    std::snprintf(line, sizeof line, "%06o %5u %12lld ", facts.st_mode, facts.st_uid,
                  static_cast<long long>(facts.st_size));
    const auto modified = WallTime(std::chrono::duration_cast<milliseconds>(seconds(facts.st_mtime)));
    out += line + to_iso_time(modified) + "  " + entry->path().lexically_relative(data_).string() + "\n";
  }
  if (error) out += "the rest cannot be read: " + error.message() + "\n";
  out += std::to_string(files) + " entries, " + std::to_string(bytes) + " bytes\n";
  return out;
}

std::string SupportBundle::certificates() const {
  Json out = Json::array();
  for (const char* name : {"ca", "server"}) {
    const fs::path file = data_ / "pki" / (std::string(name) + ".pem");
    const auto pem = read_file(file);
    if (!pem) {
      out.push_back({{"file", file.string()}, {"problem", pem.error().detail}});
      continue;
    }
    const auto expires = pki::expiry_of(*pem);
    std::error_code error;
    out.push_back({{"file", file.string()},
                   {"names", pki::names_of(*pem)},
                   {"sha256", pki::sha256_fingerprint(*pem)},
                   {"expires", expires ? to_iso_time(*expires) : std::string("cannot be read")},
                   {"keyIsThere", fs::exists(data_ / "pki" / (std::string(name) + ".key"), error)}});
  }
  return pretty(out);
}

std::string SupportBundle::system() const {
  std::string out;
  const auto line = [&](const std::string& name, const std::string& value) {
    out += name + ": " + value + "\n";
  };
  utsname kernel{};
  if (::uname(&kernel) == 0)
    line("kernel", std::string(kernel.sysname) + " " + kernel.release + " " + kernel.machine);
  if (const auto release = read_file("/etc/os-release")) {
    const std::size_t at = release->find("PRETTY_NAME=");
    if (at != std::string::npos) line("system", release->substr(at + 12, release->find('\n', at) - at - 12));
  }
  line("time", to_iso_time(std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now())));
  line("processors", std::to_string(std::thread::hardware_concurrency()));
  if (const auto load = read_file("/proc/loadavg")) line("load", load->substr(0, load->find('\n')));
  if (const auto memory = read_file("/proc/meminfo")) {
    for (const char* name : {"MemTotal", "MemAvailable", "SwapTotal"}) {
      const std::size_t at = memory->find(name);
      if (at != std::string::npos) out += memory->substr(at, memory->find('\n', at) - at + 1);
    }
  }
  std::error_code error;
  if (const fs::space_info space = fs::space(data_, error); !error)
    line("disk of the data directory",
         std::to_string(space.available) + " of " + std::to_string(space.capacity) + " bytes free");
  if (const auto mounts = read_file("/proc/mounts")) {
    // The mount that holds the directory: the longest that begins its path.
    const std::string path = fs::weakly_canonical(data_, error).string();
    std::string best, kind;
    for (std::size_t at = 0; at < mounts->size();) {
      const std::size_t end = std::min(mounts->find('\n', at), mounts->size());
      const std::string row = mounts->substr(at, end - at);
      at = end + 1;
      const std::size_t first = row.find(' '), second = row.find(' ', first + 1),
                        third = row.find(' ', second + 1);
      if (third == std::string::npos) continue;
      const std::string place = row.substr(first + 1, second - first - 1);
      if (place.size() < best.size() || !path.starts_with(place)) continue;
      best = place;
      kind = row.substr(second + 1, third - second - 1);
    }
    line("file system of the data directory", kind);
  }
  return out;
}

std::string SupportBundle::process() const {
  const std::string folder = pid_ > 0 ? "/proc/" + std::to_string(pid_) : std::string("/proc/self");
  std::string out = pid_ > 0 ? "of the hub, process " + std::to_string(pid_) + "\n"
                             : std::string("no hub runs here: the limits are those of this command\n");
  out += "\n" + or_reason(read_file(folder + "/limits"));
  if (pid_ <= 0) return out;
  if (const auto status = read_file(folder + "/status")) {
    for (const char* name : {"State", "VmPeak", "VmRSS", "Threads", "Uid", "Gid", "CapEff"}) {
      const std::size_t at = status->find(std::string("\n") + name + ":");
      if (at != std::string::npos) out += status->substr(at, status->find('\n', at + 1) - at);
    }
    out += "\n";
  }
  std::error_code error;
  const auto descriptors =
      std::distance(fs::directory_iterator(folder + "/fd", error), fs::directory_iterator());
  out += error ? "open descriptors: cannot be read: " + error.message() + "\n"
               : "open descriptors: " + std::to_string(descriptors) + "\n";
  return out;
}

}  // namespace

void add_support_bundle_command(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "support-bundle", "collect what somebody needs who helps: version, settings, status, log, machine");
  const auto options = std::make_shared<BundleOptions>();
  options->hub = add_hub_options(*command);
  command->add_option("FILE", options->file, "what to write, NAME.tar.gz")->required();
  command
      ->add_option("--log", options->log, "the hub's log, when it goes to a file that is not found by itself")
      ->type_name("FILE");
  command->add_option("--admin", options->admin, "admin port of the hub, when hub.json does not name it")
      ->type_name("ADDR:PORT");
  command
      ->add_option("--config", options->settings.config_file, "configuration file of the hub; KYANITE_CONFIG")
      ->type_name("FILE");
  command->footer(
      "It holds no keys, tokens or payloads, but names of devices, addresses and paths: do look before you "
      "send it.");
  command->callback([options, &exit_code] {
    const Result<void> written = SupportBundle(*options).write();
    if (!written) {
      exit_code = fail(written.error().detail);
      return;
    }
    std::printf("%s  keys and tokens are left out; do look before you send it\n", options->file.c_str());
    exit_code = kDone;
  });
}

}  // namespace kyanite::cli
