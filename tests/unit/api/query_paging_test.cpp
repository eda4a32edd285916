#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "protocol/base/limits.h"
#include "server/hub/query_service.h"
#include "tests/unit/api/rest_hub.h"

// Pages and bounds of POST /devices/query (service-rest.md 6.1, 15: 75, 84).
namespace kyanite::test {
namespace {

class QueryPaging : public testing::Test {
 protected:
  void add_devices(int from, int count) {
    for (int i = from; i < from + count; ++i) {
      char name[16];
      std::snprintf(name, sizeof name, "d%04d", i);
      rest.hub.add({name, ""});
    }
  }
  RestAnswer page(const std::string& text, const std::string& size, const std::string& token = "") {
    RestRequest request{"POST", "/devices/query", dump_json(Json{{"query", text}}), {}};
    if (!size.empty()) request.headers.emplace_back("x-ms-max-item-count", size);
    if (!token.empty()) request.headers.emplace_back("x-ms-continuation", token);
    return rest.ask(std::move(request));
  }
  static std::string token_of(const RestAnswer& answer) {
    const auto header = answer.headers.find("x-ms-continuation");
    return header == answer.headers.end() ? std::string() : header->second;
  }
  // Sizes of all pages, and that no row came twice.
  std::vector<std::size_t> sizes(const std::string& text, const std::string& size) {
    std::vector<std::size_t> found;
    std::set<std::string> seen;
    std::string token;
    do {
      const RestAnswer answer = page(text, size, token);
      EXPECT_EQ(answer.status, 200) << answer.body;
      found.push_back(answer.json.size());
      for (const Json& row : answer.json) EXPECT_TRUE(seen.insert(dump_json(row)).second) << row;
      token = token_of(answer);
    } while (!token.empty() && found.size() < 100);
    return found;
  }
  // The same while turns of the store take time.
  RestAnswer slow_page(const std::string& text, const std::string& token = "") {
    RestRequest request{"POST", "/devices/query", dump_json(Json{{"query", text}}), {}};
    if (!token.empty()) request.headers.emplace_back("x-ms-continuation", token);
    return rest.ask(std::move(request), seconds(180));
  }
  std::string refusal(const RestAnswer& answer) {
    return std::to_string(answer.status) + " " + answer.error_name();
  }

  RestHub rest;
};

using Sizes = std::vector<std::size_t>;
constexpr const char* kIds = "SELECT deviceId FROM devices";

TEST_F(QueryPaging, R75_the_last_page_has_no_continuation) {
  add_devices(0, 25);
  EXPECT_EQ(sizes(kIds, "10"), (Sizes{10, 10, 5}));
  EXPECT_EQ(sizes(kIds, "5"), (Sizes{5, 5, 5, 5, 5}));
  EXPECT_EQ(sizes("SELECT * FROM devices", "24"), (Sizes{24, 1}));
  EXPECT_EQ(sizes(kIds, ""), (Sizes{25}));
  EXPECT_EQ(sizes("SELECT deviceId FROM devices WHERE connectionState = 'Disconnected'", "10"),
            (Sizes{10, 10, 5}));
  EXPECT_EQ(sizes("SELECT deviceId FROM devices WHERE deviceId < 'd0010'", "10"), (Sizes{10}));
}

TEST_F(QueryPaging, R75_rows_that_come_and_go_make_no_duplicates) {
  add_devices(0, 25);
  const RestAnswer first = page(kIds, "10");
  ASSERT_EQ(rest.del("/devices/d0009").status, 204);  // the last one of the page
  ASSERT_EQ(rest.del("/devices/d0012").status, 204);
  rest.hub.add({"a", ""});
  rest.hub.add({"d0010x", ""});
  const RestAnswer second = page(kIds, "10", token_of(first));
  EXPECT_EQ(second.json[0]["deviceId"], "d0010");
  EXPECT_EQ(second.json[1]["deviceId"], "d0010x");
  EXPECT_EQ(second.json[2]["deviceId"], "d0011");
  EXPECT_EQ(second.json[3]["deviceId"], "d0013");
}

TEST_F(QueryPaging, a_page_has_a_hundred_rows_by_default_and_a_thousand_at_most) {
  add_devices(0, 1005);
  EXPECT_EQ(page(kIds, "").json.size(), 100U);
  EXPECT_EQ(page(kIds, "5000").json.size(), 1000U);  // R84
  EXPECT_EQ(page(kIds, "99999999999999999999").json.size(), 1000U);
  EXPECT_EQ(page(kIds, "0").json.size(), 1U);
  EXPECT_EQ(page(kIds, "-3").json.size(), 1U);
  EXPECT_EQ(refusal(page(kIds, "ten")), "400 ArgumentInvalid");
  EXPECT_EQ(refusal(page(kIds, "1.5")), "400 ArgumentInvalid");
  EXPECT_EQ(sizes("SELECT * FROM devices", "1000"), (Sizes{1000, 5}));
}

TEST_F(QueryPaging, a_page_of_large_twins_ends_by_its_bytes) {
  for (int i = 0; i < 8; ++i) {
    const std::string device = "d" + std::to_string(i);
    rest.hub.add({device, ""});
    Json desired = Json::object();
    for (int key = 0; key < 7; ++key) desired["k" + std::to_string(key)] = std::string(4000, 'x');
    const Json body{{"properties", {{"desired", desired}}}};
    ASSERT_EQ(rest.ask({"PATCH", "/twins/" + device, dump_json(body), {}}).status, 200);
  }
  EXPECT_EQ(sizes("SELECT * FROM devices", ""), (Sizes{8}));  // 8 x 28 KB
  for (int i = 8; i < 60; ++i) {
    const std::string device = "d" + std::to_string(i);
    rest.hub.add({device, ""});
    Json desired = Json::object();
    for (int key = 0; key < 7; ++key) desired["k" + std::to_string(key)] = std::string(4000, 'x');
    const Json body{{"properties", {{"desired", desired}}}};
    ASSERT_EQ(rest.ask({"PATCH", "/twins/" + device, dump_json(body), {}}).status, 200);
  }
  const Sizes found = sizes("SELECT * FROM devices", "");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0] + found[1], 60U);
  EXPECT_EQ(sizes(kIds, ""), (Sizes{60}));
}

TEST_F(QueryPaging, top_counts_over_all_pages) {
  add_devices(0, 25);
  EXPECT_EQ(sizes("SELECT TOP 12 deviceId FROM devices", "5"), (Sizes{5, 5, 2}));
  EXPECT_EQ(sizes("SELECT TOP 10 deviceId FROM devices", "5"), (Sizes{5, 5}));
  EXPECT_EQ(sizes("SELECT TOP 100 * FROM devices", "20"), (Sizes{20, 5}));
  EXPECT_EQ(sizes("SELECT TOP 3 deviceId, COUNT() AS n FROM devices GROUP BY deviceId", "2"), (Sizes{2, 1}));
}

TEST_F(QueryPaging, groups_come_in_pages) {
  add_devices(0, 25);
  EXPECT_EQ(sizes("SELECT deviceId, COUNT() AS n FROM devices GROUP BY deviceId", "10"), (Sizes{10, 10, 5}));
  EXPECT_EQ(sizes("SELECT deviceId, COUNT() AS n FROM devices GROUP BY deviceId, connectionState", "25"),
            (Sizes{25}));
}

TEST_F(QueryPaging, modules_come_in_pages) {
  add_devices(0, 3);
  for (const char* device : {"d0000", "d0002"}) {
    for (const char* module : {"m1", "m2", "m3"}) rest.hub.add({device, module});
  }
  EXPECT_EQ(sizes("SELECT deviceId, moduleId FROM devices.modules", "2"), (Sizes{2, 2, 2}));
  EXPECT_EQ(sizes("SELECT deviceId, moduleId FROM devices.modules", "4"), (Sizes{4, 2}));
}

TEST_F(QueryPaging, a_continuation_is_safe_in_urls_and_belongs_to_its_query) {
  add_devices(0, 3);
  const std::string token = token_of(page(kIds, "1"));
  ASSERT_FALSE(token.empty());
  EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string::npos);
  EXPECT_EQ(refusal(page("SELECT deviceId FROM devices WHERE 1=1", "1", token)), "400 ArgumentInvalid");
  for (const std::string& bad : {std::string("x"), std::string("not a token"), token.substr(1), token + "AA!",
                                 std::string("MQ"), std::string(9000, 'A')}) {
    EXPECT_EQ(refusal(page(kIds, "1", bad)), "400 ArgumentInvalid") << bad.substr(0, 30);
  }
  RestHub another;
  another.hub.add({"d9", ""});
  RestRequest request{
      "POST", "/devices/query", dump_json(Json{{"query", kIds}}), {{"x-ms-continuation", token}}};
  EXPECT_EQ(another.ask(std::move(request)).body, R"([{"deviceId":"d9"}])");  // nothing is kept in the hub
}

TEST_F(QueryPaging, more_than_ten_thousand_groups_are_refused) {
  add_devices(0, 1);
  MemoryState& disk = rest.hub.stores.disk();
  const IdentityRecord record = disk.identities.begin()->second;
  const TwinRecord twin = disk.twins.begin()->second;
  for (std::size_t i = 1; i < limits::kQueryGroupsMax; ++i) {
    const Identity id{"more" + std::to_string(i), ""};
    disk.identities[id] = record;
    disk.identities[id].id = id;
    disk.twins[id] = twin;
  }
  const char* const text = "SELECT deviceId, COUNT() AS n FROM devices GROUP BY deviceId";
  EXPECT_EQ(page(text, "1000").json.size(), 1000U);
  add_devices(1, 1);
  const RestAnswer refused = page(text, "");
  EXPECT_EQ(refusal(refused), "400 ArgumentInvalid");
  EXPECT_NE(refused.body.find("more groups"), std::string::npos);
  EXPECT_EQ(page(std::string(text) + ", status", "").status, 400);
  EXPECT_EQ(page("SELECT COUNT() AS n FROM devices", "").json[0]["n"], limits::kQueryGroupsMax + 1);
}

TEST_F(QueryPaging, the_number_of_queries_under_way_is_bounded) {
  add_devices(0, 5);
  const HttpRequest request = rest.parse({"POST", "/devices/query", dump_json(Json{{"query", kIds}}), {}});
  std::map<int, std::size_t> answers;
  std::string error;
  for (std::size_t i = 0; i < limits::kQueriesMax + 3; ++i) {
    rest.router.handle(request, Reply<HttpResponse>(rest.hub.executor(0), [&](Result<HttpResponse> answer) {
                         ASSERT_TRUE(answer);
                         ++answers[answer->status];
                         if (answer->status != 200) error = answer->body;
                       }));
  }
  rest.hub.loop.run();
  EXPECT_EQ(answers, (std::map<int, std::size_t>{{200, limits::kQueriesMax}, {503, 3}}));
  EXPECT_NE(error.find("ErrorCode:ServerBusy;"), std::string::npos) << error;
  EXPECT_EQ(page(kIds, "").json.size(), 5U);
}

// So many are looked at in one turn when owners have to be asked.
constexpr int kLiveTurn = 500;
constexpr const char* kConnected = " FROM devices WHERE connectionState = 'Connected'";

TEST_F(QueryPaging, a_page_ends_after_ten_seconds_and_the_next_one_goes_on) {
  add_devices(0, 2 * kLiveTurn + 5);
  rest.hub.stores.faults.scan_takes = seconds(11);
  RestAnswer answer = slow_page(std::string("SELECT deviceId") + kConnected);
  std::size_t pages = 1;
  for (; !token_of(answer).empty(); ++pages) {
    ASSERT_EQ(answer.body, "[]");
    answer = slow_page(std::string("SELECT deviceId") + kConnected, token_of(answer));
  }
  EXPECT_EQ(answer.body, "[]");
  EXPECT_EQ(pages, 3U);
}

TEST_F(QueryPaging, an_aggregate_that_takes_longer_than_a_minute_is_given_up) {
  add_devices(0, 2 * kLiveTurn + 5);
  const std::string count = std::string("SELECT COUNT() AS n") + kConnected;
  rest.hub.stores.faults.scan_takes = seconds(19);
  EXPECT_EQ(slow_page(count).body, R"([{"n":0}])");
  rest.hub.stores.faults.scan_takes = seconds(35);
  EXPECT_EQ(refusal(slow_page(count)), "504 GatewayTimeout");
  rest.hub.stores.faults.scan_takes = seconds(0);
  EXPECT_EQ(page(count, "").body, R"([{"n":0}])");
}

TEST_F(QueryPaging, a_rate_limit_of_the_service_may_be_switched_on) {
  SimHub::Options options;
  options.settings.limits.tier = Tier::s1;
  RestHub limited(std::move(options));
  const auto ask = [&limited] {
    return limited.ask({"POST", "/devices/query", R"({"query":"SELECT * FROM devices"})", {}}).status;
  };
  for (int i = 0; i < 20; ++i) ASSERT_EQ(ask(), 200);
  EXPECT_EQ(ask(), 429);
}

TEST(QueryContinuation, survives_its_own_text) {
  const QueryContinuation continuation{18446744073709551615U, 7, std::string("d\n1\0m?>", 7)};
  const auto read = decode_continuation(encode_continuation(continuation), continuation.query_hash);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->rows_before, 7U);
  EXPECT_EQ(read->position, continuation.position);
  EXPECT_FALSE(decode_continuation(encode_continuation(continuation), 1));
}

}  // namespace
}  // namespace kyanite::test
