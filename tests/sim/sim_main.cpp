#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "tests/sim/world.h"

// Runs seeds and reports the first that breaks a promise, with the command that repeats it.
namespace {

using kyanite::sim::World;

struct Range {
  std::uint64_t first = 1;
  std::uint64_t last = 1;
};

std::optional<Range> parse_range(const std::string& text) {
  const std::size_t dots = text.find("..");
  char* end = nullptr;
  Range range;
  range.first = std::strtoull(text.c_str(), &end, 10);
  if (dots == std::string::npos || end != text.c_str() + dots) return std::nullopt;
  range.last = std::strtoull(text.c_str() + dots + 2, &end, 10);
  if (*end != '\0' || range.last < range.first) return std::nullopt;
  return range;
}

void report(const World& world, std::uint64_t seed, std::size_t steps) {
  std::printf("seed %llu broke a promise: %s\n\nwhat came before:\n", static_cast<unsigned long long>(seed),
              world.judge().failure().c_str());
  for (const std::string& line : world.judge().last_lines()) std::printf("  %s\n", line.c_str());
  std::printf("\nrepeat it: kyanite_sim_test --seed %llu --steps %zu --trace\n",
              static_cast<unsigned long long>(seed), steps);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Runs the whole hub in one thread under virtual time, from a seed", "kyanite_sim_test"};
  std::uint64_t seed = 0;
  std::string seeds = "1..20";
  std::size_t steps = 250;
  bool trace = false;
  bool keep_going = false;
  app.add_option("--seed", seed, "one seed");
  app.add_option("--seeds", seeds, "a range of seeds, A..B")->envname("KYANITE_SIM_SEEDS");
  app.add_option("--steps", steps, "actions of a run")->capture_default_str();
  app.add_flag("--trace", trace, "print the whole story");
  app.add_flag("--keep-going", keep_going, "do not end with the first broken promise");
  CLI11_PARSE(app, argc, argv);

  std::optional<Range> range = seed != 0 ? Range{seed, seed} : parse_range(seeds);
  if (!range) {
    std::fprintf(stderr, "--seeds must be A..B, such as 1..2000\n");
    return 2;
  }
  std::size_t broken = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t s = range->first; s <= range->last; ++s) {
    World world({.seed = s, .steps = steps, .echo = trace, .sabotage = {}});
    world.run();
    if (!world.judge().failed()) continue;
    ++broken;
    if (keep_going) {
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(s), world.judge().failure().c_str());
      std::fflush(stdout);
      continue;
    }
    report(world, s, steps);
    return 1;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%llu seeds in %.1f s, %zu broke a promise\n",
              static_cast<unsigned long long>(range->last - range->first + 1), took.count(), broken);
  return broken == 0 ? 0 : 1;
}
