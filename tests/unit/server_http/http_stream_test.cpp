#include <gmock/gmock.h>

#include "protocol/base/limits.h"
#include "tests/unit/server_http/http_fixture.h"

namespace kyanite::test {
namespace {

constexpr std::string_view kGetEvents = "GET /events HTTP/1.1\r\nHost: h\r\n\r\n";

// What a test sees and does of a stream; used on the shard only.
struct StreamState {
  ResponseStream::Output* output = nullptr;
  bool destroyed = false;
  std::size_t produced_bytes = 0;
  std::size_t queued_max = 0;
  std::size_t endless_piece_bytes = 0;  // above 0: produces pieces as long as the output is low
};

class TestStream final : public ResponseStream {
 public:
  explicit TestStream(StreamState& state) : state_(state) {}
  ~TestStream() override {
    state_.destroyed = true;
    state_.output = nullptr;
  }
  void start(Output& output) override {
    state_.output = &output;
    on_writable();
  }
  void on_writable() override {
    while (state_.endless_piece_bytes > 0 && state_.output->queued_bytes() < limits::kOutputHighBytes) {
      state_.output->write(std::string(state_.endless_piece_bytes, 'x'));
      state_.produced_bytes += state_.endless_piece_bytes;
      state_.queued_max = std::max(state_.queued_max, state_.output->queued_bytes());
    }
  }

 private:
  StreamState& state_;
};

class HttpStreamTest : public HttpTest {
 protected:
  void serve_stream(HttpLimits limits = patient()) {
    handler_.on_handle = [this](const HttpRequest&, Reply<HttpResponse> reply) {
      HttpResponse response;
      response.content_type = "application/x-ndjson";
      response.stream = std::make_unique<TestStream>(state_);
      reply(std::move(response));
    };
    serve(limits);
  }
  bool stream_started() {
    return eventually([this] { return state_.output != nullptr; });
  }
  bool stream_destroyed() {
    return eventually([this] { return state_.destroyed; });
  }

  StreamState state_;
};

TEST_F(HttpStreamTest, the_head_leaves_before_the_first_piece) {
  serve_stream();
  RawClient client = connect();
  client.send(kGetEvents);
  RawResponse head = client.receive_head();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers["transfer-encoding"], "chunked");
  EXPECT_EQ(head.headers["content-type"], "application/x-ndjson");
  EXPECT_EQ(head.headers["connection"], "close");
}

TEST_F(HttpStreamTest, pieces_leave_as_they_are_written_and_the_end_is_marked) {
  serve_stream();
  RawClient client = connect();
  client.send(kGetEvents);
  ASSERT_TRUE(stream_started());
  on_shard([this] { state_.output->write("one\n"); });
  on_shard([this] {
    state_.output->write("two\n");
    state_.output->write("three\n");
    state_.output->finish();
  });
  RawResponse response = client.receive();
  EXPECT_EQ(response.body, "one\ntwo\nthree\n");
  EXPECT_TRUE(response.complete);
  EXPECT_TRUE(client.ended_cleanly());
  EXPECT_TRUE(stream_destroyed());
}

TEST_F(HttpStreamTest, http_1_0_gets_the_bytes_bare_until_the_end) {
  serve_stream();
  RawClient client = connect();
  client.send("GET /events HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(stream_started());
  on_shard([this] {
    state_.output->write("one\n");
    state_.output->finish();
  });
  RawResponse response = client.receive();
  EXPECT_EQ(response.headers["transfer-encoding"], "");
  EXPECT_EQ(response.body, "one\n");
  EXPECT_TRUE(response.complete);
}

TEST_F(HttpStreamTest, an_aborted_response_is_cut_off_without_the_end_mark) {
  serve_stream();
  RawClient client = connect();
  client.send(kGetEvents);
  ASSERT_TRUE(stream_started());
  on_shard([this] {
    state_.output->write("one\n");
    state_.output->abort();
  });
  RawResponse response = client.receive();
  EXPECT_EQ(response.body, "one\n");
  EXPECT_FALSE(response.complete);
  EXPECT_TRUE(all_gone());
}

TEST_F(HttpStreamTest, a_disconnect_in_the_middle_destroys_the_stream) {
  serve_stream();
  {
    RawClient client = connect();
    client.send(kGetEvents);
    ASSERT_TRUE(stream_started());
  }
  EXPECT_TRUE(stream_destroyed());
  EXPECT_TRUE(all_gone());
}

TEST_F(HttpStreamTest, a_slow_reader_holds_production_back) {
  state_.endless_piece_bytes = 10'000;
  serve_stream();
  RawClient client = connect();
  client.send(kGetEvents);
  ASSERT_TRUE(stream_started());
  // The kernel's buffers fill, then nothing more is produced.
  std::size_t last = 0;
  ASSERT_TRUE(
      eventually([&] { return std::exchange(last, state_.produced_bytes) == state_.produced_bytes; }));
  const auto produced = on_shard([this] { return state_.produced_bytes; });
  std::size_t received = 0;
  while (received < produced + 1'000'000) {
    const std::string bytes = client.read_some();
    ASSERT_FALSE(bytes.empty());
    received += bytes.size();
  }
  EXPECT_LT(on_shard([this] { return state_.queued_max; }),
            limits::kOutputHighBytes + state_.endless_piece_bytes);
}

TEST_F(HttpStreamTest, a_reader_that_never_reads_is_cut_and_the_stream_destroyed) {
  state_.endless_piece_bytes = 10'000;
  serve_stream(only(&HttpLimits::write_time, milliseconds(200)));
  RawClient client = connect();
  client.send(kGetEvents);
  EXPECT_TRUE(stream_destroyed());
  EXPECT_TRUE(all_gone());
}

TEST_F(HttpStreamTest, draining_ends_the_stream_with_its_end_mark) {
  serve_stream();
  RawClient client = connect();
  client.send(kGetEvents);
  ASSERT_TRUE(stream_started());
  bool drained = false;
  on_shard([&] {
    state_.output->write("one\n");
    http_->drain([&] { drained = true; });
  });
  RawResponse response = client.receive();
  EXPECT_EQ(response.body, "one\n");
  EXPECT_TRUE(response.complete);
  client.disconnect();
  EXPECT_TRUE(eventually([&] { return drained; }));
}

TEST_F(HttpStreamTest, an_ended_response_asks_for_no_more_pieces) {
  serve_stream();
  RawClient client = connect();
  client.send(kGetEvents);
  ASSERT_TRUE(stream_started());
  on_shard([&] {
    http_->drain([] {});
    ASSERT_NE(state_.output, nullptr);
    EXPECT_GE(state_.output->queued_bytes(), limits::kOutputHighBytes);
  });
  EXPECT_TRUE(client.receive().complete);
}

TEST_F(HttpStreamTest, bytes_that_the_kernel_took_and_the_peer_never_does_end_the_stream) {
  serve_stream(only(&HttpLimits::write_time, milliseconds(500)));
  const auto timed_out = [this] { return on_shard([this] { return http_->counters().timed_out; }); };
  bool kernel_took_it = false;
  // A shard that is held up for the time of a write takes it for one that is stuck.
  for (int round = 0; round < 20 && !kernel_took_it; ++round) {
    const std::uint64_t before = timed_out();
    on_shard([this] { state_ = {}; });
    RawClient client = connect();
    client.shrink_receive_buffer();
    client.send(kGetEvents);
    ASSERT_TRUE(eventually([&] { return state_.output || state_.destroyed; }));
    // Less than the kernel takes from us at once, more than it takes for a peer that does not read.
    const bool written = on_shard([this] {
      if (state_.output) state_.output->write(std::string(400'000, 'x'));
      return state_.output != nullptr;
    });
    EXPECT_TRUE(stream_destroyed());
    EXPECT_TRUE(all_gone());
    kernel_took_it = written && timed_out() == before;
  }
  EXPECT_TRUE(kernel_took_it) << "the write itself was stuck";
}

TEST_F(HttpStreamTest, a_peer_that_keeps_sending_during_a_stream_is_read_no_further_than_the_bound) {
  serve_stream();
  RawClient client = connect();
  client.send(kGetEvents);
  ASSERT_TRUE(stream_started());
  for (int i = 0; i < 100; ++i) client.send(std::string(1000, 'x'));
  on_shard([this] {
    state_.output->write("one\n");
    state_.output->finish();
  });
  EXPECT_EQ(client.receive().body, "one\n");
}

}  // namespace
}  // namespace kyanite::test
