#include "server/app/listen_check.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace kyanite {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> texts(const std::vector<ListenAddress>& addresses) {
  std::vector<std::string> out;
  for (const ListenAddress& address : addresses) out.push_back(to_string(address));
  return out;
}

TEST(ListenCheck, without_ipv6_the_defaults_become_ipv4_and_what_was_chosen_stays) {
  Settings::Listeners listen;
  listen.https = *listen_address_from_text("[::]:1443");
  listen.amqp = *listen_address_from_text("*:5672");
  listen.admin = *listen_address_from_text("[::1]:8080");
  EXPECT_EQ(texts(use_ipv4_alone(listen)),
            (std::vector<std::string>{"0.0.0.0:8883", "0.0.0.0:5671", "0.0.0.0:5672"}));
  EXPECT_EQ(to_string(listen.mqtts), "0.0.0.0:8883");
  EXPECT_EQ(to_string(listen.https), "[::]:1443");
  EXPECT_EQ(to_string(listen.amqps), "0.0.0.0:5671");
  EXPECT_EQ(to_string(listen.amqp), "0.0.0.0:5672");
  EXPECT_EQ(to_string(listen.admin), "[::1]:8080");
  EXPECT_THAT(use_ipv4_alone(listen), IsEmpty()) << "once is enough";
}

TEST(ListenCheck, with_ipv6_nothing_changes) {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) GTEST_SKIP() << "this machine has no IPv6";
  ::close(fd);
  Settings::Listeners listen;
  EXPECT_THAT(use_what_the_machine_has(listen), IsEmpty());
  EXPECT_EQ(to_string(listen.mqtts), "[::]:8883");
}

TEST(ListenCheck, a_chosen_ipv6_address_without_ipv6_is_told_what_to_do) {
  const std::string text = to_text({listen_problem("listen.mqtts", "--mqtts", {"::", 8883}, EAFNOSUPPORT)});
  EXPECT_THAT(text, HasSubstr("cannot listen on [::]:8883"));
  EXPECT_THAT(text, HasSubstr("this machine has no IPv6"));
  EXPECT_THAT(text, HasSubstr("--mqtts 0.0.0.0:8883"));
  EXPECT_THAT(text, HasSubstr("--mqtts *:8883"));
}

}  // namespace
}  // namespace kyanite
