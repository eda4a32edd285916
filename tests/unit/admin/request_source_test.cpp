#include "server/admin/request_source.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

const std::vector<std::string> kOwnNames{"hub.example.test", "alias.test"};

HttpRequest from(std::string host, std::string origin = {}) {
  HttpRequest request;
  request.headers.emplace_back("Host", std::move(host));
  if (!origin.empty()) request.headers.emplace_back("Origin", std::move(origin));
  return request;
}

TEST(RequestSource, names_that_no_page_can_have_are_local) {
  for (const char* host : {"127.0.0.1:8080", "127.0.0.1", "192.0.2.7:1", "[::1]:8080", "[fd00::1]",
                           "localhost", "LOCALHOST:8080", "localhost.", "kyanite.localhost:8080",
                           "kyanite:8080", "", "hub.example.test:8080", "HUB.Example.Test.", "alias.test"}) {
    EXPECT_TRUE(is_local_name(host, kOwnNames)) << host;
  }
  for (const char* host : {"evil.test", "evil.test:8080", "hub.example.test.evil.test", "xhub.example.test",
                           "127.0.0.1.evil.test", "evillocalhost.test", "localhost.evil.test", "a.b:8080"}) {
    EXPECT_FALSE(is_local_name(host, kOwnNames)) << host;
  }
}

TEST(RequestSource, a_name_made_to_lead_here_is_foreign_where_names_are_listed) {
  const auto foreign = foreign_request(from("evil.test:8080"), kOwnNames);
  ASSERT_TRUE(foreign);
  EXPECT_EQ(foreign->status, 421);
  EXPECT_FALSE(foreign_request(from("evil.test:8080"), std::nullopt));
  EXPECT_FALSE(foreign_request(HttpRequest{}, kOwnNames)) << "browsers send Host";
}

TEST(RequestSource, a_page_of_another_site_is_foreign_everywhere) {
  for (const char* origin : {"http://evil.test", "null", "http://127.0.0.1:9090", "http://127.0.0.1",
                             "ftp://127.0.0.1:8080", "127.0.0.1:8080", "http://127.0.0.1:8080.evil.test"}) {
    const auto foreign = foreign_request(from("127.0.0.1:8080", origin), std::nullopt);
    ASSERT_TRUE(foreign) << origin;
    EXPECT_EQ(foreign->status, 403);
  }
  for (const char* origin : {"http://127.0.0.1:8080", "https://127.0.0.1:8080", "HTTP://127.0.0.1:8080"})
    EXPECT_FALSE(foreign_request(from("127.0.0.1:8080", origin), kOwnNames)) << origin;
}

}  // namespace
}  // namespace kyanite
