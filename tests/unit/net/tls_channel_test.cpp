#include "server/net/tls_channel.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <thread>

#include "tests/unit/net/net_fixture.h"

namespace kyanite::test {
namespace {

constexpr std::size_t kLarge = 8 * 1024 * 1024;

class TlsChannelTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(versions, TlsChannelTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "tls12" : "tls13";
                         });

TEST_P(TlsChannelTest, echoes_much_data_both_ways_to_a_slow_reader) {
  TestServer server([](TestConnection& connection) {
    echo(connection);
    connection.keep_received = false;
  });
  // A small receive buffer makes the server's socket full again and again.
  TlsTestClient client(server.port(), {.version = GetParam(), .receive_buffer_bytes = 4096});
  ASSERT_TRUE(client.connected());
  const std::string sent = pattern(kLarge);
  std::string received;
  // One thread: send in pieces, and read back only half of what was sent until all is out.
  for (std::size_t offset = 0; offset < sent.size(); offset += 64 * 1024) {
    ASSERT_TRUE(client.write(std::string_view(sent).substr(offset, 64 * 1024)));
    received += client.read_exactly(32 * 1024);
  }
  received += client.read_exactly(sent.size() - received.size());
  EXPECT_TRUE(received == sent);
  TestConnection& connection = server.connection();
  run_on(connection.shard, [&] {
    EXPECT_EQ(connection.channel->queued_bytes(), 0U);
    EXPECT_GT(connection.drained, 0);
  });
}

TEST_P(TlsChannelTest, what_is_written_in_one_turn_leaves_in_one_record) {
  TestServer server;
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.connected());
  TestConnection& connection = server.connection();
  run_on(connection.shard, [&] {
    for (int i = 0; i < 100; ++i) connection.channel->write("0123456789");
    EXPECT_EQ(connection.channel->queued_bytes(), 1000U) << "nothing leaves before the turn ends";
  });
  EXPECT_EQ(client.read_some().size(), 1000U);  // SSL_read returns at most one record
  ASSERT_TRUE(eventually([&] {
    std::size_t queued = 1;
    run_on(connection.shard, [&] { queued = connection.channel->queued_bytes(); });
    return queued == 0;
  }));
  run_on(connection.shard, [&] { EXPECT_EQ(connection.drained, 1); });
}

TEST_P(TlsChannelTest, many_records_that_arrived_together_reach_the_sink_together) {
  TestServer server([](TestConnection& connection) { connection.channel->pause_reading(); });
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.connected());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.write("0123456789"));
  TestConnection& connection = server.connection();
  run_on(connection.shard, [&] { connection.channel->resume_reading(); });
  ASSERT_TRUE(eventually([&] {
    std::size_t size = 0;
    run_on(connection.shard, [&] { size = connection.received.size(); });
    return size == 1000;
  }));
  run_on(connection.shard, [&] { EXPECT_LE(connection.reads, 5); });
}

TEST_P(TlsChannelTest, a_paused_channel_delivers_nothing_and_pushes_back_then_loses_nothing) {
  TestServer server([](TestConnection& connection) {
    connection.on_data = [](TestConnection& self, std::string_view) { self.channel->pause_reading(); };
  });
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.connected());
  const std::string sent = pattern(kLarge);
  std::atomic<bool> all_sent{false};
  std::jthread sender([&] {
    EXPECT_TRUE(client.write(sent));
    all_sent = true;
  });
  TestConnection& connection = server.connection();
  ASSERT_TRUE(eventually([&] {
    int reads = 0;
    run_on(connection.shard, [&] { reads = connection.reads; });
    return reads == 1;
  }));
  for (int i = 0; i < 100; ++i) run_on(connection.shard, [&] { EXPECT_EQ(connection.reads, 1); });
  EXPECT_FALSE(all_sent) << "8 MiB do not fit in socket buffers";
  run_on(connection.shard, [&] {
    connection.on_data = nullptr;
    connection.channel->resume_reading();
  });
  sender.join();
  ASSERT_TRUE(eventually([&] {
    std::size_t size = 0;
    run_on(connection.shard, [&] { size = connection.received.size(); });
    return size == sent.size();
  }));
  run_on(connection.shard, [&] { EXPECT_TRUE(connection.received == sent); });
}

TEST_P(TlsChannelTest, a_greedy_peer_does_not_keep_others_from_their_turn) {
  TestServer server([](TestConnection& connection) { connection.keep_received = false; }, {}, patient(), 1);
  TlsTestClient greedy(server.port(), {.version = GetParam()});
  ASSERT_TRUE(greedy.connected());
  TestConnection& first = server.connection(0);
  std::size_t largest = 0;
  run_on(first.shard, [&] {
    first.on_data = [&](TestConnection&, std::string_view bytes) {
      largest = std::max(largest, bytes.size());
    };
  });
  ASSERT_TRUE(greedy.write(pattern(kLarge)));
  ASSERT_TRUE(eventually([&] {
    std::size_t bytes = 0;
    run_on(first.shard, [&] { bytes = first.received_bytes; });
    return bytes == kLarge;
  }));
  run_on(first.shard, [&] { EXPECT_LE(largest, Shard::kReadBufferBytes); });
}

TEST_P(TlsChannelTest, an_orderly_end_of_the_peer_is_told_as_such) {
  TestServer server(echo);
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.write("last words"));
  client.shutdown();
  EXPECT_EQ(client.read_exactly(10), "last words");
  EXPECT_TRUE(client.read_close_notify());
  EXPECT_EQ(server.connection().wait_closed(), ChannelEnd::peer_closed);
}

TEST_P(TlsChannelTest, a_fin_without_close_notify_counts_as_closed_by_the_peer) {
  TestServer server;
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.connected());
  TestConnection& connection = server.connection();
  client.tcp().finish();  // close() would reset: the TLS 1.3 ticket is unread
  EXPECT_EQ(connection.wait_closed(), ChannelEnd::peer_closed);
}

TEST_P(TlsChannelTest, a_reset_by_the_peer_is_told_as_such) {
  TestServer server;
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.connected());
  TestConnection& connection = server.connection();
  client.tcp().reset();
  EXPECT_EQ(connection.wait_closed(), ChannelEnd::reset);
}

TEST_P(TlsChannelTest, bytes_that_are_no_tls_record_reset_the_channel) {
  TestServer server;
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.connected());
  TestConnection& connection = server.connection();
  ASSERT_TRUE(client.tcp().send("this is not a TLS record at all"));
  EXPECT_EQ(connection.wait_closed(), ChannelEnd::reset);
}

TEST_P(TlsChannelTest, close_with_flush_sends_everything_and_a_close_notify) {
  const std::string farewell = pattern(1024 * 1024);
  TestServer server([&](TestConnection& connection) {
    connection.on_data = [&](TestConnection& self, std::string_view) {
      self.channel->write(farewell);
      self.channel->close(true);
      self.channel->write("too late");
      EXPECT_FALSE(self.end.has_value()) << "on_closed never comes from inside close()";
    };
  });
  TlsTestClient client(server.port(), {.version = GetParam(), .receive_buffer_bytes = 4096});
  ASSERT_TRUE(client.write("go"));
  std::string received;
  EXPECT_TRUE(client.read_close_notify(&received));
  EXPECT_TRUE(received == farewell);
  EXPECT_EQ(server.connection().wait_closed(), ChannelEnd::closed_by_us);
}

TEST_P(TlsChannelTest, close_with_flush_reaches_a_peer_that_is_still_sending) {
  TestServer server([&](TestConnection& connection) {
    connection.on_data = [&](TestConnection& self, std::string_view) {
      self.channel->write("refused");
      self.channel->close(true);
    };
  });
  for (int round = 0; round < 20; ++round) {
    TlsTestClient client(server.port(), {.version = GetParam()});
    ASSERT_TRUE(client.write("connect"));
    for (int i = 0; i < 20; ++i) client.write("more and more");  // may fail once the server is gone
    EXPECT_EQ(client.read_exactly(7), "refused");
  }
}

TEST_P(TlsChannelTest, a_channel_destroyed_after_close_with_flush_still_sends) {
  const std::string farewell = pattern(300 * 1024);
  TestServer server([&](TestConnection& connection) {
    connection.on_data = [&](TestConnection& self, std::string_view) {
      self.channel->write(farewell);
      self.channel->close(true);
      self.channel.reset();
    };
  });
  TlsTestClient client(server.port(), {.version = GetParam(), .receive_buffer_bytes = 4096});
  ASSERT_TRUE(client.write("go"));
  std::string received;
  EXPECT_TRUE(client.read_close_notify(&received));
  EXPECT_TRUE(received == farewell);
  TestConnection& connection = server.connection();
  run_on(connection.shard, [&] { EXPECT_FALSE(connection.end.has_value()); });
}

TEST_P(TlsChannelTest, close_with_flush_does_not_wait_for_ever_for_a_peer_that_reads_nothing) {
  TestServer server([&](TestConnection& connection) {
    connection.on_data = [](TestConnection& self, std::string_view) {
      self.channel->write(pattern(kLarge));
      self.channel->close(true);
    };
  });
  TlsTestClient client(server.port(), {.version = GetParam(), .receive_buffer_bytes = 4096});
  ASSERT_TRUE(client.write("go"));
  EXPECT_EQ(server.connection().wait_closed(), ChannelEnd::closed_by_us);
}

TEST_P(TlsChannelTest, close_without_flush_drops_the_output_and_says_goodbye) {
  TestServer server([&](TestConnection& connection) {
    connection.on_data = [&](TestConnection& self, std::string_view) {
      self.channel->write("never sent");
      self.channel->close(false);
      EXPECT_FALSE(self.end.has_value());
    };
  });
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.write("go"));
  std::string received;
  EXPECT_TRUE(client.read_close_notify(&received));
  EXPECT_EQ(received, "");
  EXPECT_EQ(server.connection().wait_closed(), ChannelEnd::closed_by_us);
}

TEST_P(TlsChannelTest, a_sink_may_destroy_the_channel_while_it_is_called) {
  TestServer server([&](TestConnection& connection) {
    connection.on_data = [](TestConnection& self, std::string_view) { self.channel.reset(); };
  });
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.write("go"));
  EXPECT_TRUE(client.read_close_notify());
}

TEST_P(TlsChannelTest, a_detached_channel_calls_its_sink_no_more) {
  TestServer server([&](TestConnection& connection) {
    connection.on_data = [](TestConnection& self, std::string_view) { self.channel->detach(); };
  });
  TlsTestClient client(server.port(), {.version = GetParam()});
  ASSERT_TRUE(client.write("one"));
  TestConnection& connection = server.connection();
  ASSERT_TRUE(eventually([&] {
    int reads = 0;
    run_on(connection.shard, [&] { reads = connection.reads; });
    return reads == 1;
  }));
  ASSERT_TRUE(client.write("two"));
  client.tcp().close();
  run_on(connection.shard, [&] { EXPECT_EQ(connection.received, "one"); });
  run_on(connection.shard, [&] {
    EXPECT_FALSE(connection.end.has_value());
    connection.channel.reset();
  });
}

TEST_P(TlsChannelTest, the_sink_decides_about_a_peer_that_reads_nothing_by_queued_bytes) {
  TestServer server([](TestConnection& connection) {
    connection.on_data = [](TestConnection& self, std::string_view) {
      while (self.channel->queued_bytes() < kLarge) self.channel->write(std::string(64 * 1024, 'x'));
    };
  });
  TlsTestClient client(server.port(), {.version = GetParam(), .receive_buffer_bytes = 4096});
  ASSERT_TRUE(client.write("go"));
  TestConnection& connection = server.connection();
  ASSERT_TRUE(eventually([&] {
    int reads = 0;
    run_on(connection.shard, [&] { reads = connection.reads; });
    return reads == 1;
  }));
  run_on(connection.shard, [&] {
    EXPECT_GT(connection.channel->queued_bytes(), kLarge / 8);
    EXPECT_EQ(connection.drained, 0);
  });
  EXPECT_EQ(client.read_exactly(kLarge).size(), kLarge);
  EXPECT_TRUE(eventually([&] {
    int drained = 0;
    run_on(connection.shard, [&] { drained = connection.drained; });
    return drained == 1;
  }));
}

TEST(TlsChannel13, a_key_update_by_the_peer_changes_nothing) {
  TestServer server(echo);
  TlsTestClient client(server.port(), {.version = TLS1_3_VERSION});
  ASSERT_TRUE(client.connected());
  ASSERT_TRUE(client.update_keys());
  ASSERT_TRUE(client.write("after the update"));
  EXPECT_EQ(client.read_exactly(16), "after the update");
}

TEST(TlsChannel12, renegotiation_is_refused) {
  TestServer server(echo);
  TlsTestClient client(server.port(), {.version = TLS1_2_VERSION});
  ASSERT_TRUE(client.connected());
  EXPECT_FALSE(client.renegotiate());
}

}  // namespace
}  // namespace kyanite::test
