#include "tests/sim/actions.h"

#include <array>

namespace kyanite::sim {
namespace {

std::string any_key(Random& random) { return "k" + std::to_string(random.below(4)); }

Manners any_manners(Random& random) {
  Manners manners;
  if (random.chance(50)) return manners;
  manners.methods = static_cast<Manners::Answer>(random.below(7));
  manners.pubacks = static_cast<Manners::Puback>(random.below(3));
  return manners;
}

const char* any_filter(Random& random) {
  constexpr std::array kFilters{"", "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#",
                                "$iothub/methods/POST/#"};
  return kFilters[random.below(kFilters.size())];
}

// Devices

void connect(World& world) {
  Random& random = world.random();
  world.any_client().connect(world.hub(), random.chance(30), any_manners(random), random.chance(30));
}

void publish(World& world) {
  SimClient& client = world.any_client();
  for (std::uint64_t count = 1 + world.random().below(4); count > 0; --count) {
    client.publish(world.random().chance(75) ? 1 : 0, world.random().chance(3));
  }
}

void subscribe(World& world) {
  SimClient& client = world.any_client();
  const std::string filter = any_filter(world.random());
  if (filter.empty() && client.identity().is_module()) return;
  client.subscribe(filter.empty() ? client.c2d_filter() : filter, world.random().chance(70) ? 1 : 0);
}

void subscribe_to_all(World& world) {
  SimClient& client = world.any_client();
  if (!client.identity().is_module()) client.subscribe(client.c2d_filter(), 1);
  client.subscribe("$iothub/twin/res/#", 0);
  client.subscribe("$iothub/twin/PATCH/properties/desired/#", 0);
  client.subscribe("$iothub/methods/POST/#", 0);
}

void unsubscribe(World& world) {
  SimClient& client = world.any_client();
  const std::string filter = any_filter(world.random());
  if (filter.empty() && client.identity().is_module()) return;
  client.unsubscribe(filter.empty() ? client.c2d_filter() : filter);
}

void get_twin(World& world) { world.any_client().get_twin(world.state()); }

void patch_reported(World& world) {
  SimClient& client = world.any_client();
  for (std::uint64_t count = 1 + world.random().below(3); count > 0; --count) {
    client.patch_twin(world.state(), any_key(world.random()), world.random().chance(20));
  }
}

void answer_late(World& world) {
  SimClient& client = world.any_client();
  client.send_late_answers();
  client.acknowledge_late();
  if (world.random().chance(30)) client.acknowledge_stranger();
}

void ping(World& world) { world.any_client().ping(); }
void disconnect(World& world) { world.any_client().disconnect(); }

// Links

void cut(World& world) { world.any_client().cut(); }

void stall(World& world) {
  SimClient& client = world.any_client();
  if (client.is_stalled()) {
    client.unstall();
  } else {
    client.stall();
  }
}

// Back ends

void create(World& world) { world.service().create(world.any_identity()); }

void enable(World& world) {
  world.service().enable(Identity{world.any_device(), {}}, world.random().chance(70));
}

void erase(World& world) { world.service().erase(world.any_identity()); }

void send_c2d(World& world) {
  Random& random = world.random();
  const std::string device = world.any_device();
  for (std::uint64_t count = random.chance(5) ? 55 : 1 + random.below(3); count > 0; --count) {
    std::optional<seconds> time_to_live;
    if (random.chance(30)) time_to_live = seconds(random.between(1, 120));
    world.service().send_c2d(device, static_cast<AckRequest>(random.below(4)), time_to_live);
  }
}

void purge(World& world) { world.service().purge(world.any_device()); }

void patch_desired(World& world) {
  Random& random = world.random();
  const Identity identity = world.any_identity();
  for (std::uint64_t count = 1 + random.below(3); count > 0; --count) {
    world.service().patch_twin(identity, any_key(random), random.chance(20), random.chance(30));
  }
}

void replace_twin(World& world) {
  Random& random = world.random();
  world.service().replace_twin(world.any_identity(), any_key(random), random.chance(30));
}

void read_twin(World& world) { world.service().read_twin(world.any_identity()); }

void invoke(World& world) {
  Random& random = world.random();
  const seconds response(random.between(5, 40));
  const seconds wait(random.chance(50) ? 0 : random.between(0, response.count()));
  world.service().invoke(world.any_identity(), response, wait);
}

void receive_feedback(World& world) {
  world.service().receive_feedback(static_cast<SimService::Then>(world.random().below(3)));
}

// What goes wrong

void delay_commits(World& world) {
  world.stores().faults.commit_delay =
      milliseconds(world.random().chance(50) ? 0 : world.random().below(300));
}

void hold_commits(World& world) { world.hold_commits(1 + world.random().below(15)); }
void fail_commit(World& world) { world.fail_next_commit(); }
void step_clock(World& world) { world.step_clock(seconds(world.random().between(-120, 600))); }
void crash(World& world) { world.crash(); }
void drain(World& world) { world.drain(); }

struct Action {
  unsigned weight;
  void (*take)(World&);
};
constexpr std::array kActions{
    Action{90, connect},
    Action{90, publish},
    Action{40, subscribe},
    Action{60, subscribe_to_all},
    Action{15, unsubscribe},
    Action{20, get_twin},
    Action{60, patch_reported},
    Action{40, answer_late},
    Action{20, ping},
    Action{15, disconnect},
    Action{25, cut},
    Action{15, stall},
    Action{25, create},
    Action{12, enable},
    Action{8, erase},
    Action{70, send_c2d},
    Action{4, purge},
    Action{60, patch_desired},
    Action{15, read_twin},
    Action{60, invoke},
    Action{20, receive_feedback},
    Action{15, replace_twin},
    Action{450, take_amqp_action},
    Action{12, delay_commits},
    Action{8, hold_commits},
    Action{2, fail_commit},
    Action{4, step_clock},
    Action{6, crash},
    Action{3, drain},
};

constexpr unsigned total_weight() {
  unsigned sum = 0;
  for (const Action& action : kActions) sum += action.weight;
  return sum;
}

}  // namespace

void take_action(World& world) {
  std::uint64_t drawn = world.random().below(total_weight());
  for (const Action& action : kActions) {
    if (drawn < action.weight) return action.take(world);
    drawn -= action.weight;
  }
}

}  // namespace kyanite::sim
