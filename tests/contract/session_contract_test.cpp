#include <gtest/gtest.h>

#include "tests/contract/store_engine.h"

// What session_store.h promises, asked of every engine.
namespace kyanite {
namespace {

class SessionContract : public testing::TestWithParam<EngineKind> {
 protected:
  ManualExecutor& home() { return engine_->home; }
  Stores& stores() { return engine_->stores(); }
  Result<void> put(SessionRecord session) {
    return await<void>(
        home(), [&](Reply<void> reply) { stores().sessions().put(std::move(session), std::move(reply)); });
  }
  std::vector<SessionRecord> sessions(const std::string& device) {
    return load(home(), stores(), device)->sessions;
  }
  static SessionRecord session_of(const Identity& id, const std::string& filter = "a/#") {
    return {id,
            {{filter, 1, WallTime(milliseconds(1'700'000'000'000))}, {"$iothub/methods/POST/#", 0, kNever}}};
  }

  std::unique_ptr<StoreEngine> engine_ = GetParam().make();
};
INSTANTIATE_TEST_SUITE_P(Engines, SessionContract, testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(SessionContract, sessions_come_with_their_device_and_survive_reopening) {
  for (const char* module : {"", "m2", "m1"}) {
    ASSERT_TRUE(create(home(), stores(), make_identity("d", module)));
    ASSERT_TRUE(put(session_of({"d", module}, std::string("of/") + module)));
  }
  ASSERT_TRUE(create(home(), stores(), make_identity("d1")));
  ASSERT_TRUE(put(session_of({"d1", ""})));
  const std::vector<SessionRecord> expected{session_of({"d", ""}, "of/"), session_of({"d", "m1"}, "of/m1"),
                                            session_of({"d", "m2"}, "of/m2")};
  EXPECT_EQ(sessions("d"), expected);
  engine_->reopen();
  EXPECT_EQ(sessions("d"), expected);
}

TEST_P(SessionContract, a_put_replaces_and_one_without_subscriptions_removes) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  EXPECT_TRUE(sessions("d").empty());
  ASSERT_TRUE(put(session_of({"d", ""}, "old")));
  ASSERT_TRUE(put(session_of({"d", ""}, "new")));
  EXPECT_EQ(sessions("d"), std::vector{session_of({"d", ""}, "new")});
  for (int twice = 0; twice < 2; ++twice) ASSERT_TRUE(put({{"d", ""}, {}}));
  EXPECT_TRUE(sessions("d").empty());
}

TEST_P(SessionContract, a_session_needs_its_identity) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  EXPECT_EQ(put(session_of({"e", ""})).error().code, Errc::device_not_found);
  EXPECT_EQ(put(session_of({"d", "m"})).error().code, Errc::module_not_found);
  ASSERT_TRUE(create(home(), stores(), make_identity("e")));
  EXPECT_TRUE(sessions("e").empty());
}

TEST_P(SessionContract, a_module_erased_takes_its_session_and_a_device_all) {
  for (const char* module : {"", "m"}) {
    ASSERT_TRUE(create(home(), stores(), make_identity("d", module)));
    ASSERT_TRUE(put(session_of({"d", module})));
  }
  ASSERT_TRUE(erase(home(), stores(), {"d", "m"}));
  EXPECT_EQ(sessions("d"), std::vector{session_of({"d", ""})});
  ASSERT_TRUE(create(home(), stores(), make_identity("d", "m")));
  ASSERT_TRUE(put(session_of({"d", "m"})));
  ASSERT_TRUE(erase(home(), stores(), {"d", ""}));
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  ASSERT_TRUE(create(home(), stores(), make_identity("d", "m")));
  EXPECT_TRUE(sessions("d").empty());
}

// Without waiting in between: the put and the erasure meet in one group.
TEST_P(SessionContract, a_session_written_just_before_the_erasure_is_gone_and_one_after_it_is_refused) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  std::vector<bool> answers;
  const auto note = [&] {
    return Reply<void>(home(), [&](Result<void> r) { answers.push_back(r.has_value()); });
  };
  IdentityChange erased;
  erased.erases.push_back({{"d", ""}});
  stores().sessions().put(session_of({"d", ""}), note());
  stores().identities().commit(std::move(erased), note());
  stores().sessions().put(session_of({"d", ""}), note());
  ASSERT_TRUE(home().run_until([&] { return answers.size() == 3; }));
  EXPECT_EQ(answers, (std::vector<bool>{true, true, false}));
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  EXPECT_TRUE(sessions("d").empty());
}

}  // namespace
}  // namespace kyanite
