#include "server/hub/twin_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/limits.h"
#include "protocol/twin/twin_json.h"
#include "server/hub/hub_events.h"
#include "storage/memory/memory_stores.h"
#include "storage/record_codec.h"
#include "tests/support/sim_executor.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// One twin on the memory engine: what it answers and sends, as lines.
class TwinStateTest : public testing::Test, public DeviceHost {
 protected:
  TwinStateTest() {
    record_.id = {"d", {}};
    IdentityChange change;
    change.writes.push_back({record_, TwinRecord{}, std::nullopt});
    stores_.identities().commit(std::move(change), Reply<void>(executor_, [](Result<void>) {}));
    loop_.run();
  }

  // DeviceHost
  const std::string& device() const override { return record_.id.device; }
  Executor& executor() override { return executor_; }
  Stores& stores() override { return stores_; }
  const Settings& settings() const override { return settings_; }
  HubEvents& events() override { return events_; }
  HubCounters& counters() override { return counted; }
  const IdentityRecord* identity(const std::string& module) const override {
    return exists_ && module.empty() ? &record_ : nullptr;
  }
  IdentityView view(const IdentityRecord& record) const override { return {.record = record}; }
  const DeviceLink* link(const std::string&) const override { return link_ ? &*link_ : nullptr; }
  void send(const std::string&, ConnectionMessage message) override {
    const auto& notification = std::get<NotifyDesired>(message);
    lines_.push_back("notify " + std::to_string(notification.version) + " " + notification.body);
  }
  void settled() override { ++settled_; }

  void subscribe() { link_ = DeviceLink{{}, {}, false, {{"", FilterKind::twin_desired, 0, kNever}}}; }

  void patch(std::string_view body, std::optional<std::uint64_t> expected = std::nullopt) {
    twin_.patch({record_.id, *parse_json(body), expected,
                 Reply<std::uint64_t>(executor_, [this](Result<std::uint64_t> version) {
                   lines_.push_back(version ? "reported " + std::to_string(*version) : name(version.error()));
                 })});
  }
  UpdateTwin desired(std::string_view body) {
    UpdateTwin update;
    update.desired = *parse_json(body);
    return update;
  }
  void update(UpdateTwin update) {
    update.identity = record_.id;
    update.reply = Reply<TwinView>(executor_, [this](Result<TwinView> view) {
      lines_.push_back(view ? "updated " + counters(view->twin) : name(view.error()));
    });
    twin_.update(std::move(update));
  }
  void get() {
    twin_.get({record_.id, Reply<TwinView>(executor_, [this](Result<TwinView> view) {
                 lines_.push_back(view ? "got " + counters(view->twin) + " " + view->twin.reported
                                       : name(view.error()));
               })});
  }
  static std::string name(const Error& error) {
    switch (error.code) {
      case Errc::precondition_failed:
        return "precondition_failed";
      case Errc::message_too_large:
        return "message_too_large";
      case Errc::argument_invalid:
        return "argument_invalid";
      case Errc::storage_failed:
        return "storage_failed";
      case Errc::device_not_found:
        return "device_not_found";
      case Errc::shutting_down:
        return "shutting_down";
      case Errc::busy:
        return "busy";
      default:
        return "error " + error.detail;
    }
  }
  static std::string counters(const TwinRecord& twin) {
    return std::to_string(twin.version) + "/" + std::to_string(twin.etag_counter) + "/" +
           std::to_string(twin.desired_version) + "/" + std::to_string(twin.reported_version);
  }
  std::vector<std::string> lines() {
    loop_.run();
    return std::exchange(lines_, {});
  }
  const TwinRecord& stored() const { return stores_.committed().twins.at(record_.id); }
  std::vector<TelemetryRecord> log() {
    std::vector<TelemetryRecord> all;
    for (std::uint32_t p = 0; p < stores_.telemetry().partitions(); ++p) {
      stores_.telemetry().read(PartitionId{p}, {}, 100, 1 << 20,
                               Reply<TelemetryPage>(executor_, [&all](Result<TelemetryPage> page) {
                                 for (TelemetryRecord& record : page->records)
                                   all.push_back(std::move(record));
                               }));
    }
    loop_.run();
    return all;
  }

  SimLoop loop_;
  SimExecutor executor_{loop_};
  SimExecutor commit_thread_{loop_};
  MemoryStores stores_{commit_thread_};
  Settings settings_;
  HubEvents events_{executor_, stores_.telemetry(), settings_, "hub", 1};
  IdentityRecord record_;
  bool exists_ = true;
  std::optional<DeviceLink> link_;
  std::vector<std::string> lines_;
  int settled_ = 0;
  HubCounters counted;
  TwinState twin_{*this, {}};
};

TEST_F(TwinStateTest, R64_a_reported_patch_is_answered_with_its_version_after_the_commit) {
  stores_.faults.hold_commits = true;
  patch(R"({"a":1})");
  EXPECT_THAT(lines(), IsEmpty());
  EXPECT_FALSE(twin_.is_quiet());
  stores_.release_commits();
  EXPECT_THAT(lines(), ElementsAre("reported 2"));
  EXPECT_TRUE(twin_.is_quiet());
  EXPECT_GT(settled_, 0);
  EXPECT_EQ(counters(stored()), "3/1/1/2");
  EXPECT_EQ(stored().reported, R"({"a":1})");
}

TEST_F(TwinStateTest, updates_that_wait_go_into_one_write_with_answers_of_their_own) {
  get();
  EXPECT_THAT(lines(), ElementsAre("got 2/1/1/1 {}"));
  const std::uint64_t before = stores_.commits();
  stores_.faults.hold_commits = true;
  patch(R"({"a":1})");
  loop_.run();
  patch(R"({"b":2})");
  update(desired(R"({"x":1})"));
  get();
  patch(R"({"a":null})");
  stores_.release_commits();
  EXPECT_THAT(lines(), ElementsAre("reported 2", "reported 3", "updated 5/2/2/3",
                                   R"(got 5/2/2/3 {"a":1,"b":2})", "reported 4"));
  EXPECT_EQ(stores_.commits(), before + 2);
  EXPECT_EQ(stored().reported, R"({"b":2})");
  EXPECT_EQ(counters(stored()), "6/2/2/4");
}

TEST_F(TwinStateTest, B66_notifications_go_out_in_version_order_to_a_subscriber) {
  subscribe();
  update(desired(R"({"x":1,"y":null})"));
  update(desired(R"({"x":{"z":2}})"));
  EXPECT_THAT(lines(),
              ElementsAre(R"(notify 2 {"x":1,"y":null,"$version":2})",
                          R"(notify 3 {"x":{"z":2},"$version":3})", "updated 3/2/2/1", "updated 4/3/3/1"));
}

TEST_F(TwinStateTest, B67_without_a_subscription_nothing_is_sent) {
  update(desired(R"({"x":1})"));
  EXPECT_THAT(lines(), ElementsAre("updated 3/2/2/1"));
  link_ = DeviceLink{{}, {}, false, {{"", FilterKind::c2d, 0, kNever}}};
  update(desired(R"({"x":2})"));
  EXPECT_THAT(lines(), ElementsAre("updated 4/3/3/1"));
}

TEST_F(TwinStateTest, a_change_of_tags_notifies_nobody) {
  subscribe();
  UpdateTwin tags;
  tags.tags = Json{{"t", 1}};
  update(std::move(tags));
  EXPECT_THAT(lines(), ElementsAre("updated 3/2/1/1"));
}

TEST_F(TwinStateTest, a_replacement_notifies_of_the_difference) {
  subscribe();
  update(desired(R"({"a":1,"b":2})"));
  UpdateTwin replacement = desired(R"({"b":2,"c":3})");
  replacement.mode = UpdateTwin::Mode::replace;
  (void)lines();
  update(std::move(replacement));
  EXPECT_THAT(lines(), ElementsAre(R"(notify 3 {"c":3,"a":null,"$version":3})", "updated 4/3/3/1"));
}

TEST_F(TwinStateTest, an_update_of_no_section_writes_nothing) {
  const std::uint64_t before = stores_.commits();
  update({});
  EXPECT_THAT(lines(), ElementsAre("updated 2/1/1/1"));
  EXPECT_EQ(stores_.commits(), before);
}

TEST_F(TwinStateTest, R67_a_stale_etag_is_refused_and_changes_nothing) {
  UpdateTwin stale = desired(R"({"x":1})");
  stale.if_match = IfMatch{false, twin_etag(7)};
  update(std::move(stale));
  UpdateTwin right = desired(R"({"x":2})");
  right.if_match = IfMatch{false, twin_etag(1)};
  update(std::move(right));
  UpdateTwin any = desired(R"({"x":3})");
  any.if_match = IfMatch{true, {}};
  update(std::move(any));
  EXPECT_THAT(lines(), ElementsAre("precondition_failed", "updated 3/2/2/1", "updated 4/3/3/1"));
}

TEST_F(TwinStateTest, an_etag_made_stale_by_an_update_in_front_is_refused) {
  for (int i = 0; i < 2; ++i) {
    UpdateTwin next = desired(R"({"x":1})");
    next.if_match = IfMatch{false, twin_etag(1)};
    update(std::move(next));
  }
  EXPECT_THAT(lines(), ElementsAre("updated 3/2/2/1", "precondition_failed"));
}

TEST_F(TwinStateTest, a_reported_patch_may_name_the_version_it_builds_on) {
  patch(R"({"a":1})", 1);
  patch(R"({"a":2})", 1);
  EXPECT_THAT(lines(), ElementsAre("reported 2", "precondition_failed"));
  EXPECT_EQ(stored().reported, R"({"a":1})");
}

TEST_F(TwinStateTest, too_large_is_413_for_a_device_and_an_invalid_argument_for_a_service) {
  Json large = Json::object();
  for (int i = 0; i < 9; ++i) large["k" + std::to_string(i)] = std::string(4000, 'x');
  patch(dump_json(large));
  update(desired(dump_json(large)));
  patch(R"({"small":1})");
  EXPECT_THAT(lines(), ElementsAre("message_too_large", "argument_invalid", "reported 2"));
  EXPECT_EQ(stored().reported, R"({"small":1})");
}

TEST_F(TwinStateTest, a_refused_write_leaves_memory_as_the_store_is) {
  patch(R"({"a":1})");
  EXPECT_THAT(lines(), ElementsAre("reported 2"));
  stores_.set_pressure(StorePressure::disk_low);
  subscribe();
  patch(R"({"a":2})");
  update(desired(R"({"x":1})"));
  EXPECT_THAT(lines(), ElementsAre("busy", "busy"));
  stores_.set_pressure(StorePressure::none);
  get();
  patch(R"({"b":1})");
  EXPECT_THAT(lines(), ElementsAre(R"(got 3/1/1/2 {"a":1})", "reported 3"));
  EXPECT_EQ(stored().reported, R"({"a":1,"b":1})");
}

TEST_F(TwinStateTest, a_large_twin_is_read_again_and_goes_on_right) {
  Json large = Json::object();
  for (int i = 0; i < 7; ++i) large["k" + std::to_string(i)] = std::string(4000, 'x');
  patch(dump_json(large));
  EXPECT_THAT(lines(), ElementsAre("reported 2"));
  patch(R"({"k0":null,"k1":null,"k2":null,"k3":null,"k4":null,"k5":null,"k6":"y"})");
  patch(R"({"z":1})");
  EXPECT_THAT(lines(), ElementsAre("reported 3", "reported 4"));
  EXPECT_EQ(stored().reported, R"({"k6":"y","z":1})");
}

TEST_F(TwinStateTest, metadata_is_kept_across_a_reload) {
  patch(R"({"a":{"b":1}})");
  (void)lines();
  loop_.advance(seconds{60});
  TwinState again(*this, {});
  again.patch({record_.id, *parse_json(R"({"c":1})"), std::nullopt,
               Reply<std::uint64_t>(executor_, [](Result<std::uint64_t>) {})});
  loop_.run();
  const Json metadata = TwinMetadata::decode(stored().reported_metadata)->to_json();
  EXPECT_EQ(metadata["a"]["b"]["$lastUpdated"], "2026-01-05T10:00:00.0000000Z");
  EXPECT_EQ(metadata["c"]["$lastUpdated"], "2026-01-05T10:01:00.0000000Z");
  EXPECT_EQ(metadata["$lastUpdated"], "2026-01-05T10:01:00.0000000Z");
}

TEST_F(TwinStateTest, a_model_is_announced_without_a_version) {
  twin_.announce_model("dtmi:com:example:Thermostat;1");
  loop_.run();
  EXPECT_EQ(stored().model_id, "dtmi:com:example:Thermostat;1");
  EXPECT_EQ(counters(stored()), "2/1/1/1");
  const std::uint64_t before = stores_.commits();
  twin_.announce_model("dtmi:com:example:Thermostat;1");
  twin_.announce_model("");
  loop_.run();
  EXPECT_EQ(stores_.commits(), before);
}

TEST_F(TwinStateTest, a_model_is_announced_however_much_waits) {
  stores_.faults.hold_commits = true;
  patch(R"({"a":0})");
  loop_.run();
  for (std::size_t i = 0; i < limits::kDeviceQueueMax; ++i) patch(R"({"a":1})");
  twin_.announce_model("dtmi:com:example:Thermostat;1");
  twin_.announce_model("dtmi:com:example:Thermostat;2");
  stores_.release_commits();
  EXPECT_EQ(lines().size(), limits::kDeviceQueueMax + 1);
  EXPECT_EQ(stored().model_id, "dtmi:com:example:Thermostat;2");
}

TEST_F(TwinStateTest, twin_changes_make_events_when_they_are_switched_on) {
  patch(R"({"a":1})");
  (void)lines();
  EXPECT_THAT(log(), IsEmpty());
  settings_.events.twin_changes = true;
  patch(R"({"a":2})");
  UpdateTwin replacement;
  replacement.mode = UpdateTwin::Mode::replace;
  update(std::move(replacement));
  (void)lines();
  const auto events = log();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].source, MessageSource::twin_change);
  const Json change = *parse_json(events[0].body);
  EXPECT_EQ(change["version"], 4);
  EXPECT_EQ(change["properties"]["reported"]["a"], 2);
  EXPECT_EQ(change["properties"]["reported"]["$version"], 3);
  EXPECT_EQ((*parse_json(events[1].body))["tags"], Json::object());
}

TEST_F(TwinStateTest, the_record_of_an_update_is_stored_with_it_and_only_then) {
  const auto with_record = [this](std::string_view body, const std::string& key,
                                  std::optional<IfMatch> if_match = std::nullopt) {
    UpdateTwin message = desired(body);
    message.record = DocumentPut{Collection::job_devices, key, "{}"};
    message.if_match = std::move(if_match);
    return message;
  };
  update(with_record(R"({"a":1})", "first"));
  update(with_record(R"({"a":2})", "stale", IfMatch{false, "x"}));
  UpdateTwin nothing;
  nothing.record = DocumentPut{Collection::job_devices, "nothing to change", "{}"};
  update(std::move(nothing));
  EXPECT_THAT(lines(), ElementsAre("updated 3/2/2/1", "precondition_failed", "updated 3/2/2/1"));
  std::vector<std::string> keys;
  for (const auto& [key, value] : stores_.committed().documents) keys.push_back(key.second);
  EXPECT_THAT(keys, ElementsAre("first", "nothing to change"));
  EXPECT_EQ(stored().desired, R"({"a":1})");
}

TEST_F(TwinStateTest, a_deleted_twin_answers_what_waits_and_writes_no_more) {
  stores_.faults.hold_commits = true;
  patch(R"({"a":1})");
  loop_.run();
  patch(R"({"a":2})");
  get();
  exists_ = false;
  twin_.on_erased();
  EXPECT_THAT(lines(), ElementsAre("device_not_found", "device_not_found"));
  EXPECT_FALSE(twin_.is_quiet());
  stores_.release_commits();
  EXPECT_THAT(lines(), ElementsAre("reported 2"));
  EXPECT_TRUE(twin_.is_quiet());
  get();
  EXPECT_THAT(lines(), ElementsAre("device_not_found"));
}

TEST_F(TwinStateTest, a_flood_of_operations_is_refused_as_busy) {
  stores_.faults.hold_commits = true;
  patch(R"({"a":0})");
  loop_.run();
  for (std::size_t i = 0; i < limits::kDeviceQueueMax; ++i) patch(R"({"a":1})");
  patch(R"({"a":2})");
  EXPECT_THAT(lines(), ElementsAre("busy"));
  stores_.release_commits();
  const auto answers = lines();
  ASSERT_EQ(answers.size(), limits::kDeviceQueueMax + 1);
  for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i], "reported " + std::to_string(i + 2));
}

TEST_F(TwinStateTest, operations_are_counted_by_who_asked_and_what_came_of_it) {
  const auto count_of = [this](TwinOperation operation, TwinOrigin origin, OperationResult result) {
    return counted.twins[static_cast<std::size_t>(operation)][static_cast<std::size_t>(origin)]
                        [static_cast<std::size_t>(result)];
  };
  patch(R"({"a":1})");
  patch(R"({"a":2})", 99);  // not its version
  update(desired(R"({"b":1})"));
  get();
  lines();
  EXPECT_EQ(count_of(TwinOperation::update, TwinOrigin::device, OperationResult::ok), 1u);
  EXPECT_EQ(count_of(TwinOperation::update, TwinOrigin::device, OperationResult::refused), 1u);
  EXPECT_EQ(count_of(TwinOperation::update, TwinOrigin::service, OperationResult::ok), 1u);
  EXPECT_EQ(count_of(TwinOperation::get, TwinOrigin::service, OperationResult::ok), 1u);
  twin_.on_erased();
  patch(R"({"a":3})");
  lines();
  EXPECT_EQ(count_of(TwinOperation::update, TwinOrigin::device, OperationResult::refused), 2u);
}

}  // namespace
}  // namespace kyanite::test
