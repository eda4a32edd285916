#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/net/listener.h"
#include "server/net/tls_channel.h"
#include "tests/support/test_certificates.h"
#include "tests/support/tls_test_client.h"

namespace kyanite::test {

// Asks again and again, for at most a minute.
bool eventually(const std::function<bool()>& holds);

// No time of a handshake ends before the test does.
ListenerSettings patient();

// Runs the task on the shard and waits for it.
void run_on(Shard& shard, Task task);

// One accepted connection over a TlsChannel. Everything is the shard's; tests look at it through run_on.
class TestConnection final : public Channel::Sink {
 public:
  TestConnection(Shard& home, std::unique_ptr<TlsStream> stream)
      : shard(home), channel(std::make_unique<TlsChannel>(std::move(stream))) {}

  void on_bytes(std::string_view bytes) override {
    ++reads;
    received_bytes += bytes.size();
    if (keep_received) received.append(bytes);
    if (on_data) on_data(*this, bytes);
  }
  void on_writable() override {
    ++drained;
    if (on_drained) on_drained(*this);
  }
  void on_closed(ChannelEnd how) override {
    EXPECT_FALSE(end.has_value()) << "on_closed came twice";
    end = how;
    if (destroy_when_closed) channel.reset();
  }

  // For the test's thread.
  std::optional<ChannelEnd> wait_closed();

  Shard& shard;
  std::unique_ptr<TlsChannel> channel;
  std::function<void(TestConnection&, std::string_view)> on_data;
  std::function<void(TestConnection&)> on_drained;
  bool keep_received = true;
  bool destroy_when_closed = true;
  std::string received;
  std::size_t received_bytes = 0;
  int reads = 0;
  int drained = 0;
  std::optional<ChannelEnd> end;
};

// Two shards, a listener on a free port of 127.0.0.1, and the connections that it accepted.
class TestServer {
 public:
  using Setup = std::function<void(TestConnection&)>;  // before start(); runs on the connection's shard

  explicit TestServer(Setup setup = nullptr, TlsContextSettings tls = {},
                      ListenerSettings listening = patient(), unsigned shard_count = 2);
  // The given function takes the streams instead.
  TestServer(TlsContextSettings tls, Listener::OnAccepted on_accepted, ListenerSettings listening = patient(),
             unsigned shard_count = 2);
  ~TestServer();

  std::uint16_t port() const { return listener->port(); }
  const ListenerCounters& counters() const { return listener->counters(); }
  // The nth accepted connection; waits for it.
  TestConnection& connection(std::size_t index = 0);
  std::size_t connection_count();
  Listener::OnAccepted keep_connections(Setup setup);

  TestCertificate ca;
  TestCertificate certificate;
  ShardGroup shards;
  std::shared_ptr<TlsContextHolder> contexts;
  std::unique_ptr<Listener> listener;

 private:
  void open(Listener::OnAccepted on_accepted, TlsContextSettings tls, ListenerSettings listening);

  std::mutex mutex_;
  std::vector<std::unique_ptr<TestConnection>> connections_;  // protected by mutex_
};

// Echoes every byte.
void echo(TestConnection& connection);

std::shared_ptr<const TlsContext> make_context(TlsContextSettings settings);

// Bytes that repeat nowhere near, so that a lost or doubled piece shows.
std::string pattern(std::size_t bytes);

}  // namespace kyanite::test
