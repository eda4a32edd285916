#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/result.h"
#include "protocol/base/time.h"

namespace kyanite {

// Tells the service manager that started the process how it is (sd_notify(3)): ready, reloading, stopping,
// alive. Nothing is sent, and nothing fails, where there is none.
//
// Owner: the serve command; outlives the Application. Thread-safe: a call is one datagram, sent without
// waiting. Errors of open(): Errc::argument_invalid for an address that cannot be one, Errc::io_failed
// without a socket.
class ServiceManager {
 public:
  // `address` is NOTIFY_SOCKET: a path, "@name" for an abstract one, or empty for nobody. `watchdog` is
  // WATCHDOG_USEC: the longest time between two alive(), zero for none.
  static Result<ServiceManager> open(std::string_view address, std::chrono::microseconds watchdog);
  // By this process's environment. A watchdog that is for another process (WATCHDOG_PID) is none.
  static Result<ServiceManager> from_environment();

  ServiceManager() = default;
  ServiceManager(ServiceManager&& other) noexcept;
  ServiceManager& operator=(ServiceManager&& other) noexcept;
  ~ServiceManager();

  void ready(std::string_view status) const;
  void reloading() const;
  void stopping() const;
  void alive() const;

  // How often alive() is to be called: half of what is allowed. Nothing without a watchdog.
  std::optional<milliseconds> alive_every() const { return alive_every_; }

 private:
  void send(std::string_view text) const;

  int socket_ = -1;      // owned
  std::string address_;  // a sockaddr_un, as sendto takes it
  std::optional<milliseconds> alive_every_;
};

}  // namespace kyanite
