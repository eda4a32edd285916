#include "server/admin/metrics_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace kyanite {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

HubMetrics filled() {
  HubMetrics metrics;
  metrics.version = "1.2.3";
  metrics.all.mqtt_connections = 3;
  metrics.all.devices_connected = 2;
  metrics.all.mqtt.accepted = 10;
  metrics.all.mqtt.refused[static_cast<std::size_t>(RefusalReason::bad_credential)] = 4;
  metrics.all.amqp.refused[static_cast<std::size_t>(RefusalReason::disabled)] = 1;
  metrics.all.amqp.links_refused[static_cast<std::size_t>(RefusalReason::disabled)] = 2;
  metrics.all.mqtt.ends[static_cast<std::size_t>(EndReason::takeover)] = 5;
  metrics.all.amqp.ends[static_cast<std::size_t>(EndReason::takeover)] = 1;
  metrics.all.mqtt_telemetry_messages = 12'345'678'901;
  metrics.all.hub.count(C2dEvent::expired, 7);
  metrics.all.hub.count(MethodOutcome::timed_out);
  metrics.all.hub.count(TwinOperation::replace, TwinOrigin::service, OperationResult::failed);
  metrics.all.hub.methods_under_way = 13;
  metrics.all.hub.method_seconds.observe(0.2, 3);
  metrics.all.hub.method_seconds.observe(100);
  metrics.shards = {{1, 0.5}, {2, 0.25}};
  metrics.listeners = {{.name = "mqtts", .accepted = 9, .handshakes = 8, .failed = {1, 0, 0, 0, 3}},
                       {.name = "admin", .accepted = 2, .with_tls = false}};
  metrics.throttled[static_cast<std::size_t>(ThrottleClass::queries)] = 6;
  StoreStatistics store;
  store.identities = {100, 20};
  store.c2d_queued = 11;
  store.commit_seconds.observe(0.003);
  metrics.store = store;
  return metrics;
}

TEST(MetricsText, numbers_stand_under_their_labels) {
  const std::string text = to_metrics_text(filled());
  for (const char* line :
       {"kyanite_build_info{version=\"1.2.3\"} 1\n",
        "kyanite_connections{protocol=\"mqtt\"} 3\n",
        "kyanite_connects_total{protocol=\"mqtt\",result=\"accepted\"} 10\n",
        "kyanite_connects_total{protocol=\"mqtt\",result=\"refused\"} 4\n",
        "kyanite_auth_refusals_total{protocol=\"mqtt\",reason=\"bad_credential\"} 4\n",
        "kyanite_auth_refusals_total{protocol=\"amqp\",reason=\"disabled\"} 3\n",
        "kyanite_takeovers_total 6\n",
        "kyanite_telemetry_messages_total{protocol=\"mqtt\",result=\"accepted\"} 12345678901\n",
        "kyanite_c2d_total{outcome=\"expired\"} 7\n",
        "kyanite_c2d_queued 11\n",
        "kyanite_method_calls_total{result=\"timed_out\"} 1\n",
        "kyanite_method_calls_under_way 13\n",
        "kyanite_twin_operations_total{op=\"replace\",origin=\"service\",result=\"failed\"} 1\n",
        "kyanite_devices{state=\"enabled\"} 80\n",
        "kyanite_devices{state=\"disabled\"} 20\n",
        "kyanite_devices{state=\"connected\"} 2\n",
        "kyanite_mailbox_depth{shard=\"1\"} 2\n",
        "kyanite_tls_handshakes_total{listener=\"mqtts\",result=\"untrusted\"} 1\n",
        "kyanite_tls_handshakes_total{listener=\"mqtts\",result=\"plain_text\"} 3\n",
        "kyanite_tls_handshakes_total{listener=\"mqtts\",result=\"failed\"} 0\n",
        "kyanite_loop_lag_seconds{shard=\"0\"} 0.5\n",
        "kyanite_accepted_connections_total{listener=\"admin\"} 2\n",
        "kyanite_throttled_total{class=\"queries\"} 6\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("kyanite_tls_handshakes_total{listener=\"admin\"")));
}

TEST(MetricsText, buckets_are_cumulative_and_end_with_all) {
  const std::string text = to_metrics_text(filled());
  for (const char* line :
       {"kyanite_method_seconds_bucket{le=\"0.1\"} 0\n", "kyanite_method_seconds_bucket{le=\"0.25\"} 3\n",
        "kyanite_method_seconds_bucket{le=\"30\"} 3\n", "kyanite_method_seconds_bucket{le=\"+Inf\"} 4\n",
        "kyanite_method_seconds_count 4\n", "kyanite_commit_seconds_bucket{le=\"0.005\"} 1\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(MetricsText, every_line_has_the_form_and_every_family_its_help_and_type_once) {
  const std::string text = to_metrics_text(filled());
  ASSERT_EQ(text.back(), '\n');
  const std::regex sample(R"(([a-z0-9_]+)(\{([a-z]+="[A-Za-z0-9_.+]+",?)+\})? ([0-9.e+-]+|\+Inf))");
  std::map<std::string, int> types;
  std::set<std::string> seen;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("# HELP ")) continue;
    if (line.starts_with("# TYPE ")) {
      ++types[line.substr(7, line.find(' ', 7) - 7)];
      continue;
    }
    std::smatch match;
    ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
    EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
    std::string family = match[1];
    if (types.count(family) == 0) family = std::regex_replace(family, std::regex("_(bucket|sum|count)$"), "");
    EXPECT_EQ(types.count(family), 1u) << line;
  }
  for (const auto& [family, times] : types) EXPECT_EQ(times, 1) << family;
}

TEST(MetricsText, a_store_that_does_not_answer_leaves_its_families_out) {
  HubMetrics metrics = filled();
  metrics.store.reset();
  const std::string text = to_metrics_text(metrics);
  EXPECT_THAT(text, Not(HasSubstr("kyanite_commit_seconds")));
  EXPECT_THAT(text, Not(HasSubstr("kyanite_c2d_queued")));
  EXPECT_THAT(text, HasSubstr("kyanite_devices{state=\"connected\"} 2\n"));
}

TEST(MetricsText, shards_add_up) {
  ShardMetrics sum;
  sum.add(filled().all);
  sum.add(filled().all);
  EXPECT_EQ(sum.mqtt_connections, 6u);
  EXPECT_EQ(sum.mqtt.accepted, 20u);
  EXPECT_EQ(sum.mqtt_telemetry_messages, 24'691'357'802u);
  EXPECT_EQ(sum.hub.c2d[static_cast<std::size_t>(C2dEvent::expired)], 14u);
  EXPECT_EQ(sum.hub.methods_under_way, 26u);
  EXPECT_EQ(sum.hub.method_seconds.count(SecondsHistogram::kBuckets - 1), 2u);
}

}  // namespace
}  // namespace kyanite
