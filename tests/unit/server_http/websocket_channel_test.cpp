#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/server_http/websocket_fixture.h"

namespace kyanite::test {
namespace {

using WsChannelTest = WebSocketTest;

std::string numbered(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) text += std::to_string(i) + ",";
  text.resize(bytes);
  return text;
}

// Reading

TEST_F(WsChannelTest, bytes_behind_the_head_of_the_upgrade_are_the_first_of_the_websocket) {
  serve_websockets();
  WebSocketClient client(connect());
  const std::string early = numbered(20'000);
  ASSERT_EQ(client.upgrade(ws::upgrade() + ws::frame(ws::kBinary, early)).status, 101);
  EXPECT_EQ(received(early.size()), early);
  client.send(ws::frame(ws::kBinary, "later"));
  EXPECT_EQ(received(early.size() + 5), early + "later");
}

TEST_F(WsChannelTest, everything_may_come_one_byte_at_a_time) {
  serve_websockets();
  WebSocketClient client(connect());
  for (const char byte : ws::upgrade()) ASSERT_TRUE(client.send(std::string(1, byte)));
  ASSERT_EQ(client.raw().receive_head().status, 101);
  for (const char byte : ws::frame(ws::kBinary, "slow") + ws::frame(ws::kBinary, numbered(200))) {
    ASSERT_TRUE(client.send(std::string(1, byte)));
  }
  EXPECT_EQ(received(204), "slow" + numbered(200));
}

TEST_F(WsChannelTest, one_large_frame_is_one_stream) {
  serve_websockets();
  WebSocketClient client = open();
  const std::string sent = numbered(1024 * 1024);
  ASSERT_TRUE(client.send(ws::frame(ws::kBinary, sent)));
  EXPECT_TRUE(received(sent.size()) == sent);
}

TEST_F(WsChannelTest, a_thousand_frames_at_once_lose_nothing) {
  serve_websockets();
  WebSocketClient client = open();
  std::string frames;
  std::string payloads;
  for (int i = 0; i < 1000; ++i) {
    payloads += std::to_string(i) + ";";
    frames += ws::frame(ws::kBinary, std::to_string(i) + ";");
  }
  ASSERT_TRUE(client.send(frames));
  EXPECT_EQ(received(payloads.size()), payloads);
}

TEST_F(WsChannelTest, fragments_with_a_ping_between_them_are_joined) {
  serve_websockets();
  WebSocketClient client = open();
  client.send(ws::frame(ws::kBinary, "one ", {.fin = false}));
  client.send(ws::frame(ws::kContinuation, "", {.fin = false}));
  client.send(ws::frame(ws::kPing, "are you there"));
  client.send(ws::frame(ws::kContinuation, "two ", {.fin = false}));
  client.send(ws::frame(ws::kContinuation, "three"));
  EXPECT_EQ(received(13), "one two three");
  const auto pong = client.receive();
  EXPECT_EQ(pong.opcode, ws::kPong);
  EXPECT_EQ(pong.payload, "are you there");
}

TEST_F(WsChannelTest, pings_pongs_and_empty_messages_do_not_reach_the_sink) {
  serve_websockets();
  WebSocketClient client = open();
  client.send(ws::frame(ws::kPong, "unasked"));
  client.send(ws::frame(ws::kPing, ""));
  client.send(ws::frame(ws::kBinary, ""));
  client.send(ws::frame(ws::kPing, std::string(125, 'p')));
  EXPECT_EQ(client.receive().opcode, ws::kPong);
  EXPECT_EQ(client.receive().payload, std::string(125, 'p'));
  Peer& of = peer();
  EXPECT_EQ(on_shard([&] { return of.reads; }), 0);
  EXPECT_FALSE(on_shard([&] { return of.end; }).has_value());
}

TEST_F(WsChannelTest, a_paused_channel_pushes_back_and_then_loses_nothing) {
  setup_ = [](Peer& peer) { peer.channel->pause_reading(); };
  serve_websockets();
  WebSocketClient client(connect());
  ASSERT_EQ(client.upgrade().status, 101);
  const std::string piece = ws::frame(ws::kBinary, numbered(64 * 1024));
  std::atomic<int> sent{0};
  std::thread writer([&] {
    for (int i = 0; i < 200 && client.send(piece); ++i) ++sent;
  });
  // 13 MB do not fit between two sockets: the writer stops, and the sink has seen nothing.
  int before = -1;
  for (int same = 0; same < 20;) {
    std::this_thread::sleep_for(milliseconds(20));
    same = sent == before ? same + 1 : 0;
    before = sent;
  }
  EXPECT_LT(sent, 200);
  Peer& of = peer();
  EXPECT_EQ(on_shard([&] { return of.reads; }), 0);
  on_shard([&] { of.channel->resume_reading(); });
  EXPECT_EQ(received(200 * 64 * 1024).size(), 200U * 64 * 1024);
  writer.join();
}

TEST_F(WsChannelTest, pausing_inside_a_read_holds_back_what_was_read_meanwhile) {
  setup_ = [](Peer& peer) {
    peer.on_data = [](Peer& self, std::string_view) { self.channel->pause_reading(); };
  };
  serve_websockets();
  WebSocketClient client = open();
  client.send(ws::frame(ws::kBinary, "first") + ws::frame(ws::kBinary, "second"));
  EXPECT_EQ(received(5), "first");
  Peer& of = peer();
  on_shard([&] { of.channel->resume_reading(); });
  EXPECT_EQ(received(11), "firstsecond");
}

// Writing

TEST_F(WsChannelTest, what_is_written_in_one_turn_is_one_binary_frame_in_one_tls_record) {
  serve_websockets();
  WebSocketClient client = open();
  Peer& of = peer();
  on_shard([&] {
    for (int i = 0; i < 100; ++i) of.channel->write("0123456789");
    EXPECT_EQ(of.channel->queued_bytes(), 1000U) << "nothing leaves before the turn ends";
  });
  EXPECT_EQ(client.raw().read_some().size(), 1004U) << "head and payload in one record";
  EXPECT_TRUE(eventually([&] { return of.channel->queued_bytes() == 0 && of.drained == 1; }));
}

TEST_F(WsChannelTest, frames_to_the_client_are_whole_binary_and_unmasked) {
  serve_websockets();
  WebSocketClient client = open();
  Peer& of = peer();
  const std::string large = numbered(300'000);
  on_shard([&] { of.channel->write("small"); });
  const auto first = client.receive();
  EXPECT_EQ(first.opcode, ws::kBinary);
  EXPECT_TRUE(first.fin);
  EXPECT_EQ(first.payload, "small");
  on_shard([&] { of.channel->write(large); });
  const auto second = client.receive();
  EXPECT_EQ(second.opcode, ws::kBinary);
  EXPECT_TRUE(second.payload == large);
}

TEST_F(WsChannelTest, output_waits_for_a_stalled_reader_and_counts_as_queued) {
  serve_websockets();
  WebSocketClient client = open();
  Peer& of = peer();
  const std::string piece = numbered(256 * 1024);
  for (int i = 0; i < 64; ++i) on_shard([&] { of.channel->write(piece); });
  EXPECT_GT(on_shard([&] { return of.channel->queued_bytes(); }), 1024U * 1024);
  std::string all;
  for (int i = 0; i < 64; ++i) all += piece;
  EXPECT_TRUE(client.receive_bytes(all.size()) == all);
  EXPECT_TRUE(eventually([&] { return of.channel->queued_bytes() == 0; }));
}

TEST_F(WsChannelTest, an_echo_of_much_data_both_ways_with_pings_between) {
  setup_ = [](Peer& peer) {
    peer.on_data = [](Peer& self, std::string_view bytes) { self.channel->write(bytes); };
  };
  serve_websockets();
  WebSocketClient client = open();
  std::string sent;
  for (int i = 0; i < 100; ++i) {
    const std::string piece = numbered(1 + static_cast<std::size_t>(i) * 97);
    sent += piece;
    ASSERT_TRUE(client.send(ws::frame(ws::kPing, "x") + ws::frame(ws::kBinary, piece)));
  }
  std::string echoed;
  int pongs = 0;
  while (echoed.size() < sent.size() || pongs < 100) {
    const auto frame = client.receive();
    ASSERT_TRUE(frame.opcode == ws::kBinary || frame.opcode == ws::kPong) << frame.opcode;
    if (frame.opcode == ws::kPong) {
      ++pongs;
    } else {
      echoed += frame.payload;
    }
  }
  EXPECT_TRUE(echoed == sent);
}

// Breaches

TEST_F(WsChannelTest, a_text_message_is_closed_with_1003_whatever_its_bytes) {
  serve_websockets();
  for (const char* text : {"plain", "\x10\x20\xff\xc0 no UTF-8", ""}) {
    WebSocketClient client = open();
    client.send(ws::frame(ws::kText, text));
    EXPECT_EQ(client.receive().close_code(), 1003) << text;
    client.send(ws::close_frame(1003));
    EXPECT_TRUE(client.raw().ended_cleanly());
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(end_of(i), ChannelEnd::violated);
    EXPECT_EQ(received(0, i), "");
  }
}

TEST_F(WsChannelTest, breaches_of_the_framing_are_closed_with_1002) {
  serve_websockets();
  const std::string reserved_bits = "\xf0" + ws::frame(ws::kBinary, "x").substr(1);
  const std::string cases[] = {
      ws::frame(ws::kBinary, "unmasked", {.masked = false}),
      ws::frame(3, "unknown operation"),
      ws::frame(ws::kContinuation, "continues nothing"),
      ws::frame(ws::kBinary, "a", {.fin = false}) + ws::frame(ws::kBinary, "not a continuation"),
      ws::frame(ws::kPing, "cut", {.fin = false}),
      ws::frame(ws::kPing, std::string(126, 'x')),
      ws::frame(ws::kClose, "x"),
      reserved_bits,
  };
  std::size_t index = 0;
  for (const std::string& bytes : cases) {
    WebSocketClient client = open();
    client.send(bytes);
    EXPECT_EQ(client.receive().close_code(), 1002) << index;
    EXPECT_TRUE(client.raw().ended_cleanly()) << index;
    EXPECT_EQ(end_of(index), ChannelEnd::violated) << index;
    ++index;
  }
}

// The end

TEST_F(WsChannelTest, a_close_frame_of_the_peer_is_answered_and_reported) {
  serve_websockets();
  WebSocketClient client = open();
  client.send(ws::frame(ws::kBinary, "last") + ws::close_frame(1000));
  EXPECT_EQ(client.receive().close_code(), 1000);
  EXPECT_TRUE(client.raw().ended_cleanly());
  EXPECT_EQ(end_of(), ChannelEnd::peer_closed);
  EXPECT_EQ(received(4), "last");
}

TEST_F(WsChannelTest, a_peer_that_just_leaves_is_noticed) {
  serve_websockets();
  WebSocketClient client = open();
  peer();
  client.raw().disconnect();
  EXPECT_TRUE(end_of().has_value());
}

TEST_F(WsChannelTest, a_peer_that_leaves_in_the_middle_of_a_frame_is_noticed) {
  serve_websockets();
  WebSocketClient client = open();
  client.send(ws::frame(ws::kBinary, numbered(1000)).substr(0, 500));
  received(400);
  client.raw().disconnect();
  EXPECT_TRUE(end_of().has_value());
}

TEST_F(WsChannelTest, closing_with_a_flush_sends_what_is_queued_and_then_a_close_frame) {
  serve_websockets();
  WebSocketClient client = open();
  Peer& of = peer();
  on_shard([&] {
    of.channel->write("good ");
    of.channel->write("bye");
    of.channel->close(true);
    of.channel->write("never");
    EXPECT_FALSE(of.end.has_value()) << "not from inside close()";
  });
  EXPECT_EQ(end_of(), ChannelEnd::closed_by_us);
  on_shard([&] { of.channel.reset(); });  // as a connection does then
  EXPECT_EQ(client.receive().payload, "good bye");
  EXPECT_EQ(client.receive().close_code(), 1000);
  client.send(ws::close_frame(1000));
  EXPECT_TRUE(client.raw().ended_cleanly());
}

TEST_F(WsChannelTest, closing_without_a_flush_drops_what_is_queued) {
  serve_websockets();
  WebSocketClient client = open();
  Peer& of = peer();
  on_shard([&] {
    of.channel->write("dropped");
    of.channel->close(false);
  });
  EXPECT_EQ(end_of(), ChannelEnd::closed_by_us);
  EXPECT_EQ(client.receive().close_code(), 1000);
  client.send(ws::close_frame(1000));
  EXPECT_TRUE(client.raw().ended_cleanly());
}

TEST_F(WsChannelTest, a_peer_that_never_answers_the_close_frame_is_cut) {
  serve_websockets();
  WebSocketClient client = open();
  Peer& of = peer();
  on_shard([&] { of.channel->close(true); });
  EXPECT_EQ(client.receive().close_code(), 1000);
  // It goes on talking instead.
  const auto until = std::chrono::steady_clock::now() + seconds(60);
  bool heard = true;
  while (heard && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(milliseconds(50));
    heard = client.send(ws::frame(ws::kBinary, "and another thing"));
  }
  EXPECT_FALSE(heard);
  EXPECT_EQ(received(0), "");
}

TEST_F(WsChannelTest, closing_a_peer_that_does_not_read_cuts_it) {
  serve_websockets();
  WebSocketClient client = open();
  client.raw().shrink_receive_buffer();
  Peer& of = peer();
  on_shard([&] { of.channel->write(std::string(16 * 1024 * 1024, 'x')); });
  on_shard([&] { of.channel->close(false); });
  EXPECT_EQ(end_of(), ChannelEnd::closed_by_us);
}

TEST_F(WsChannelTest, destroying_an_open_channel_ends_the_stream) {
  serve_websockets();
  WebSocketClient client = open();
  Peer& of = peer();
  on_shard([&] { of.channel.reset(); });
  EXPECT_TRUE(client.raw().ended_cleanly());
  EXPECT_FALSE(on_shard([&] { return of.end; }).has_value()) << "nobody is told";
}

TEST_F(WsChannelTest, destroying_it_inside_its_own_calls_is_safe) {
  setup_ = [](Peer& peer) {
    peer.on_data = [](Peer& self, std::string_view) {
      self.channel->write("x");
      self.channel->close(true);
      self.channel->close(false);
      self.channel.reset();
    };
  };
  serve_websockets();
  WebSocketClient client = open();
  client.send(ws::frame(ws::kBinary, "go"));
  while (client.receive().opcode >= 0) {
  }
  EXPECT_TRUE(client.raw().ended_cleanly());
}

TEST_F(WsChannelTest, closing_before_the_upgrade_is_answered_ends_it) {
  setup_ = [](Peer& peer) { peer.channel->close(true); };
  serve_websockets();
  RawClient client = connect();
  client.send(ws::upgrade());
  EXPECT_NE(client.receive_head().status, 200);
  EXPECT_EQ(end_of(), ChannelEnd::closed_by_us);
}

TEST_F(WsChannelTest, a_shard_may_stop_with_websockets_in_every_state) {
  serve_websockets();
  std::vector<WebSocketClient> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(open());
  on_shard([this] {
    peers_[1]->channel->close(true);
    peers_[2]->channel->close(false);
    peers_[3]->channel->write(std::string(8 * 1024 * 1024, 'x'));
    peers_[4]->channel->pause_reading();
  });
  clients[5].send(ws::close_frame(1000));
  EXPECT_EQ(end_of(5), ChannelEnd::peer_closed);
}

}  // namespace
}  // namespace kyanite::test
