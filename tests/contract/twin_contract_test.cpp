#include <gtest/gtest.h>

#include "tests/contract/store_engine.h"

// What twin_store.h promises, and the events that travel with changes of twins and identities.
namespace kyanite {
namespace {

class TwinContract : public testing::TestWithParam<EngineKind> {
 protected:
  ManualExecutor& home() { return engine_->home; }
  Stores& stores() { return engine_->stores(); }

  static TwinRecord twin_of_version(std::uint64_t version) {
    TwinRecord twin;
    twin.version = version;
    twin.etag_counter = version;
    twin.desired = R"({"v":)" + std::to_string(version) + "}";
    return twin;
  }
  static TwinWrite write(const Identity& id, std::uint64_t seen, std::uint64_t version) {
    return {id, twin_of_version(version), seen, {}};
  }
  static TelemetryAppend event(const std::string& body, MessageSource source = MessageSource::twin_change) {
    const Identity sender{"d", ""};
    const PropertyBag bag;
    TelemetryAppend append;
    append.partition = PartitionId{0};
    append.record = encode_telemetry({.sender = sender,
                                      .generation_id = "1",
                                      .auth_method = "{}",
                                      .source = source,
                                      .model_id = "",
                                      .bag = bag,
                                      .body = body});
    return append;
  }
  // The answers of what was submitted, in order; nothing is waited for in between, so that the steps meet in
  // one group.
  void submit(TwinWrite write) {
    stores().twins().put(std::move(write), Reply<void>(home(), [this](Result<void> result) {
                           answers_.push_back(result ? std::nullopt : std::optional(result.error().code));
                         }));
  }
  void submit(IdentityChange change) {
    stores().identities().commit(
        std::move(change), Reply<void>(home(), [this](Result<void> result) {
          answers_.push_back(result ? std::nullopt : std::optional(result.error().code));
        }));
  }
  bool answered(std::size_t count) {
    return home().run_until([&] { return answers_.size() == count; });
  }
  std::vector<std::string> log() {
    std::vector<std::string> bodies;
    const auto page = read_page(home(), stores(), 0, 0);
    for (const TelemetryRecord& record : page->records) bodies.push_back(record.body);
    return bodies;
  }

  std::unique_ptr<StoreEngine> engine_ = GetParam().make();
  std::vector<std::optional<Errc>> answers_;
};
INSTANTIATE_TEST_SUITE_P(Engines, TwinContract, testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(TwinContract, a_put_replaces_the_twin_for_good) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  TwinRecord twin = twin_of_version(3);
  twin.desired_version = 7;
  twin.reported_version = 8;
  twin.model_id = "dtmi:x;1";
  twin.tags = R"({"z":1,"a":1.50})";
  twin.reported = R"({"text":"\u00e4\"\\"})";
  twin.desired_metadata = R"({"$lastUpdated":"x"})";
  twin.reported_metadata = R"({"$lastUpdated":"y"})";
  twin.created = WallTime(milliseconds(1'700'000'000'123));
  ASSERT_TRUE(put_twin(home(), stores(), {{"d", ""}, twin, 2, {}}));
  EXPECT_EQ(load_twin(home(), stores(), {"d", ""}).value(), twin);
  engine_->reopen();
  EXPECT_EQ(load_twin(home(), stores(), {"d", ""}).value(), twin);
}

TEST_P(TwinContract, twins_of_a_device_and_its_modules_are_apart) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  ASSERT_TRUE(create(home(), stores(), make_identity("d", "m")));
  ASSERT_TRUE(put_twin(home(), stores(), write({"d", "m"}, 2, 5)));
  EXPECT_EQ(load_twin(home(), stores(), {"d", "m"})->version, 5u);
  EXPECT_EQ(load_twin(home(), stores(), {"d", ""})->version, 2u);
}

TEST_P(TwinContract, a_put_to_an_absent_identity_says_which_kind_is_missing) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  EXPECT_EQ(put_twin(home(), stores(), write({"e", ""}, 2, 3)).error().code, Errc::device_not_found);
  EXPECT_EQ(put_twin(home(), stores(), write({"d", "m"}, 2, 3)).error().code, Errc::module_not_found);
  EXPECT_EQ(load_twin(home(), stores(), {"e", ""}).error().code, Errc::device_not_found);
}

TEST_P(TwinContract, a_put_that_saw_another_version_is_refused_and_tells_nobody) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  for (const std::uint64_t seen : {1u, 3u}) {
    TwinWrite stale = write({"d", ""}, seen, 9);
    stale.events.push_back(event("never"));
    EXPECT_EQ(put_twin(home(), stores(), std::move(stale)).error().code, Errc::precondition_failed);
  }
  EXPECT_EQ(load_twin(home(), stores(), {"d", ""})->version, 2u);
  EXPECT_TRUE(log().empty());
}

TEST_P(TwinContract, a_put_may_keep_the_version) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  TwinRecord announced = twin_of_version(2);
  announced.model_id = "dtmi:x;1";
  EXPECT_TRUE(put_twin(home(), stores(), {{"d", ""}, announced, 2, {}}));
  EXPECT_TRUE(put_twin(home(), stores(), write({"d", ""}, 2, 3)));
}

TEST_P(TwinContract, puts_that_meet_in_one_group_each_see_the_one_before) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  submit(write({"d", ""}, 2, 3));
  submit(write({"d", ""}, 3, 4));
  submit(write({"d", ""}, 2, 9));  // lost the race
  submit(write({"d", ""}, 4, 5));
  ASSERT_TRUE(answered(4));
  EXPECT_EQ(answers_, (std::vector<std::optional<Errc>>{{}, {}, Errc::precondition_failed, {}}));
  EXPECT_EQ(load_twin(home(), stores(), {"d", ""}).value(), twin_of_version(5));
}

TEST_P(TwinContract, a_twin_comes_and_goes_with_its_identity_inside_one_group) {
  IdentityChange made, erased, made_again;
  made.writes.push_back(creation(make_identity("d")));
  erased.erases.push_back({{"d", ""}});
  made_again.writes.push_back(creation(make_identity("d")));
  submit(write({"d", ""}, 2, 3));
  submit(std::move(made));
  submit(write({"d", ""}, 2, 3));
  submit(std::move(erased));
  submit(write({"d", ""}, 3, 4));
  submit(std::move(made_again));
  submit(write({"d", ""}, 2, 7));
  ASSERT_TRUE(answered(7));
  EXPECT_EQ(answers_, (std::vector<std::optional<Errc>>{
                          Errc::device_not_found, {}, {}, {}, Errc::device_not_found, {}, {}}));
  EXPECT_EQ(load_twin(home(), stores(), {"d", ""})->version, 7u);
}

TEST_P(TwinContract, events_are_in_the_log_with_offset_and_time_once_the_put_is_answered) {
  home().set_wall(WallTime(milliseconds(1'700'000'000'500)));
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  TwinWrite change = write({"d", ""}, 2, 3);
  change.events.push_back(event("one"));
  change.events.push_back(event("two"));
  ASSERT_TRUE(put_twin(home(), stores(), std::move(change)));
  const auto page = read_page(home(), stores(), 0, 0);
  ASSERT_EQ(page->records.size(), 2u);
  EXPECT_EQ(page->records[0].body, "one");
  EXPECT_EQ(page->records[1].offset.value, 1u);
  EXPECT_EQ(page->records[1].source, MessageSource::twin_change);
  EXPECT_EQ(page->records[1].enqueued, WallTime(milliseconds(1'700'000'000'500)));
  engine_->reopen();
  EXPECT_EQ(log(), (std::vector<std::string>{"one", "two"}));
}

TEST_P(TwinContract, documents_are_stored_with_the_put_or_not_at_all) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  const auto with_document = [](TwinWrite put, std::string key) {
    put.documents.push_back({Collection::job_devices, std::move(key), "{}"});
    return put;
  };
  submit(with_document(write({"d", ""}, 2, 3), "written"));
  submit(with_document(write({"d", ""}, 2, 3), "stale"));
  submit(with_document(write({"e", ""}, 2, 3), "absent"));
  submit(with_document(write({"d", ""}, 3, 3), "unchanged"));
  ASSERT_TRUE(answered(4));
  EXPECT_EQ(answers_,
            (std::vector<std::optional<Errc>>{{}, Errc::precondition_failed, Errc::device_not_found, {}}));
  engine_->reopen();
  std::vector<std::string> keys;
  bool read = false;
  stores().documents().scan(Collection::job_devices, "", "", 10,
                            Reply<std::vector<Document>>(home(), [&](Result<std::vector<Document>> page) {
                              for (const Document& document : *page) keys.push_back(document.key);
                              read = true;
                            }));
  ASSERT_TRUE(home().run_until([&] { return read; }));
  EXPECT_EQ(keys, (std::vector<std::string>{"unchanged", "written"}));
}

TEST_P(TwinContract, a_reader_that_waits_is_woken_by_an_event) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  std::optional<std::uint64_t> end;
  stores().telemetry().wait_past(PartitionId{0}, TelemetryOffset{0},
                                 Reply<TelemetryOffset>(home(), [&](Result<TelemetryOffset> told) {
                                   if (told) end = told->value;
                                 }));
  TwinWrite change = write({"d", ""}, 2, 3);
  change.events.push_back(event("x"));
  submit(std::move(change));
  EXPECT_TRUE(home().run_until([&] { return end.has_value(); }));
  EXPECT_EQ(end, 1u);
}

TEST_P(TwinContract, events_and_telemetry_stand_in_the_order_submitted) {
  ASSERT_TRUE(create(home(), stores(), make_identity("d")));
  RecordingSink sink;
  const auto publish = [&](const std::string& body) {
    stores().telemetry().append({&sink, {make_append(0, "d", 1, body)}});
  };
  TwinWrite first = write({"d", ""}, 2, 3);
  first.events.push_back(event("patch"));
  TwinWrite stale = write({"d", ""}, 2, 3);
  stale.events.push_back(event("refused"));
  publish("before");
  submit(std::move(first));
  publish("between");
  submit(std::move(stale));
  publish("after");
  ASSERT_TRUE(answered(2));
  ASSERT_TRUE(home().run_until([&] { return sink.count() == 3; }));
  EXPECT_EQ(log(), (std::vector<std::string>{"before", "patch", "between", "after"}));
}

TEST_P(TwinContract, events_of_a_change_of_identities_come_with_it_or_not_at_all) {
  const auto creation_with_event = [&] {
    IdentityChange change;
    change.writes.push_back(creation(make_identity("d")));
    change.events.push_back(event("created", MessageSource::device_lifecycle));
    return change;
  };
  ASSERT_TRUE(commit(home(), stores(), creation_with_event()));
  EXPECT_EQ(commit(home(), stores(), creation_with_event()).error().code, Errc::precondition_failed);
  IdentityChange erased;
  erased.erases.push_back({{"d", ""}});
  erased.events.push_back(event("deleted", MessageSource::device_lifecycle));
  ASSERT_TRUE(commit(home(), stores(), std::move(erased)));
  EXPECT_EQ(log(), (std::vector<std::string>{"created", "deleted"}));
}

}  // namespace
}  // namespace kyanite
