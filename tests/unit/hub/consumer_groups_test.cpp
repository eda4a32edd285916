#include "server/hub/consumer_groups.h"

#include <gmock/gmock.h>

#include "protocol/base/limits.h"
#include "storage/memory/memory_stores.h"
#include "tests/support/sim_executor.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ConsumerGroupsTest : public testing::Test {
 protected:
  ConsumerGroupsTest() { groups->start(); }
  ~ConsumerGroupsTest() override { loop.run(); }

  template <class T>
  Result<T> ask(const std::function<void(Reply<T>)>& question) {
    std::optional<Result<T>> answer;
    question(Reply<T>(shard0, [&](Result<T> r) { answer = std::move(r); }));
    loop.run();
    return answer ? std::move(*answer) : Result<T>(Error(Errc::timed_out, "no answer"));
  }
  Result<ConsumerGroup> put(const std::string& name) {
    return ask<ConsumerGroup>([&](Reply<ConsumerGroup> r) { groups->put(name, std::move(r)); });
  }
  Result<void> erase(const std::string& name) {
    return ask<void>([&](Reply<void> r) { groups->erase(name, std::move(r)); });
  }
  std::vector<std::string> names() {
    const auto all = ask<std::vector<ConsumerGroup>>(
        [&](Reply<std::vector<ConsumerGroup>> r) { groups->list(std::move(r)); });
    std::vector<std::string> out;
    for (const ConsumerGroup& group : *all) out.push_back(group.name);
    return out;
  }
  std::size_t readers(const std::string& name) {
    const auto all = ask<std::vector<ConsumerGroup>>(
        [&](Reply<std::vector<ConsumerGroup>> r) { groups->list(std::move(r)); });
    for (const ConsumerGroup& group : *all) {
      if (group.name == name) return group.readers;
    }
    ADD_FAILURE() << "no group " << name;
    return 0;
  }
  // A reader of another shard; what it loses its claim for goes to `lost` under its name.
  Result<ReaderClaim> claim(const std::string& reader, std::optional<std::int64_t> epoch,
                            const std::string& group = "$Default", std::uint32_t partition = 0) {
    return ask<ReaderClaim>([&](Reply<ReaderClaim> r) {
      groups->claim(
          {group, PartitionId{partition}, epoch}, shard1,
          [this, reader](const Error& why) {
            EXPECT_TRUE(shard1.is_current());
            lost.push_back(reader + (why.code == Errc::conflict ? " stolen" : " other"));
          },
          std::move(r));
    });
  }

  SimLoop loop;
  SimExecutor shard0{loop};
  SimExecutor shard1{loop};
  SimExecutor commit_thread{loop};
  MemoryStores stores{commit_thread};
  std::vector<std::string> lost;
  std::unique_ptr<ConsumerGroups> groups = std::make_unique<ConsumerGroups>(shard0, stores.documents());
};

TEST_F(ConsumerGroupsTest, amqp_6_4_default_is_always_there_and_stays) {
  EXPECT_THAT(names(), ElementsAre("$Default"));
  EXPECT_EQ(erase("$DEFAULT").error().code, Errc::argument_invalid);
  EXPECT_TRUE(put("$default"));
  EXPECT_THAT(names(), ElementsAre("$Default"));
}

TEST_F(ConsumerGroupsTest, a_group_outlives_the_process_and_keeps_its_time) {
  const auto made = put("Analytics");
  ASSERT_TRUE(made);
  const WallTime first = loop.wall_now();
  loop.advance(seconds(10));
  groups = std::make_unique<ConsumerGroups>(shard0, stores.documents());
  groups->start();
  EXPECT_THAT(names(), ElementsAre("$Default", "Analytics"));
  const auto again = put("analytics");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->name, "Analytics");
  EXPECT_EQ(again->created, first);
  ASSERT_TRUE(erase("ANALYTICS"));
  groups = std::make_unique<ConsumerGroups>(shard0, stores.documents());
  groups->start();
  EXPECT_THAT(names(), ElementsAre("$Default"));
}

TEST_F(ConsumerGroupsTest, bad_names_and_unknown_groups_are_refused) {
  for (const char* bad : {"", "a b", "-a", "a-", ".", "a/b", "$other", "\xc3\xa4",
                          "a123456789b123456789c123456789d123456789e1234567890"}) {
    EXPECT_EQ(put(bad).error().code, Errc::argument_invalid) << bad;
  }
  EXPECT_TRUE(put("a"));
  EXPECT_TRUE(put("a123456789b123456789c123456789d123456789e123456789"));
  EXPECT_EQ(erase("b").error().code, Errc::not_found);
  EXPECT_EQ(claim("r", std::nullopt, "b").error().code, Errc::not_found);
}

TEST_F(ConsumerGroupsTest, the_number_of_groups_is_bounded) {
  for (std::size_t i = 1; i < limits::kConsumerGroupsMax; ++i) ASSERT_TRUE(put("g" + std::to_string(i)));
  EXPECT_EQ(put("one-more").error().code, Errc::quota_exceeded);
  ASSERT_TRUE(erase("g1"));
  EXPECT_TRUE(put("one-more"));
}

TEST_F(ConsumerGroupsTest, amqp_40_five_readers_without_a_level_and_no_sixth) {
  std::vector<ReaderClaim> claims;
  for (int i = 0; i < 5; ++i) {
    auto claimed = claim("r" + std::to_string(i), std::nullopt);
    ASSERT_TRUE(claimed);
    claims.push_back(std::move(*claimed));
  }
  EXPECT_EQ(claim("sixth", std::nullopt).error().code, Errc::quota_exceeded);
  EXPECT_TRUE(claim("elsewhere", std::nullopt, "$default", 1)) << "another partition";
  EXPECT_EQ(readers("$Default"), 5u);
  claims.pop_back();
  EXPECT_EQ(readers("$Default"), 4u);
  EXPECT_TRUE(claim("in its place", std::nullopt));
  EXPECT_THAT(lost, IsEmpty());
}

TEST_F(ConsumerGroupsTest, amqp_40_a_level_puts_out_readers_without_one_and_of_its_own_or_a_lower_level) {
  const auto a = claim("a", std::nullopt);
  const auto b = claim("b", std::nullopt);
  const auto c = claim("c", 5);
  ASSERT_TRUE(c);
  EXPECT_THAT(std::exchange(lost, {}), ElementsAre("a stolen", "b stolen"));
  EXPECT_EQ(claim("none", std::nullopt).error().code, Errc::conflict);
  EXPECT_EQ(claim("lower", 4).error().code, Errc::conflict);
  EXPECT_THAT(lost, IsEmpty());
  const auto d = claim("d", 5);
  ASSERT_TRUE(d) << "of equal levels the newer wins";
  EXPECT_THAT(std::exchange(lost, {}), ElementsAre("c stolen"));
  const auto e = claim("e", 6);
  ASSERT_TRUE(e);
  EXPECT_THAT(std::exchange(lost, {}), ElementsAre("d stolen"));
  EXPECT_EQ(readers("$Default"), 1u);
}

TEST_F(ConsumerGroupsTest, a_level_ends_with_its_reader) {
  { const auto owner = claim("owner", 7); }
  loop.run();
  EXPECT_EQ(readers("$Default"), 0u);
  EXPECT_TRUE(claim("anybody", std::nullopt));
  EXPECT_THAT(lost, IsEmpty());
}

TEST_F(ConsumerGroupsTest, who_was_put_out_does_not_take_the_claim_of_its_successor_along) {
  auto old = claim("old", 1);
  const auto now = claim("now", 2);
  ASSERT_TRUE(now);
  *old = ReaderClaim();
  loop.run();
  EXPECT_EQ(readers("$Default"), 1u);
  EXPECT_EQ(claim("later", 1).error().code, Errc::conflict);
}

TEST_F(ConsumerGroupsTest, a_claim_whose_reader_is_gone_by_the_answer_is_released) {
  groups->claim(
      {"$Default", PartitionId{0}, 9}, shard1, [](const Error&) {},
      Reply<ReaderClaim>(shard1, [](const Result<ReaderClaim>&) {}));
  loop.run();
  EXPECT_EQ(readers("$Default"), 0u);
}

TEST_F(ConsumerGroupsTest, a_deleted_group_puts_its_readers_out) {
  ASSERT_TRUE(put("g"));
  const auto in_group = claim("in g", 3, "G", 2);
  const auto in_default = claim("in default", 3);
  ASSERT_TRUE(in_group);
  ASSERT_TRUE(erase("g"));
  EXPECT_THAT(lost, ElementsAre("in g other"));
}

TEST_F(ConsumerGroupsTest, claims_outlive_the_service_at_the_end_of_the_process) {
  auto held = claim("held", 1);
  ASSERT_TRUE(held);
  groups.reset();
  *held = ReaderClaim();
  loop.run();
}

}  // namespace
}  // namespace kyanite::test
