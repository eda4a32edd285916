#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/record_codec.h"
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

TEST(Checkers, find_a_queue_that_lost_what_a_device_over_AMQP_released) {
  EXPECT_THAT(accusation([](World& world) {
                SimAmqpDevice* device = world.any_amqp_device();
                if (!device || !device->is_connected()) return false;
                auto& queues = world.stores().disk().c2d;
                const auto queue = queues.find(device->identity().device);
                if (queue == queues.end() || queue->second.messages.empty()) return false;
                queue->second.messages.clear();
                return true;
              }),
              testing::AnyOf(HasSubstr("ends for a reason"), HasSubstr("is queued until it ends")));
}

std::string record_of(const std::string& device, const std::string& body) {
  const Identity sender{device, {}};
  const PropertyBag bag;
  return encode_telemetry({.sender = sender,
                           .generation_id = {},
                           .auth_method = {},
                           .source = MessageSource::telemetry,
                           .model_id = {},
                           .bag = bag,
                           .body = body});
}

// Four events of two devices in partition 0.
MemoryState some_events() {
  MemoryState state;
  state.partitions.resize(1);
  for (int i = 0; i < 4; ++i) {
    state.partitions[0].records.push_back(record_of(i % 2 == 0 ? "d0" : "d1", "t" + std::to_string(i)));
  }
  return state;
}

ReadEvent event_of(std::uint64_t number) {
  return {0, static_cast<std::int64_t>(number), std::to_string(number), number % 2 == 0 ? "d0" : "d1",
          "t" + std::to_string(number)};
}

// What the checker says of a reader on line 1 that got these.
std::string accusation_of(const std::vector<ReadEvent>& events, std::optional<std::uint64_t> from = 0,
                          std::uint64_t not_before = 0) {
  Judge judge;
  EventChecker checker(judge);
  checker.begins(1, from, not_before);
  for (const ReadEvent& event : events) checker.received(1, event, some_events());
  checker.keep(1, 0);
  if (!judge.failed()) checker.finish(some_events());
  return judge.failed() ? judge.failure() : "";
}

TEST(Checkers, follow_a_reader_of_events) {
  EXPECT_EQ(accusation_of({event_of(0), event_of(1), event_of(2), event_of(3)}), "");
  EXPECT_EQ(accusation_of({event_of(2), event_of(3)}, 2), "");
  EXPECT_EQ(accusation_of({event_of(3)}, std::nullopt, 3), "");
}

TEST(Checkers, find_an_event_that_was_left_out_or_came_twice_or_too_early) {
  EXPECT_THAT(accusation_of({event_of(0), event_of(2)}), HasSubstr("none left out"));
  EXPECT_THAT(accusation_of({event_of(0), event_of(0)}), HasSubstr("once"));
  EXPECT_THAT(accusation_of({event_of(1)}), HasSubstr("none left out"));
  EXPECT_THAT(accusation_of({event_of(4)}, 4), HasSubstr("is stored before it is read"));
  EXPECT_THAT(accusation_of({event_of(2)}, std::nullopt, 3), HasSubstr("is newer than its reader"));
  EXPECT_THAT(accusation_of({event_of(0), event_of(1)}), HasSubstr("has read all"));
}

TEST(Checkers, find_an_event_that_is_not_what_was_stored) {
  ReadEvent other = event_of(0);
  other.body = "t1";
  EXPECT_THAT(accusation_of({other}), HasSubstr("as it is stored"));
  other = event_of(0);
  other.device = "d1";
  EXPECT_THAT(accusation_of({other}), HasSubstr("as it is stored"));
  other = event_of(0);
  other.offset = "1";
  EXPECT_THAT(accusation_of({other}), HasSubstr("its number and its offset"));
}

TEST(Checkers, find_a_batch_of_which_a_part_is_stored) {
  Judge judge;
  TelemetryChecker checker(judge);
  for (const std::uint64_t number : {1, 2, 3}) checker.sent(number, {"d0", {}}, 7);
  checker.sent_together(1, 2);
  MemoryState state;
  state.partitions.resize(1);
  for (const char* body : {"t1", "t3"}) state.partitions[0].records.push_back(record_of("d0", body));
  checker.on_commit(state);
  ASSERT_FALSE(judge.failed()) << judge.failure();
  checker.finish(state);
  ASSERT_TRUE(judge.failed());
  EXPECT_THAT(judge.failure(), HasSubstr("is in the log if t1 is"));
}

TEST(Checkers, find_a_settlement_that_is_confirmed_and_not_stored) {
  Judge judge;
  C2dChecker checker(judge, seconds(3600));
  checker.sent(1, "d0", AckRequest::full, std::nullopt);
  checker.acknowledged_by_device(1);
  checker.settlement_confirmed(1);
  ASSERT_TRUE(judge.failed());
  EXPECT_THAT(judge.failure(), HasSubstr("has ended when that is confirmed"));
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
