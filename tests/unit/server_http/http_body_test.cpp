#include <gtest/gtest.h>

#include "tests/unit/server_http/http_fixture.h"

namespace kyanite::test {
namespace {

// What a sink saw; shared with the test.
struct SinkNotes {
  std::string body;
  std::size_t largest = 0;
  std::promise<void> destroyed;
  bool finished = false;
  bool told = false;
  std::optional<Error> refuse_with;
};

class NotingSink final : public RequestBodySink {
 public:
  explicit NotingSink(std::shared_ptr<SinkNotes> notes) : notes_(std::move(notes)) {}
  ~NotingSink() override {
    if (!notes_->told) notes_->destroyed.set_value();
    notes_->told = true;
  }
  void write(std::string piece, Reply<void> taken) override {
    notes_->body += piece;
    notes_->largest = std::max(notes_->largest, piece.size());
    taken(notes_->refuse_with ? Result<void>(*notes_->refuse_with) : Result<void>());
  }
  void finish(Reply<HttpResponse> reply) override {
    notes_->finished = true;
    HttpResponse response;
    response.status = 201;
    response.body = std::to_string(notes_->body.size());
    reply(std::move(response));
  }

 private:
  std::shared_ptr<SinkNotes> notes_;
};

class HttpBodyTest : public HttpTest {
 protected:
  void serve_sinks(std::uint64_t bytes_max = 64 << 20) {
    handler_.on_plan_body = [this, bytes_max](const HttpRequest&, Reply<BodyPlan> reply) {
      BodyPlan plan;
      plan.sink = std::make_unique<NotingSink>(notes);
      plan.bytes_max = bytes_max;
      reply(std::move(plan));
    };
    serve();
  }
  std::shared_ptr<SinkNotes> notes = std::make_shared<SinkNotes>();
};

TEST_F(HttpBodyTest, a_body_larger_than_memory_holds_goes_to_the_sink_in_pieces) {
  serve_sinks();
  RawClient client = connect();
  const std::string body(3 << 20, 'x');
  client.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              body);
  const RawResponse response = client.receive();
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, std::to_string(body.size()));
  EXPECT_LE(notes->largest, 64u * 1024);
  // The connection goes on.
  client.send("PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().status, 201);
}

TEST_F(HttpBodyTest, a_body_over_the_plans_limit_is_413) {
  serve_sinks(10);
  RawClient client = connect();
  client.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n12345678901");
  EXPECT_EQ(client.receive().status, 413);
  RawClient chunked = connect();
  chunked.send(
      "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.receive().status, 413);
  EXPECT_FALSE(notes->finished);
}

TEST_F(HttpBodyTest, a_sink_that_refuses_ends_the_request_with_its_error) {
  notes->refuse_with = Error(Errc::busy);
  serve_sinks();
  RawClient client = connect();
  client.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + std::string(100000, 'x'));
  EXPECT_EQ(client.receive().status, 503);
  EXPECT_FALSE(notes->finished);
}

TEST_F(HttpBodyTest, a_plan_may_refuse) {
  handler_.on_plan_body = [](const HttpRequest& head, Reply<BodyPlan> reply) {
    BodyPlan plan;
    plan.refusal = error_response(Error(Errc::unauthorized), head.tracking_id, "07/29/2026 10:11:12");
    reply(std::move(plan));
  };
  serve();
  RawClient client = connect();
  client.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.receive().status, 401);
}

TEST_F(HttpBodyTest, a_peer_that_leaves_takes_the_sink_with_it) {
  serve_sinks();
  {
    RawClient client = connect();
    client.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc");
  }
  EXPECT_EQ(notes->destroyed.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_FALSE(notes->finished);
}

}  // namespace
}  // namespace kyanite::test
