#include "server/admin/admin_router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/json_limits.h"
#include "server/admin/metrics_text.h"
#include "storage/memory/memory_stores.h"
#include "tests/support/sim_executor.h"

namespace kyanite {
namespace {

using test::SimExecutor;
using test::SimLoop;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The REST API as the router sees it: it says that it was asked.
class FakeApi final : public HttpRequestHandler {
 public:
  std::optional<HttpResponse> refuse_early(const HttpRequest&) override {
    ++early;
    return std::nullopt;
  }
  bool plans_body(const HttpRequest&) const override { return true; }
  void plan_body(const HttpRequest&, Reply<BodyPlan> reply) override { reply(BodyPlan{}); }
  void handle(const HttpRequest& request, Reply<HttpResponse> reply) override {
    handled.push_back(request.target);
    HttpResponse response;
    response.status = 299;
    reply(std::move(response));
  }
  HttpResponse reject(const HttpRequest&, const Error& error) override {
    HttpResponse response;
    response.status = error.code == Errc::busy ? 503 : 599;
    response.body = error.detail;
    return response;
  }
  int early = 0;
  std::vector<std::string> handled;
};

class FakeMetrics final : public MetricsSource {
 public:
  void scrape(Reply<MetricsText> reply) override { waiting.push_back(std::move(reply)); }
  std::vector<Reply<MetricsText>> waiting;
};

class AdminRouterTest : public testing::Test {
 protected:
  AdminRouterTest() { readiness.set_phase(Readiness::Phase::serving); }

  static HttpRequest request(std::string_view path, HttpVerb verb = HttpVerb::get) {
    HttpRequest made;
    made.verb = verb;
    parse_http_target(path, made);
    return made;
  }
  // Nothing while no answer has come.
  std::optional<HttpResponse> ask(std::string_view path, HttpVerb verb = HttpVerb::get) {
    answers.clear();
    router.handle(request(path, verb), Reply<HttpResponse>(executor, [this](Result<HttpResponse> answer) {
                    answers.push_back(std::move(answer.value()));
                  }));
    loop.run();
    if (answers.empty()) return std::nullopt;
    EXPECT_EQ(answers.size(), 1u);
    return std::move(answers.front());
  }
  int status(std::string_view path, HttpVerb verb = HttpVerb::get) {
    const auto answer = ask(path, verb);
    return answer ? answer->status : 0;
  }
  std::vector<std::string> missing(std::string_view path = "/readyz") {
    const auto answer = ask(path);
    std::vector<std::string> checks;
    const Json json = parse_json(answer->body).value();
    for (const Json& item : json["missing"]) checks.push_back(item["check"].get<std::string>());
    return checks;
  }

  SimLoop loop;
  SimExecutor executor{loop};
  MemoryStores stores{executor};
  Readiness readiness{stores};
  FakeApi api;
  FakeMetrics metrics;
  AdminRouter router{executor, api, readiness, metrics};
  std::vector<HttpResponse> answers;
};

TEST_F(AdminRouterTest, its_own_paths_answer_and_every_other_is_the_apis) {
  for (const std::string_view path : {"/healthz", "/readyz", "/health", "/healthz/", "/health?x=1"}) {
    EXPECT_EQ(status(path), 200) << path;
  }
  EXPECT_THAT(api.handled, IsEmpty());
  for (const std::string_view path : {"/", "/health/x", "/devices/health", "/Health", "/metrics/x"}) {
    EXPECT_EQ(status(path), 299) << path;
  }
  EXPECT_EQ(api.handled.size(), 5u);
}

TEST_F(AdminRouterTest, its_own_paths_only_read) {
  for (const std::string_view path : {"/healthz", "/readyz", "/health", "/metrics", "/ca.pem"}) {
    for (const HttpVerb verb : {HttpVerb::post, HttpVerb::put, HttpVerb::del, HttpVerb::patch,
                                HttpVerb::options, HttpVerb::other}) {
      const auto answer = ask(path, verb);
      ASSERT_TRUE(answer) << path;
      EXPECT_EQ(answer->status, 405) << path;
      EXPECT_THAT(answer->headers, testing::Contains(testing::Pair("Allow", "GET, HEAD")));
      EXPECT_EQ(router.refuse_early(request(path, verb))->status, 405) << path;
    }
    EXPECT_EQ(router.refuse_early(request(path))->status, 400) << "a body on " << path;
  }
  EXPECT_EQ(api.early, 0);
}

TEST_F(AdminRouterTest, readiness_names_what_is_missing) {
  EXPECT_EQ(ask("/readyz")->body, "{\"status\":\"ready\"}\n");
  readiness.set_phase(Readiness::Phase::applying_seed);
  EXPECT_THAT(missing(), ElementsAre("seed", "listeners"));
  readiness.set_phase(Readiness::Phase::opening_listeners);
  EXPECT_THAT(missing(), ElementsAre("listeners"));
  readiness.set_phase(Readiness::Phase::draining);
  EXPECT_THAT(missing(), ElementsAre("listeners"));
  EXPECT_EQ(status("/readyz"), 503);
  EXPECT_EQ(status("/health"), 503);
  EXPECT_EQ(status("/healthz"), 200);
  readiness.set_phase(Readiness::Phase::serving);
  EXPECT_EQ(status("/readyz"), 200);
}

TEST_F(AdminRouterTest, a_full_disk_is_not_ready_and_a_full_queue_is) {
  stores.set_pressure(StorePressure::queue_full);
  EXPECT_EQ(status("/readyz"), 200);
  stores.set_pressure(StorePressure::disk_low);
  EXPECT_EQ(status("/readyz"), 503);
  EXPECT_THAT(missing("/health"), ElementsAre("store"));
  EXPECT_EQ(status("/devices"), 299) << "what does not write goes on";
  readiness.set_phase(Readiness::Phase::draining);
  EXPECT_THAT(missing(), ElementsAre("listeners", "store"));
}

TEST_F(AdminRouterTest, the_api_is_closed_until_the_hub_serves_and_when_it_goes) {
  readiness.set_phase(Readiness::Phase::applying_seed);
  EXPECT_EQ(status("/devices"), 503);
  EXPECT_THAT(router.refuse_early(request("/devices"))->body, HasSubstr("starting"));
  readiness.set_phase(Readiness::Phase::draining);
  EXPECT_EQ(status("/devices"), 599);
  EXPECT_THAT(api.handled, IsEmpty());
  readiness.set_phase(Readiness::Phase::serving);
  EXPECT_FALSE(router.refuse_early(request("/devices", HttpVerb::post)));
  EXPECT_EQ(status("/devices"), 299);
}

TEST_F(AdminRouterTest, metrics_are_answered_when_they_are_gathered) {
  EXPECT_FALSE(ask("/metrics"));
  metrics.waiting.front()(MetricsText(std::make_shared<const std::string>("kyanite_ready 1\n")));
  loop.run();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers.front().status, 200);
  EXPECT_EQ(answers.front().content_type, kMetricsType);
  EXPECT_EQ(answers.front().body, "kyanite_ready 1\n");
}

TEST_F(AdminRouterTest, metrics_that_cannot_be_gathered_are_no_success) {
  EXPECT_FALSE(ask("/metrics"));
  metrics.waiting.clear();  // a reply that is dropped answers itself
  loop.run();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers.front().status, 503);
}

TEST_F(AdminRouterTest, the_ca_is_shown_when_there_is_one) {
  EXPECT_EQ(status("/ca.pem"), 404);
  router.set_ca("-----BEGIN CERTIFICATE-----\n");
  const auto answer = ask("/ca.pem");
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->content_type, "application/x-pem-file");
  EXPECT_EQ(answer->body, "-----BEGIN CERTIFICATE-----\n");
}

TEST_F(AdminRouterTest, a_page_of_another_site_gets_neither_numbers_nor_the_api) {
  for (const char* path : {"/healthz", "/metrics", "/devices"}) {
    HttpRequest foreign = request(path);
    foreign.headers.emplace_back("Host", "127.0.0.1:8080");
    foreign.headers.emplace_back("Origin", "http://evil.test");
    const auto early = router.refuse_early(foreign);
    ASSERT_TRUE(early) << path;
    EXPECT_EQ(early->status, 403) << path;
    answers.clear();
    router.handle(foreign, Reply<HttpResponse>(executor, [this](Result<HttpResponse> answer) {
                    answers.push_back(std::move(answer.value()));
                  }));
    loop.run();
    ASSERT_EQ(answers.size(), 1u) << path;
    EXPECT_EQ(answers.front().status, 403) << path;
  }
  EXPECT_THAT(api.handled, IsEmpty());
  EXPECT_THAT(metrics.waiting, IsEmpty());
}

}  // namespace
}  // namespace kyanite
