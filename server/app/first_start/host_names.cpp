#include "server/app/first_start/host_names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "config/validate.h"

namespace kyanite {
namespace {

void add_once(std::vector<std::string>& names, std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.empty() || host_name_fault(name)) return;
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
}

bool is_loopback(const addrinfo& entry) {
  if (entry.ai_family == AF_INET) {
    const auto* address = reinterpret_cast<const sockaddr_in*>(entry.ai_addr);
    return (ntohl(address->sin_addr.s_addr) >> 24) == 127;
  }
  if (entry.ai_family == AF_INET6) {
    const auto* address = reinterpret_cast<const sockaddr_in6*>(entry.ai_addr);
    return IN6_IS_ADDR_LOOPBACK(&address->sin6_addr);
  }
  return false;
}

}  // namespace

std::vector<std::string> choose_host_names(const std::vector<std::string>& configured,
                                           std::string_view remembered, std::string_view machine_name,
                                           const std::function<bool(const std::string&)>& resolves) {
  std::vector<std::string> names;
  for (const std::string& name : configured) add_once(names, name);
  if (names.empty()) {
    if (remembered == kNiceHostName || remembered == kPlainHostName) {
      names.emplace_back(remembered);
    } else {
      names.emplace_back(resolves(std::string(kNiceHostName)) ? kNiceHostName : kPlainHostName);
    }
  }
  for (const std::string_view name :
       {kNiceHostName, std::string_view("localhost"), kPlainHostName, std::string_view("::1")}) {
    add_once(names, std::string(name));
  }
  add_once(names, std::string(machine_name));
  return names;
}

bool resolves_to_loopback(const std::string& name) {
  struct Lookup {
    std::string name;
    addrinfo hints{};
    gaicb request{};
  };
  auto lookup = std::make_unique<Lookup>();
  lookup->name = name;
  lookup->hints.ai_socktype = SOCK_STREAM;
  lookup->request.ar_name = lookup->name.c_str();
  lookup->request.ar_request = &lookup->hints;
  gaicb* const request = &lookup->request;
  gaicb* list[] = {request};
  if (getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr) != 0) return false;
  const gaicb* waited[] = {request};
  const timespec limit{0, 500'000'000};
  gai_suspend(waited, 1, &limit);
  if (gai_error(request) == EAI_INPROGRESS && gai_cancel(request) == EAI_NOTCANCELED) {
    static_cast<void>(
        lookup.release());  // the resolver's thread still works on it: it is left to the process
    return false;
  }
  if (gai_error(request) != 0 || request->ar_result == nullptr) return false;
  bool all_loopback = true;
  for (const addrinfo* entry = request->ar_result; entry != nullptr; entry = entry->ai_next) {
    all_loopback = all_loopback && is_loopback(*entry);
  }
  freeaddrinfo(request->ar_result);
  return all_loopback;
}

std::string machine_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return {};
  return name;
}

}  // namespace kyanite
