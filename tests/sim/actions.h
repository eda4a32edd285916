#pragma once

#include "tests/sim/world.h"

namespace kyanite::sim {

// One thing that somebody does or that goes wrong, drawn by weight.
void take_action(World& world);

// The same among what programs that speak AMQP do, and what happens to their links (amqp_actions.cpp).
void take_amqp_action(World& world);

}  // namespace kyanite::sim
