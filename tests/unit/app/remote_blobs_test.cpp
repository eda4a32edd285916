#include "server/app/remote_blobs.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

namespace kyanite {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class HereExecutor final : public Executor {
 public:
  void post(Task task) override { task(); }
  void post_all(std::vector<Task> tasks) override {
    for (Task& task : tasks) task();
  }
  TimerId after(milliseconds, Task) override { return {}; }
  void cancel(TimerId) override {}
  SteadyTime now() const override { return {}; }
  WallTime wall_now() const override { return {}; }
  bool is_current() const override { return true; }
};

// Answers one request after the other as the test says, and keeps what was asked.
class RemoteBlobsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("no_proxy", "127.0.0.1", 1);
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener_, 8), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    base_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  void TearDown() override {
    ::shutdown(listener_, SHUT_RDWR);
    ::close(listener_);
  }
  // Patient, so that only what the account answers counts.
  std::unique_ptr<RemoteBlobs> account(milliseconds pause = std::chrono::hours(1)) {
    return std::make_unique<RemoteBlobs>(
        BlobAccount{"acct", "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U=", "acct.example.test", "plant"},
        base_, RemoteBlobs::Times{.connect = seconds(120), .whole = seconds(120), .pause = pause});
  }
  // What find() says when the account answers this.
  Result<BlobInfo> find(RemoteBlobs& blobs, const std::string& answer) {
    auto asked = std::async(std::launch::async, [this, answer] {
      std::string head;
      pollfd caller{listener_, POLLIN, 0};
      if (::poll(&caller, 1, 120'000) != 1) return head;
      const int peer = ::accept(listener_, nullptr, nullptr);
      char piece[4096];
      while (head.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = ::recv(peer, piece, sizeof piece, 0);
        if (got <= 0) break;
        head.append(piece, static_cast<std::size_t>(got));
      }
      ::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
      ::close(peer);
      return head;
    });
    Result<BlobInfo> found = ask(blobs);
    asked_ = asked.get();
    return found;
  }
  Result<BlobInfo> ask(RemoteBlobs& blobs) {
    std::promise<Result<BlobInfo>> answer;
    blobs.find("d1/a b.log", Reply<BlobInfo>(here_, [&answer](Result<BlobInfo> info) {
                 answer.set_value(std::move(info));
               }));
    return answer.get_future().get();
  }

  HereExecutor here_;
  int listener_ = -1;
  std::string base_;
  std::string asked_;
};

TEST_F(RemoteBlobsTest, R102_the_account_says_how_large_a_blob_is) {
  const auto blobs = account();
  const auto found = find(*blobs,
                          "HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n"
                          "Last-Modified: Wed, 29 Jul 2026 10:11:12 GMT\r\n\r\n");
  ASSERT_TRUE(found) << found.error().detail;
  EXPECT_EQ(found->bytes, 5'000'000'000u);
  EXPECT_EQ(found->modified, WallTime(seconds(1785319872)));
  EXPECT_THAT(asked_, StartsWith("HEAD /plant/d1/a%20b.log?sv="));
  EXPECT_THAT(asked_, HasSubstr("sp=r"));
}

TEST_F(RemoteBlobsTest, a_blob_that_is_not_there_is_told_apart_from_an_account_that_does_not_say) {
  const auto blobs = account();
  EXPECT_EQ(find(*blobs, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").error().code,
            Errc::not_found);
  EXPECT_EQ(find(*blobs, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").error().code,
            Errc::io_failed);
  // It is left alone for a while.
  EXPECT_EQ(ask(*blobs).error().code, Errc::busy);
}

TEST_F(RemoteBlobsTest, it_is_asked_again_after_the_pause) {
  const auto blobs = account(milliseconds(0));
  EXPECT_EQ(find(*blobs, "rubbish").error().code, Errc::io_failed);
  EXPECT_TRUE(find(*blobs, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"));
}

TEST_F(RemoteBlobsTest, a_stop_answers_what_waits) {
  const auto blobs = account();
  std::promise<Errc> answer;
  blobs->find("d1/x", Reply<BlobInfo>(here_, [&answer](const Result<BlobInfo>& info) {
                answer.set_value(info.error().code);
              }));
  blobs->stop();  // the account never answers
  answer.get_future().get();
  EXPECT_EQ(ask(*blobs).error().code, Errc::shutting_down);
}

}  // namespace
}  // namespace kyanite
