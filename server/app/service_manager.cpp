#include "server/app/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include "server/app/first_start/files.h"

namespace kyanite {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::optional<long long> number(std::string_view text) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<ServiceManager> ServiceManager::open(std::string_view address, std::chrono::microseconds watchdog) {
  ServiceManager out;
  if (address.empty()) return out;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const bool is_abstract = address.front() == '@';
  if (!is_abstract && address.front() != '/')
    return Error(Errc::argument_invalid,
                 "NOTIFY_SOCKET is neither a path nor the name of an abstract socket");
  // A path ends with a zero byte, the name of an abstract socket begins with one.
  if (address.size() < 2 || address.size() >= sizeof name.sun_path)
    return Error(Errc::argument_invalid,
                 "NOTIFY_SOCKET is too short or too long for the address of a socket");
  std::memcpy(name.sun_path, address.data(), address.size());
  if (is_abstract) name.sun_path[0] = '\0';
  const std::size_t size = offsetof(sockaddr_un, sun_path) + address.size() + (is_abstract ? 0 : 1);
  out.address_.assign(reinterpret_cast<const char*>(&name), size);
  out.socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (out.socket_ < 0)
    return Error(Errc::io_failed, "no socket for the service manager: " + system_reason(errno));
  if (watchdog.count() > 0) {
    out.alive_every_ = std::max(std::chrono::duration_cast<milliseconds>(watchdog / 2), milliseconds(1));
  }
  return out;
}

Result<ServiceManager> ServiceManager::from_environment() {
  std::chrono::microseconds watchdog{0};
  const std::string_view pid = variable("WATCHDOG_PID");
  if (pid.empty() || number(pid) == ::getpid())
    watchdog = std::chrono::microseconds(number(variable("WATCHDOG_USEC")).value_or(0));
  return open(variable("NOTIFY_SOCKET"), watchdog);
}

ServiceManager::ServiceManager(ServiceManager&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      address_(std::move(other.address_)),
      alive_every_(std::exchange(other.alive_every_, std::nullopt)) {}

ServiceManager& ServiceManager::operator=(ServiceManager&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(address_, other.address_);
  std::swap(alive_every_, other.alive_every_);
  return *this;
}

ServiceManager::~ServiceManager() {
  if (socket_ >= 0) ::close(socket_);
}

void ServiceManager::ready(std::string_view status) const {
  send("READY=1\nSTATUS=" + std::string(status) + "\n");
}

// The time lets the manager tell this reload from an earlier one.
void ServiceManager::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const long long microseconds = now.tv_sec * 1'000'000LL + now.tv_nsec / 1000;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds) + "\n");
}

void ServiceManager::stopping() const { send("STOPPING=1\nSTATUS=closing connections\n"); }

void ServiceManager::alive() const { send("WATCHDOG=1\n"); }

// What is lost is not sent again: a manager that does not read is no reason to stop serving.
void ServiceManager::send(std::string_view text) const {
  if (socket_ < 0) return;
  ::sendto(socket_, text.data(), text.size(), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(address_.data()), static_cast<socklen_t>(address_.size()));
}

}  // namespace kyanite
