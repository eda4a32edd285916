#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>

#include "protocol/http/request_handler.h"
#include "server/http/http_shard.h"
#include "server/net/listener.h"
#include "server/runtime/shard_group.h"
#include "tests/support/test_certificates.h"
#include "tests/unit/server_http/raw_client.h"

namespace kyanite::test {

// A handler that a test scripts. Without a script it echoes what it was asked.
class ScriptedHandler final : public HttpRequestHandler {
 public:
  std::function<void(const HttpRequest&, Reply<HttpResponse>)> on_handle;
  std::function<std::optional<HttpResponse>(const HttpRequest&)> on_refuse_early;

  std::optional<HttpResponse> refuse_early(const HttpRequest& head) override {
    return on_refuse_early ? on_refuse_early(head) : std::nullopt;
  }
  std::function<void(const HttpRequest&, Reply<BodyPlan>)> on_plan_body;
  bool plans_body(const HttpRequest&) const override { return static_cast<bool>(on_plan_body); }
  void plan_body(const HttpRequest& head, Reply<BodyPlan> reply) override {
    on_plan_body(head, std::move(reply));
  }
  void handle(const HttpRequest& request, Reply<HttpResponse> reply) override {
    if (on_handle) return on_handle(request, std::move(reply));
    HttpResponse response;
    response.body = std::string(to_text(request.verb)) + " " + request.target + " " + request.body;
    reply(std::move(response));
  }
  HttpResponse reject(const HttpRequest& request, const Error& error) override {
    return error_response(error, request.tracking_id, "07/29/2026 10:11:12");
  }
};

// No time limit ends before the test does.
inline HttpLimits patient() {
  HttpLimits limits;
  for (const auto each : {&HttpLimits::idle_time, &HttpLimits::head_time, &HttpLimits::body_time,
                          &HttpLimits::write_time, &HttpLimits::linger_time}) {
    limits.*each = std::chrono::hours(1);
  }
  return limits;
}

// But for this one.
inline HttpLimits only(milliseconds HttpLimits::*limit, milliseconds time) {
  HttpLimits limits = patient();
  limits.*limit = time;
  return limits;
}

// One shard with a listener on a free port.
class HttpTest : public ::testing::Test {
 protected:
  void serve(HttpLimits limits = patient()) {
    const TestCertificate ca = make_ca();
    const TestCertificate leaf = make_leaf(ca, {"localhost", "127.0.0.1"});
    TlsContextSettings settings;
    settings.certificate = {leaf.certificate_pem, leaf.key_pem};
    auto context = TlsContext::create(settings);
    ASSERT_TRUE(context) << context.error().detail;
    http_ = std::make_unique<HttpShard>(shards_.shard(0), handler_, limits);
    if (websocket_.accept) http_->offer_websocket(websocket_);
    shards_.start();
    auto listener = Listener::open(
        shards_,
        {.address = "127.0.0.1:0",
         .handshake_time = std::chrono::hours(1),
         .first_byte_time = std::chrono::hours(1)},
        std::make_shared<TlsContextHolder>(*context),
        [this](Shard&, std::unique_ptr<TlsStream> stream) { http_->accept(std::move(stream)); });
    ASSERT_TRUE(listener) << listener.error().detail;
    listener_ = std::move(*listener);
  }

  void TearDown() override {
    if (!listener_) return;
    listener_->stop();
    on_shard([this] { http_->cut(); });
    shards_.stop();
    shards_.join();
    http_.reset();
    listener_.reset();
  }

  RawClient connect() { return RawClient(listener_->port()); }

  // Runs a function on the shard and waits for it.
  template <class F>
  auto on_shard(F function) -> decltype(function()) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    shards_.shard(0).post([&task] { task(); });
    return result.get();
  }

  // Polls a condition on the shard until it holds; at most a minute.
  bool eventually(std::function<bool()> condition) {
    const auto end = std::chrono::steady_clock::now() + seconds(60);
    while (std::chrono::steady_clock::now() < end) {
      if (on_shard(condition)) return true;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }
  bool all_gone() {
    return eventually([this] { return http_->connection_count() == 0; });
  }

  ScriptedHandler handler_;
  WebSocketOffer websocket_;  // offered when it has an accept
  ShardGroup shards_{1};
  std::unique_ptr<HttpShard> http_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace kyanite::test
