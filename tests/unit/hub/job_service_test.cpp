#include "server/hub/job_service.h"

#include "protocol/base/limits.h"
#include "tests/support/restarting_hub.h"
#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

std::string name_of(std::size_t number) {
  return "d" + std::string(number < 10 ? "00" : number < 100 ? "0" : "") + std::to_string(number);
}

JobRecord twin_job(std::string id, std::string condition = "*") {
  JobRecord job;
  job.id = std::move(id);
  job.work = JobTwinUpdate{parse_json(R"({"done":true})").value(), parse_json(R"({"n":1})").value()};
  job.condition = std::move(condition);
  job.execution_max = seconds(300);
  return job;
}

JobRecord method_job(std::string id, std::string condition = "*") {
  JobRecord job = twin_job(std::move(id), std::move(condition));
  job.work = JobMethod{"m", std::nullopt, seconds(5), seconds(0)};
  return job;
}

class JobServiceTest : public RestartingHubTest {
 protected:
  void add_devices(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) hub_->add(device(name_of(i)));
  }
  Result<JobView> create(JobRecord job) {
    return hub_->ask<JobView>(
        [&](Reply<JobView> reply) { hub_->jobs().create(std::move(job), std::move(reply)); });
  }
  std::optional<JobView> show(const std::string& id) {
    return hub_
        ->ask<std::optional<JobView>>(
            [&](Reply<std::optional<JobView>> reply) { hub_->jobs().get(id, std::move(reply)); })
        .value();
  }
  // "completed 5+1 of 6"
  std::string story(const std::string& id) {
    const std::optional<JobView> view = show(id);
    if (!view) return "unknown";
    const JobCounts& counts = view->job.counts;
    const std::uint64_t all = counts.succeeded + counts.failed + view->running + view->pending;
    return std::string(job_status_text(view->job.status)) + " " + std::to_string(counts.succeeded) + "+" +
           std::to_string(counts.failed) + " of " + std::to_string(all);
  }
  std::string cancel(const std::string& id) {
    const Result<JobView> view =
        hub_->ask<JobView>([&](Reply<JobView> reply) { hub_->jobs().cancel(id, std::move(reply)); });
    return view ? std::string(job_status_text(view->job.status))
                : std::to_string(static_cast<int>(view.error().code));
  }
  static std::string code(Errc errc) { return std::to_string(static_cast<int>(errc)); }
};

TEST_F(JobServiceTest, R103_updates_every_twin_once_and_counts_it) {
  add_devices(7);
  EXPECT_EQ(create(twin_job("j"))->job.status, JobStatus::queued);
  EXPECT_EQ(story("j"), "completed 7+0 of 7");
  EXPECT_EQ(twin(name_of(3)).tags, R"({"done":true})");
  EXPECT_EQ(twin(name_of(3)).desired_version, 2u);
  EXPECT_EQ(documents(Collection::job_devices), 7u);
}

TEST_F(JobServiceTest, more_devices_than_a_page) {
  add_devices(limits::kTargetPageMax + 3);
  (void)create(twin_job("j"));
  const std::string all = std::to_string(limits::kTargetPageMax + 3);
  EXPECT_EQ(story("j"), "completed " + all + "+0 of " + all);
}

TEST_F(JobServiceTest, a_condition_chooses_and_a_bad_one_fails_the_job) {
  add_devices(5);
  (void)create(twin_job("j", "deviceId IN ['d001','d004','none']"));
  EXPECT_EQ(story("j"), "completed 2+0 of 2");
  (void)create(twin_job("bad", "tags.x ="));
  EXPECT_EQ(story("bad"), "failed 0+0 of 0");
  EXPECT_FALSE(show("bad")->job.failure.empty());
}

TEST_F(JobServiceTest, modules) {
  add_devices(2);
  hub_->add(module("d000", "m"));
  hub_->add(module("d001", "m"));
  (void)create(twin_job("j", "FROM devices.modules WHERE deviceId = 'd001'"));
  EXPECT_EQ(story("j"), "completed 1+0 of 1");
  EXPECT_EQ(twin(module("d001", "m")).tags, R"({"done":true})");
  EXPECT_EQ(twin("d001").tags, "{}");
}

TEST_F(JobServiceTest, a_crash_between_the_modules_of_a_device_counts_each_once) {
  constexpr std::size_t kModules = 40;  // of a device: pages end between them
  const std::size_t count = (limits::kTargetPageMax / kModules + 2) * kModules;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string id = name_of(i / kModules);
    if (i % kModules == 0) hub_->add(device(id));
    hub_->add(module(id, name_of(i)));
  }
  for (const std::size_t steps : {700u, 1500u, 3000u}) {
    const std::string id = "j" + std::to_string(steps);
    hub_->jobs().create(twin_job(id, "FROM devices.modules WHERE moduleId != 'x'"),
                        Reply<JobView>(hub_->executor(0), [](const Result<JobView>&) {}));
    machine_.loop.run_some(steps);
    crash();
    machine_.loop.run();
    const std::string all = std::to_string(count);
    EXPECT_EQ(story(id), "completed " + all + "+0 of " + all);
  }
}

TEST_F(JobServiceTest, a_twin_that_cannot_take_the_update_is_a_failed_device) {
  add_devices(2);
  JobRecord job = twin_job("j");
  Json large = Json::object();
  for (int i = 0; i < 3; ++i) large["k" + std::to_string(i)] = std::string(3000, 'x');
  std::get<JobTwinUpdate>(job.work).tags = large;
  (void)create(std::move(job));
  EXPECT_EQ(story("j"), "completed 0+2 of 2");
  EXPECT_EQ(twin("d000").version, 2u);
}

TEST_F(JobServiceTest, R104_an_id_is_taken_once) {
  EXPECT_EQ(story("j"), "unknown");
  ASSERT_TRUE(create(twin_job("j")));
  EXPECT_EQ(create(twin_job("j")).error().code, Errc::job_already_exists);
  crash();
  EXPECT_EQ(create(twin_job("j")).error().code, Errc::job_already_exists);
}

TEST_F(JobServiceTest, R106_methods_of_devices_that_are_not_there_fail) {
  add_devices(3);
  SimDevice link(*hub_, hub_->add(device("online")), 1);
  link.connect();
  link.subscribe({{"$iothub/methods/POST/#", mqtt::QoS::at_most_once}});
  (void)create(method_job("j"));
  EXPECT_EQ(story("j"), "running 0+3 of 4");
  const std::string packet = link.packets().at(0);
  const std::size_t rid = packet.find("$rid=") + 5;
  link.publish("$iothub/methods/res/201/?$rid=" + packet.substr(rid, packet.find(' ', rid) - rid), "[1]",
               mqtt::QoS::at_most_once);
  hub_->loop.run();
  EXPECT_EQ(story("j"), "completed 1+3 of 4");
}

TEST_F(JobServiceTest, a_scheduled_job_waits_for_its_time_and_can_be_cancelled) {
  add_devices(1);
  JobRecord job = twin_job("j");
  job.start = machine_.loop.wall_now() + seconds(100);
  EXPECT_EQ(create(job)->job.status, JobStatus::scheduled);
  job.id = "other";
  ASSERT_TRUE(create(job));
  crash();
  machine_.loop.advance(seconds(50));
  EXPECT_EQ(story("j"), "scheduled 0+0 of 0");
  EXPECT_EQ(cancel("other"), "cancelled");
  EXPECT_EQ(cancel("other"), code(Errc::operation_not_allowed));
  EXPECT_EQ(cancel("none"), code(Errc::job_not_found));
  machine_.loop.advance(seconds(52));
  EXPECT_EQ(story("j"), "completed 1+0 of 1");
  EXPECT_EQ(story("other"), "cancelled 0+0 of 0");
  EXPECT_EQ(cancel("j"), code(Errc::operation_not_allowed));
}

TEST_F(JobServiceTest, a_scheduled_job_begins_in_time_beside_jobs_that_are_over) {
  add_devices(1);
  ASSERT_TRUE(create(twin_job("over")));
  JobRecord job = twin_job("j");
  job.start = machine_.loop.wall_now() + seconds(10);
  ASSERT_TRUE(create(job));
  machine_.loop.advance(seconds(9));
  EXPECT_EQ(story("j"), "scheduled 0+0 of 0");
  machine_.loop.advance(seconds(2));
  EXPECT_EQ(story("j"), "completed 1+0 of 1");
}

TEST_F(JobServiceTest, a_job_ends_when_its_time_is_over) {
  SimDevice link(*hub_, hub_->add(device("online")), 1);
  link.connect();
  link.subscribe({{"$iothub/methods/POST/#", mqtt::QoS::at_most_once}});
  JobRecord job = method_job("j");
  job.execution_max = seconds(3);
  (void)create(std::move(job));
  machine_.loop.advance(seconds(7));
  EXPECT_EQ(story("j"), "failed 0+1 of 1");
  EXPECT_NE(show("j")->job.failure.find("maxExecutionTimeInSeconds"), std::string::npos);
}

TEST_F(JobServiceTest, a_busy_store_delays_a_job_and_loses_nothing) {
  add_devices(3);
  machine_.stores.faults.hold_commits = true;
  hub_->jobs().create(twin_job("j"), Reply<JobView>(hub_->executor(0), [](const Result<JobView>&) {}));
  machine_.loop.run();
  machine_.stores.release_commits();
  machine_.loop.run_some(12);
  machine_.stores.set_pressure(StorePressure::disk_low);
  machine_.loop.advance(seconds(2));
  machine_.stores.set_pressure(StorePressure::none);
  machine_.loop.advance(seconds(2));
  EXPECT_EQ(story("j"), "completed 3+0 of 3");
}

TEST_F(JobServiceTest, busy_readers_delay_a_job_and_fail_none) {
  add_devices(3);
  for (std::uint64_t refusals = 1; refusals <= 8; ++refusals) {
    const std::string id = "j" + std::to_string(refusals);
    machine_.stores.faults.busy_reads = refusals;
    hub_->jobs().create(twin_job(id), Reply<JobView>(hub_->executor(0), [](const Result<JobView>&) {}));
    machine_.loop.advance(seconds(20));
    ASSERT_EQ(machine_.stores.faults.busy_reads, 0u);
    EXPECT_EQ(story(id), "completed 3+0 of 3") << refusals;
  }
}

TEST_F(JobServiceTest, a_job_whose_time_ends_while_it_waits_for_readers_ends_once) {
  add_devices(3);
  constexpr std::size_t steps = 24;
  for (std::size_t step = 0; step < steps; ++step) {
    JobRecord job = twin_job("j" + std::to_string(step));
    job.execution_max = seconds(1);
    const std::string id = job.id;
    hub_->jobs().create(std::move(job), Reply<JobView>(hub_->executor(0), [](const Result<JobView>&) {}));
    machine_.loop.run_some(step);
    machine_.stores.faults.busy_reads = 1'000'000;
    machine_.loop.advance(seconds(5));
    machine_.stores.faults.busy_reads = 0;
    machine_.loop.advance(seconds(5));
    const std::string next = "n" + std::to_string(step);
    ASSERT_TRUE(create(twin_job(next))) << step;
    machine_.loop.advance(seconds(5));
    ASSERT_EQ(story(next), "completed 3+0 of 3") << step << ": " << story(id);
  }
}

TEST_F(JobServiceTest, a_look_at_the_clock_while_a_job_reads_what_was_done_begins_nothing_twice) {
  add_devices(3);
  machine_.stores.faults.document_scan_takes = milliseconds(10);
  machine_.stores.faults.scan_takes = milliseconds(10);
  constexpr std::size_t steps = 24;
  for (std::size_t step = 0; step < steps; ++step) {
    const std::string id = "j" + std::to_string(step);
    JobRecord job = method_job(id);
    job.work = JobMethod{"m", std::nullopt, seconds(5), seconds(5)};  // nobody connects
    hub_->jobs().create(std::move(job), Reply<JobView>(hub_->executor(0), [](const Result<JobView>&) {}));
    machine_.loop.run_some(step);
    hub_->jobs().on_clock_shift();
    for (int i = 0; i < 10; ++i) {
      machine_.loop.advance(milliseconds(3));
      hub_->jobs().on_clock_shift();
    }
    machine_.loop.advance(seconds(20));
    EXPECT_EQ(story(id), "completed 0+3 of 3") << step;
  }
}

TEST_F(JobServiceTest, a_hub_with_busy_readers_finds_its_jobs_all_the_same) {
  add_devices(1);
  ASSERT_TRUE(create(twin_job("j")));
  machine_.stores.faults.busy_reads = 3;
  crash();
  machine_.loop.advance(seconds(5));
  EXPECT_EQ(story("j"), "completed 1+0 of 1");
}

TEST_F(JobServiceTest, a_twin_that_cannot_be_read_is_a_failed_device) {
  add_devices(3);
  machine_.stores.faults.unreadable_twin = device("d001");
  (void)create(twin_job("j"));
  EXPECT_EQ(story("j"), "completed 2+1 of 3");
}

TEST_F(JobServiceTest, a_hub_that_goes_down_counts_nothing_against_devices) {
  add_devices(3);
  (void)create([] {
    JobRecord job = method_job("j");
    job.work = JobMethod{"m", std::nullopt, seconds(300), seconds(300)};
    return job;
  }());
  EXPECT_EQ(story("j"), "running 0+0 of 3");
  hub_->jobs().stop();
  for (std::uint16_t i = 0; i < hub_->shard_count(); ++i) hub_->directory(i).drain();
  machine_.loop.run();
  EXPECT_EQ(documents(Collection::job_devices), 0u);
  crash();
  machine_.loop.run();
  EXPECT_EQ(story("j"), "running 0+0 of 3");
}

TEST_F(JobServiceTest, finished_jobs_are_forgotten_after_their_time) {
  add_devices(3);
  (void)create(twin_job("j"));
  machine_.loop.step_wall_clock(limits::kJobKept + seconds(1));
  machine_.stores.faults.busy_reads = 2;  // which does not keep it
  machine_.loop.advance(seconds(62));
  EXPECT_EQ(story("j"), "unknown");
  EXPECT_EQ(documents(Collection::jobs) + documents(Collection::job_devices), 0u);
}

// A crash after every number of steps: the job goes on, each twin is written once, each device counted once.
TEST_F(JobServiceTest, a_crash_at_any_step_changes_no_result) {
  constexpr std::size_t kDevices = 5;
  for (std::size_t steps = 0; steps < 400; steps += steps < 120 ? 1 : 17) {
    begin_anew();
    add_devices(kDevices);
    machine_.loop.shuffle(steps);
    hub_->jobs().create(twin_job("j"), Reply<JobView>(hub_->executor(0), [](const Result<JobView>&) {}));
    machine_.loop.run_some(steps);
    crash();
    machine_.loop.run_some(steps / 2);
    crash();
    machine_.loop.run();
    if (!show("j")) {
      ASSERT_TRUE(create(twin_job("j")));
    }
    machine_.loop.run();
    ASSERT_EQ(story("j"), "completed 5+0 of 5") << steps;
    for (std::size_t i = 0; i < kDevices; ++i) ASSERT_EQ(twin(name_of(i)).version, 3u) << steps;
    ASSERT_EQ(documents(Collection::job_devices), kDevices);
  }
}

}  // namespace
}  // namespace kyanite::test
