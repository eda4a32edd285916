#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "server/app/application.h"
#include "server/app/backup/backup.h"
#include "server/app/backup/restore.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/settings_flags.h"
#include "server/app/listen_check.h"
#include "server/app/seed_start.h"
#include "server/app/service_manager.h"
#include "server/app/signals.h"
#include "server/observe/log.h"

namespace kyanite::cli {
namespace {

bool wants_json(LogFormat format) {
  if (format == LogFormat::automatic) return ::isatty(STDERR_FILENO) == 0;
  return format == LogFormat::json;
}

void report(const Problems& problems) {
  const char* number = problems.size() == 1 ? "one problem" : "these problems";
  std::fprintf(stderr, "kyanite: cannot start because of %s:\n", number);
  for (const Problem& problem : problems) std::fprintf(stderr, "  - %s", to_text(Problems{problem}).c_str());
}

// The hub begins anew with another store, or with the one it had when that cannot be made.
Result<void> become(Application::Successor& next) {
  const SteadyTime began = std::chrono::steady_clock::now();
  Result<void> changed;
  const std::filesystem::path& seed_file = next.options.settings.seed_file;
  if (next.change.snapshot.empty() && !seed_file.empty()) {
    Problems problems;
    next.options.seed = read_seed_file(seed_file, problems);
    if (!problems.empty())
      changed = Error(Errc::conflict, "the start file cannot be read again: " + to_text(problems));
  }
  if (changed)
    changed = change_store(next.directory.path(), next.change, next.options.settings.storage,
                           *next.options.empty_store);
  if (!changed) next.options.seed = {};
  const auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
  if (changed) {
    log::warning("store_changed", {{"snapshot", next.change.snapshot}, {"took_ms", took.count()}});
  } else {
    log::error("store_kept", {{"reason", changed.error().detail}});
  }
  next.options.started = began;
  return changed;
}

// Whoever asked for the change hears of it when the hub is ready, or of what went wrong.
void tell(StoreChange& change, const Result<void>& changed, const Result<void>& started,
          std::uint64_t incarnation) {
  if (!change.changed) return;
  if (!changed) return change.changed(changed.error());
  if (!started) return change.changed(started.error());
  change.changed(incarnation);
}

struct SettingsHere {
  LoadedSettings loaded;
  std::vector<ListenAddress> without_ipv6;
};
SettingsHere load_for_this_machine(const SettingsFlags& flags) {
  SettingsHere here{load_from_process(flags), {}};
  here.without_ipv6 = use_what_the_machine_has(here.loaded.settings.listen);
  return here;
}

void tell_of_missing_ipv6(const std::vector<ListenAddress>& addresses) {
  if (addresses.empty()) return;
  std::string listed;
  for (const ListenAddress& address : addresses) listed += (listed.empty() ? "" : ", ") + to_string(address);
  log::info("ipv6_missing",
            {{"reason", "this machine has no IPv6: the hub serves IPv4 alone"}, {"listen", listed}});
}

int serve(const SettingsFlags& flags, bool quiet, SteadyTime started) {
  Signals::block();
  auto [loaded, without_ipv6] = load_for_this_machine(flags);
  std::optional<DataDirectory> directory;
  if (auto opened = DataDirectory::open(loaded.settings.data_directory)) {
    directory.emplace(std::move(*opened));
    if (const Result<bool> finished = finish_restore(directory->path()); !finished)
      loaded.problems.push_back({"dataDirectory (--data)", finished.error().detail, ""});
  } else {
    loaded.problems.push_back({"dataDirectory (--data)", opened.error().detail, ""});
  }
  for (Problem& problem : check_listen_addresses(loaded.settings.listen))
    loaded.problems.push_back(std::move(problem));
  Seed seed;
  if (const auto& file = loaded.settings.seed_file; !file.empty())
    seed = read_seed_file(file, loaded.problems);
  if (!loaded.problems.empty()) {
    report(loaded.problems);
    return kFailed;
  }
  log::start({.level = log::level_from_text(loaded.settings.log.level).value_or(log::Level::info),
              .json = wants_json(loaded.settings.log.format)});
  tell_of_missing_ipv6(without_ipv6);
  if (directory->was_open_to_others()) {
    log::warning("data_directory_closed",
                 {{"data", directory->path().string()}, {"reason", "other users could enter it"}});
  }
  ServiceManager service_manager;
  if (auto opened = ServiceManager::from_environment()) {
    service_manager = std::move(*opened);
  } else {
    log::warning("service_manager_not_told", {{"reason", opened.error().detail}});
  }
  remove_unused_stores(directory->path());
  remove_unfinished_backups(directory->path());
  log::debug("settings", {{"effective", show_settings(loaded.settings).dump()}});
  EmptyStore empty_store;
  Application::Options options{.settings = loaded.settings,
                               .reload_settings = [flags] { return load_for_this_machine(flags).loaded; },
                               .seed = std::move(seed),
                               .started = started,
                               .print_block = !quiet,
                               .print_ready_line = ::isatty(STDOUT_FILENO) == 0,
                               .empty_store = &empty_store,
                               .service_manager = &service_manager};
  int exit_code = kFailed;
  std::optional<Application::Successor> next(
      Application::Successor{StoreChange{}, std::move(options), std::move(*directory)});
  Result<void> changed;
  while (next) {
    const std::uint64_t incarnation = next->options.incarnation;
    auto app = Application::start(std::move(next->options), std::move(next->directory));
    tell(next->change, changed, app ? Result<void>() : app.error(), incarnation);
    next.reset();
    if (app) {
      exit_code = (*app)->run();
      if (auto successor = (*app)->successor()) next.emplace(std::move(*successor));
    } else {
      exit_code = app.error().code == Errc::storage_failed ? kStoreDamaged : kFailed;
      log::error("start_failed", {{"reason", app.error().detail}});
      std::fprintf(stderr, "kyanite: cannot start: %s\n", app.error().detail.c_str());
    }
    if (next) changed = become(*next);
  }
  log::stop();
  return exit_code;
}

}  // namespace

void add_serve_command(CLI::App& app, int& exit_code) {
  const SteadyTime started = std::chrono::steady_clock::now();
  auto* command = app.add_subcommand("serve", "run the hub in the foreground");
  command->footer(
      "All settings: `kyanite config reference`. SIGTERM stops cleanly, SIGHUP reloads certificates and log "
      "level.\n"
      "Where standard output is no terminal, one line \"hub ready mqtt=... https=... amqp=... admin=... "
      "start_ms=...\" says that everything is served.");
  const auto flags = add_settings_flags(*command);
  const auto quiet = std::make_shared<bool>(false);
  command->add_flag("--quiet", *quiet, "do not print the block for people when ready");
  command->callback([flags, quiet, started, &exit_code] { exit_code = serve(*flags, *quiet, started); });
}

}  // namespace kyanite::cli
