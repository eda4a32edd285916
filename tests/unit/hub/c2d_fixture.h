#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/base/assert.h"
#include "server/hub/c2d_message.h"
#include "server/hub/c2d_queue.h"
#include "server/hub/feedback_json.h"
#include "storage/memory/memory_stores.h"
#include "tests/support/sim_executor.h"

namespace kyanite::test {

// Device d1 as its queue sees it: a store, virtual time and a connection that only takes notes.
class FakeHost final : public DeviceHost {
 public:
  FakeHost() : executor_(loop), commit_thread(loop), stores_(commit_thread) {
    record.id = {"d1", ""};
    record.generation_id = "637375045610235418";
    register_device();
    restart();
  }
  ~FakeHost() override {
    queue.reset();
    loop.run();
  }

  // DeviceHost
  const std::string& device() const override { return record.id.device; }
  Executor& executor() override { return executor_; }
  Stores& stores() override { return stores_; }
  const Settings& settings() const override { return settings_; }
  HubEvents& events() override { std::abort(); }  // the queue appends no events
  HubCounters& counters() override { return counted; }
  const IdentityRecord* identity(const std::string& module) const override {
    return module.empty() ? &record : nullptr;
  }
  IdentityView view(const IdentityRecord& identity) const override { return {identity}; }
  const DeviceLink* link(const std::string& module) const override {
    return module.empty() && link_ ? &*link_ : nullptr;
  }
  void send(const std::string&, ConnectionMessage message) override {
    if (link_) sent.push_back(std::move(message));
  }
  void message_ended(const C2dHeader& header, FeedbackStatus status) override {
    ended.push_back(header.message_id + " " + std::string(feedback_status_text(status)));
  }
  void settled() override { ++settlements; }

  // A new process: the queue knows what the store has committed.
  void restart() {
    link_.reset();
    queue.reset();
    queue = std::make_unique<C2dQueue>(*this);
    std::optional<Result<DeviceRecords>> records;
    stores_.identities().load(
        "d1", Reply<DeviceRecords>(executor_, [&](Result<DeviceRecords> r) { records = std::move(r); }));
    loop.run();
    queue->load((*records)->c2d, (*records)->next_c2d_sequence);
  }

  // A connection with the filter; the filter is new unless a time of creation is given.
  void subscribe(std::uint8_t qos = 1, std::optional<WallTime> created = std::nullopt) {
    link_ = DeviceLink{};
    link_->filters.push_back(
        {"devices/d1/messages/devicebound/#", FilterKind::c2d, qos, created.value_or(executor_.wall_now())});
    queue->on_subscribed(!created);
    loop.run();
  }
  // As by a session that had the filter from the beginning.
  void resume(std::uint8_t qos = 1) { subscribe(qos, kNever); }
  void cut() {
    link_.reset();
    queue->on_link_ended();
    loop.run();
  }

  C2dMessage message(std::string body = "body", AckRequest ack = AckRequest::none) const {
    C2dMessage made;
    made.device = "d1";
    made.header.message_id = "id-" + body.substr(0, 20);
    made.header.ack = ack;
    made.body = std::move(body);
    KYANITE_ASSERT(check_c2d_message(made));
    return made;
  }
  // Without running the loop: the answer comes later.
  std::shared_ptr<std::optional<Result<void>>> start_send(C2dMessage message) {
    auto answer = std::make_shared<std::optional<Result<void>>>();
    queue->send({std::move(message), Reply<void>(executor_, [answer](Result<void> r) { *answer = r; })});
    return answer;
  }
  Result<void> send_c2d(C2dMessage message) {
    const auto answer = start_send(std::move(message));
    loop.run();
    return *answer ? **answer : Result<void>(Error(Errc::timed_out));
  }
  Result<void> send_c2d(std::string body = "body", AckRequest ack = AckRequest::none) {
    return send_c2d(message(std::move(body), ack));
  }
  void settle(std::uint64_t sequence, C2dSettlement how = C2dSettlement::complete) {
    queue->settle({record.id, Epoch{}, sequence, how});
    loop.run();
  }
  // What a device that polls gets: nothing when the queue has nothing for it.
  Result<std::optional<C2dLease>> lease(milliseconds lock_time = milliseconds{0}) {
    std::optional<Result<std::optional<C2dLease>>> answer;
    queue->lease({record.id, lock_time,
                  Reply<std::optional<C2dLease>>(executor_, [&](auto r) { answer = std::move(r); })});
    loop.run();
    return answer ? std::move(*answer) : Result<std::optional<C2dLease>>(Error(Errc::timed_out));
  }
  // The body, or "-".
  std::string leased_body(milliseconds lock_time = milliseconds{0}) {
    auto answer = lease(lock_time);
    if (!answer || !*answer) return "-";
    lock = (*answer)->lock;
    return (*answer)->message.body;
  }
  Result<void> settle_lease(std::string of, C2dSettlement how = C2dSettlement::complete) {
    std::optional<Result<void>> answer;
    queue->settle(
        {record.id, std::move(of), how, Reply<void>(executor_, [&](Result<void> r) { answer = r; })});
    loop.run();
    return answer ? *answer : Result<void>(Error(Errc::timed_out));
  }
  Result<std::uint64_t> purge() {
    std::optional<Result<std::uint64_t>> answer;
    queue->purge({record.id, Reply<std::uint64_t>(executor_, [&](Result<std::uint64_t> r) { answer = r; })});
    loop.run();
    return answer ? *answer : Result<std::uint64_t>(Error(Errc::timed_out));
  }
  void advance(milliseconds time) {
    loop.advance(time);
    loop.run();
  }

  // What the connection got since the last look, as one line each: "body", "body dup", "body qos0",
  // "withdraw 3".
  std::vector<std::string> taken() {
    std::vector<std::string> lines;
    for (const ConnectionMessage& message : std::exchange(sent, {})) {
      if (const auto* delivery = std::get_if<DeliverC2d>(&message)) {
        lines.push_back(delivery->body + (delivery->was_sent ? " dup" : "") +
                        (delivery->qos == 0 ? " qos0" : ""));
      } else if (const auto* withdrawn = std::get_if<WithdrawC2d>(&message)) {
        lines.push_back("withdraw " + std::to_string(withdrawn->sequence));
      }
    }
    return lines;
  }
  std::vector<std::string> stored() const {
    std::vector<std::string> bodies;
    const auto& queues = stores_.committed().c2d;
    if (const auto found = queues.find("d1"); found != queues.end()) {
      for (const auto& [sequence, kept] : found->second.messages) bodies.push_back(kept.body);
    }
    return bodies;
  }
  // "id-body Success" and so on, in order.
  std::vector<std::string> feedback() const {
    std::vector<std::string> lines;
    for (const auto& [sequence, line] : stores_.committed().feedback) {
      lines.push_back(line.original_message_id + " " + std::string(feedback_status_text(line.status)));
    }
    return lines;
  }

  SimLoop loop;
  SimExecutor executor_;
  SimExecutor commit_thread;
  MemoryStores stores_;
  Settings settings_;
  IdentityRecord record;
  std::optional<DeviceLink> link_;
  std::unique_ptr<C2dQueue> queue;
  std::string lock;  // of the last leased_body()
  std::vector<ConnectionMessage> sent;
  std::vector<std::string> ended;  // "id-body Success" and so on, in order
  int settlements = 0;
  HubCounters counted;

 private:
  void register_device() {
    IdentityChange change;
    change.writes.push_back({record, TwinRecord{}, std::nullopt});
    stores_.identities().commit(std::move(change), Reply<void>(executor_, [](const Result<void>&) {}));
    loop.run();
  }
};

}  // namespace kyanite::test
