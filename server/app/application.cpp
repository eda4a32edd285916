#include "server/app/application.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include "server/app/signals.h"
#include "server/observe/log.h"

namespace kyanite {
namespace {

// Often, since a machine without a battery learns the date some time after its start.
constexpr milliseconds kCertificateCheckEvery = std::chrono::minutes(1);
constexpr milliseconds kDrainPoll{10};
constexpr seconds kSuccessorDrain{2};  // a test that changes the store does not wait for who is slow
constexpr milliseconds kHurriedPoll{1};
constexpr milliseconds kFlushPoll{1};
constexpr milliseconds kAdminDrain{500};

// Every connection is a descriptor: take all the system allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Application::Application(Options options, DataDirectory directory)
    : options_(std::move(options)), directory_(std::move(directory)) {}

Result<std::unique_ptr<Application>> Application::start(Options options, DataDirectory directory) {
  std::unique_ptr<Application> app(new Application(std::move(options), std::move(directory)));
  raise_descriptor_limit();
  ::unlink(app->directory_.hub_json().c_str());  // of a hub that was killed
  if (auto done = app->open_store(); !done) return done.error();
  if (auto done = app->open_blobs(); !done) return done.error();
  if (auto done = app->load_certificate(); !done) return done.error();
  if (auto done = app->load_bearer_keys(); !done) return done.error();
  app->build_shards();
  if (auto done = app->open_admin(); !done) return done.error();
  if (auto done = app->apply_seed(); !done) return done.error();
  if (auto done = app->open_listeners(); !done) return done.error();
  if (auto done = app->announce(); !done) return done.error();
  return app;
}

Application::~Application() { stop_engine(); }

int Application::run() {
  check_certificate();
  if (snapshots_ && options_.empty_store) {
    prepare_empty_store(directory_.path(), first_policies_, options_.settings.storage, *options_.empty_store);
  }
  next_certificate_check_ = std::chrono::steady_clock::now() + kCertificateCheckEvery;
  for (;;) {
    const auto signal = Signals::wait(tell_alive());
    if (std::chrono::steady_clock::now() >= next_certificate_check_) {
      next_certificate_check_ += kCertificateCheckEvery;
      check_certificate();
    }
    if (!signal) continue;
    if (*signal == Signal::reload) {
      static_cast<void>(reload());  // it logs what it did
    } else if (*signal == Signal::work) {
      operator_->run_pending();
      if (snapshots_) change_ = snapshots_->run_pending();
      if (!change_) continue;
      drain(true);
      return EXIT_SUCCESS;
    } else {
      drain();
      return EXIT_SUCCESS;
    }
  }
}

// Tells the service manager's watchdog that every shard still runs what it is given, when that is due;
// answers how long run() may wait. While a shard does not come to it nothing is told, and the manager starts
// the hub anew.
milliseconds Application::tell_alive() {
  const SteadyTime now = std::chrono::steady_clock::now();
  const auto until = [now](SteadyTime time) {
    return std::max(std::chrono::ceil<milliseconds>(time - now), milliseconds(0));
  };
  const ServiceManager* manager = options_.service_manager;
  const auto every = manager ? manager->alive_every() : std::nullopt;
  if (!every) return until(next_certificate_check_);
  if (now >= next_alive_) {
    next_alive_ = now + *every;
    if (!alive_asked_->exchange(true)) {
      on_every_shard([](HubShard&) {},
                     [manager, asked = alive_asked_] {
                       asked->store(false);
                       manager->alive();
                     });
    }
  }
  return until(std::min(next_certificate_check_, next_alive_));
}

std::optional<Application::Successor> Application::successor() {
  if (!change_) return std::nullopt;
  change_->policies = records_.policies;
  ++options_.incarnation;
  options_.print_block = false;
  options_.print_ready_line = false;
  return Successor{std::move(*change_), std::move(options_), std::move(directory_)};
}

void Application::drain(bool for_successor) {
  const auto begin = std::chrono::steady_clock::now();
  const seconds longest = for_successor ? std::min(options_.settings.drain_timeout, kSuccessorDrain)
                                        : options_.settings.drain_timeout;
  const auto deadline = begin + longest;
  log::info("draining", {{"at_most_s", longest.count()}});
  if (options_.service_manager && !for_successor) options_.service_manager->stopping();
  readiness_->set_phase(Readiness::Phase::draining);
  hub_file_->remove();
  operator_->close();
  if (snapshots_) snapshots_->close();
  options_.settings.listen.mqtts.port = mqtts_->port();
  options_.settings.listen.https.port = https_->port();
  if (amqps_) options_.settings.listen.amqps->port = amqps_->port();
  if (amqp_) options_.settings.listen.amqp->port = amqp_->port();
  if (admin_) options_.settings.listen.admin->port = admin_->port();
  stop_listeners();
  jobs_->stop();
  configurations_->stop();
  // Shared with tasks that may still run when the deadline has passed.
  const auto waiting = std::make_shared<std::atomic<unsigned>>(3 * shards_->count());
  const milliseconds longest_spread =
      for_successor ? milliseconds(0) : milliseconds(options_.settings.drain_timeout / 2);
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->shard().post([target = hub_shard.get(), waiting, longest_spread, in_a_hurry = for_successor] {
      const milliseconds spread(static_cast<std::int64_t>(target->mqtt().statistics().open));
      target->directory().drain();
      target->api().drain();
      target->mqtt().drain(std::min(spread, longest_spread), [waiting] { --*waiting; });
      target->amqp().drain(std::min(spread, longest_spread), [waiting] { --*waiting; });
      target->http().drain([waiting] { --*waiting; }, in_a_hurry);
    });
  }
  bool hurried = false;
  while (*waiting > 0 && !hurried && std::chrono::steady_clock::now() < deadline) {
    hurried = Signals::wait(for_successor ? kHurriedPoll : kDrainPoll) == Signal::stop;
  }
  if (hurried) change_.reset();  // whoever wants the process to end wants no successor
  const bool complete = *waiting == 0;
  if (complete) flush_events(deadline);
  drain_admin();
  stop_engine();
  const auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
  log::info("stopped", {{"complete", complete}, {"took_ms", took.count()}});
}

// The owners of the devices that were just disconnected have been told; this comes to each of them after it.
void Application::flush_events(SteadyTime deadline) {
  const auto waiting = std::make_shared<std::atomic<unsigned>>(shards_->count());
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->shard().post([target = hub_shard.get(), waiting] {
      target->flush_events();
      --*waiting;
    });
  }
  while (*waiting > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kFlushPoll);
}

// Last, so that whoever asks how the drain goes gets an answer; what is under way there ends properly.
void Application::drain_admin() {
  if (!admin_) return;
  admin_->stop();
  const auto waiting = std::make_shared<std::atomic<unsigned>>(shards_->count());
  for (const auto& hub_shard : hub_shards_) {
    hub_shard->shard().post(
        [target = hub_shard.get(), waiting] { target->admin_http().drain([waiting] { --*waiting; }, true); });
  }
  const auto deadline = std::chrono::steady_clock::now() + kAdminDrain;
  while (*waiting > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kFlushPoll);
}

// Those of devices and back ends; the admin port goes on.
void Application::stop_listeners() {
  for (Listener* listener : {mqtts_.get(), https_.get(), amqps_.get(), amqp_.get()}) {
    if (listener) listener->stop();
  }
}

// Safe at any stage of the start, and twice.
void Application::stop_engine() {
  stop_listeners();
  if (admin_) admin_->stop();
  if (metrics_) metrics_->stop();
  if (blobs_) blobs_->stop();
  if (operator_) operator_->close();
  if (bearer_fetcher_) bearer_fetcher_->stop();
  if (remote_blobs_) remote_blobs_->stop();
  if (stores_) stores_->close();
  if (shards_) {
    shards_->stop();
    shards_->join();
  }
  mqtts_.reset();
  https_.reset();
  amqps_.reset();
  amqp_.reset();
  admin_.reset();
  metrics_.reset();
  administration_.reset();
  clock_control_.reset();
  registry_jobs_.reset();
  hub_shards_.clear();
  tests_.reset();
  snapshots_.reset();
  operator_.reset();
  faults_.reset();
  // Receivers that still wait are answered on their shards, which must be there for it.
  consumer_groups_.reset();
  configurations_.reset();
  jobs_.reset();
  c2d_sweep_.reset();
  uploads_.reset();
  remote_blobs_.reset();
  bearer_fetcher_.reset();
  blob_files_.reset();
  feedback_.reset();
  throttles_.reset();
  router_.reset();
  shards_.reset();
  blobs_.reset();  // answers that were never fetched from a shard may hold a blob
  readiness_.reset();
  stores_.reset();
}

}  // namespace kyanite
