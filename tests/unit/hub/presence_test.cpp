#include "server/hub/presence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/limits.h"
#include "tests/support/sim_executor.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ConnectionRef ref(std::uint32_t slot) { return {ShardIndex{0}, slot, 1}; }

// Presence of one device alone: what it tells its host and its callers, as lines.
class PresenceTest : public testing::Test, public PresenceHost {
 protected:
  Executor& executor() override { return executor_; }
  void close_connection(ConnectionRef connection, CloseReason reason) override {
    lines_.push_back("close " + std::to_string(connection.slot) +
                     (reason == CloseReason::takeover ? " takeover" : " other"));
  }
  std::vector<GrantedFilter> stored_filters(const std::string&) const override { return stored_; }
  void on_bound(const std::string&) override {}
  void on_unbound(const std::string&) override {}
  void on_connected_changed(const std::string&, bool connected) override {
    lines_.push_back(connected ? "connected" : "disconnected");
  }
  void on_heard(const std::string&, bool ended) override { ended ? ++ends_heard_ : ++others_heard_; }
  void on_takeover_timeout(const std::string& module) override { presence_.takeover_timeout(module); }

  void attach(std::uint32_t slot, AuthScope scope = AuthScope::device) {
    Attach message;
    message.connection = ref(slot);
    message.identity = {"d", ""};
    message.reply = Reply<Attachment>(executor_, [this, slot](Result<Attachment> r) {
      lines_.push_back(std::to_string(slot) +
                       (r ? " attached " + std::to_string(r->epoch.value) : std::string(" refused")));
    });
    AuthVerdict verdict;
    verdict.scope = scope;
    presence_.attach(std::move(message), verdict, "1");
  }
  void detach(std::uint32_t slot, std::uint64_t epoch) {
    presence_.detached({ref(slot), {"d", ""}, Epoch{epoch}});
  }
  std::vector<std::string> lines() {
    loop_.run();
    return std::exchange(lines_, {});
  }

  SimLoop loop_;
  SimExecutor executor_{loop_};
  std::vector<std::string> lines_;
  std::vector<GrantedFilter> stored_;
  int ends_heard_ = 0;
  int others_heard_ = 0;
  Presence presence_{*this};
};

TEST_F(PresenceTest, the_old_connection_closes_and_ends_before_the_new_one_is_answered) {
  attach(1);
  EXPECT_THAT(lines(), ElementsAre("connected", "1 attached 1"));
  attach(2);
  EXPECT_THAT(lines(), ElementsAre("close 1 takeover"));
  EXPECT_FALSE(presence_.is_quiet());
  detach(1, 1);
  EXPECT_THAT(lines(), ElementsAre("2 attached 2"));
  detach(2, 2);
  EXPECT_THAT(lines(), ElementsAre("disconnected"));
  EXPECT_TRUE(presence_.is_quiet());
}

TEST_F(PresenceTest, an_old_connection_that_says_nothing_is_waited_for_two_seconds) {
  attach(1);
  attach(2);
  lines();
  loop_.advance(limits::kTakeoverWait - milliseconds(1));
  EXPECT_THAT(lines(), IsEmpty());
  loop_.advance(milliseconds(1));
  EXPECT_THAT(lines(), ElementsAre("2 attached 2"));
  detach(1, 1);  // at last, and too late to matter
  EXPECT_THAT(lines(), IsEmpty());
  EXPECT_TRUE(presence_.live("").connected);
}

TEST_F(PresenceTest, the_newest_of_several_wins_and_the_one_that_waited_is_refused) {
  attach(1);
  attach(2);
  attach(3);
  EXPECT_THAT(lines(), ElementsAre("connected", "close 1 takeover", "1 attached 1", "2 refused"));
  detach(1, 1);
  EXPECT_THAT(lines(), ElementsAre("3 attached 2"));
}

TEST_F(PresenceTest, stale_epochs_and_references_are_ignored) {
  attach(1);
  lines();
  detach(1, 2);
  detach(2, 1);
  EXPECT_THAT(lines(), IsEmpty());
  const WallTime before = presence_.live("").last_activity;
  presence_.active({{"d", ""}, Epoch{9}, before + seconds(5)});
  EXPECT_EQ(presence_.live("").last_activity, before);
  presence_.active({{"d", ""}, Epoch{1}, before + seconds(5)});
  presence_.active({{"d", ""}, Epoch{1}, before + seconds(3)});
  EXPECT_EQ(presence_.live("").last_activity, before + seconds(5));
}

TEST_F(PresenceTest, its_host_hears_of_connects_and_ends_and_of_activity_once_a_minute) {
  attach(1);
  lines();
  EXPECT_EQ(others_heard_, 1);
  const WallTime begun = presence_.live("").last_activity;
  for (int second = 1; second <= 150; ++second) {
    presence_.active({{"d", ""}, Epoch{1}, begun + seconds(second)});
  }
  EXPECT_EQ(others_heard_, 3);
  detach(1, 1);
  EXPECT_EQ(ends_heard_, 1);
}

TEST_F(PresenceTest, what_an_earlier_start_knew_counts_until_somebody_connects) {
  const WallTime before{seconds{7}};
  presence_.load({{{"d", ""}, before, before + seconds(1)}, {{"d", "m"}, before, before}});
  EXPECT_FALSE(presence_.live("").connected);
  EXPECT_EQ(presence_.live("").connection_state_updated, before);
  EXPECT_EQ(presence_.live("").last_activity, before + seconds(1));
  EXPECT_TRUE(presence_.is_empty());
  attach(1);
  lines();
  EXPECT_TRUE(presence_.live("").connected);
  EXPECT_GT(presence_.live("").last_activity, before + seconds(1));
  presence_.forget("m");
  EXPECT_EQ(presence_.live("m").last_activity, kNever);
  presence_.unload();
  EXPECT_TRUE(presence_.live("").connected);
}

TEST_F(PresenceTest, a_delete_closes_the_connected_one_and_refuses_the_waiting_one) {
  attach(1);
  attach(2);
  lines();
  presence_.forget_all();
  EXPECT_THAT(lines(), ElementsAre("close 1 other", "disconnected", "2 refused"));
  EXPECT_TRUE(presence_.is_empty());
  loop_.advance(limits::kTakeoverWait * 2);
  EXPECT_THAT(lines(), IsEmpty()) << "the timer went with it";
}

TEST_F(PresenceTest, a_replaced_key_ends_who_used_it_and_nobody_who_came_with_a_policy) {
  const auto replace_key = [this] {
    presence_.close_own("", CloseReason::credential_changed, Error(Errc::unauthorized));
  };
  replace_key();
  attach(1, AuthScope::hub);
  lines();
  replace_key();
  EXPECT_THAT(lines(), IsEmpty());
  attach(2);
  EXPECT_THAT(lines(), ElementsAre("close 1 takeover"));
  replace_key();
  EXPECT_THAT(lines(), ElementsAre("2 refused"));
  detach(1, 1);
  EXPECT_THAT(lines(), ElementsAre("disconnected"));
  attach(3);
  lines();
  attach(4, AuthScope::hub);
  replace_key();
  EXPECT_THAT(lines(), ElementsAre("close 3 takeover"));
  detach(3, 2);
  EXPECT_THAT(lines(), ElementsAre("4 attached 3"));
  detach(4, 3);
  attach(5);
  lines();
  replace_key();
  EXPECT_THAT(lines(), ElementsAre("close 5 other", "disconnected"));
}

TEST_F(PresenceTest, epochs_only_grow) {
  for (std::uint64_t i = 1; i <= 5; ++i) {
    attach(static_cast<std::uint32_t>(i));
    detach(static_cast<std::uint32_t>(i), i);
  }
  attach(9);
  EXPECT_EQ(lines().back(), "9 attached 6");
}

}  // namespace
}  // namespace kyanite::test
