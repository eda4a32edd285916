#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/contract/store_engine.h"

// What C2dStore of c2d_store.h promises, asked of every engine.
namespace kyanite {
namespace {

using Sequences = std::vector<std::uint64_t>;

class C2dContract : public testing::TestWithParam<EngineKind> {
 protected:
  ManualExecutor& home() { return engine_->home; }
  Stores& stores() { return engine_->stores(); }
  Result<void> append(C2dMessage message) { return append_message(home(), stores(), std::move(message)); }
  Result<void> settle(C2dOutcome outcome) { return kyanite::settle(home(), stores(), std::move(outcome)); }
  Sequences read(const std::string& device, std::uint64_t from = 0, std::size_t messages = 1000,
                 std::size_t bytes = 1 << 24) {
    Sequences found;
    const auto page = read_messages(home(), stores(), device, from, messages, bytes);
    for (const C2dMessage& message : page.value()) found.push_back(message.header.sequence);
    return found;
  }
  DeviceRecords device(const std::string& id) { return load(home(), stores(), id).value(); }
  std::vector<std::string> expired(std::int64_t now, std::size_t limit = 100) {
    return await<std::vector<std::string>>(home(),
                                           [&](Reply<std::vector<std::string>> reply) {
                                             stores().c2d().expired(WallTime(milliseconds(now)), limit,
                                                                    std::move(reply));
                                           })
        .value();
  }
  static C2dMessage expiring(const std::string& device, std::uint64_t sequence, std::int64_t at) {
    C2dMessage message = make_message(device, sequence);
    message.header.expiry = WallTime(milliseconds(at));
    return message;
  }
  Reply<void> note() {
    return Reply<void>(home(), [this](Result<void> result) {
      answers_.push_back(result ? std::nullopt : std::optional(result.error().code));
    });
  }
  bool answered(std::size_t count) {
    return home().run_until([&] { return answers_.size() == count; });
  }

  std::unique_ptr<StoreEngine> engine_ = GetParam().make();
  std::vector<std::optional<Errc>> answers_;
};
INSTANTIATE_TEST_SUITE_P(Engines, C2dContract, testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(C2dContract, a_message_comes_back_as_it_was_sent) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  C2dMessage message = make_message("d", 1, std::string("\x00\xff{}", 4));
  message.header.explicit_expiry = true;
  message.header.was_sent = true;
  message.header.delivery_count = 3;
  message.header.ack = AckRequest::full;
  message.header.bytes = 77;
  message.to = "/devices/d/messages/deviceBound";
  message.correlation_id = "c";
  message.user_id = "u";
  message.content_type = "application/json";
  message.content_encoding = "utf-8";
  message.application = {{"b", "1"}, {"a", ""}};
  ASSERT_TRUE(append(message));
  engine_->reopen();
  EXPECT_EQ(read_messages(home(), stores(), "d").value(), std::vector{message});
  EXPECT_EQ(device("d").c2d, std::vector{message.header});
}

TEST_P(C2dContract, a_queue_is_in_order_and_its_next_sequence_follows_the_last) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  EXPECT_EQ(device("d").next_c2d_sequence, 1u);
  for (const std::uint64_t sequence : {1u, 2u, 255u, 256u, 70'000u}) {
    ASSERT_TRUE(append(make_message("d", sequence)));
    EXPECT_EQ(device("d").next_c2d_sequence, sequence + 1);
  }
  EXPECT_EQ(read("d"), (Sequences{1, 2, 255, 256, 70'000}));
  EXPECT_EQ(device("d").c2d.size(), 5u);
}

TEST_P(C2dContract, the_next_sequence_survives_an_emptied_queue_and_reopening) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence)
    ASSERT_TRUE(append(make_message("d", sequence)));
  ASSERT_TRUE(settle({"d", {1, 2, 3}, {}, {}}));
  engine_->reopen();
  EXPECT_TRUE(device("d").c2d.empty());
  EXPECT_EQ(device("d").next_c2d_sequence, 4u);
  EXPECT_EQ(append(make_message("d", 3)).error().code, Errc::precondition_failed);
  EXPECT_TRUE(append(make_message("d", 4)));
  EXPECT_EQ(read("d"), Sequences{4});
}

TEST_P(C2dContract, a_message_needs_its_device) {
  EXPECT_EQ(append(make_message("d", 1)).error().code, Errc::device_not_found);
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  EXPECT_TRUE(read("d").empty());
  EXPECT_TRUE(expired(INT64_MAX / 4).empty());
}

TEST_P(C2dContract, pages_begin_where_asked_and_hold_at_least_one_message) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
    ASSERT_TRUE(append(make_message("d", sequence, std::string(1000, 'x'))));
  }
  EXPECT_EQ(read("d", 3), (Sequences{3, 4, 5}));
  EXPECT_EQ(read("d", 2, 2), (Sequences{2, 3}));
  EXPECT_EQ(read("d", 1, 10, 2500), (Sequences{1, 2}));
  EXPECT_EQ(read("d", 1, 10, 1), Sequences{1});
  EXPECT_TRUE(read("d", 6).empty());
  EXPECT_TRUE(read("e").empty());
}

TEST_P(C2dContract, queues_of_devices_with_like_names_are_apart) {
  for (const char* id : {"d", "d1", "d-", "c"}) {
    ASSERT_TRUE(create(home(), stores(), make_identity(id)));
    ASSERT_TRUE(append(make_message(id, 1, id)));
    ASSERT_TRUE(append(make_message(id, 2, id)));
  }
  ASSERT_TRUE(settle({"d", {1}, {}, {}}));
  EXPECT_EQ(read("d"), Sequences{2});
  for (const char* id : {"d1", "d-", "c"}) {
    const auto page = read_messages(home(), stores(), id);
    ASSERT_EQ(page->size(), 2u);
    EXPECT_EQ((*page)[0].body, id);
    EXPECT_EQ(device(id).c2d.size(), 2u);
  }
}

TEST_P(C2dContract, settling_removes_and_counts_deliveries_and_ignores_what_it_does_not_know) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence)
    ASSERT_TRUE(append(make_message("d", sequence)));
  const C2dOutcome outcome{"d", {1, 9}, {{1, 5, true}, {2, 4, true}, {8, 1, true}}, {}};
  for (int twice = 0; twice < 2; ++twice) {
    ASSERT_TRUE(settle(outcome));
    C2dHeader delivered = make_message("d", 2).header;
    delivered.delivery_count = 4;
    delivered.was_sent = true;
    EXPECT_EQ(device("d").c2d, (std::vector{delivered, make_message("d", 3).header}));
    EXPECT_EQ(read("d"), (Sequences{2, 3}));
  }
}

TEST_P(C2dContract, settling_for_an_absent_device_leaves_nothing_behind) {
  ASSERT_TRUE(settle({"d", {1}, {{2, 1, true}}, {}}));
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  EXPECT_TRUE(device("d").c2d.empty());
  EXPECT_EQ(device("d").next_c2d_sequence, 1u);
}

TEST_P(C2dContract, steps_for_one_queue_that_meet_in_one_group_see_each_other) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  stores().c2d().append(expiring("d", 1, 10), note());
  stores().c2d().append(expiring("d", 2, 20), note());
  stores().c2d().append(expiring("d", 2, 25), note());  // used
  stores().c2d().settle({"d", {1}, {{2, 1, true}}, {}}, note());
  stores().c2d().settle({"d", {}, {{1, 7, true}, {2, 2, true}}, {}}, note());
  stores().c2d().append(expiring("d", 3, 30), note());
  ASSERT_TRUE(answered(6));
  EXPECT_EQ(answers_, (std::vector<std::optional<Errc>>{{}, {}, Errc::precondition_failed, {}, {}, {}}));
  EXPECT_EQ(read("d"), (Sequences{2, 3}));
  EXPECT_EQ(device("d").c2d[0].delivery_count, 2u);
  EXPECT_TRUE(expired(19).empty());
}

TEST_P(C2dContract, erasing_a_device_erases_its_queue_and_a_new_one_of_that_name_starts_again) {
  for (const char* id : {"d", "e"}) {
    ASSERT_TRUE(create(home(), stores(), make_identity(id)));
    for (std::uint64_t sequence = 1; sequence <= 3; ++sequence)
      ASSERT_TRUE(append(make_message(id, sequence)));
  }
  ASSERT_TRUE(erase(home(), stores(), {"d", ""}));
  EXPECT_TRUE(read("d").empty());
  EXPECT_EQ(expired(INT64_MAX / 4), std::vector<std::string>{"e"});
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  engine_->reopen();
  EXPECT_TRUE(device("d").c2d.empty());
  EXPECT_EQ(device("d").next_c2d_sequence, 1u);
  EXPECT_TRUE(append(make_message("d", 1)));
  EXPECT_EQ(read("e"), (Sequences{1, 2, 3}));
}

TEST_P(C2dContract, erasing_a_module_leaves_the_queue_of_its_device) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  ASSERT_TRUE(create(home(), stores(), make_identity("d", "m")));
  ASSERT_TRUE(append(make_message("d", 1)));
  ASSERT_TRUE(erase(home(), stores(), {"d", "m"}));
  EXPECT_EQ(read("d"), Sequences{1});
  EXPECT_EQ(device("d").next_c2d_sequence, 2u);
}

TEST_P(C2dContract, a_message_and_the_erasure_of_its_device_may_meet_in_one_group) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  ASSERT_TRUE(append(make_message("d", 1)));
  IdentityChange erased, made;
  erased.erases.push_back({{"d", ""}});
  made.writes.push_back(creation(make_identity("d")));
  stores().c2d().append(make_message("d", 2), note());
  stores().identities().commit(std::move(erased), note());
  stores().c2d().append(make_message("d", 3), note());
  stores().identities().commit(std::move(made), note());
  stores().c2d().settle({"d", {}, {{1, 9, true}, {2, 9, true}}, {}}, note());
  stores().c2d().append(make_message("d", 1, "new"), note());
  ASSERT_TRUE(answered(6));
  EXPECT_EQ(answers_, (std::vector<std::optional<Errc>>{{}, {}, Errc::device_not_found, {}, {}, {}}));
  const auto page = read_messages(home(), stores(), "d");
  ASSERT_EQ(page->size(), 1u);
  EXPECT_EQ(page->front(), make_message("d", 1, "new"));
  EXPECT_EQ(device("d").next_c2d_sequence, 2u);
}

TEST_P(C2dContract, expired_names_each_device_once_and_the_longest_expired_first) {
  for (const char* id : {"a", "b", "c", "d"}) ASSERT_TRUE(create(home(), stores(), make_identity(id)));
  ASSERT_TRUE(append(expiring("a", 1, 1000)));
  ASSERT_TRUE(append(expiring("b", 1, 5000)));
  ASSERT_TRUE(append(expiring("b", 2, 300)));
  ASSERT_TRUE(append(expiring("b", 3, 301)));
  ASSERT_TRUE(append(expiring("c", 1, 70'000)));
  ASSERT_TRUE(append(expiring("d", 1, 999)));
  EXPECT_TRUE(expired(299).empty());
  EXPECT_EQ(expired(300), std::vector<std::string>{"b"});
  EXPECT_EQ(expired(999), (std::vector<std::string>{"b", "d"}));
  EXPECT_EQ(expired(10'000), (std::vector<std::string>{"b", "d", "a"}));
  EXPECT_EQ(expired(10'000, 2), (std::vector<std::string>{"b", "d"}));
  ASSERT_TRUE(settle({"b", {2, 3}, {}, {}}));
  engine_->reopen();
  EXPECT_EQ(expired(10'000), (std::vector<std::string>{"d", "a", "b"}));
}

// A walk of random steps compared with plain maps, with the store closed and opened in between.
TEST_P(C2dContract, queues_stay_exact_over_random_steps_and_restarts) {
  std::mt19937 random(7);
  struct Queue {
    std::uint64_t next = 1;
    std::map<std::uint64_t, C2dHeader> headers;
  };
  std::map<std::string, Queue> model;
  for (const char* id : {"a", "b", "b1"}) {
    ASSERT_TRUE(create(home(), stores(), make_identity(id)));
    model[id] = {};
  }
  for (int step = 0; step < 300; ++step) {
    if (step % 75 == 74) engine_->reopen();
    auto at = model.begin();
    std::advance(at, random() % model.size());
    auto& [id, queue] = *at;
    if (random() % 20 == 0) {
      ASSERT_TRUE(erase(home(), stores(), {id, ""}));
      ASSERT_TRUE(create(home(), stores(), make_identity(id)));
      queue = {};
    } else if (random() % 2 == 0 || queue.headers.empty()) {
      const C2dMessage message = expiring(id, queue.next++, static_cast<std::int64_t>(random() % 1000));
      ASSERT_TRUE(append(message));
      queue.headers[message.header.sequence] = message.header;
    } else {
      C2dOutcome outcome{id, {}, {}, {}};
      for (auto header = queue.headers.begin(); header != queue.headers.end();) {
        if (random() % 3 == 0) {
          outcome.removed.push_back(header->first);
          header = queue.headers.erase(header);
          continue;
        }
        header->second.delivery_count += 1;
        outcome.deliveries.push_back({header->first, header->second.delivery_count, header->second.was_sent});
        ++header;
      }
      ASSERT_TRUE(settle(std::move(outcome)));
    }
  }
  std::map<std::string, std::int64_t> earliest;
  for (const auto& [id, queue] : model) {
    std::vector<C2dHeader> headers;
    for (const auto& [sequence, header] : queue.headers) {
      headers.push_back(header);
      const std::int64_t at = header.expiry.time_since_epoch().count();
      const auto known = earliest.emplace(id, at).first;
      known->second = std::min(known->second, at);
    }
    EXPECT_EQ(device(id).c2d, headers);
    EXPECT_EQ(device(id).next_c2d_sequence, queue.next);
    EXPECT_EQ(read(id).size(), headers.size());
  }
  EXPECT_EQ(expired(1000).size(), earliest.size());
}

}  // namespace
}  // namespace kyanite
