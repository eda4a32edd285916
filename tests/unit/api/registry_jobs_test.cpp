#include "server/api/registry_jobs.h"

#include <gmock/gmock.h>

#include "tests/unit/api/memory_blobs.h"
#include "tests/unit/api/rest_hub.h"

namespace kyanite::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RegistryJobsApi : public ::testing::Test {
 protected:
  RegistryJobsApi() { start(); }

  RestHub rest;
  MemoryBlobs blobs;
  std::unique_ptr<RegistryJobs> jobs;

  // As a hub does at its start.
  void start() {
    jobs = std::make_unique<RegistryJobs>(rest.hub.executor(0), rest.hub.registry(0),
                                          rest.hub.configurations(), rest.hub.stores, blobs);
    rest.services.registry_jobs = jobs.get();
    jobs->start();
    rest.hub.loop.run();
  }
  RestAnswer create(const std::string& body) { return rest.ask({"POST", "/jobs/create", body, {}}); }
  RestAnswer export_to(const std::string& container, const std::string& more = {}) {
    return create(R"({"type":"export","outputBlobContainerUri":")" + container + "\"" + more + "}");
  }
  RestAnswer import_from(const std::string& text) {
    blobs.blobs["in/devices.txt"] = text;
    return create(R"({"type":"import","inputBlobContainerUri":"in","outputBlobContainerUri":"out"})");
  }
  Json job(const RestAnswer& created) {
    return rest.get("/jobs/" + created.json["jobId"].get<std::string>()).json;
  }
  static std::vector<Json> lines(const std::string& text) {
    std::vector<Json> all;
    for (std::size_t from = 0; from < text.size();) {
      const std::size_t end = text.find('\n', from);
      all.push_back(parse_json(text.substr(from, end - from)).value());
      from = end + 1;
    }
    return all;
  }
};

TEST_F(RegistryJobsApi, R61_what_is_exported_makes_the_same_identities_again) {
  rest.ask({"POST",
            "/devices",
            R"([{"id":"a","tags":{"x":1},"properties":{"desired":{"p":1},"reported":{"r":1}}},
      {"id":"a","moduleId":"m","managedBy":"me"},{"id":"b","status":"disabled","capabilities":{"iotEdge":true}}])",
            {}});
  const Json a = rest.get("/devices/a").json;
  const Json b = rest.get("/devices/b").json;
  const RestAnswer created = export_to("out");
  EXPECT_EQ(created.status, 200);
  EXPECT_EQ(created.json["status"], "enqueued");
  EXPECT_EQ(created.json["type"], "export");
  const Json done = job(created);
  EXPECT_EQ(done["status"], "completed");
  EXPECT_EQ(done["progress"], 100);
  EXPECT_TRUE(done["failureReason"].is_null());
  EXPECT_EQ(lines(blobs.blobs["out/devices.txt"]).size(), 5u);

  for (const auto* id : {"a", "b"}) rest.del("/devices/" + std::string(id));
  const Json imported = job(import_from(blobs.blobs["out/devices.txt"]));
  EXPECT_EQ(imported["status"], "completed");
  EXPECT_EQ(blobs.blobs["out/importErrors.log"], "");
  EXPECT_EQ(rest.get("/devices/a").json["authentication"], a["authentication"]);
  EXPECT_EQ(rest.get("/devices/b").json["deviceScope"], b["deviceScope"]);
  EXPECT_EQ(rest.get("/devices/b").json["status"], "disabled");
  EXPECT_EQ(rest.get("/devices/a/modules/m").json["managedBy"], "me");
  const Json twin = rest.get("/twins/a").json;
  EXPECT_EQ(twin["tags"]["x"], 1);
  EXPECT_EQ(twin["properties"]["desired"]["p"], 1);
  EXPECT_EQ(twin["properties"]["reported"]["r"], 1);
}

TEST_F(RegistryJobsApi, keys_may_be_left_out) {
  rest.put("/devices/a", "{}");
  const RestAnswer created =
      export_to("out", R"(,"excludeKeysInExport":true,"outputBlobName":"fleet/all.txt")");
  EXPECT_EQ(job(created)["excludeKeysInExport"], true);
  const std::vector<Json> all = lines(blobs.blobs["out/fleet/all.txt"]);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(all[0]["authentication"]["symmetricKey"]["primaryKey"].is_null());
}

TEST_F(RegistryJobsApi, bad_lines_become_lines_of_the_errors) {
  const RestAnswer created = import_from(
      "{\"id\":\"a\",\"importMode\":\"create\"}\nnonsense\n\n{\"id\":\"a\",\"importMode\":\"create\"}\n"
      "{\"id\":\"gone\",\"importMode\":\"delete\"}\n" +
      std::string(kImportLineBytesMax + 5000, 'x') + "\n{\"id\":\"b\",\"tags\":{\"k\":1}}");
  EXPECT_EQ(job(created)["status"], "completed");
  std::vector<std::string> errors;
  for (const Json& line : lines(blobs.blobs["out/importErrors.log"])) {
    errors.push_back(line["deviceId"].get<std::string>() + " " + line["errorCode"].dump());
  }
  EXPECT_THAT(errors, testing::UnorderedElementsAre(" 400006", "a 409001", "gone 404001", " 400006"));
  EXPECT_EQ(rest.get("/twins/b").json["tags"]["k"], 1);
}

constexpr std::string_view kWithConfigurations = R"(,"includeConfigurations":true)";

TEST_F(RegistryJobsApi, configurations_leave_and_come_in_a_blob_of_their_own) {
  const char* const body =
      R"({"content":{"deviceContent":{"properties.desired.a":1}},"targetCondition":"*","priority":3,"labels":{"k":"v"}})";
  rest.ask({"PUT", "/configurations/c", body, {}});
  rest.ask({"PUT", "/devices/d", "{}", {}});
  const Json exported = job(export_to("out", std::string(kWithConfigurations)));
  EXPECT_EQ(exported["status"], "completed");
  EXPECT_EQ(exported["includeConfigurations"], true);
  EXPECT_EQ(exported["configurationsBlobName"], "configurations.txt");
  const std::string text = blobs.blobs["out/configurations.txt"];
  ASSERT_EQ(lines(text).size(), 1u);
  EXPECT_EQ(lines(text)[0]["id"], "c");
  EXPECT_EQ(lines(text)[0]["importMode"], "createOrUpdateIfMatchETag");

  rest.del("/configurations/c");
  blobs.blobs["in/devices.txt"] = R"({"id":"new"})";
  blobs.blobs["in/more.txt"] =
      text + "\nnonsense\n" + R"({"id":"Bad","content":{}})" + "\n" +
      R"({"id":"c","etag":"old","importMode":"createOrUpdateIfMatchETag","content":{"deviceContent":{}}})";
  const RestAnswer created =
      create(R"({"type":"import","inputBlobContainerUri":"in","outputBlobContainerUri":"out",)"
             R"("includeConfigurations":true,"configurationsBlobName":"more.txt"})");
  EXPECT_EQ(job(created)["status"], "completed");
  const Json made = rest.get("/configurations/c").json;
  EXPECT_EQ(made["priority"], 3);
  EXPECT_EQ(made["labels"]["k"], "v");
  rest.hub.loop.run();
  EXPECT_EQ(rest.get("/twins/new").json["properties"]["desired"]["a"], 1);
  const std::vector<Json> errors = lines(blobs.blobs["out/importErrors.log"]);
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[1]["id"], "Bad");
  EXPECT_EQ(errors[2]["id"], "c");
  EXPECT_EQ(errors[2]["errorCode"], 412001);
}

TEST_F(RegistryJobsApi, configurations_that_cannot_be_read_are_told_at_once) {
  blobs.blobs["in/devices.txt"] = "";
  const std::string begin =
      R"({"type":"import","inputBlobContainerUri":"in","outputBlobContainerUri":"out","includeConfigurations":true)";
  EXPECT_EQ(create(begin + "}").error_name(), "BlobContainerValidationError");
  blobs.blobs["in/configurations.txt"] = std::string(kImportLineBytesMax + 1, ' ');
  EXPECT_EQ(job(create(begin + "}"))["status"], "failed");
  EXPECT_EQ(create(begin + R"(,"configurationsBlobName":"devices.txt"})").error_name(), "ArgumentInvalid");
  blobs.fail_append = "out/configurations.txt";
  EXPECT_EQ(job(export_to("out", std::string(kWithConfigurations)))["status"], "failed");
}

TEST_F(RegistryJobsApi, busy_readers_do_not_make_the_hub_forget_its_jobs) {
  const RestAnswer created = export_to("out");
  rest.hub.stores.faults.busy_reads = 1;
  start();
  rest.hub.loop.advance(seconds(1));
  EXPECT_EQ(job(created)["status"], "completed");
}

TEST_F(RegistryJobsApi, what_the_hub_is_too_busy_for_is_tried_again) {
  std::string outcome;
  const auto input = blobs.input_of("{\"id\":\"a\"}\n{\"id\":\"a\",\"moduleId\":\"m\"}\n");
  const auto run = std::make_shared<RegistryImport>(
      rest.hub.executor(0), rest.hub.registry(0), input, blobs.output_of("errors"), std::string(),
      TransferHooks{.progress = [](unsigned) {},
                    .done = [&outcome](const Result<void>& done) { outcome = done ? "done" : "failed"; }});
  rest.hub.stores.set_pressure(StorePressure::queue_full);
  run->start();
  rest.hub.loop.run();
  rest.hub.loop.advance(seconds(2));
  EXPECT_EQ(outcome, "");
  rest.hub.stores.set_pressure(StorePressure::none);
  rest.hub.loop.advance(seconds(1));
  EXPECT_EQ(outcome, "done");
  EXPECT_EQ(blobs.blobs["errors"], "");
  EXPECT_EQ(rest.get("/devices/a/modules/m").status, 200);
}

TEST_F(RegistryJobsApi, a_large_fleet_goes_piece_by_piece) {
  std::string text;
  for (int i = 0; i < 1000; ++i)
    text += "{\"id\":\"d" + std::to_string(i) + "\",\"tags\":{\"n\":" + std::to_string(i) + "}}\n";
  EXPECT_EQ(job(import_from(text))["status"], "completed");
  EXPECT_EQ(blobs.blobs["out/importErrors.log"], "");
  EXPECT_EQ(job(export_to("all"))["status"], "completed");
  EXPECT_EQ(lines(blobs.blobs["all/devices.txt"]).size(), 1000u);
}

TEST_F(RegistryJobsApi, one_job_at_a_time_which_can_be_cancelled) {
  blobs.held = {"in/devices.txt"};
  const RestAnswer first = import_from("{\"id\":\"a\"}");
  EXPECT_EQ(job(first)["status"], "running");
  const RestAnswer second = export_to("out");
  EXPECT_EQ(second.status, 403);
  EXPECT_EQ(second.error_name(), "JobQuotaExceeded");
  const std::string path = "/jobs/" + first.json["jobId"].get<std::string>();
  EXPECT_EQ(rest.del(path).status, 204);
  EXPECT_EQ(job(first)["status"], "cancelled");
  EXPECT_EQ(blobs.breaks, 1u);
  EXPECT_EQ(rest.del(path).status, 204);
  EXPECT_EQ(job(first)["status"], "cancelled");
  EXPECT_EQ(job(export_to("out"))["status"], "completed");
}

TEST_F(RegistryJobsApi, a_cancelled_import_makes_no_more_configurations) {
  constexpr int all = 60;
  std::string text;
  for (int i = 0; i < all; ++i)
    text += "{\"id\":\"c" + std::to_string(i) + "\",\"content\":{\"deviceContent\":{}}}\n";
  blobs.blobs["in/devices.txt"] = "";
  blobs.blobs["in/configurations.txt"] = text;
  const auto send = [this](const RestRequest& request, Result<HttpResponse>& answer) {
    rest.router.handle(rest.parse(request),
                       Reply<HttpResponse>(rest.hub.executor(0),
                                           [&answer](Result<HttpResponse> r) { answer = std::move(r); }));
  };
  const auto run_until_answered = [this](Result<HttpResponse>& answer) {
    for (int i = 0; i < 1000 && !answer; ++i) rest.hub.loop.run_some(1);
    ASSERT_TRUE(answer);
  };
  const auto stored = [this] {
    std::size_t count = 0;
    for (const auto& [key, value] : rest.hub.stores.committed().documents) {
      count += key.first == Collection::configurations && key.second.starts_with("c");
    }
    return count;
  };
  Result<HttpResponse> created = Error(Errc::timed_out);
  send(
      {"POST",
       "/jobs/create",
       R"({"type":"import","inputBlobContainerUri":"in","outputBlobContainerUri":"out","includeConfigurations":true})",
       {}},
      created);
  run_until_answered(created);
  for (int i = 0; i < 1000 && stored() == 0; ++i) rest.hub.loop.run_some(1);
  Result<HttpResponse> cancelled = Error(Errc::timed_out);
  send({"DELETE", "/jobs/" + parse_json(created->body).value()["jobId"].get<std::string>(), "", {}},
       cancelled);
  run_until_answered(cancelled);
  EXPECT_EQ(cancelled->status, 204);
  const std::size_t by_then = stored();
  EXPECT_LT(by_then, all / 2);
  rest.hub.loop.run();
  EXPECT_LE(stored(), by_then + 1) << "the one under way";
}

TEST_F(RegistryJobsApi, containers_that_cannot_be_used_are_refused_at_once) {
  blobs.unusable = "https://secret?sig=s";
  const RestAnswer refused = export_to("https://secret?sig=s");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.error_name(), "BlobContainerValidationError");
  EXPECT_THAT(refused.body, Not(HasSubstr("secret")));
  EXPECT_EQ(create(R"({"type":"import","inputBlobContainerUri":"nothing"})").error_name(),
            "BlobContainerValidationError");
  EXPECT_EQ(rest.get("/jobs").json, Json::array());
  EXPECT_EQ(job(export_to("out"))["status"], "completed");
}

TEST_F(RegistryJobsApi, a_failing_transfer_fails_the_job) {
  rest.put("/devices/a", "{}");
  blobs.fail_append = "out/devices.txt";
  const Json failed = job(export_to("out"));
  EXPECT_EQ(failed["status"], "failed");
  EXPECT_EQ(failed["failureReason"], "the disk is full");
}

TEST_F(RegistryJobsApi, jobs_are_remembered_over_a_restart) {
  const RestAnswer done = export_to("https://secret?sig=s");
  blobs.held = {"in/devices.txt"};
  const RestAnswer running = import_from("{\"id\":\"a\"}");
  start();
  EXPECT_EQ(job(done)["status"], "completed");
  EXPECT_EQ(job(running)["status"], "failed");
  EXPECT_THAT(job(running)["failureReason"].get<std::string>(), HasSubstr("the hub was stopped"));
  const RestAnswer list = rest.get("/jobs");
  EXPECT_EQ(list.json.size(), 2u);
  EXPECT_THAT(list.body, Not(HasSubstr("secret")));
  EXPECT_EQ(job(export_to("out"))["status"], "completed");
}

TEST_F(RegistryJobsApi, the_oldest_jobs_are_forgotten) {
  const RestAnswer first = export_to("out");
  for (std::size_t i = 0; i < limits::kRegistryJobsKept; ++i) {
    rest.hub.loop.advance(seconds(1));
    export_to("out");
  }
  EXPECT_EQ(rest.get("/jobs").json.size(), limits::kRegistryJobsKept);
  EXPECT_EQ(rest.get("/jobs/" + first.json["jobId"].get<std::string>()).error_name(), "JobNotFound");
  start();
  EXPECT_EQ(rest.get("/jobs").json.size(), limits::kRegistryJobsKept);
}

TEST_F(RegistryJobsApi, requests_that_ask_for_what_is_not_there) {
  for (const auto* body :
       {R"({"type":"copy"})", R"({"type":"export"})", R"({"type":"import","outputBlobContainerUri":"out"})",
        R"({"type":"export","outputBlobContainerUri":7})",
        R"({"type":"export","outputBlobContainerUri":"out","outputBlobName":"../x"})",
        R"({"type":"export","outputBlobContainerUri":"out","storageAuthenticationType":"IdentityBased"})",
        R"({"type":"export","outputBlobContainerUri":"out","includeConfigurations":1})", "[]"}) {
    EXPECT_EQ(create(body).error_name(), "ArgumentInvalid") << body;
  }
  EXPECT_EQ(create("{").error_name(), "IotHubFormatError");
  EXPECT_EQ(rest.get("/jobs/none").error_name(), "JobNotFound");
  EXPECT_EQ(rest.del("/jobs/none").error_name(), "JobNotFound");
  EXPECT_EQ(rest.ask({"GET", "/jobs", {}, {}, "registryRead"}).status, 401);
  EXPECT_EQ(
      create(R"({"Type":"EXPORT","OutputBlobContainerUri":"out","storageAuthenticationType":"KeyBased"})")
          .status,
      200);
}

TEST(RegistryJob, is_read_as_it_was_stored) {
  RegistryJob wanted;
  wanted.id = "j";
  wanted.type = RegistryJob::Type::importing;
  wanted.status = RegistryJob::Status::failed;
  wanted.progress = 40;
  wanted.start = WallTime(milliseconds(1'790'000'000'000));
  wanted.failure_reason = "why";
  wanted.input_name = "a/b";
  wanted.output_name = "importErrors.log";
  wanted.exclude_keys = true;
  EXPECT_EQ(decode_registry_job(encode_registry_job(wanted)).value(), wanted);
  EXPECT_FALSE(decode_registry_job("{}"));
  EXPECT_FALSE(decode_registry_job("nonsense"));
  EXPECT_FALSE(decode_registry_job(R"({"id":"j","status":"dreaming"})"));
}

}  // namespace
}  // namespace kyanite::test
