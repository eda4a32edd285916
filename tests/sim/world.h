#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "tests/sim/checkers.h"
#include "tests/sim/sim_amqp_device.h"
#include "tests/sim/sim_amqp_service.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_event_reader.h"
#include "tests/sim/sim_service.h"
#include "tests/support/sim_hub.h"

namespace kyanite::sim {

// World is one run: a machine with its disk and its clock, the hub on it (as often as it is started), some
// devices with one or two programs each for MQTT and maybe one for AMQP, back ends, and readers of events.
// Everything follows from the seed.
class World {
 public:
  struct Options {
    std::uint64_t seed = 1;
    std::size_t steps = 250;
    bool echo = false;  // prints the story as it goes
    // Called once after half of the steps: damage that the checkers have to find.
    std::function<void(World&)> sabotage;
  };
  explicit World(Options options);
  ~World();

  // The steps, then the end: faults are lifted, everybody finishes, nothing may be left.
  void run();

  Judge& judge() { return judge_; }
  const Judge& judge() const { return judge_; }

  // What actions (actions.h) work with.
  Random& random() { return random_; }
  test::SimHub& hub() { return *hub_; }
  MemoryStores& stores() { return machine_.stores; }
  const MemoryState& state() const { return machine_.stores.committed(); }
  SimService& service() { return service_; }
  std::vector<std::unique_ptr<SimClient>>& clients() { return clients_; }
  SimClient& any_client() { return *clients_[random_.below(clients_.size())]; }
  SimAmqpService& amqp_service() { return amqp_service_; }
  std::vector<std::unique_ptr<SimEventReader>>& readers() { return readers_; }
  SimEventReader& any_reader() { return *readers_[random_.below(readers_.size())]; }
  // nullptr when nobody has one.
  SimAmqpDevice* any_amqp_device() {
    return amqp_devices_.empty() ? nullptr : amqp_devices_[random_.below(amqp_devices_.size())].get();
  }
  // Any program that speaks AMQP.
  SimAmqp& any_amqp() { return *amqp_[random_.below(amqp_.size())]; }
  // Owner levels of readers: each is higher than the one before, so that the newest reader gets its place.
  std::int64_t new_epoch() { return ++last_epoch_; }
  const Identity& any_identity() { return identities_[random_.below(identities_.size())]; }
  const std::string& any_device() { return any_identity().device; }

  void hold_commits(std::size_t steps);
  void fail_next_commit();
  void step_clock(milliseconds by);
  void crash();
  // An orderly stop, which always ends, and a new start.
  void drain();

 private:
  void start();
  void stop();
  void step();
  void let_time_pass();
  void after_step();
  void read_all();
  void finish();
  void run_for(seconds time);
  void empty_queues();
  void take_messages(SimClient& client);
  void take_messages(SimAmqpDevice& device);
  void read_all_events();
  void drain_feedback();

  Options options_;
  Judge judge_;
  Random random_;
  Settings settings_;
  Checkers checkers_;
  test::SimMachine machine_;
  std::unique_ptr<test::SimHub> hub_;
  SimService service_;
  std::vector<Identity> identities_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  SimAmqpService amqp_service_;
  std::vector<std::unique_ptr<SimAmqpDevice>> amqp_devices_;
  std::vector<std::unique_ptr<SimEventReader>> readers_;
  std::vector<SimAmqp*> amqp_;  // all of these
  std::int64_t last_epoch_ = 0;
  std::size_t hold_steps_ = 0;
  bool failing_ = false;  // a commit is to fail, after which the process ends
  std::size_t idle_timers_ = 0;
};

}  // namespace kyanite::sim
