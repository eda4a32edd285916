#include "server/hub/configuration_service.h"

#include "protocol/base/limits.h"
#include "tests/support/restarting_hub.h"

namespace kyanite::test {
namespace {

ConfigurationRecord made_configuration(std::string id, int value, std::int64_t priority = 1,
                                       std::string condition = "*") {
  ConfigurationRecord record;
  record.id = std::move(id);
  record.priority = priority;
  record.content["deviceContent"]["properties.desired.a"] = value;
  record.target_condition = std::move(condition);
  return record;
}

class ConfigurationServiceTest : public RestartingHubTest {
 protected:
  Result<ConfigurationView> put(ConfigurationRecord record, std::optional<IfMatch> if_match = std::nullopt) {
    return hub_->ask<ConfigurationView>([&](Reply<ConfigurationView> reply) {
      hub_->configurations().put(std::move(record), std::move(if_match), std::move(reply));
    });
  }
  Result<void> erase(const std::string& id) {
    return hub_->ask<void>(
        [&](Reply<void> reply) { hub_->configurations().erase(id, std::nullopt, std::move(reply)); });
  }
  ConfigurationCounts counts(const std::string& id) {
    return hub_
        ->ask<ConfigurationView>(
            [&](Reply<ConfigurationView> reply) { hub_->configurations().get(id, std::move(reply)); })
        .value()
        .counts.value();
  }
  // "desired configurations"
  std::string story(const std::string& id) const { return twin(id).desired + " " + twin(id).configurations; }
  // Of the twins of a device and its modules: who wrote the desired properties, "" for nobody.
  std::string writer(const Identity& id) const {
    const Result<TwinMetadata> metadata = TwinMetadata::decode(twin(id).desired_metadata);
    return metadata && metadata->last.author ? metadata->last.author->id : std::string();
  }
  void update(const Identity& id, std::optional<Json> tags, std::optional<Json> desired = std::nullopt) {
    UpdateTwin update;
    update.identity = id;
    update.tags = std::move(tags);
    update.desired = std::move(desired);
    ASSERT_TRUE(hub_->ask<TwinView>([&](Reply<TwinView> reply) {
      update.reply = std::move(reply);
      hub_->registry().update_twin(std::move(update));
    }));
    machine_.loop.run();
  }
  void report(const Identity& id, const char* patch) {
    PatchReported message;
    message.identity = id;
    message.patch = parse_json(patch).value();
    ASSERT_TRUE(hub_->ask<std::uint64_t>([&](Reply<std::uint64_t> reply) {
      message.reply = std::move(reply);
      hub_->router().send(std::move(message));
    }));
    machine_.loop.run();
  }
  void add_edge(const std::string& id) {
    IdentityRecord edge = wanted(device(id));
    edge.iot_edge = true;
    ASSERT_TRUE(hub_->put(edge));
    machine_.loop.run();
  }
};

TEST_F(ConfigurationServiceTest, every_twin_is_judged_after_a_change) {
  for (const char* id : {"a", "b", "c"}) hub_->add(device(id));
  ASSERT_TRUE(put(made_configuration("low", 1, 1)));
  ASSERT_TRUE(put(made_configuration("high", 2, 5, "deviceId != 'c'")));
  machine_.loop.run();
  EXPECT_EQ(story("a"), R"({"a":2} {"high":{"status":"Applied"},"low":{"status":"Targeted"}})");
  EXPECT_EQ(story("c"), R"({"a":1} {"low":{"status":"Applied"}})");
  EXPECT_EQ(counts("low").targeted, 3u);
  EXPECT_EQ(counts("low").applied, 1u);
  ASSERT_TRUE(erase("high"));
  machine_.loop.run();
  EXPECT_EQ(story("a"), R"({"a":1} {"low":{"status":"Applied"}})");
  ASSERT_TRUE(erase("low"));
  machine_.loop.run();
  EXPECT_EQ(story("a"), R"({"a":1} )");
  EXPECT_EQ(documents(Collection::configurations), 0u);  // nor the mark of the sweep
}

TEST_F(ConfigurationServiceTest, a_twin_that_is_so_already_is_not_written) {
  hub_->add(device("a"));
  ASSERT_TRUE(put(made_configuration("c", 1)));
  machine_.loop.run();
  const TwinRecord before = twin("a");
  EXPECT_EQ(before.desired_version, 2u);
  crash();
  machine_.loop.run();
  EXPECT_EQ(twin("a"), before);
}

TEST_F(ConfigurationServiceTest, new_devices_are_judged) {
  ASSERT_TRUE(put(made_configuration("c", 1)));
  hub_->add(device("late"));
  machine_.loop.run();
  EXPECT_EQ(story("late"), R"({"a":1} {"c":{"status":"Applied"}})");
}

TEST_F(ConfigurationServiceTest, R107_changes_answer_to_etags_and_leave_the_content) {
  EXPECT_EQ(put(made_configuration("c", 1), IfMatch{true, {}}).error().code, Errc::configuration_not_found);
  const std::string etag = configuration_etag(put(made_configuration("c", 1)).value().record);
  EXPECT_EQ(put(made_configuration("c", 2)).error().code, Errc::configuration_already_exists);
  EXPECT_EQ(put(made_configuration("c", 2), IfMatch{false, "x"}).error().code, Errc::precondition_failed);
  const ConfigurationRecord changed = put(made_configuration("c", 2, 9), IfMatch{false, etag}).value().record;
  EXPECT_EQ(changed.content, made_configuration("c", 1).content);
  EXPECT_EQ(changed.priority, 9);
  EXPECT_EQ(erase("none").error().code, Errc::configuration_not_found);
}

TEST_F(ConfigurationServiceTest, an_update_is_judged_by_the_content_that_stays) {
  ASSERT_TRUE(put(made_configuration("c", 1)));
  ConfigurationRecord of_modules = made_configuration("c", 1, 1, "FROM devices.modules WHERE moduleId = 'm'");
  EXPECT_EQ(put(of_modules, IfMatch{true, {}}).error().code, Errc::configuration_condition_invalid);
}

TEST_F(ConfigurationServiceTest, their_number_is_bounded) {
  for (std::size_t i = 0; i < limits::kConfigurationsMax; ++i) {
    ASSERT_TRUE(put(made_configuration("c" + std::to_string(i), 1, 1, "")));
  }
  EXPECT_EQ(put(made_configuration("more", 1)).error().code, Errc::too_many_configurations);
}

TEST_F(ConfigurationServiceTest, a_full_twin_is_targeted_only) {
  hub_->add(device("a"));
  ConfigurationRecord large = made_configuration("c", 1);
  for (int i = 0; i < 7; ++i) {
    large.content["deviceContent"]["properties.desired.k" + std::to_string(i)] = std::string(4000, 'x');
  }
  Json own = Json::object();
  for (int i = 0; i < 3; ++i) own["own"]["k" + std::to_string(i)] = std::string(3000, 'x');
  update(device("a"), std::nullopt, std::move(own));
  ASSERT_TRUE(put(std::move(large)));
  machine_.loop.run();
  EXPECT_EQ(twin("a").configurations, R"({"c":{"status":"Targeted"}})");
  EXPECT_EQ(twin("a").desired_version, 2u);
}

TEST_F(ConfigurationServiceTest, readers_wait_for_what_is_stored) {
  hub_->add(device("a"));
  ASSERT_TRUE(put(made_configuration("c", 1)));
  machine_.stores.faults.busy_reads = 12;  // all who read at the start get some
  crash();
  std::optional<Result<ConfigurationView>> answer;
  hub_->configurations().get(
      "c", Reply<ConfigurationView>(hub_->executor(0),
                                    [&](Result<ConfigurationView> view) { answer = std::move(view); }));
  machine_.loop.run();
  EXPECT_FALSE(answer);
  machine_.loop.advance(seconds(9));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->counts->applied, 1u);
}

TEST_F(ConfigurationServiceTest, what_a_configuration_wrote_carries_its_name) {
  hub_->add(device("a"));
  update(device("a"), std::nullopt, parse_json(R"({"own":1})").value());
  ConfigurationRecord high = made_configuration("high", 1, 9);
  high.content = parse_json(R"({"deviceContent":{"properties.desired.fan.speed":5}})").value();
  ConfigurationRecord low = made_configuration("low", 1, 1);
  low.content = parse_json(R"({"deviceContent":{"properties.desired.fan":{"speed":1,"mode":"a"}}})").value();
  ASSERT_TRUE(put(high));
  ASSERT_TRUE(put(low));
  machine_.loop.run();
  const Json metadata = TwinMetadata::decode(twin("a").desired_metadata).value().to_json();
  EXPECT_EQ(metadata["$lastUpdatedBy"], "low");  // it wrote last
  EXPECT_EQ(metadata["fan"]["speed"]["$lastUpdatedBy"], "high");
  EXPECT_EQ(metadata["fan"]["mode"]["$lastUpdatedBy"], "low");
  EXPECT_EQ(metadata["fan"]["mode"]["$lastUpdatedByDigest"], content_digest(low.content));
  EXPECT_FALSE(metadata["own"].contains("$lastUpdatedBy"));
  update(device("a"), std::nullopt, parse_json(R"({"own":2})").value());
  EXPECT_EQ(writer(device("a")), "");
}

ConfigurationRecord deployment(std::string id, std::int64_t priority, const char* modules,
                               std::string condition = "*") {
  ConfigurationRecord record;
  record.id = std::move(id);
  record.priority = priority;
  record.content["modulesContent"] = parse_json(modules).value();
  record.target_condition = std::move(condition);
  return record;
}
constexpr const char* kBase =
    R"({"$edgeAgent":{"properties.desired":{"modules":{"a":{"image":"a:1"}}}},"a":{"properties.desired":{"x":1}}})";
constexpr const char* kLayer =
    R"({"$edgeAgent":{"properties.desired.modules.b":{"image":"b:1"}},)"
    R"("a":{"properties.desired.layer":{"y":2}},"b":{"properties.desired":{"z":3}}})";

TEST_F(ConfigurationServiceTest, layers_are_merged_over_the_deployment_below_them) {
  add_edge("e");
  ASSERT_TRUE(put(deployment("layer", 5, kLayer)));
  machine_.loop.run();
  EXPECT_EQ(twin("e").configurations, R"({"layer":{"status":"Targeted"}})");  // there is nothing below it
  ASSERT_TRUE(put(deployment("base", 1, kBase)));
  machine_.loop.run();
  EXPECT_EQ(twin("e").configurations, R"({"layer":{"status":"Applied"},"base":{"status":"Applied"}})");
  EXPECT_EQ(twin(module("e", "$edgeAgent")).desired,
            R"({"modules":{"a":{"image":"a:1"},"b":{"image":"b:1"}}})");
  EXPECT_EQ(twin(module("e", "a")).desired, R"({"x":1,"layer":{"y":2}})");
  EXPECT_EQ(twin(module("e", "b")).desired, R"({"z":3})");
  EXPECT_EQ(writer(module("e", "b")), "layer");
  ASSERT_TRUE(erase("layer"));
  machine_.loop.run();
  EXPECT_EQ(twin(module("e", "$edgeAgent")).desired, R"({"modules":{"a":{"image":"a:1"}}})");
  EXPECT_EQ(twin(module("e", "a")).desired, R"({"x":1})");
  EXPECT_FALSE(machine_.stores.committed().twins.contains(module("e", "b")));
}

// However what happens at once is interleaved, the modules are those of the deployment that counts in the
// end.
TEST_F(ConfigurationServiceTest, deployments_that_follow_one_another_quickly_do_not_mix) {
  constexpr const char* kOther =
      R"({"$edgeAgent":{"properties.desired":{"modules":{}}},"a":{"properties.desired":{"x":2}},"c":{}})";
  for (std::size_t seed = 0; seed < 60; ++seed) {
    begin_anew();
    add_edge("e");
    machine_.loop.shuffle(seed);
    const auto begin = [&](ConfigurationRecord record) {
      hub_->configurations().put(std::move(record), std::nullopt,
                                 Reply<ConfigurationView>(hub_->executor(0), [](const auto&) {}));
      machine_.loop.run_some(seed * 2);
    };
    begin(deployment("low", 1, kBase));
    begin(deployment("high", 5, kOther));
    hub_->configurations().erase("high", std::nullopt, Reply<void>(hub_->executor(0), [](const auto&) {}));
    machine_.loop.run_some(seed);
    if (seed % 2 == 0) begin(deployment("again", 5, kOther));
    machine_.loop.advance(seconds(5));
    machine_.loop.run();
    ASSERT_EQ(twin(module("e", "a")).desired, seed % 2 == 0 ? R"({"x":2})" : R"({"x":1})") << seed;
    ASSERT_EQ(machine_.stores.committed().twins.contains(module("e", "c")), seed % 2 == 0) << seed;
  }
}

TEST_F(ConfigurationServiceTest, agents_tell_whether_a_deployment_went_well) {
  for (const char* id : {"e1", "e2", "e3"}) add_edge(id);
  ASSERT_TRUE(put(deployment("c", 1, kBase)));
  machine_.loop.run();
  EXPECT_EQ(twin(module("e1", "$edgeAgent")).configurations, R"({"c":{"status":"Applied"}})");
  report(module("e1", "$edgeAgent"), R"({"lastDesiredVersion":2,"lastDesiredStatus":{"code":200}})");
  report(module("e2", "$edgeAgent"), R"({"lastDesiredVersion":2,"lastDesiredStatus":{"code":400}})");
  report(module("e3", "$edgeAgent"), R"({"lastDesiredVersion":1,"lastDesiredStatus":{"code":200}})");
  const ConfigurationCounts found = counts("c");
  EXPECT_EQ(found.targeted, 3u);
  EXPECT_EQ(found.applied, 3u);
  EXPECT_EQ(found.reported_successful, 1u);
  EXPECT_EQ(found.reported_failed, 1u);
}

TEST_F(ConfigurationServiceTest, a_device_that_leaves_a_deployment_keeps_its_modules_and_says_nothing_of_it) {
  add_edge("e");
  update(device("e"), parse_json(R"({"on":true})").value());
  ASSERT_TRUE(put(deployment("c", 1, kBase, "tags.on = true")));
  machine_.loop.run();
  update(device("e"), parse_json(R"({"on":false})").value());
  EXPECT_EQ(twin("e").configurations, "");
  EXPECT_EQ(twin(module("e", "$edgeAgent")).configurations, "");
  EXPECT_EQ(twin(module("e", "a")).configurations, "");
  EXPECT_EQ(twin(module("e", "a")).desired, R"({"x":1})");
  update(device("e"), parse_json(R"({"on":true})").value());
  EXPECT_EQ(twin(module("e", "a")).configurations, R"({"c":{"status":"Applied"}})");
  crash();
  machine_.loop.run();
  ASSERT_TRUE(erase("c"));
  machine_.loop.run();
  EXPECT_EQ(twin(module("e", "a")).configurations, "");
}

TEST_F(ConfigurationServiceTest, a_device_that_becomes_an_edge_device_is_judged) {
  hub_->add(device("e"));
  ASSERT_TRUE(put(deployment("c", 1, kBase)));
  machine_.loop.run();
  EXPECT_EQ(twin("e").configurations, "");
  IdentityRecord edge = hub_->get(device("e")).value().record;
  edge.iot_edge = true;
  ASSERT_TRUE(hub_->put(edge, IfMatch{true, {}}));
  machine_.loop.run();
  EXPECT_EQ(twin("e").configurations, R"({"c":{"status":"Applied"}})");
  EXPECT_EQ(twin(module("e", "a")).desired, R"({"x":1})");
}

// A crash after every number of steps: in the end every twin is as the configurations want it.
TEST_F(ConfigurationServiceTest, a_crash_at_any_step_leaves_no_twin_behind) {
  for (std::size_t steps = 0; steps < 150; ++steps) {
    begin_anew();
    for (const char* id : {"a", "b", "c"}) hub_->add(device(id));
    ASSERT_TRUE(put(made_configuration("low", 1, 1)));
    machine_.loop.run();
    machine_.loop.shuffle(steps);
    const bool removes = steps % 2 == 0;
    if (removes) {
      hub_->configurations().erase("low", std::nullopt, Reply<void>(hub_->executor(0), [](const auto&) {}));
    } else {
      hub_->configurations().put(made_configuration("high", 2, 5), std::nullopt,
                                 Reply<ConfigurationView>(hub_->executor(0), [](const auto&) {}));
    }
    machine_.loop.run_some(steps);
    crash();
    machine_.loop.run();
    const std::size_t known = documents(Collection::configurations);
    for (const char* id : {"a", "b", "c"}) {
      const std::string expected =
          removes      ? (known == 0 ? R"({"a":1} )" : R"({"a":1} {"low":{"status":"Applied"}})")
          : known == 1 ? R"({"a":1} {"low":{"status":"Applied"}})"
                       : R"({"a":2} {"high":{"status":"Applied"},"low":{"status":"Targeted"}})";
      ASSERT_EQ(story(id), expected) << steps;
    }
  }
}

// The same while the sweep of the change before is still under way.
TEST_F(ConfigurationServiceTest, a_crash_between_two_sweeps_leaves_no_twin_behind) {
  constexpr std::size_t swept_max = 16;
  constexpr std::size_t steps_max = 26;
  for (std::size_t swept = 0; swept < swept_max; ++swept) {
    for (std::size_t steps = 0; steps < steps_max; ++steps) {
      begin_anew();
      for (const char* id : {"a", "b"}) hub_->add(device(id));
      bool is_put = false;
      hub_->configurations().put(
          made_configuration("c", 1, 1), std::nullopt,
          Reply<ConfigurationView>(hub_->executor(0), [&](const auto&) { is_put = true; }));
      while (!is_put) machine_.loop.run_some(1);
      machine_.loop.run_some(swept);
      hub_->configurations().erase("c", std::nullopt, Reply<void>(hub_->executor(0), [](const auto&) {}));
      machine_.loop.run_some(steps);
      crash();
      machine_.loop.run();
      const bool is_known = machine_.stores.committed().documents.contains({Collection::configurations, "c"});
      for (const char* id : {"a", "b"}) {
        ASSERT_EQ(twin(id).configurations, is_known ? R"({"c":{"status":"Applied"}})" : "")
            << swept << " " << steps;
      }
      ASSERT_EQ(documents(Collection::configurations), is_known ? 1u : 0u) << swept << " " << steps;
    }
  }
}

}  // namespace
}  // namespace kyanite::test
