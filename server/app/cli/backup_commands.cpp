#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>

#include "config/settings.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"
#include "server/app/backup/backup.h"
#include "server/app/backup/directory_check.h"
#include "server/app/backup/restore.h"
#include "server/app/cli/json_command.h"
#include "server/app/version.h"

// Backups of a hub, running or not, and the check of what a directory holds.
namespace kyanite::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::hours kBackupTime{6};  // how long a hub may take to make one
constexpr std::uint64_t kMebibyteOfProgress = 1024 * 1024;

struct BackupOptions {
  std::shared_ptr<HubOptions> hub;
  std::string target;
  std::string name;
  bool list = false;
  std::string erase;
  bool json = false;
};

// Shown on a terminal only, on one line that is written over.
class ProgressLine {
 public:
  ~ProgressLine() { clear(); }
  void show(const std::string& text) {
    if (!on_terminal_ || text == shown_) return;
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    shown_ = text;
  }
  void clear() {
    if (!shown_.empty()) std::fprintf(stderr, "\r\033[K");
    shown_.clear();
  }
  Progress of_bytes(const char* doing) {
    return {.is_cancelled = {}, .moved = [this, doing](std::uint64_t bytes) {
              moved_ += bytes;
              show(std::string(doing) + " " + std::to_string(moved_ / kMebibyteOfProgress) + " MiB");
            }};
  }

 private:
  const bool on_terminal_ = ::isatty(STDERR_FILENO) != 0;
  std::string shown_;
  std::uint64_t moved_ = 0;
};

std::string name_by_time() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "backup-%Y%m%dT%H%M%SZ", &utc);
  return text;
}

int print_backup(const BackupOptions& options, const std::string& where, const BackupManifest& manifest) {
  if (options.json) {
    std::printf("%s\n", Json{{"path", where},
                             {"created", to_iso_time(manifest.created)},
                             {"bytes", manifest.bytes()},
                             {"files", manifest.files.size()}}
                            .dump(2, ' ', false, Json::error_handler_t::replace)
                            .c_str());
  } else {
    std::printf("%s  %zu files, %llu bytes\n", where.c_str(), manifest.files.size(),
                static_cast<unsigned long long>(manifest.bytes()));
  }
  return kDone;
}

// Nobody uses the directory, which is held meanwhile.
int backup_offline(const BackupOptions& options, const fs::path& data) {
  if (options.target.empty()) {
    std::fprintf(stderr, "kyanite: no hub runs in %s: name the folder that the backup shall become\n",
                 data.c_str());
    return kUsage;
  }
  auto directory = DataDirectory::open(data);
  if (!directory) return fail(directory.error().detail);
  if (const auto finished = finish_restore(directory->path()); !finished)
    return fail(finished.error().detail);
  ProgressLine line;
  const auto made =
      backup_directory(*directory, std::string(kVersion), options.target, line.of_bytes("copied"));
  line.clear();
  if (!made) return fail(made.error().detail);
  return print_backup(options, options.target, *made);
}

std::string backup_path(const std::string& name) { return "/kyanite/v1/backups/" + percent_encode(name); }

// The hub's own copy goes when it was made for this one alone.
int bring_out(const BackupOptions& options, RestClient& hub, const std::string& name) {
  const fs::path made = backups_folder(hub.target().local->data_directory) / name;
  if (::access(made.c_str(), R_OK | X_OK) != 0) {
    return fail("the backup is made, but this user may not read " + made.string() +
                ": copy it from there, and delete it with `kyanite backup --delete " + name + "`");
  }
  ProgressLine line;
  const auto copied = copy_backup(made, options.target, line.of_bytes("copied"));
  line.clear();
  if (options.name.empty()) {
    if (const auto erased = hub.ask_json("DELETE", backup_path(name)); !erased)
      std::fprintf(stderr, "kyanite: %s stays: %s\n", made.c_str(), erased.error().detail.c_str());
  }
  if (!copied) return fail(copied.error().detail);
  return print_backup(options, options.target, *copied);
}

int backup_online(const BackupOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  if (!options.target.empty() && !target->local) {
    std::fprintf(
        stderr,
        "kyanite: a hub elsewhere keeps its backups in its own data directory: give --name and no folder\n");
    return kUsage;
  }
  // Before the hub begins: what is certain to fail later fails now.
  std::error_code error;
  if (!options.target.empty() && fs::exists(options.target, error) && !fs::is_empty(options.target, error))
    return fail(options.target + " is there already");
  RestClient hub(std::move(*target));
  hub.set_answer_time(kBackupTime);
  std::string name = options.name.empty() ? name_by_time() : options.name;
  // One that is made to be copied and goes again: others may be made in the same second.
  if (options.name.empty() && !options.target.empty()) name += "-" + std::to_string(::getpid());
  const auto made = hub.ask_json("PUT", backup_path(name));
  if (!made) return fail(made.error().detail);
  if (!options.target.empty()) return bring_out(options, hub, name);
  if (options.json) return print_answer(made);
  std::printf("%s  in the hub's data directory, below backups\n", name.c_str());
  return kDone;
}

int list_or_delete(const BackupOptions& options) {
  auto target = find_hub(*options.hub);
  if (!target) return fail(target.error().detail);
  RestClient hub(std::move(*target));
  if (!options.erase.empty()) {
    const auto erased = hub.ask_json("DELETE", backup_path(options.erase));
    return erased ? kDone : fail(erased.error().detail);
  }
  const auto answer = hub.ask_json("GET", "/kyanite/v1/backups");
  if (!answer || options.json) return print_answer(answer);
  const Json* backups = answer->is_object() ? find_member(*answer, "backups") : nullptr;
  if (!backups || !backups->is_array()) return fail("the hub answered without a list");
  for (const Json& backup : *backups) {
    std::printf("%-32s  %s  %llu bytes\n", backup.value("name", "").c_str(),
                backup.value("created", "").c_str(),
                static_cast<unsigned long long>(backup.value("bytes", std::uint64_t{0})));
  }
  return kDone;
}

int backup(const BackupOptions& options) {
  if (options.list || !options.erase.empty()) return list_or_delete(options);
  const HubSearch search = process_search();
  const fs::path data = data_directory_of(*options.hub, search);
  const bool names_a_hub =
      !options.hub->login.empty() ||
      (options.hub->data.empty() && !search.environment("KYANITE_CONNECTION_STRING").empty());
  std::error_code error;
  if (!names_a_hub && fs::exists(data / "store", error) && !DataDirectory::is_in_use(data))
    return backup_offline(options, data);
  return backup_online(options);
}

struct RestoreOptions {
  HubOptions hub;  // its data directory
  std::string backup;
  bool replace = false;
};

int restore(const RestoreOptions& options) {
  const fs::path data = data_directory_of(options.hub, process_search());
  // Read before a directory is made for it.
  if (const auto manifest = read_manifest(options.backup); !manifest)
    return fail("not restored: " + manifest.error().detail);
  auto directory = DataDirectory::open(data);
  if (!directory) return fail("not restored: " + directory.error().detail);
  ProgressLine line;
  const auto restored = restore_backup(options.backup, *directory, options.replace, line.of_bytes("copied"));
  line.clear();
  if (!restored) return fail(restored.error().detail);
  std::printf("%s holds the hub of %s now; start it with `kyanite serve --data %s`\n",
              directory->path().c_str(), to_iso_time(restored->created).c_str(), directory->path().c_str());
  if (restored->partitions != Settings().storage.telemetry_partitions) {
    std::printf("It was made with storage.telemetryPartitions %u, which the configuration has to say.\n",
                restored->partitions);
  }
  return kDone;
}

struct CheckOptions {
  HubOptions hub;
  std::string path;
  bool json = false;
};

Json counts_to_json(const CheckedDirectory& checked) {
  const StoreCounts& store = checked.store;
  return {{"kind", checked.is_backup ? "backup" : "dataDirectory"},
          {"storeFormat", store.format_version},
          {"telemetryPartitions", store.partitions},
          {"tables", store.tables},
          {"tableBytes", store.table_bytes},
          {"devices", store.devices},
          {"modules", store.modules},
          {"twins", store.twins},
          {"sessions", store.sessions},
          {"cloudToDeviceMessages", store.c2d_messages},
          {"feedback", store.feedback},
          {"documents", store.documents},
          {"events", store.events},
          {"uploadedFiles", checked.files}};
}

int check_path(const CheckOptions& options) {
  const fs::path path =
      options.path.empty() ? data_directory_of(options.hub, process_search()) : fs::path(options.path);
  ProgressLine line;
  Json findings = Json::array(), notes = Json::array();
  std::uint64_t found = 0;
  constexpr std::uint64_t kListed = 1000;  // the rest is counted
  DirectoryCheckHooks hooks;
  hooks.store.on_finding = [&](const std::string& where, const std::string& what) {
    if (++found > kListed) return;
    line.clear();
    if (options.json) {
      findings.push_back({{"where", where}, {"what", what}});
    } else {
      std::printf("%s: %s\n", where.c_str(), what.c_str());
    }
  };
  hooks.store.on_progress = [&](std::string_view what, std::uint64_t done, std::uint64_t total) {
    line.show("looking at " + std::string(what) + " " + std::to_string(done) +
              (total > 0 ? " of " + std::to_string(total) : std::string()));
  };
  hooks.on_note = [&](const std::string& text) {
    line.clear();
    if (options.json) {
      notes.push_back(text);
    } else {
      std::printf("note: %s\n", text.c_str());
    }
  };
  const auto checked = check_directory(path, hooks);
  line.clear();
  if (!checked) {
    std::fprintf(stderr, "kyanite: nothing was checked: %s\n", checked.error().detail.c_str());
    return kUsage;
  }
  const Json counts = counts_to_json(*checked);
  if (options.json) {
    Json out{{"path", path.string()},
             {"counts", counts},
             {"findings", findings},
             {"notes", notes},
             {"findingCount", found}};
    std::printf("%s\n", out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return found == 0 ? kDone : kFailed;
  }
  if (found > kListed)
    std::printf("... and %llu findings more\n", static_cast<unsigned long long>(found - kListed));
  for (const auto& [name, value] : members_of(counts)) {
    if (value.is_number()) std::printf("%-22s %s\n", name.c_str(), value.dump().c_str());
  }
  std::printf("%s\n", found == 0 ? "nothing is wrong" : "something is wrong");
  return found == 0 ? kDone : kFailed;
}

}  // namespace

void add_backup_commands(CLI::App& app, int& exit_code) {
  auto* backup_command = app.add_subcommand("backup", "make a backup of a hub, running or not");
  const auto backup_options = std::make_shared<BackupOptions>();
  backup_options->hub = add_hub_options(*backup_command);
  backup_command->add_option(
      "DIR", backup_options->target,
      "folder that the backup becomes, on the hub's machine; without it the hub keeps the "
      "backup in its data directory");
  backup_command->add_option("--name", backup_options->name, "name of the backup in the hub's data directory")
      ->type_name("NAME");
  backup_command->add_flag("--list", backup_options->list, "list the backups in the hub's data directory");
  backup_command->add_option("--delete", backup_options->erase, "delete one of them")->type_name("NAME");
  backup_command->add_flag("--json", backup_options->json, "print JSON");
  backup_command->footer("A backup holds every key of the hub, its CA's too: keep it as secret as the hub.");
  backup_command->callback([backup_options, &exit_code] { exit_code = backup(*backup_options); });

  auto* restore_command =
      app.add_subcommand("restore", "make a data directory of a backup; no hub may use it");
  const auto restore_options = std::make_shared<RestoreOptions>();
  restore_command->add_option("BACKUP", restore_options->backup, "folder of the backup")->required();
  restore_command->add_option("--data", restore_options->hub.data, "data directory; KYANITE_DATA")
      ->type_name("DIR");
  restore_command->add_flag("--replace", restore_options->replace,
                            "put it in the place of the hub that is there");
  restore_command->callback([restore_options, &exit_code] { exit_code = restore(*restore_options); });

  auto* check_command = app.add_subcommand(
      "check",
      "verify a data directory that no hub uses, or a backup: checksums and what records say of each other");
  const auto check_options = std::make_shared<CheckOptions>();
  check_command->add_option("PATH", check_options->path, "data directory or backup");
  check_command
      ->add_option("--data", check_options->hub.data, "data directory, when no PATH is given; KYANITE_DATA")
      ->type_name("DIR");
  check_command->add_flag("--json", check_options->json, "print JSON");
  check_command->footer(
      "Changes nothing. Exit code 0: nothing is wrong, 1: something is, 2: nothing was checked.");
  check_command->callback([check_options, &exit_code] { exit_code = check_path(*check_options); });
}

}  // namespace kyanite::cli
