#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/world.h"

namespace kyanite::sim {
namespace {

using testing::HasSubstr;

// What runs with damage done half-way are accused of; a run may heal or hide what was done to it, not all of
// them. Empty when nobody noticed anything.
std::string accusation(const std::function<bool(World&)>& damage) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    bool done = false;
    World world({.seed = seed, .steps = 120, .echo = false, .sabotage = [&](World& w) { done = damage(w); }});
    world.run();
    if (done && world.judge().failed()) return world.judge().failure();
  }
  return "";
}

TEST(Checkers, find_acknowledged_telemetry_that_vanished) {
  EXPECT_THAT(accusation([](World& world) {
                for (auto& partition : world.stores().disk().partitions) {
                  if (partition.records.size() < 3) continue;
                  partition.records.erase(partition.records.begin() + 1);
                  return true;
                }
                return false;
              }),
              testing::AnyOf(HasSubstr("is kept"), HasSubstr("is in the log")));
}

TEST(Checkers, find_telemetry_that_is_in_the_log_twice) {
  EXPECT_THAT(accusation([](World& world) {
                for (auto& partition : world.stores().disk().partitions) {
                  if (partition.records.empty()) continue;
                  partition.records.push_back(partition.records.back());
                  return true;
                }
                return false;
              }),
              HasSubstr("once"));
}

TEST(Checkers, find_an_accepted_message_that_vanished_from_its_queue) {
  EXPECT_THAT(accusation([](World& world) {
                for (auto& [device, queue] : world.stores().disk().c2d) {
                  if (queue.messages.size() < 2) continue;
                  queue.messages.erase(std::prev(queue.messages.end()));
                  return true;
                }
                return false;
              }),
              testing::AnyOf(HasSubstr("ends for a reason"), HasSubstr("is queued until it ends")));
}

TEST(Checkers, find_an_accepted_twin_patch_that_was_lost) {
  EXPECT_THAT(accusation([](World& world) {
                for (auto& [identity, twin] : world.stores().disk().twins) {
                  if (twin.reported == "{}") continue;
                  twin.reported = "{}";
                  world.crash();  // what is in memory would mend it
                  return true;
                }
                return false;
              }),
              testing::AnyOf(HasSubstr("is not lost"), HasSubstr("still there"), HasSubstr("not older")));
}

TEST(Checkers, find_a_twin_version_that_was_skipped) {
  EXPECT_THAT(accusation([](World& world) {
                for (auto& [identity, twin] : world.stores().disk().twins) {
                  ++twin.desired_version;
                  return true;
                }
                return false;
              }),
              testing::AnyOf(HasSubstr("etag"), HasSubstr("version")));
}

TEST(Checkers, find_an_identity_without_a_twin) {
  EXPECT_THAT(accusation([](World& world) {
                auto& disk = world.stores().disk();
                if (disk.identities.empty()) return false;
                disk.twins.clear();
                for (auto& [identity, record] : disk.identities) ++record.etag_counter;
                return true;
              }),
              HasSubstr("has a twin"));
}

TEST(Checkers, find_an_answer_that_never_comes) {
  EXPECT_THAT(accusation([](World& world) {
                // The answers of one shard are lost with its tasks.
                world.service().read_twin(world.any_identity());
                world.hub().loop.clear();
                return true;
              }),
              testing::AnyOf(HasSubstr("answer"), HasSubstr("ends"), HasSubstr("ended")));
}

TEST(Simulation, the_same_seed_tells_the_same_story) {
  std::uint64_t digests[2];
  for (std::uint64_t& digest : digests) {
    World world({.seed = 7, .steps = 100, .echo = false, .sabotage = {}});
    world.run();
    EXPECT_FALSE(world.judge().failed()) << world.judge().failure();
    digest = world.judge().digest();
  }
  EXPECT_EQ(digests[0], digests[1]);
}

}  // namespace
}  // namespace kyanite::sim
