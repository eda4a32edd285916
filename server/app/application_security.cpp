#include <algorithm>
#include <atomic>
#include <string_view>
#include <utility>

#include "protocol/base/iso_time.h"
#include "server/app/application.h"
#include "server/app/first_start/files.h"
#include "server/app/first_start/host_names.h"
#include "server/app/first_start/pki.h"
#include "server/app/hub_records.h"
#include "server/observe/log.h"

// What the hub proves itself with and what it judges others by: its certificate, policies, an issuer's keys.
namespace kyanite {
namespace {

constexpr std::chrono::hours kRemindEvery{24};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

// Keys whose value in force is not that of the configuration and that only a start takes. A port that the
// system chose is as good as 0.
std::vector<std::string> settings_that_differ(const Settings& in_force, Settings loaded) {
  const auto keep_chosen = [](const ListenAddress& bound, ListenAddress& wanted) {
    if (wanted.port == 0) wanted.port = bound.port;
  };
  keep_chosen(in_force.listen.mqtts, loaded.listen.mqtts);
  keep_chosen(in_force.listen.https, loaded.listen.https);
  if (in_force.listen.amqps && loaded.listen.amqps) keep_chosen(*in_force.listen.amqps, *loaded.listen.amqps);
  if (in_force.listen.amqp && loaded.listen.amqp) keep_chosen(*in_force.listen.amqp, *loaded.listen.amqp);
  if (in_force.listen.admin && loaded.listen.admin) keep_chosen(*in_force.listen.admin, *loaded.listen.admin);
  std::vector<std::string> keys = differing_settings(in_force, loaded);
  std::erase(keys, "log.level");
  return keys;
}

// The certificates of a PEM file and nothing else: somebody's file may hold a private key as well.
std::string certificates_in(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  std::string out;
  std::size_t begin = 0;
  while ((begin = pem.find(kBegin, begin)) != std::string_view::npos) {
    const std::size_t end = pem.find(kEnd, begin);
    if (end == std::string_view::npos) break;
    out.append(pem.substr(begin, end + kEnd.size() - begin)).append("\n");
    begin = end;
  }
  return out;
}

}  // namespace

Result<void> Application::load_certificate() {
  const std::vector<std::string>& configured = options_.settings.hub.host_names;
  name_was_chosen_ = configured.empty();
  host_names_ = choose_host_names(configured, remembered_host_name(directory_.pki()), machine_name(),
                                  resolves_to_loopback);
  const std::string& events_name = options_.settings.events.host_name;
  if (!events_name.empty() &&
      std::find(host_names_.begin(), host_names_.end(), events_name) == host_names_.end()) {
    host_names_.push_back(events_name);
  }
  auto certificate =
      load_server_certificate(options_.settings.tls, directory_.pki(), host_names_, HubClock::real_now());
  if (!certificate) return certificate.error();
  for (const std::string& sentence : certificate->renewed)
    log::info("certificate_made", {{"what", sentence}});
  ticket_keys_ = std::make_shared<TicketKeys>();
  return make_contexts(*certificate);
}

Result<void> Application::make_contexts(const ServerCertificate& certificate) {
  TlsContextSettings settings;
  settings.certificate = {certificate.certificate_pem, certificate.key_pem};
  settings.ticket_keys = ticket_keys_;
  settings.tls_1_3 = options_.settings.tls.max_version == TlsVersion::tls1_3;
  auto mqtts = TlsContext::create(settings);
  if (!mqtts) return mqtts.error();
  settings.select_http_1_1 = true;
  auto https = TlsContext::create(settings);
  if (!https) return https.error();
  if (mqtts_context_) {
    mqtts_context_->replace(std::move(*mqtts));
    https_context_->replace(std::move(*https));
  } else {
    mqtts_context_ = std::make_shared<TlsContextHolder>(std::move(*mqtts));
    https_context_ = std::make_shared<TlsContextHolder>(std::move(*https));
  }
  certificate_ = certificate;
  return {};
}

Result<void> Application::load_bearer_keys() {
  const std::filesystem::path& file = options_.settings.auth.bearer_jwks_file;
  if (file.empty()) return {};
  const Result<std::string> text = read_file(file);
  if (!text) return text.error();
  Result<BearerKeys> keys = BearerKeys::parse(*text);
  if (!keys) return Error(keys.error().code, file.string() + ": " + keys.error().detail);
  bearer_keys_ = std::make_shared<const BearerKeys>(std::move(*keys));
  return {};
}

void Application::build_bearer_fetcher() {
  const Settings::Auth& auth = options_.settings.auth;
  if (auth.bearer_jwks_uri.empty()) return;
  bearer_fetcher_ = std::make_unique<BearerFetcher>(
      BearerFetcher::Rules{.uri = auth.bearer_jwks_uri, .ca_file = auth.bearer_jwks_ca_file},
      [this](std::shared_ptr<const BearerKeys> keys, Task published) {
        administration_->set_bearer_keys(std::move(keys), std::move(published));
      });
  for (const auto& hub_shard : hub_shards_) hub_shard->set_bearer_keys(*bearer_fetcher_);
}

// Writing hub.json holds up shard 0 for some milliseconds, and only when somebody replaces the owner's key:
// its tools find the new one before the old one is refused.
void Application::publish_security(const HubSecurityPtr& security, Task published) {
  if (const auto done = hub_file_->set_owner(owner_of(security->policies)); !done) {
    log::error("hub_file_outdated", {{"reason", done.error().detail}});
  }
  records_.policies = security->policies;  // shard 0's while shards run
  on_every_shard([security](HubShard& hub_shard) { hub_shard.set_security(security); }, std::move(published));
}

void Application::on_every_shard(std::function<void(HubShard&)> step, Task done) {
  struct Round {
    Round(std::size_t shards, std::function<void(HubShard&)> each, Task task)
        : missing(shards), step(std::move(each)), done(std::move(task)) {}
    std::atomic<std::size_t> missing;
    const std::function<void(HubShard&)> step;
    Task done;
  };
  const auto round = std::make_shared<Round>(hub_shards_.size(), std::move(step), std::move(done));
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->shard().post([this, target = hub_shard.get(), round] {
      round->step(*target);
      if (--round->missing == 0) shards_->shard(0).post(std::move(round->done));
    });
  }
}

Result<ReloadReport> Application::reload() {
  if (options_.service_manager) options_.service_manager->reloading();
  Result<ReloadReport> report = read_again();
  if (options_.service_manager) options_.service_manager->ready("serving as " + host_names_.front());
  return report;
}

// Everything that can be read again is read before anything changes; what cannot be used leaves the old one.
Result<ReloadReport> Application::read_again() {
  const LoadedSettings loaded = options_.reload_settings();
  if (!loaded.problems.empty()) {
    for (const Problem& problem : loaded.problems) {
      log::error("reload_refused", {{"where", problem.where}, {"reason", problem.what}});
    }
    return Error(Errc::argument_invalid,
                 "the configuration cannot be used, nothing changed: " + to_text(loaded.problems));
  }
  ReloadReport report;
  report.needs_restart = settings_that_differ(options_.settings, loaded.settings);
  if (const auto level = log::level_from_text(loaded.settings.log.level); level && *level != log::level()) {
    log::set_level(*level);
    report.changed.emplace_back("log.level");
  }
  certificate_problem_.clear();
  if (renew_certificate()) report.changed.emplace_back("certificate");
  if (!certificate_problem_.empty()) report.kept.push_back("certificate: " + certificate_problem_);
  if (bearer_fetcher_) bearer_fetcher_->fetch_soon();
  if (const Result<void> loaded_keys = load_bearer_keys(); !loaded_keys) {
    log::error("bearer_keys_kept", {{"reason", loaded_keys.error().detail}});
    report.kept.push_back("bearer keys: " + loaded_keys.error().detail);
  } else if (bearer_keys_) {
    administration_->set_bearer_keys(bearer_keys_, [] {});
    log::info("bearer_keys_loaded", {{"keys", bearer_keys_->size()}});
    report.changed.emplace_back("bearerKeys");
  }
  log::info("reloaded",
            {{"changed", joined(report.changed)}, {"needs_restart", joined(report.needs_restart)}});
  return report;
}

// What clients are told to trust; empty when they need not be told, or when its file is gone.
std::string Application::ca_pem() const {
  if (certificate_.ca_file.empty()) return {};
  const auto text = read_file(certificate_.ca_file);
  if (text) return certificates_in(*text);
  log::warning("ca_unreadable", {{"reason", text.error().detail}});
  return {};
}

// The hub makes its own certificate anew in time; of the user's it can only remind.
void Application::check_certificate() {
  const SteadyTime now = std::chrono::steady_clock::now();
  const bool remind = now >= next_reminder_;
  if (remind) {
    next_reminder_ = now + kRemindEvery;
    certificate_problem_.clear();
  }
  if (options_.settings.tls.certificate_file.empty()) {
    renew_certificate();
    return;
  }
  const milliseconds left = certificate_.expires - HubClock::real_now();
  if (!remind || left >= pki::kRenewBefore) return;
  log::warning("certificate_expires", {{"file", options_.settings.tls.certificate_file.string()},
                                       {"expires", to_iso_time(certificate_.expires)},
                                       {"days_left", std::chrono::floor<std::chrono::days>(left).count()},
                                       {"reason", "replace the files and send SIGHUP"}});
}

// What stays wrong is said once a day, not each minute.
bool Application::keep_certificate(const Error& problem) {
  if (std::exchange(certificate_problem_, problem.detail) != problem.detail)
    log::error("certificate_kept", {{"reason", problem.detail}});
  return false;
}

bool Application::renew_certificate() {
  auto certificate =
      load_server_certificate(options_.settings.tls, directory_.pki(), host_names_, HubClock::real_now());
  if (!certificate) return keep_certificate(certificate.error());
  for (const std::string& sentence : certificate->renewed)
    log::info("certificate_made", {{"what", sentence}});
  if (certificate->certificate_pem == certificate_.certificate_pem &&
      certificate->key_pem == certificate_.key_pem)
    return false;
  if (const auto done = make_contexts(*certificate); !done) return keep_certificate(done.error());
  on_every_shard([pem = ca_pem()](HubShard& hub_shard) { hub_shard.set_ca(pem); }, [] {});
  metrics_->set_certificate_expiry(certificate_.expires);
  log::info("certificate_loaded", {{"host", host_names_.front()}});
  return true;
}

}  // namespace kyanite
