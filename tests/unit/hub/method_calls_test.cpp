#include "server/hub/method_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "protocol/base/limits.h"
#include "storage/memory/memory_stores.h"
#include "tests/support/sim_executor.h"

namespace kyanite {
namespace {

using test::SimExecutor;
using test::SimLoop;
using testing::HasSubstr;

// A device whose connections are what the test says.
class FakeHost final : public DeviceHost {
 public:
  explicit FakeHost(SimExecutor& executor) : executor_(executor) {}

  const std::string& device() const override { return device_; }
  Executor& executor() override { return executor_; }
  Stores& stores() override { std::abort(); }  // methods store nothing
  const Settings& settings() const override { return settings_; }
  HubEvents& events() override { std::abort(); }
  HubCounters& counters() override { return counted; }
  const IdentityRecord* identity(const std::string&) const override { return nullptr; }
  IdentityView view(const IdentityRecord& record) const override { return {record}; }
  const DeviceLink* link(const std::string& module) const override {
    const auto it = links.find(module);
    return it == links.end() ? nullptr : &it->second;
  }
  void send(const std::string& module, ConnectionMessage message) override {
    sent.emplace_back(module, std::get<CallMethod>(std::move(message)));
  }
  void settled() override { ++settled_count; }

  void connect(const std::string& module, bool listens) {
    DeviceLink link;
    if (listens) link.filters.push_back({"$iothub/methods/POST/#", FilterKind::methods, 0, kNever});
    links[module] = link;
  }

  std::map<std::string, DeviceLink> links;
  std::vector<std::pair<std::string, CallMethod>> sent;
  int settled_count = 0;
  HubCounters counted;
  Settings settings_;

 private:
  SimExecutor& executor_;
  std::string device_ = "d1";
};

class MethodCallsTest : public ::testing::Test {
 protected:
  using Answers = std::vector<Result<MethodResult>>;

  // The answers to one call; a second one would be seen.
  std::shared_ptr<Answers> invoke(std::string method, seconds connect = seconds{0},
                                  const std::string& module = {}, std::optional<std::string> payload = "{}",
                                  seconds response = seconds{30}) {
    const auto answers = std::make_shared<Answers>();
    InvokeMethod message;
    message.identity = {"d1", module};
    message.method = std::move(method);
    message.payload = std::move(payload);
    message.connect_timeout = connect;
    message.response_timeout = response;
    message.reply = Reply<MethodResult>(
        executor, [answers](Result<MethodResult> result) { answers->push_back(std::move(result)); });
    calls->invoke(std::move(message));
    loop.run();
    return answers;
  }
  void answer(const std::string& request_id, std::int32_t status, std::string body,
              const std::string& module = {}) {
    calls->answer({{"d1", module}, Epoch{1}, request_id, status, std::move(body)});
    loop.run();
  }
  void listen(const std::string& module = {}) {
    host.connect(module, true);
    calls->on_listening(module);
    loop.run();
  }
  void hang_up(const std::string& module = {}) {
    host.links.erase(module);
    calls->on_link_ended(module);
    loop.run();
  }
  static Errc code(const Answers& answers) {
    EXPECT_EQ(answers.size(), 1u);
    return answers.empty() || answers[0] ? Errc::internal : answers[0].error().code;
  }
  const std::string& id(std::size_t index = 0) { return host.sent.at(index).second.request_id; }

  SimLoop loop;
  SimExecutor executor{loop};
  FakeHost host{executor};
  std::unique_ptr<MethodCalls> calls = std::make_unique<MethodCalls>(host);
};

TEST_F(MethodCallsTest, B71_the_answer_of_the_device_is_the_answer_of_the_call) {
  listen();
  const auto answers = invoke("reboot", seconds{0}, {}, "{\"a\": 1.0}");
  ASSERT_EQ(host.sent.size(), 1u);
  EXPECT_EQ(host.sent[0].second.method, "reboot");
  EXPECT_EQ(host.sent[0].second.body, "{\"a\": 1.0}");
  EXPECT_FALSE(calls->is_quiet());
  answer(id(), 200, "{\"ok\":true}");
  ASSERT_EQ(answers->size(), 1u);
  ASSERT_TRUE((*answers)[0]);
  EXPECT_EQ((*answers)[0]->status, 200);
  EXPECT_EQ((*answers)[0]->payload, "{\"ok\":true}");
  EXPECT_TRUE(calls->is_quiet());
}

TEST_F(MethodCallsTest, request_ids_are_short_hexadecimal_and_never_the_same) {
  listen();
  std::set<std::string> ids;
  for (int i = 0; i < 300; ++i) invoke("m");
  for (const auto& [module, call] : host.sent) {
    EXPECT_TRUE(std::regex_match(call.request_id, std::regex("[0-9a-f-]{1,36}"))) << call.request_id;
    ids.insert(call.request_id);
  }
  EXPECT_EQ(ids.size(), 300u);
  loop.advance(milliseconds(1));
  MethodCalls later(host);  // of a hub that was started again
  InvokeMethod message;
  message.identity = {"d1", {}};
  message.reply = Reply<MethodResult>(executor, [](const Result<MethodResult>&) {});
  later.invoke(std::move(message));
  EXPECT_FALSE(ids.contains(host.sent.back().second.request_id));
}

TEST_F(MethodCallsTest, B72_an_empty_answer_has_an_empty_payload) {
  listen();
  const auto answers = invoke("m");
  answer(id(), -7, "");
  ASSERT_EQ(answers->size(), 1u);
  EXPECT_EQ((*answers)[0].value().status, -7);
  EXPECT_EQ((*answers)[0].value().payload, "");
}

TEST_F(MethodCallsTest, B73_without_a_listening_connection_a_call_fails_at_once) {
  EXPECT_EQ(code(*invoke("m")), Errc::device_not_online);
  host.connect({}, false);
  EXPECT_EQ(code(*invoke("m")), Errc::device_not_online);
  EXPECT_TRUE(host.sent.empty());
  EXPECT_TRUE(calls->is_quiet());
}

TEST_F(MethodCallsTest,
       B74_R88_a_silent_device_ends_the_call_by_its_response_timeout_and_a_late_answer_is_ignored) {
  listen();
  const auto answers = invoke("m", seconds{0}, {}, "1", seconds{5});
  loop.advance(milliseconds(4999));
  EXPECT_TRUE(answers->empty());
  loop.advance(milliseconds(1));
  EXPECT_EQ(code(*answers), Errc::timed_out);
  EXPECT_EQ(host.settled_count, 1);
  answer(id(), 200, "1");
  EXPECT_EQ(answers->size(), 1u);
}

TEST_F(MethodCallsTest, B75_R89_a_call_waits_for_the_device_to_listen) {
  const auto answers = invoke("m", seconds{10});
  loop.advance(seconds(3));
  host.connect({}, false);
  loop.advance(seconds(1));
  EXPECT_TRUE(host.sent.empty());
  listen();
  ASSERT_EQ(host.sent.size(), 1u);
  loop.advance(seconds(20));  // the connect timeout is over; the response timeout runs from the dispatch
  EXPECT_TRUE(answers->empty());
  answer(id(), 200, "null");
  EXPECT_EQ((*answers).at(0).value().payload, "null");
}

TEST_F(MethodCallsTest, the_connect_timeout_ends_a_call_that_nobody_listened_for) {
  const auto answers = invoke("m", seconds{10});
  loop.advance(seconds(10));
  EXPECT_EQ(code(*answers), Errc::device_not_online);
  EXPECT_THAT((*answers)[0].error().detail, HasSubstr("waiting for device to subscribe"));
  EXPECT_EQ(host.settled_count, 1);
  listen();
  EXPECT_TRUE(host.sent.empty());
}

TEST_F(MethodCallsTest, waiting_calls_are_sent_in_the_order_they_came) {
  invoke("a", seconds{10});
  invoke("b", seconds{10});
  invoke("c", seconds{10});
  listen();
  ASSERT_EQ(host.sent.size(), 3u);
  EXPECT_EQ(host.sent[0].second.method + host.sent[1].second.method + host.sent[2].second.method, "abc");
}

TEST_F(MethodCallsTest, the_end_of_the_connection_ends_what_was_sent_and_nothing_is_sent_twice) {
  listen();
  const auto sent = invoke("sent", seconds{20});
  hang_up();
  EXPECT_EQ(code(*sent), Errc::timed_out);
  const auto waits = invoke("waits", seconds{20});
  hang_up();
  EXPECT_TRUE(waits->empty());
  listen();
  ASSERT_EQ(host.sent.size(), 2u);
  EXPECT_EQ(host.sent[1].second.method, "waits");
  answer(id(0), 200, "1");
  EXPECT_EQ(sent->size(), 1u);
  EXPECT_TRUE(waits->empty());
}

TEST_F(MethodCallsTest, an_answer_counts_once_and_only_for_its_own_call_and_identity) {
  listen();
  listen("m1");
  const auto device = invoke("m");
  const auto module = invoke("m", seconds{0}, "m1");
  for (const char* wrong : {"", "1", "-", "zz-1", "ffffffffffffffffffffffffffffffffffff"})
    answer(wrong, 200, "1");
  answer(id(0) + "0", 200, "1");
  answer(id(0).substr(0, id(0).find('-') + 1) + "0" + id(0).substr(id(0).find('-') + 1), 200, "1");
  answer(id(0), 200, "1", "m1");
  answer(id(1), 200, "1");
  EXPECT_TRUE(device->empty());
  EXPECT_TRUE(module->empty());
  answer(id(1), 201, "2", "m1");
  answer(id(1), 202, "3", "m1");
  ASSERT_EQ(module->size(), 1u);
  EXPECT_EQ((*module)[0].value().status, 201);
  EXPECT_TRUE(device->empty());
}

TEST_F(MethodCallsTest, an_answer_to_a_call_that_was_not_sent_yet_is_ignored) {
  const auto answers = invoke("m", seconds{10});
  listen();
  const std::string first = id();
  host.links.clear();
  const auto waiting = invoke("m", seconds{10});
  const auto dash = first.find('-');
  answer(first.substr(0, dash + 1) + "2", 200, "1");
  EXPECT_TRUE(waiting->empty());
}

TEST_F(MethodCallsTest, an_answer_that_is_no_JSON_names_the_fault) {
  listen();
  for (const char* body : {"{", "ok", "{'a':1}", "1 2", "\"\xff\""}) {
    const auto answers = invoke("m");
    answer(host.sent.back().second.request_id, 200, body);
    EXPECT_EQ(code(*answers), Errc::bad_device_response) << body;
    EXPECT_THAT((*answers)[0].error().detail, HasSubstr("not valid JSON"));
  }
}

TEST_F(MethodCallsTest, an_answer_of_128_KB_passes_and_a_larger_one_ends_the_call) {
  listen();
  const auto fits = invoke("m");
  answer(id(0), 200, '"' + std::string(limits::kMethodPayloadBytesMax - 2, 'x') + '"');
  EXPECT_TRUE(fits->at(0));
  const auto larger = invoke("m");
  answer(id(1), 200, '"' + std::string(limits::kMethodPayloadBytesMax - 1, 'x') + '"');
  EXPECT_EQ(code(*larger), Errc::message_too_large);
}

TEST_F(MethodCallsTest, a_call_without_payload_has_an_empty_body_or_null_by_setting) {
  listen();
  invoke("m", seconds{0}, {}, std::nullopt);
  EXPECT_EQ(host.sent[0].second.body, "");
  host.settings_.methods.empty_as_null = true;
  invoke("m", seconds{0}, {}, std::nullopt);
  EXPECT_EQ(host.sent[1].second.body, "null");
  invoke("m", seconds{0}, {}, "\"x\"");
  EXPECT_EQ(host.sent[2].second.body, "\"x\"");
}

TEST_F(MethodCallsTest, deleting_a_module_ends_its_calls_and_deleting_the_device_ends_all) {
  listen();
  const auto device = invoke("m");
  const auto module = invoke("m", seconds{10}, "m1");
  calls->on_erased("m1");
  loop.run();
  EXPECT_EQ(code(*module), Errc::module_not_found);
  EXPECT_TRUE(device->empty());
  const auto other = invoke("m", seconds{10}, "m2");
  calls->on_erased("");
  loop.run();
  EXPECT_EQ(code(*device), Errc::device_not_found);
  EXPECT_EQ(code(*other), Errc::device_not_found);
  EXPECT_TRUE(calls->is_quiet());
}

TEST_F(MethodCallsTest, disabling_the_device_ends_all_calls) {
  const auto device = invoke("m", seconds{10});
  const auto module = invoke("m", seconds{10}, "m1");
  calls->on_disabled();
  loop.run();
  EXPECT_EQ(code(*device), Errc::device_not_found);
  EXPECT_EQ(code(*module), Errc::device_not_found);
}

TEST_F(MethodCallsTest, a_drain_and_the_end_of_the_actor_answer_everything) {
  listen();
  const auto sent = invoke("m");
  const auto waiting = invoke("m", seconds{10}, "m1");
  calls->on_drain();
  loop.run();
  EXPECT_EQ(code(*sent), Errc::shutting_down);
  EXPECT_EQ(code(*waiting), Errc::shutting_down);
  const auto last = invoke("m");
  calls.reset();
  loop.run();
  EXPECT_EQ(code(*last), Errc::shutting_down);
  loop.advance(seconds(600));  // no timer of theirs is left
}

TEST_F(MethodCallsTest, calls_beyond_the_bound_are_refused_and_the_others_end_well) {
  listen();
  std::vector<std::shared_ptr<Answers>> all;
  for (std::size_t i = 0; i < limits::kMethodCallsMax; ++i) all.push_back(invoke("m"));
  EXPECT_EQ(code(*invoke("m")), Errc::too_many_calls);
  for (std::size_t i = all.size(); i-- > 0;) answer(id(i), static_cast<std::int32_t>(i), "");
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i]->size(), 1u);
    EXPECT_EQ((*all[i])[0].value().status, static_cast<std::int32_t>(i));
  }
  EXPECT_TRUE(calls->is_quiet());
  EXPECT_FALSE(invoke("m")->size());
}

TEST_F(MethodCallsTest, calls_that_wait_are_bounded_by_what_they_carry) {
  const std::string largest = '"' + std::string(limits::kMethodPayloadBytesMax - 2, 'x') + '"';
  std::vector<std::shared_ptr<Answers>> waiting;
  for (std::size_t i = 0; i < limits::kMethodWaitingBytesMax / largest.size(); ++i) {
    waiting.push_back(invoke("m", seconds{30}, {}, largest));
    ASSERT_TRUE(waiting.back()->empty());
  }
  EXPECT_EQ(code(*invoke("m", seconds{30}, {}, largest)), Errc::too_many_calls);
  waiting.push_back(invoke("m", seconds{30}, {}, std::nullopt));
  EXPECT_TRUE(waiting.back()->empty());
  // Those that were sent carry nothing any more, nor do those whose time has ended.
  listen();
  EXPECT_EQ(host.sent.size(), waiting.size());
  hang_up();
  const auto later = invoke("m", seconds{30}, {}, largest);
  EXPECT_TRUE(later->empty());
  loop.advance(seconds{31});
  loop.run();
  EXPECT_EQ(code(*later), Errc::device_not_online);
  for (std::size_t i = 0; i < limits::kMethodWaitingBytesMax / largest.size(); ++i) {
    waiting.push_back(invoke("m", seconds{30}, {}, largest));
    ASSERT_TRUE(waiting.back()->empty());
  }
}

TEST_F(MethodCallsTest, calls_are_counted_by_how_they_ended) {
  const auto counted = [this](MethodOutcome outcome) {
    return host.counted.methods[static_cast<std::size_t>(outcome)];
  };
  invoke("nobody-listens");
  EXPECT_EQ(counted(MethodOutcome::not_online), 1u);
  EXPECT_EQ(host.counted.methods_under_way, 0u);
  const auto waits = invoke("waits", seconds{30});
  EXPECT_EQ(host.counted.methods_under_way, 1u);
  listen();
  const auto answered = invoke("m");
  EXPECT_EQ(host.counted.methods_under_way, 2u);
  answer(id(0), 200, "{}");
  EXPECT_EQ(host.counted.methods_under_way, 1u);
  loop.advance(seconds{2});
  answer(id(1), 200, "{}");
  EXPECT_EQ(host.counted.methods_under_way, 0u);
  EXPECT_EQ(counted(MethodOutcome::answered), 2u);
  EXPECT_DOUBLE_EQ(host.counted.method_seconds.sum(), 2);
  invoke("m");
  loop.advance(seconds{31});
  loop.run();
  EXPECT_EQ(counted(MethodOutcome::timed_out), 1u);
  invoke("m");
  calls->on_drain();
  loop.run();
  EXPECT_EQ(counted(MethodOutcome::failed), 1u);
}

}  // namespace
}  // namespace kyanite
