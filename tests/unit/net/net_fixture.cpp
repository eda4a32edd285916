#include "tests/unit/net/net_fixture.h"

#include <chrono>
#include <future>
#include <thread>
#include <utility>

namespace kyanite::test {

bool eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

ListenerSettings patient() {
  ListenerSettings listening;
  listening.handshake_time = std::chrono::hours(1);
  listening.first_byte_time = std::chrono::hours(1);
  listening.crowding_time = std::chrono::hours(1);
  return listening;
}

void run_on(Shard& shard, Task task) {
  std::promise<void> done;
  shard.post([&] {
    task();
    done.set_value();
  });
  ASSERT_EQ(done.get_future().wait_for(std::chrono::seconds(600)), std::future_status::ready);
}

std::optional<ChannelEnd> TestConnection::wait_closed() {
  std::optional<ChannelEnd> seen;
  eventually([&] {
    run_on(shard, [&] { seen = end; });
    return seen.has_value();
  });
  return seen;
}

TestServer::TestServer(Setup setup, TlsContextSettings tls, ListenerSettings listening, unsigned shard_count)
    : ca(make_ca()), certificate(make_leaf(ca, {"kyanite.test", "127.0.0.1"})), shards(shard_count) {
  open(keep_connections(std::move(setup)), std::move(tls), std::move(listening));
}

TestServer::TestServer(TlsContextSettings tls, Listener::OnAccepted on_accepted, ListenerSettings listening,
                       unsigned shard_count)
    : ca(make_ca()), certificate(make_leaf(ca, {"kyanite.test", "127.0.0.1"})), shards(shard_count) {
  open(std::move(on_accepted), std::move(tls), std::move(listening));
}

void TestServer::open(Listener::OnAccepted on_accepted, TlsContextSettings tls, ListenerSettings listening) {
  if (tls.certificate.chain_pem.empty()) {
    tls.certificate = {certificate.certificate_pem + ca.certificate_pem, certificate.key_pem};
  }
  contexts = std::make_shared<TlsContextHolder>(make_context(std::move(tls)));
  shards.start();
  if (listening.address.empty()) listening.address = "127.0.0.1:0";
  auto opened = Listener::open(shards, std::move(listening), contexts, std::move(on_accepted));
  EXPECT_TRUE(opened.has_value());
  listener = std::move(opened.value());
}

TestServer::~TestServer() {
  listener.reset();
  shards.stop();
  shards.join();
}

Listener::OnAccepted TestServer::keep_connections(Setup setup) {
  return [this, setup = std::move(setup)](Shard& shard, std::unique_ptr<TlsStream> stream) {
    auto connection = std::make_unique<TestConnection>(shard, std::move(stream));
    TestConnection& kept = *connection;
    if (setup) setup(kept);
    kept.channel->start(kept);
    const std::lock_guard lock(mutex_);
    connections_.push_back(std::move(connection));
  };
}

TestConnection& TestServer::connection(std::size_t index) {
  EXPECT_TRUE(eventually([&] { return connection_count() > index; }));
  const std::lock_guard lock(mutex_);
  return *connections_.at(index);
}

std::size_t TestServer::connection_count() {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

void echo(TestConnection& connection) {
  connection.on_data = [](TestConnection& self, std::string_view bytes) { self.channel->write(bytes); };
}

std::shared_ptr<const TlsContext> make_context(TlsContextSettings settings) {
  auto context = TlsContext::create(settings);
  EXPECT_TRUE(context.has_value()) << (context ? "" : context.error().detail);
  return context.value();
}

std::string pattern(std::size_t bytes) {
  std::string text(bytes, '\0');
  std::uint64_t state = 88172645463325252ULL;
  for (char& c : text) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    c = static_cast<char>(state & 0xff);
  }
  return text;
}

}  // namespace kyanite::test
