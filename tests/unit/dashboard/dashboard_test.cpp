#include "server/dashboard/dashboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

namespace kyanite::test {
namespace {

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string content_type, body;
  std::optional<std::uint64_t> length;
};

std::optional<Answer> get(const std::string& target,
                          std::vector<std::pair<std::string, std::string>> headers = {},
                          HttpVerb verb = HttpVerb::get) {
  HttpRequest request;
  request.verb = verb;
  parse_http_target(target, request);
  request.headers = std::move(headers);
  auto response = answer_dashboard(request);
  if (!response) return std::nullopt;
  Answer answer{response->status, {}, response->content_type, response->body, response->length};
  for (const auto& [name, value] : response->headers) answer.headers[name] = value;
  return answer;
}

TEST(Dashboard, its_first_page_is_at_the_root_and_at_its_folder) {
  const auto root = get("/");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->status, 200);
  EXPECT_EQ(root->content_type, "text/html; charset=utf-8");
  EXPECT_THAT(root->body, testing::StartsWith("<!doctype html>"));
  for (const char* other : {"/dashboard", "/dashboard/", "/dashboard/index.html", "/?x=1"}) {
    ASSERT_TRUE(get(other)) << other;
    EXPECT_EQ(get(other)->body, root->body) << other;
  }
}

TEST(Dashboard, every_file_is_served_with_its_type_and_by_no_other_path) {
  ASSERT_GT(dashboard_files().size(), 10u);
  for (const DashboardFile& file : dashboard_files()) {
    const std::string name(file.name);
    const auto answer = get("/dashboard/" + name);
    ASSERT_TRUE(answer) << name;
    EXPECT_EQ(answer->body, file.content) << name;
    EXPECT_EQ(answer->content_type, file.content_type) << name;
    EXPECT_FALSE(get("/" + name)) << name;
    EXPECT_FALSE(get("/dashboard/vendor/" + name)) << name;
  }
}

TEST(Dashboard, paths_of_the_api_and_of_nobody_are_left_alone) {
  for (const char* other : {"/devices", "/devices/d1", "/kyanite/v1/status", "/dashboard/nothing.js",
                            "/dashboard/a/b", "/Dashboard", "/dashboard/..", "/dashboard/%2e%2e/app.js",
                            "/dashboard/README.md", "/dashboard/app.js/x", "/dashboardx"}) {
    EXPECT_FALSE(get(other)) << other;
  }
}

TEST(Dashboard, only_get_and_head_are_answered) {
  for (const HttpVerb verb :
       {HttpVerb::post, HttpVerb::put, HttpVerb::del, HttpVerb::patch, HttpVerb::options, HttpVerb::other}) {
    EXPECT_FALSE(get("/", {}, verb));
  }
  EXPECT_TRUE(get("/", {}, HttpVerb::head));
}

TEST(Dashboard, a_strict_policy_goes_with_every_file) {
  for (const DashboardFile& file : dashboard_files()) {
    const auto answer = get("/dashboard/" + std::string(file.name));
    EXPECT_EQ(
        answer->headers.at("Content-Security-Policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    EXPECT_EQ(answer->headers.at("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(answer->headers.at("Referrer-Policy"), "no-referrer");
    EXPECT_EQ(answer->headers.at("Cache-Control"), "no-cache");
    EXPECT_EQ(answer->headers.at("Vary"), "Accept-Encoding");
  }
}

TEST(Dashboard, is_compressed_for_those_who_take_it) {
  const auto encoding = [](const char* accepted) {
    const auto answer = get("/dashboard/app.js", {{"Accept-Encoding", accepted}});
    return answer->headers.contains("Content-Encoding");
  };
  for (const char* takes : {"gzip", "deflate, gzip;q=0.5, br", "GZIP", "br, gzip;q=1.000"})
    EXPECT_TRUE(encoding(takes)) << takes;
  for (const char* not_so : {"", "br", "identity", "gzip;q=0", "gzip; q=0.000", "x-gzip", "gzipped"}) {
    EXPECT_FALSE(encoding(not_so)) << not_so;
  }
  const auto answer = get("/dashboard/app.js", {{"Accept-Encoding", "gzip"}});
  EXPECT_THAT(answer->body, testing::StartsWith("\x1f\x8b"));
  EXPECT_LT(answer->body.size(), get("/dashboard/app.js")->body.size());
}

TEST(Dashboard, what_the_browser_has_already_is_not_sent_again) {
  const std::string etag = get("/")->headers.at("ETag");
  EXPECT_NE(etag, get("/dashboard/app.js")->headers.at("ETag"));
  for (const std::string& known : {etag, etag.substr(2), "\"x\", " + etag, std::string("*")}) {
    const auto answer = get("/", {{"If-None-Match", known}});
    EXPECT_EQ(answer->status, 304) << known;
    EXPECT_EQ(answer->body, "") << known;
    EXPECT_EQ(answer->headers.at("ETag"), etag);
  }
  EXPECT_EQ(get("/", {{"If-None-Match", "\"other\""}})->status, 200);
  EXPECT_EQ(get("/", {{"If-None-Match", ""}})->status, 200);
}

}  // namespace
}  // namespace kyanite::test
