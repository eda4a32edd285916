// kyanite_load: devices that connect to and publish on a hub of this machine, and the figures that come out.

#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <iostream>

#include "bench/load/ack_log.h"
#include "bench/load/fleet.h"
#include "bench/load/options.h"
#include "bench/load/run_control.h"
#include "bench/load/runs.h"
#include "bench/load/tls_client.h"

namespace {

using namespace kyanite;
using namespace kyanite::load;

int fail(const Error& error) {
  std::fprintf(stderr, "kyanite_load: %s\n", error.detail.c_str());
  return 2;
}

// Takes all descriptors the system gives; each connection needs one.
Result<void> reserve_descriptors(std::size_t connections) {
  constexpr std::size_t kOther = 64;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= connections + kOther) return {};
  return Error{Errc::argument_invalid, std::to_string(connections) + " connections need more than the " +
                                           std::to_string(limit.rlim_cur) +
                                           " open files allowed here (ulimit -n); use fewer --devices"};
}

void print_table(const nlohmann::ordered_json& figures) {
  const auto flat = nlohmann::ordered_json(figures).flatten();
  for (const auto& [path, value] : flat.items()) {
    if (value.is_null()) continue;  // an empty list of failures
    std::string name = path.substr(1);
    for (char& c : name) {
      if (c == '/') c = '.';
    }
    std::cout << "  " << name << std::string(name.size() < 36 ? 36 - name.size() : 1, ' ')
              << (value.is_string() ? value.get<std::string>() : value.dump()) << '\n';
  }
}

Report run(const Options& options, const TlsClient& tls, std::vector<Device>& devices) {
  switch (options.mode) {
    case Mode::connect:
      return run_connect(options, tls, devices);
    case Mode::publish:
    case Mode::twin:
      return run_publish(options, tls, devices);
    case Mode::idle:
      return run_idle(options, tls, devices);
    case Mode::methods:
      return run_methods(options, tls, devices);
    case Mode::c2d:
      return run_c2d(options, tls, devices);
    case Mode::demo:
      break;
  }
  return run_demo(options, tls, devices);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  int exit_status = 0;
  if (!parse_options(argc, argv, options, exit_status)) return exit_status;
  RunControl::stop_on_signals();
  if (const Result<AckLog> log = AckLog::open(options.ack_log); !log) return fail(log.error());
  Result<TlsClient> tls = TlsClient::create(options.target, options.tls);
  if (!tls) return fail(tls.error());
  Result<std::vector<Device>> devices = load_fleet(options);
  if (!devices) return fail(devices.error());
  if (const Result<void> reserved = reserve_descriptors(devices->size()); !reserved)
    return fail(reserved.error());

  const Report report = run(options, *tls, *devices);
  if (options.json) {
    std::cout << report.figures.dump() << std::endl;
  } else {
    print_table(report.figures);
  }
  return report.exit_status;
}
