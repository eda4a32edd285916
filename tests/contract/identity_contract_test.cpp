#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/contract/store_engine.h"

// What identity_store.h and hub_store.h promise, asked of every engine.
namespace kyanite {
namespace {

class IdentityContract : public testing::TestWithParam<EngineKind> {
 protected:
  ManualExecutor& home() { return engine_->home; }
  Stores& stores() { return engine_->stores(); }
  Result<DeviceRecords> load(const std::string& device) { return kyanite::load(home(), stores(), device); }
  Result<TwinRecord> load_twin(const Identity& id) { return kyanite::load_twin(home(), stores(), id); }
  std::vector<std::string> scan(const std::string& after, std::size_t limit) {
    const auto page = await<std::vector<IdentityRecord>>(
        home(), [&](auto reply) { stores().identities().scan(after, limit, std::move(reply)); });
    std::vector<std::string> ids;
    for (const IdentityRecord& record : page.value()) ids.push_back(record.id.device);
    return ids;
  }
  Result<void> update(IdentityRecord record, std::uint64_t seen) {
    IdentityChange change;
    change.writes.push_back({std::move(record), std::nullopt, seen});
    return commit(home(), stores(), std::move(change));
  }
  Result<void> erase(const Identity& id) { return kyanite::erase(home(), stores(), id); }
  HubRecords hub() {
    return await<HubRecords>(home(), [&](auto reply) { stores().hub().load(std::move(reply)); }).value();
  }

  std::unique_ptr<StoreEngine> engine_ = GetParam().make();
};
INSTANTIATE_TEST_SUITE_P(Engines, IdentityContract, testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(IdentityContract, a_created_device_is_loaded_with_its_modules_in_order) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d1")));
  ASSERT_TRUE(create(home(), stores(), make_identity("d1", "m2")));
  ASSERT_TRUE(create(home(), stores(), make_identity("d1", "m1")));
  ASSERT_TRUE(create(home(), stores(), make_identity("d10", "")));
  const auto records = load("d1");
  ASSERT_TRUE(records);
  EXPECT_EQ(records->device, make_identity("d1"));
  ASSERT_EQ(records->modules.size(), 2u);
  EXPECT_EQ(records->modules[0], make_identity("d1", "m1"));
  EXPECT_EQ(records->modules[1], make_identity("d1", "m2"));
}

TEST_P(IdentityContract, an_absent_device_is_not_found) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d1")));
  EXPECT_EQ(load("d").error().code, Errc::device_not_found);
  EXPECT_EQ(load_twin({"d", ""}).error().code, Errc::device_not_found);
  EXPECT_EQ(load_twin({"d1", "m"}).error().code, Errc::module_not_found);
}

TEST_P(IdentityContract, an_answer_is_never_given_inside_the_call) {
  bool answered = false;
  stores().identities().load("d", Reply<DeviceRecords>(home(), [&](auto) { answered = true; }));
  EXPECT_FALSE(answered);
  EXPECT_TRUE(home().run_until([&] { return answered; }));
}

TEST_P(IdentityContract, a_twin_exists_from_the_creation_on_and_an_update_keeps_it) {
  IdentityChange change;
  TwinRecord twin;
  twin.model_id = "dtmi:x;1";
  twin.tags = R"({"z":1,"a":1.50})";
  change.writes.push_back({make_identity("d1"), twin, std::nullopt});
  ASSERT_TRUE(commit(home(), stores(), std::move(change)));
  ASSERT_TRUE(update(make_identity("d1", "", 2), 1));
  EXPECT_EQ(load_twin({"d1", ""}).value(), twin);
}

TEST_P(IdentityContract, a_stale_etag_refuses_the_whole_change) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d1", "", 5)));
  IdentityChange change;
  change.writes.push_back(creation(make_identity("d2")));
  change.writes.push_back({make_identity("d1", "", 6), std::nullopt, 4});
  change.erases.push_back({{"d1", ""}});
  EXPECT_EQ(commit(home(), stores(), std::move(change)).error().code, Errc::precondition_failed);
  EXPECT_EQ(load("d1")->device.etag_counter, 5u);
  EXPECT_FALSE(load("d2"));
  EXPECT_EQ(counts(home(), stores()).value(), (IdentityCounts{1, 0}));
}

TEST_P(IdentityContract, a_creation_over_an_existing_identity_is_refused) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d1")));
  EXPECT_EQ(create(home(), stores(), make_identity("d1")).error().code, Errc::precondition_failed);
}

TEST_P(IdentityContract, an_update_of_an_absent_identity_is_refused) {
  EXPECT_EQ(update(make_identity("d1", "", 2), 1).error().code, Errc::precondition_failed);
}

TEST_P(IdentityContract, erasing_a_device_erases_its_modules_and_nobody_elses) {
  for (const char* device : {"d", "d1", "d-", "c"}) {
    ASSERT_TRUE(create(home(), stores(), make_identity(device)));
    ASSERT_TRUE(create(home(), stores(), make_identity(device, "m")));
  }
  ASSERT_TRUE(erase({"d", ""}));
  EXPECT_EQ(load("d").error().code, Errc::device_not_found);
  EXPECT_EQ(load_twin({"d", ""}).error().code, Errc::device_not_found);
  EXPECT_EQ(load_twin({"d", "m"}).error().code, Errc::module_not_found);
  for (const char* device : {"d1", "d-", "c"}) {
    ASSERT_TRUE(load(device)) << device;
    EXPECT_EQ(load(device)->modules.size(), 1u);
    EXPECT_TRUE(load_twin({device, "m"}));
  }
}

TEST_P(IdentityContract, erasing_a_module_leaves_its_device) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  ASSERT_TRUE(create(home(), stores(), make_identity("d", "m")));
  ASSERT_TRUE(erase({"d", "m"}));
  ASSERT_TRUE(load("d"));
  EXPECT_TRUE(load("d")->modules.empty());
}

TEST_P(IdentityContract, erasing_twice_is_safe) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  EXPECT_TRUE(erase({"d", ""}));
  EXPECT_TRUE(erase({"d", ""}));
  EXPECT_EQ(counts(home(), stores()).value(), (IdentityCounts{0, 0}));
}

// All are in the queue before the first can be committed, so that they meet inside one group.
TEST_P(IdentityContract, changes_submitted_in_order_commit_in_order) {
  std::vector<bool> answers;
  const auto submit = [&](IdentityChange change) {
    stores().identities().commit(std::move(change), Reply<void>(home(), [&](Result<void> result) {
                                   answers.push_back(result.has_value());
                                 }));
  };
  IdentityChange create_both, update_device, erase_device, create_again;
  create_both.writes.push_back(creation(make_identity("d")));
  create_both.writes.push_back(creation(make_identity("d", "m")));
  IdentityRecord disabled = make_identity("d", "", 2);
  disabled.status = IdentityStatus::disabled;
  update_device.writes.push_back({disabled, std::nullopt, 1});
  erase_device.erases.push_back({{"d", ""}});
  create_again.writes.push_back(creation(make_identity("d", "", 7)));
  submit(std::move(create_both));
  submit(std::move(update_device));
  submit(std::move(erase_device));
  submit(std::move(create_again));
  ASSERT_TRUE(home().run_until([&] { return answers.size() == 4; }));
  EXPECT_EQ(answers, std::vector<bool>(4, true));
  EXPECT_EQ(load("d")->device.etag_counter, 7u);
  EXPECT_TRUE(load("d")->modules.empty());
  EXPECT_EQ(counts(home(), stores()).value(), (IdentityCounts{1, 0}));
}

TEST_P(IdentityContract, scan_pages_devices_in_id_order_without_modules) {
  for (const char* device : {"b", "a", "c", "a-1"}) {
    ASSERT_TRUE(create(home(), stores(), make_identity(device)));
    ASSERT_TRUE(create(home(), stores(), make_identity(device, "m1")));
    ASSERT_TRUE(create(home(), stores(), make_identity(device, "m2")));
  }
  EXPECT_EQ(scan("", 2), (std::vector<std::string>{"a", "a-1"}));
  EXPECT_EQ(scan("a-1", 2), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(scan("aa", 9), (std::vector<std::string>{"b", "c"}));
  EXPECT_TRUE(scan("c", 9).empty());
}

TEST_P(IdentityContract, counts_know_disabled_devices_and_no_modules) {
  IdentityRecord disabled = make_identity("off");
  disabled.status = IdentityStatus::disabled;
  IdentityRecord module = make_identity("on", "m");
  module.status = IdentityStatus::disabled;
  ASSERT_TRUE(create(home(), stores(), disabled));
  ASSERT_TRUE(create(home(), stores(), make_identity("on")));
  ASSERT_TRUE(create(home(), stores(), module));
  EXPECT_EQ(counts(home(), stores()).value(), (IdentityCounts{2, 1}));
  disabled.status = IdentityStatus::enabled;
  disabled.etag_counter = 2;
  ASSERT_TRUE(update(disabled, 1));
  EXPECT_EQ(counts(home(), stores()).value(), (IdentityCounts{2, 0}));
}

// A walk of random changes compared with a plain map, with the store closed and opened in between.
TEST_P(IdentityContract, counts_and_scan_stay_exact_over_random_changes_and_restarts) {
  std::mt19937 random(42);
  std::map<std::string, IdentityRecord> model;
  for (int step = 0; step < 400; ++step) {
    if (step % 100 == 99) engine_->reopen();
    const std::string device = "d" + std::to_string(random() % 12);
    const auto known = model.find(device);
    if (random() % 4 == 0) {
      ASSERT_TRUE(erase({device, ""}));
      model.erase(device);
      continue;
    }
    IdentityRecord record =
        make_identity(device, "", known == model.end() ? 1 : known->second.etag_counter + 1);
    record.status = random() % 2 ? IdentityStatus::disabled : IdentityStatus::enabled;
    if (known == model.end()) {
      ASSERT_TRUE(create(home(), stores(), record));
    } else {
      ASSERT_TRUE(update(record, known->second.etag_counter));
    }
    model[device] = record;
  }
  IdentityCounts expected;
  std::vector<std::string> ids;
  for (const auto& [device, record] : model) {
    ids.push_back(device);
    ++expected.devices;
    if (record.status == IdentityStatus::disabled) ++expected.disabled;
    EXPECT_EQ(load(device)->device, record);
  }
  EXPECT_EQ(scan("", 100), ids);
  EXPECT_EQ(counts(home(), stores()).value(), expected);
}

TEST_P(IdentityContract, the_hub_id_is_made_with_the_store_and_stays) {
  const std::string id = hub().hub_id;
  EXPECT_EQ(id.size(), 32u);
  engine_->reopen();
  EXPECT_EQ(hub().hub_id, id);
}

TEST_P(IdentityContract, every_opening_is_counted_and_told_the_same_until_the_next) {
  const std::uint64_t first = hub().starts;
  EXPECT_EQ(hub().starts, first);
  for (std::uint64_t more = 1; more <= 2; ++more) {
    engine_->reopen();
    EXPECT_EQ(hub().starts, first + more);
  }
}

TEST_P(IdentityContract, policies_are_replaced_as_a_whole_and_keep_their_order) {
  const AccessPolicy owner{"iothubowner", "a2V5MQ==", "a2V5Mg==", Right::registry_write};
  const AccessPolicy device{"device", "a2V5Mw==", "a2V5NA==", Right::device_connect};
  for (const auto& list : {std::vector{owner, device}, std::vector{device, owner}, std::vector{owner}}) {
    ASSERT_TRUE(
        await<void>(home(), [&](auto reply) { stores().hub().put_policies(list, std::move(reply)); }));
    EXPECT_EQ(hub().policies, list);
  }
  engine_->reopen();
  EXPECT_EQ(hub().policies, std::vector{owner});
}

TEST_P(IdentityContract, ca_certificates_are_put_replaced_and_erased_by_name) {
  const auto put = [&](CaCertificateRecord record) {
    return await<void>(home(),
                       [&](auto reply) { stores().hub().put_ca_certificate(record, std::move(reply)); });
  };
  const CaCertificateRecord b{"b", std::string("\x30\x00\xff", 3), true, {}, kNever};
  CaCertificateRecord a{"a", "der", false, "code", WallTime(milliseconds(5))};
  ASSERT_TRUE(put(b));
  ASSERT_TRUE(put(a));
  a.verified = true;
  ASSERT_TRUE(put(a));
  EXPECT_EQ(hub().ca_certificates, (std::vector{a, b}));
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_TRUE(
        await<void>(home(), [&](auto reply) { stores().hub().erase_ca_certificate("a", std::move(reply)); }));
  }
  engine_->reopen();
  EXPECT_EQ(hub().ca_certificates, std::vector{b});
}

TEST_P(IdentityContract, close_commits_and_answers_what_was_submitted_and_refuses_what_follows) {
  bool answered = false;
  IdentityChange change;
  change.writes.push_back(creation(make_identity("d")));
  stores().identities().commit(std::move(change),
                               Reply<void>(home(), [&](Result<void> r) { answered = r.has_value(); }));
  stores().close();
  home().run_ready();
  EXPECT_TRUE(answered);
  EXPECT_EQ(create(home(), stores(), make_identity("late")).error().code, Errc::shutting_down);
  engine_->reopen();
  EXPECT_TRUE(load("d"));
  EXPECT_FALSE(load("late"));
}

TEST_P(IdentityContract, activity_is_loaded_with_the_device_and_erased_with_its_identity) {
  for (const char* id : {"d", "d1", "d10"}) ASSERT_TRUE(create(home(), stores(), make_identity(id)));
  ASSERT_TRUE(create(home(), stores(), make_identity("d1", "m")));
  const auto at = [](int second) { return WallTime(seconds{second}); };
  const std::vector<ActivityRecord> all{{{"d", ""}, at(1), at(2)},
                                        {{"d1", ""}, at(3), at(4)},
                                        {{"d1", "m"}, at(5), at(6)},
                                        {{"d10", ""}, at(7), at(8)}};
  DocumentChange change;
  for (const ActivityRecord& record : all) {
    change.puts.push_back({Collection::activity, activity_key(record.id), encode_activity(record)});
  }
  change.puts.push_back({Collection::activity, activity_key({"d1", "damaged"}), "no record"});
  ASSERT_TRUE(await<void>(
      home(), [&](Reply<void> reply) { stores().documents().commit(std::move(change), std::move(reply)); }));
  EXPECT_EQ(load("d1")->activity, (std::vector<ActivityRecord>{all[1], all[2]}));
  ASSERT_TRUE(erase({"d1", "m"}));
  EXPECT_EQ(load("d1")->activity, (std::vector<ActivityRecord>{all[1]}));
  ASSERT_TRUE(erase({"d1", ""}));
  ASSERT_TRUE(create(home(), stores(), make_identity("d1")));
  EXPECT_TRUE(load("d1")->activity.empty());
  EXPECT_EQ(load("d")->activity, (std::vector<ActivityRecord>{all[0]}));
  EXPECT_EQ(load("d10")->activity, (std::vector<ActivityRecord>{all[3]}));
}

}  // namespace
}  // namespace kyanite
