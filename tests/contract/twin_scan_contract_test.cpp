#include <gtest/gtest.h>

#include <functional>

#include "tests/contract/store_engine.h"

// What TwinStore::scan promises.
namespace kyanite {
namespace {

class TwinScanContract : public testing::TestWithParam<EngineKind> {
 protected:
  using Look = std::function<bool(ScannedIdentity&)>;
  class Visitor final : public IdentityVisitor {
   public:
    explicit Visitor(Look look) : look_(std::move(look)) {}
    bool visit(ScannedIdentity& identity) override { return look_(identity); }

   private:
    Look look_;
  };

  ManualExecutor& home() { return engine_->home; }
  Stores& stores() { return engine_->stores(); }

  Result<IdentityScanned> turn(bool modules, Identity after, Look look, std::size_t rows = 1000,
                               std::size_t bytes = 1 << 20) {
    return await<IdentityScanned>(home(), [&](Reply<IdentityScanned> reply) {
      stores().twins().scan(
          {modules, std::move(after), std::make_unique<Visitor>(std::move(look)), rows, bytes},
          std::move(reply));
    });
  }
  // Turn after turn, since an engine may end one by time, until `look` ends it or the end is reached.
  Result<IdentityScanned> turns(bool modules, Look look) {
    Identity after;
    for (;;) {
      bool stopped = false;
      auto scanned = turn(modules, after, [&](ScannedIdentity& identity) {
        stopped = !look(identity);
        return !stopped;
      });
      if (!scanned || scanned->at_end || stopped) return scanned;
      after = scanned->last;
    }
  }
  // The ids that a walk in turns of `rows` sees, as "device" or "device/module".
  std::vector<std::string> walk(bool modules, Identity after = {}, std::size_t rows = 1000) {
    std::vector<std::string> seen;
    for (bool at_end = false; !at_end;) {
      auto scanned = turn(
          modules, after,
          [&seen](ScannedIdentity& identity) {
            const Identity& id = identity.id();
            seen.push_back(id.is_module() ? id.device + "/" + id.module : id.device);
            return true;
          },
          rows);
      if (!scanned || !scanned->visitor) return {"failed"};
      after = scanned->last;
      at_end = scanned->at_end;
    }
    return seen;
  }
  void create_all() {
    for (const char* device : {"b", "a", "a-1", "c"})
      ASSERT_TRUE(create(home(), stores(), make_identity(device)));
    for (const char* module : {"m2", "m1"}) ASSERT_TRUE(create(home(), stores(), make_identity("a", module)));
    ASSERT_TRUE(create(home(), stores(), make_identity("c", "m")));
  }

  std::unique_ptr<StoreEngine> engine_ = GetParam().make();
};
INSTANTIATE_TEST_SUITE_P(Engines, TwinScanContract, testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

using Ids = std::vector<std::string>;

TEST_P(TwinScanContract, an_empty_store_is_at_its_end_at_once) {
  EXPECT_EQ(walk(false), Ids{});
  EXPECT_EQ(walk(true), Ids{});
}

TEST_P(TwinScanContract, devices_and_modules_come_in_id_order_in_turns_of_any_size) {
  create_all();
  for (const std::size_t rows : {1U, 2U, 3U, 1000U}) {
    EXPECT_EQ(walk(false, {}, rows), (Ids{"a", "a-1", "b", "c"})) << rows;
    EXPECT_EQ(walk(true, {}, rows), (Ids{"a/m1", "a/m2", "c/m"})) << rows;
  }
}

TEST_P(TwinScanContract, a_walk_begins_behind_an_identity_that_need_not_exist) {
  create_all();
  EXPECT_EQ(walk(false, {"a", ""}), (Ids{"a-1", "b", "c"}));
  EXPECT_EQ(walk(false, {"a-0", ""}), (Ids{"a-1", "b", "c"}));
  EXPECT_EQ(walk(true, {"a", "m1"}), (Ids{"a/m2", "c/m"}));
  EXPECT_EQ(walk(true, {"b", "zz"}), (Ids{"c/m"}));
  EXPECT_EQ(walk(false, {"z", ""}), Ids{});
}

TEST_P(TwinScanContract, an_identity_shows_its_record_its_twin_and_its_queue) {
  create_all();
  TwinRecord twin;
  twin.version = 3;
  twin.tags = R"({"site":1})";
  ASSERT_TRUE(put_twin(home(), stores(), {{"b", ""}, twin, 2, {}}));
  ASSERT_TRUE(append_message(home(), stores(), make_message("b", 1)));
  ASSERT_TRUE(append_message(home(), stores(), make_message("b", 2)));
  ASSERT_TRUE(append_message(home(), stores(), make_message("c", 1)));
  std::vector<std::uint64_t> queued;
  Ids tags;
  auto look = [&](ScannedIdentity& identity) {
    EXPECT_EQ(identity.record()->id, identity.id());
    queued.push_back(*identity.c2d_messages());
    tags.push_back(identity.twin({.desired = false, .reported = false})->tags);
    EXPECT_GT(identity.bytes(), 0U);
    return true;
  };
  ASSERT_TRUE(turns(false, look));
  EXPECT_EQ(queued, (std::vector<std::uint64_t>{0, 0, 2, 1}));
  EXPECT_EQ(tags, (Ids{"{}", "{}", R"({"site":1})", "{}"}));
  queued.clear();
  ASSERT_TRUE(turns(true, look));
  EXPECT_EQ(queued, (std::vector<std::uint64_t>{0, 0, 0}));
}

TEST_P(TwinScanContract, the_queue_of_a_device_is_counted_without_its_neighbours) {
  create_all();
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
    ASSERT_TRUE(append_message(home(), stores(), make_message("a", sequence)));
  }
  ASSERT_TRUE(append_message(home(), stores(), make_message("c", 1)));
  std::vector<std::uint64_t> queued;
  ASSERT_TRUE(turns(false, [&](ScannedIdentity& identity) {
    if (identity.id().device != "a") queued.push_back(*identity.c2d_messages());
    return true;
  }));
  EXPECT_EQ(queued, (std::vector<std::uint64_t>{0, 0, 1}));
}

TEST_P(TwinScanContract, a_turn_ends_by_its_visitor_and_by_bytes) {
  create_all();
  Ids seen;
  const auto stop_at_b = [&](ScannedIdentity& identity) {
    seen.push_back(identity.id().device);
    return identity.id().device != "b";
  };
  auto scanned = turns(false, stop_at_b);
  ASSERT_TRUE(scanned);
  EXPECT_EQ(seen, (Ids{"a", "a-1", "b"}));
  EXPECT_EQ(scanned->last, (Identity{"b", ""}));
  EXPECT_FALSE(scanned->at_end);
  seen.clear();
  scanned = turn(false, {}, stop_at_b, 1000, 1);
  ASSERT_TRUE(scanned);
  EXPECT_EQ(seen, (Ids{"a"}));
  EXPECT_FALSE(scanned->at_end);
}

TEST_P(TwinScanContract, what_was_erased_is_not_seen) {
  create_all();
  ASSERT_TRUE(erase(home(), stores(), {"a", ""}));
  EXPECT_EQ(walk(false), (Ids{"a-1", "b", "c"}));
  EXPECT_EQ(walk(true), (Ids{"c/m"}));
  engine_->reopen();
  EXPECT_EQ(walk(false), (Ids{"a-1", "b", "c"}));
}

}  // namespace
}  // namespace kyanite
