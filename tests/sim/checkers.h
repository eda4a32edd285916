#pragma once

#include "tests/sim/c2d_checker.h"
#include "tests/sim/event_checker.h"
#include "tests/sim/judge.h"
#include "tests/sim/method_checker.h"
#include "tests/sim/registry_checker.h"
#include "tests/sim/telemetry_checker.h"
#include "tests/sim/twin_checker.h"

namespace kyanite::sim {

// All checkers of a run; clients and services tell them what they did and saw.
struct Checkers {
  explicit Checkers(Judge& j, seconds c2d_ttl)
      : judge(j), telemetry(j), c2d(j, c2d_ttl), twins(j), methods(j), registry(j), events(j) {}

  Judge& judge;
  TelemetryChecker telemetry;
  C2dChecker c2d;
  TwinChecker twins;
  MethodChecker methods;
  RegistryChecker registry;
  EventChecker events;
  std::uint64_t last_number = 0;  // names messages, patches, calls and connections

  std::uint64_t new_number() { return ++last_number; }
};

}  // namespace kyanite::sim
