#include "server/app/service_manager.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "tests/support/temporary_directory.h"

namespace kyanite {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// What systemd holds at the other end.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const bool is_abstract = name.front() == '@';
    if (is_abstract) address.sun_path[0] = '\0';
    const auto size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (is_abstract ? 0 : 1));
    bound_ = ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0;
  }
  ~NotifySocket() { ::close(fd_); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  bool bound() const { return bound_; }
  // The next datagram, or "" when there is none: a datagram is there when its sender returns.
  std::string next() {
    char buffer[512];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    return got < 0 ? std::string() : std::string(buffer, static_cast<std::size_t>(got));
  }

 private:
  int fd_;
  bool bound_ = false;
};

TEST(ServiceManager, tells_the_socket_at_a_path) {
  const TemporaryDirectory folder;
  const std::string path = (folder.path() / "notify").string();
  NotifySocket systemd(path);
  ASSERT_TRUE(systemd.bound());
  const auto manager = ServiceManager::open(path, std::chrono::microseconds(0));
  ASSERT_TRUE(manager) << manager.error().detail;
  manager->ready("serving");
  EXPECT_EQ(systemd.next(), "READY=1\nSTATUS=serving\n");
  manager->reloading();
  EXPECT_THAT(systemd.next(), StartsWith("RELOADING=1\nMONOTONIC_USEC="));
  manager->stopping();
  EXPECT_THAT(systemd.next(), HasSubstr("STOPPING=1"));
  manager->alive();
  EXPECT_EQ(systemd.next(), "WATCHDOG=1\n");
  EXPECT_EQ(systemd.next(), "");
  EXPECT_FALSE(manager->alive_every());
}

TEST(ServiceManager, tells_an_abstract_socket) {
  const std::string name = "@kyanite-test-" + std::to_string(::getpid());
  NotifySocket systemd(name);
  ASSERT_TRUE(systemd.bound());
  const auto manager = ServiceManager::open(name, std::chrono::seconds(30));
  ASSERT_TRUE(manager) << manager.error().detail;
  manager->alive();
  EXPECT_EQ(systemd.next(), "WATCHDOG=1\n");
  EXPECT_EQ(manager->alive_every(), milliseconds(15000));
}

TEST(ServiceManager, nobody_to_tell_is_no_error) {
  const auto nobody = ServiceManager::open("", std::chrono::seconds(30));
  ASSERT_TRUE(nobody);
  nobody->ready("serving");
  EXPECT_FALSE(nobody->alive_every());
  const TemporaryDirectory folder;
  const auto gone = ServiceManager::open((folder.path() / "nobody").string(), std::chrono::seconds(1));
  ASSERT_TRUE(gone);
  gone->ready("serving");  // nobody has bound it
}

TEST(ServiceManager, refuses_what_is_no_address) {
  for (const std::string& bad : {std::string("relative/path"), std::string("@"), std::string("/"),
                                 std::string("vsock:2:1234"), "/" + std::string(200, 'x')}) {
    const auto manager = ServiceManager::open(bad, std::chrono::microseconds(0));
    ASSERT_FALSE(manager) << bad;
    EXPECT_THAT(manager.error().detail, HasSubstr("NOTIFY_SOCKET"));
  }
}

TEST(ServiceManager, the_watchdog_of_another_process_is_none) {
  ::setenv("NOTIFY_SOCKET", "@kyanite-test-none", 1);
  ::setenv("WATCHDOG_USEC", "2000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(ServiceManager::from_environment()->alive_every());
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(ServiceManager::from_environment()->alive_every(), milliseconds(1000));
  ::setenv("WATCHDOG_USEC", "soon", 1);
  EXPECT_FALSE(ServiceManager::from_environment()->alive_every());
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
}

}  // namespace
}  // namespace kyanite
