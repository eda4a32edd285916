#include "server/app/listen_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "server/app/first_start/files.h"

namespace kyanite {
namespace {

// 0, or the errno of the step that failed.
int try_to_bind(const ListenAddress& address) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const bool is_v6 = address.address.find(':') != std::string::npos;
  if (is_v6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    if (::inet_pton(AF_INET6, address.address.c_str(), &v6->sin6_addr) != 1) return EINVAL;
    size = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    if (::inet_pton(AF_INET, address.address.c_str(), &v4->sin_addr) != 1) return EINVAL;
    size = sizeof *v4;
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int on = 1;
  const int off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (is_v6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  const bool bound =
      ::bind(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0 && ::listen(fd, 1) == 0;
  const int error = bound ? 0 : errno;
  ::close(fd);
  return error;
}

// Neither a kernel without the family nor a network without its addresses can be told from outside.
bool has_ipv6() {
  const int error = try_to_bind({"::", 0});
  return error != EAFNOSUPPORT && error != EADDRNOTAVAIL;
}

std::vector<ListenAddress*> all_of(Settings::Listeners& listen) {
  std::vector<ListenAddress*> all{&listen.mqtts, &listen.https};
  for (std::optional<ListenAddress>* address : {&listen.amqps, &listen.amqp, &listen.admin})
    if (*address) all.push_back(&**address);
  return all;
}

}  // namespace

std::vector<ListenAddress> use_ipv4_alone(Settings::Listeners& listen) {
  std::vector<ListenAddress> changed;
  for (ListenAddress* address : all_of(listen)) {
    if (!address->or_ipv4) continue;
    *address = {"0.0.0.0", address->port};
    changed.push_back(*address);
  }
  return changed;
}

std::vector<ListenAddress> use_what_the_machine_has(Settings::Listeners& listen) {
  return has_ipv6() ? std::vector<ListenAddress>() : use_ipv4_alone(listen);
}

Problem listen_problem(const char* key, const char* flag, const ListenAddress& address, int error) {
  const std::string where = std::string(key) + " (" + flag + ")";
  const std::string what = "cannot listen on " + to_string(address) + ": " + system_reason(error);
  const std::string port = std::to_string(address.port);
  switch (error) {
    case EACCES:
      return {where, what,
              "ports below 1024 need a permission: run `sudo setcap cap_net_bind_service=+ep` on the kyanite "
              "program, or `sudo sysctl net.ipv4.ip_unprivileged_port_start=" +
                  port + "` (also for a container with --network host; any other is given --sysctl " +
                  "net.ipv4.ip_unprivileged_port_start=" + port +
                  ", which Docker does by itself), or choose a port above 1023 with " + flag +
                  " ADDR:PORT (most SDKs dial 8883 and 443 only and then need a port mapping)"};
    case EADDRINUSE:
      return {where, what,
              "another program has port " + port + "; `ss -ltnp sport = :" + port +
                  "` shows which. Stop it, or choose another address or port with " + flag + " ADDR:PORT"};
    case EADDRNOTAVAIL:
      return {where, what,
              "this machine has no such address; use 0.0.0.0, [::] or one that `ip address` shows"};
    case EAFNOSUPPORT:
      return {where, what,
              std::string("this machine has no IPv6; choose ") + flag + " 0.0.0.0:" + port + ", or " + flag +
                  " *:" + port + " for all addresses of whatever the machine has"};
    default:
      return {where, what, std::string("choose another address with ") + flag + " ADDR:PORT"};
  }
}

Problems check_listen_addresses(const Settings::Listeners& listen) {
  Problems out;
  if (const int error = try_to_bind(listen.mqtts))
    out.push_back(listen_problem("listen.mqtts", "--mqtts", listen.mqtts, error));
  if (const int error = try_to_bind(listen.https))
    out.push_back(listen_problem("listen.https", "--https", listen.https, error));
  if (const int error = listen.amqps ? try_to_bind(*listen.amqps) : 0)
    out.push_back(listen_problem("listen.amqps", "--amqps", *listen.amqps, error));
  if (const int error = listen.amqp ? try_to_bind(*listen.amqp) : 0)
    out.push_back(listen_problem("listen.amqp", "--amqp", *listen.amqp, error));
  // The default address gives way to other programs.
  const bool needs_admin = listen.admin && listen.admin_was_chosen;
  if (const int error = needs_admin ? try_to_bind(*listen.admin) : 0)
    out.push_back(listen_problem("listen.admin", "--admin", *listen.admin, error));
  return out;
}

}  // namespace kyanite
