#include "server/hub/configuration_service.h"

#include <gtest/gtest.h>
#include <algorithm>

#include <memory>

#include "protocol/base/limits.h"
#include "tests/support/sim_hub.h"

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

class ConfigurationServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { start(); }

  void start() {
    SimHub::Options options;
    options.machine = &machine_;
    hub_ = std::make_unique<SimHub>(std::move(options));
  }
  void crash() {
    machine_.stores.crash();
    hub_.reset();
    machine_.stores.crash();
    start();
  }
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
  const TwinRecord& twin(const std::string& id) const {
    return machine_.stores.committed().twins.at(device(id));
  }
  // "desired configurations"
  std::string story(const std::string& id) const { return twin(id).desired + " " + twin(id).configurations; }
  std::size_t documents() const {
    const auto& all = machine_.stores.committed().documents;
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& row) {
      return row.first.first == Collection::configurations;
    }));
  }

  SimMachine machine_;
  std::unique_ptr<SimHub> hub_;
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
  EXPECT_EQ(documents(), 0u);  // nor the mark of the sweep
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
  UpdateTwin update;
  update.identity = device("a");
  update.desired = Json{{"own", Json::object()}};
  for (int i = 0; i < 3; ++i) (*update.desired)["own"]["k" + std::to_string(i)] = std::string(3000, 'x');
  ASSERT_TRUE(hub_->ask<TwinView>([&](Reply<TwinView> reply) {
    update.reply = std::move(reply);
    hub_->registry().update_twin(std::move(update));
  }));
  ASSERT_TRUE(put(std::move(large)));
  machine_.loop.run();
  EXPECT_EQ(twin("a").configurations, R"({"c":{"status":"Targeted"}})");
  EXPECT_EQ(twin("a").desired_version, 2u);
}

// A crash after every number of steps: in the end every twin is as the configurations want it.
TEST_F(ConfigurationServiceTest, a_crash_at_any_step_leaves_no_twin_behind) {
  for (std::size_t steps = 0; steps < 150; ++steps) {
    machine_.stores.crash();
    hub_.reset();
    machine_.stores.disk() = {};
    start();
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
    std::size_t known = 0;
    for (const auto& [key, value] : machine_.stores.committed().documents) {
      known += key.first == Collection::configurations;
    }
    for (const char* id : {"a", "b", "c"}) {
      const std::string expected =
          removes      ? (known == 0 ? R"({"a":1} )" : R"({"a":1} {"low":{"status":"Applied"}})")
          : known == 1 ? R"({"a":1} {"low":{"status":"Applied"}})"
                       : R"({"a":2} {"high":{"status":"Applied"},"low":{"status":"Targeted"}})";
      ASSERT_EQ(story(id), expected) << steps;
    }
  }
}

}  // namespace
}  // namespace kyanite::test
