#pragma once

#include "tests/sim/world.h"

namespace kyanite::sim {

// One thing that somebody does or that goes wrong, drawn by weight.
void take_action(World& world);

}  // namespace kyanite::sim
