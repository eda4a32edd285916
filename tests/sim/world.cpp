#include "tests/sim/world.h"

#include <algorithm>

#include "tests/sim/actions.h"

namespace kyanite::sim {
namespace {

constexpr seconds kDrainTime{10};
constexpr seconds kLongestCall{700};  // both timeouts of a method, and some

Settings any_settings(Random& random) {
  Settings settings;
  settings.c2d.pre_subscription = static_cast<PreSubscription>(random.below(3));
  settings.c2d.count_lock_expiry = random.chance(30);
  settings.c2d.max_delivery_count = static_cast<std::uint32_t>(random.between(1, 5));
  settings.methods.empty_as_null = random.chance(50);
  settings.events.entity = SimEventReader::kEntity;
  return settings;
}

}  // namespace

World::World(Options options)
    : options_(std::move(options)),
      judge_(options_.echo),
      random_(options_.seed),
      settings_(any_settings(random_)),
      checkers_(judge_, settings_.c2d.default_ttl),
      service_(checkers_, random_),
      amqp_service_(checkers_, random_) {
  checkers_.c2d.deliveries_are_at_most(settings_.c2d.max_delivery_count);
  checkers_.c2d.locks_last(settings_.c2d.lock_timeout);
  if (settings_.c2d.count_lock_expiry) checkers_.c2d.count_deliveries();
  machine_.loop.shuffle(random_.next());
  machine_.stores.after_commit = [this] {
    checkers_.c2d.wall_is(machine_.loop.wall_now());
    checkers_.telemetry.on_commit(state());
    checkers_.registry.on_commit(state());
    checkers_.c2d.on_commit(state(), machine_.loop.now());
    checkers_.twins.on_commit(state());
  };
  const std::uint64_t devices = 1 + random_.below(4);
  for (std::uint64_t i = 0; i < devices; ++i) {
    const std::string device = "d" + std::to_string(i);
    identities_.push_back({device, {}});
    if (random_.chance(30)) identities_.push_back({device, "m"});
  }
  for (const Identity& identity : identities_) {
    clients_.push_back(std::make_unique<SimClient>(checkers_, random_, identity));
    if (random_.chance(30)) clients_.push_back(std::make_unique<SimClient>(checkers_, random_, identity));
    if (random_.chance(60)) {
      amqp_devices_.push_back(std::make_unique<SimAmqpDevice>(checkers_, random_, identity));
      amqp_.push_back(amqp_devices_.back().get());
    }
  }
  for (const char* name : {"reader-a@", "reader-b@"}) {
    readers_.push_back(std::make_unique<SimEventReader>(checkers_, random_, name));
    amqp_.push_back(readers_.back().get());
  }
  amqp_.push_back(&amqp_service_);
  start();
  machine_.loop.run();
  idle_timers_ = machine_.loop.timers();
  for (const Identity& identity : identities_) {
    service_.create(identity);
    machine_.loop.run();
  }
}

World::~World() {
  for (const auto& client : clients_) client->forget();
  for (SimAmqp* client : amqp_) client->forget();
  stop();
  machine_.stores.after_commit = {};
}

void World::start() {
  test::SimHub::Options options;
  options.shards = static_cast<std::uint16_t>(1 + random_.below(4));
  options.settings = settings_;
  options.machine = &machine_;
  options.observer = &checkers_.registry;
  hub_ = std::make_unique<test::SimHub>(std::move(options));
  service_.use(*hub_);
}

// The end of the process, whatever it was doing.
void World::stop() {
  service_.lose_answers();
  machine_.stores.crash();
  hub_.reset();
  judge_.require(machine_.stores.queued() == 0, "a process that ended writes nothing");
  machine_.stores.crash();
  hold_steps_ = 0;
  failing_ = false;
  machine_.stores.faults = {};
}

void World::crash() {
  judge_.tell("CRASH");
  for (const auto& client : clients_) client->forget();
  for (SimAmqp* client : amqp_) client->forget();
  stop();
  checkers_.registry.on_crash();
  start();
}

void World::drain() {
  judge_.tell("DRAIN");
  machine_.stores.faults.commit_delay = {};
  machine_.stores.release_commits();
  hold_steps_ = 0;
  const auto ended = std::make_shared<std::size_t>(0);
  for (std::uint16_t shard = 0; shard < hub_->shard_count(); ++shard) {
    hub_->executor(shard).post([this, shard, ended] {
      hub_->directory(shard).drain();
      hub_->mqtt(shard).drain(milliseconds(random_.below(3000)), [ended] { ++*ended; });
      hub_->amqp(shard).drain(milliseconds(random_.below(3000)), [ended] { ++*ended; });
    });
  }
  machine_.loop.advance(kDrainTime);
  const bool store_failed = failing_ && !machine_.stores.faults.fail_commit;
  judge_.require(*ended == 2U * hub_->shard_count(), "a drain ends");
  judge_.require(service_.waiting() == 0 || store_failed, "a drain answers every request");
  judge_.require(hub_->open_connections() == 0, "a drain ends every connection");
  read_all();
  judge_.tell("DRAINED");
  crash();
}

void World::hold_commits(std::size_t steps) {
  machine_.stores.faults.hold_commits = true;
  hold_steps_ = steps;
  judge_.tell("commits held");
}

void World::fail_next_commit() {
  machine_.stores.faults.fail_commit = machine_.stores.commits() + 1;
  failing_ = true;
  judge_.tell("the next commit fails");
}

void World::step_clock(milliseconds by) {
  judge_.tell("clock steps by " + std::to_string(by.count()) + " ms");
  machine_.loop.step_wall_clock(by);
  checkers_.c2d.wall_is(machine_.loop.wall_now());
}

void World::run() {
  for (std::size_t i = 0; i < options_.steps && !judge_.failed(); ++i) {
    if (options_.sabotage && i == options_.steps / 2) options_.sabotage(*this);
    step();
  }
  if (!judge_.failed()) finish();
}

void World::step() {
  take_action(*this);
  let_time_pass();
  after_step();
}

void World::let_time_pass() {
  const std::uint64_t kind = random_.below(100);
  if (kind < 45) {
    machine_.loop.run_some(random_.below(30));
  } else if (kind < 90) {
    machine_.loop.advance(milliseconds(random_.below(50)));
  } else if (kind < 98) {
    machine_.loop.advance(milliseconds(random_.between(100, 5000)));
  } else {
    machine_.loop.advance(seconds(random_.between(30, 90)));
  }
  checkers_.c2d.wall_is(machine_.loop.wall_now());
}

void World::after_step() {
  if (hold_steps_ > 0 && --hold_steps_ == 0) machine_.stores.release_commits();
  // The process ends itself when a commit failed, before anybody hears of it or a little later.
  if (failing_ && !machine_.stores.faults.fail_commit) crash();
  for (const auto& client : clients_) {
    if (random_.chance(60)) client->read(state());
  }
  for (SimAmqp* client : amqp_) {
    if (random_.chance(60)) client->read();
  }
  if (random_.chance(5)) checkers_.twins.check(state());
}

void World::read_all() {
  for (const auto& client : clients_) client->read(state());
  for (SimAmqp* client : amqp_) client->read();
}

void World::run_for(seconds time) {
  for (seconds passed{0}; passed < time && !judge_.failed(); passed += seconds(10)) {
    machine_.loop.advance(seconds(10));
    checkers_.c2d.wall_is(machine_.loop.wall_now());
    for (const auto& client : clients_) client->ping();
    for (SimAmqp* client : amqp_) client->ping();
    read_all();
  }
}

void World::finish() {
  judge_.tell("THE END");
  machine_.stores.faults.commit_delay = {};
  machine_.stores.release_commits();
  machine_.stores.faults.fail_commit.reset();
  if (failing_) crash();
  for (const auto& client : clients_) client->unstall();
  for (SimAmqp* client : amqp_) client->unstall();
  run_for(kLongestCall);
  judge_.require(service_.waiting() == 0, "every request is answered in the end");
  for (const auto& client : clients_) client->cut();
  for (SimAmqp* client : amqp_) client->cut();
  run_for(seconds(20));
  judge_.require(hub_->open_connections() == 0, "no connection is left");
  checkers_.registry.finish();
  checkers_.telemetry.finish(state());
  checkers_.twins.check(state());
  checkers_.c2d.finish(state());
  empty_queues();
  drain_feedback();
  checkers_.c2d.finish(state());
  read_all_events();
  for (const Identity& identity : identities_) {
    if (!identity.is_module()) service_.erase(identity);
  }
  run_for(seconds(20));
  judge_.require(hub_->actors() == 0, "no actor is left");
  judge_.require(
      machine_.loop.timers() <= idle_timers_,
      "no timer is left: " + std::to_string(machine_.loop.timers()) + " for " + std::to_string(idle_timers_));
}

// A device that comes back and behaves gets all that waits for it, whatever it speaks.
void World::empty_queues() {
  for (const auto& client : clients_) {
    const auto record = state().identities.find(client->identity());
    if (client->identity().is_module() || record == state().identities.end()) continue;
    if (record->second.status == IdentityStatus::disabled) service_.enable(client->identity(), true);
    machine_.loop.run();
    const auto other = std::find_if(amqp_devices_.begin(), amqp_devices_.end(), [&](const auto& device) {
      return device->identity() == client->identity();
    });
    const bool over_amqp = other != amqp_devices_.end() && random_.chance(50);
    over_amqp ? take_messages(**other) : take_messages(*client);
    const auto queue = state().c2d.find(client->identity().device);
    const bool may_skip = settings_.c2d.pre_subscription == PreSubscription::skip && !over_amqp;
    judge_.require(may_skip || queue == state().c2d.end() || queue->second.messages.empty(),
                   "a device that takes its messages gets them all: " + client->identity().device);
    client->disconnect();
    if (over_amqp) (*other)->disconnect();
    run_for(seconds(10));
  }
}

void World::take_messages(SimClient& client) {
  client.connect(*hub_, false, {}, false);
  machine_.loop.run();
  client.read(state());
  client.subscribe(client.c2d_filter(), 1);
  run_for(seconds(90));
}

void World::take_messages(SimAmqpDevice& device) {
  // A small window lets a few messages through at a time.
  const auto go_on = [&](int turns) {
    for (int turn = 0; turn < turns; ++turn) {
      machine_.loop.advance(milliseconds(100));
      device.read();
    }
  };
  device.connect(*hub_, {});
  go_on(10);
  device.attach_node(SimAmqpDevice::Node::messages);
  go_on(100);
  run_for(seconds(90));
}

// A reader that comes back goes on at its checkpoint and reads what is left.
void World::read_all_events() {
  SimEventReader& reader = any_reader();
  reader.connect(*hub_, new_epoch());
  for (int turn = 0; turn < 500; ++turn) {
    machine_.loop.advance(milliseconds(100));
    reader.read();
    if (turn % 50 == 49) reader.take_all();
  }
  reader.keep();
  checkers_.events.finish(state());
  reader.disconnect();
}

void World::drain_feedback() {
  run_for(seconds(70));  // locks end
  for (int i = 0; i < 1000 && !judge_.failed(); ++i) {
    service_.receive_feedback(SimService::Then::complete);
    run_for(seconds(1));
    if (service_.feedback_is_empty()) return;
  }
  judge_.require(false, "feedback comes to an end");
}

}  // namespace kyanite::sim
