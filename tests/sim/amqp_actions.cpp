#include <array>

#include "tests/sim/actions.h"

namespace kyanite::sim {
namespace {

using Node = SimAmqpDevice::Node;

AmqpManners any_amqp_manners(Random& random) {
  AmqpManners manners;
  if (random.chance(40)) return manners;
  manners.methods = static_cast<Manners::Answer>(random.below(7));
  manners.messages = static_cast<AmqpManners::Settle>(random.below(4));
  return manners;
}

Node any_node(Random& random) { return static_cast<Node>(random.below(4)); }

// Devices: each is left out when nobody speaks AMQP, or when the device's state does not allow it.

void connect_device(SimAmqpDevice& device, World& world) {
  device.connect(world.hub(), any_amqp_manners(world.random()));
}

void attach_all(SimAmqpDevice& device, World& /*world*/) {
  for (const Node node : {Node::telemetry, Node::messages, Node::twin, Node::methods})
    device.attach_node(node);
}

void attach_one(SimAmqpDevice& device, World& world) { device.attach_node(any_node(world.random())); }
void detach_one(SimAmqpDevice& device, World& world) { device.detach_node(any_node(world.random())); }

void send_telemetry(SimAmqpDevice& device, World& world) {
  for (std::uint64_t count = 1 + world.random().below(4); count > 0; --count) device.publish();
  if (world.random().chance(5)) device.send_nonsense();
}

void ask_twin(SimAmqpDevice& device, World& world) {
  Random& random = world.random();
  if (random.chance(25)) return device.get_twin();
  if (random.chance(30)) return device.want_desired(random.chance(75));
  for (std::uint64_t count = 1 + random.below(3); count > 0; --count) {
    device.patch_twin("k" + std::to_string(random.below(4)), random.chance(20));
  }
}

void give_credit_to_device(SimAmqpDevice& device, World& /*world*/) { device.give_credit(); }

void settle_late(SimAmqpDevice& device, World& /*world*/) {
  device.send_late_answers();
  device.settle_late();
}

template <void (*act)(SimAmqpDevice&, World&)>
void with_device(World& world) {
  if (SimAmqpDevice* device = world.any_amqp_device()) act(*device, world);
}

// One that is connected, if a few looks find any.
template <void (*act)(SimAmqpDevice&, World&)>
void with_connected(World& world) {
  SimAmqpDevice* device = world.any_amqp_device();
  for (int look = 0; look < 3 && device && !device->is_connected(); ++look) device = world.any_amqp_device();
  if (device) act(*device, world);
}

// Back ends

void connect_back_end(World& world) { world.amqp_service().connect(world.hub()); }

void send_messages(World& world) {
  Random& random = world.random();
  const std::string device = random.chance(3) ? "nobody" : world.any_device();
  for (std::uint64_t count = random.chance(5) ? 55 : 1 + random.below(3); count > 0; --count) {
    std::optional<seconds> time_to_live;
    if (random.chance(30)) time_to_live = seconds(random.between(1, 120));
    world.amqp_service().send_c2d(device, static_cast<AckRequest>(random.below(4)), time_to_live);
  }
}

void want_feedback(World& world) { world.amqp_service().want_feedback(); }
void detach_feedback(World& world) { world.amqp_service().detach_feedback(); }

// Readers

void connect_reader(World& world) {
  std::optional<std::int64_t> epoch;
  if (world.random().chance(70)) epoch = world.new_epoch();
  world.any_reader().connect(world.hub(), epoch);
}

void give_credit_to_reader(World& world) { world.any_reader().give_credit(); }
void keep_checkpoint(World& world) { world.any_reader().keep(); }
void follow_latest(World& world) { world.any_reader().follow_latest(); }

// Connections

void ping_amqp(World& world) { world.any_amqp().ping(); }
void disconnect_amqp(World& world) { world.any_amqp().disconnect(); }
void cut_amqp(World& world) { world.any_amqp().cut(); }

void stall_amqp(World& world) {
  SimAmqp& client = world.any_amqp();
  client.is_stalled() ? client.unstall() : client.stall();
}

struct AmqpAction {
  unsigned weight;
  void (*take)(World&);
};
constexpr std::array kAmqpActions{
    AmqpAction{50, with_device<connect_device>},
    AmqpAction{40, with_connected<attach_all>},
    AmqpAction{20, with_connected<attach_one>},
    AmqpAction{10, with_connected<detach_one>},
    AmqpAction{90, with_connected<send_telemetry>},
    AmqpAction{70, with_connected<ask_twin>},
    AmqpAction{20, with_connected<give_credit_to_device>},
    AmqpAction{25, with_connected<settle_late>},
    AmqpAction{15, connect_back_end},
    AmqpAction{40, send_messages},
    AmqpAction{15, want_feedback},
    AmqpAction{3, detach_feedback},
    AmqpAction{15, connect_reader},
    AmqpAction{20, give_credit_to_reader},
    AmqpAction{15, keep_checkpoint},
    AmqpAction{5, follow_latest},
    AmqpAction{10, ping_amqp},
    AmqpAction{8, disconnect_amqp},
    AmqpAction{15, cut_amqp},
    AmqpAction{10, stall_amqp},
};

}  // namespace

void take_amqp_action(World& world) {
  unsigned total = 0;
  for (const AmqpAction& action : kAmqpActions) total += action.weight;
  std::uint64_t drawn = world.random().below(total);
  for (const AmqpAction& action : kAmqpActions) {
    if (drawn < action.weight) return action.take(world);
    drawn -= action.weight;
  }
}

}  // namespace kyanite::sim
