#include "bench/load/runs.h"

#include <chrono>
#include <cmath>

#include "bench/load/connect_scenario.h"
#include "bench/load/demo_scenario.h"
#include "bench/load/idle_scenario.h"
#include "bench/load/method_caller.h"
#include "bench/load/methods_scenario.h"
#include "bench/load/process_figures.h"
#include "bench/load/publish_scenario.h"
#include "bench/load/worker_group.h"

namespace kyanite::load {
namespace {

using Json = nlohmann::ordered_json;
using Seconds = std::chrono::duration<double>;

double two_digits(double value) { return std::round(value * 100) / 100; }

// A moment of the run: what the clock, the server and this process had used by then.
struct Sample {
  std::chrono::steady_clock::time_point time = std::chrono::steady_clock::now();
  std::optional<ProcessFigures> server;
  double own_cpu = own_cpu_seconds();

  explicit Sample(int pid) : server(read_process(pid)) {}
};

double seconds_between(const Sample& a, const Sample& b) { return Seconds(b.time - a.time).count(); }

// CPU time of server and generator for each of `count` things, in units of 1 / scale seconds.
void add_cpu(Json& figures, const Sample& a, const Sample& b, std::uint64_t count, double scale,
             const std::string& unit) {
  if (count == 0) return;
  const double share = scale / static_cast<double>(count);
  if (a.server && b.server) {
    figures["serverCpu" + unit] = two_digits((b.server->cpu_seconds - a.server->cpu_seconds) * share);
    figures["serverCores"] =
        two_digits((b.server->cpu_seconds - a.server->cpu_seconds) / seconds_between(a, b));
  }
  figures["clientCpu" + unit] = two_digits((b.own_cpu - a.own_cpu) * share);
}

const char* name_of(TlsVersion version) {
  switch (version) {
    case TlsVersion::v1_2:
      return "1.2";
    case TlsVersion::v1_3:
      return "1.3";
    case TlsVersion::any:
      break;
  }
  return "any";
}

std::int64_t kib(std::int64_t bytes) { return bytes / 1024; }

}  // namespace

Report run_connect(const Options& options, const TlsClient& tls, std::span<Device> devices) {
  using Workers = WorkerGroup<ConnectScenario>;
  RunControl control(static_cast<unsigned>(Workers::worker_count(options, devices.size())));
  Workers workers(options, tls, devices, control);
  control.wait_ready();
  const Sample before(options.target.pid);
  control.advance(Phase::running);
  control.wait_done_for(Seconds(3600));
  const Sample after(options.target.pid);
  control.advance(Phase::closing);
  workers.join();

  Latency latency;
  std::uint64_t completed = 0;
  std::uint64_t resumed = 0;
  for (const auto& worker : workers.scenarios()) {
    latency.add(worker->latency());
    completed += worker->completed();
    resumed += worker->resumed();
  }
  Report report;
  Json& figures = report.figures;
  figures = {
      {"mode", "connect"},
      {"devices", devices.size()},
      {"tls", name_of(options.tls)},
      {"protocol", options.amqp ? "amqp" : "mqtt"},
      {"transport", options.websocket ? "websocket" : "tcp"},
      {"concurrency", options.concurrency == 0 ? devices.size() : options.concurrency},
      {"connections", completed},
      {"resumed", resumed},
      {"seconds", two_digits(seconds_between(before, after))},
      {"connectionsPerSecond", std::round(static_cast<double>(completed) / seconds_between(before, after))},
      {"latency", latency.to_json()}};
  add_cpu(figures, before, after, completed, 1e3, "MsPerConnection");
  figures["failures"] = workers.failures();
  report.exit_status = completed == options.connections ? 0 : 1;
  return report;
}

Report run_publish(const Options& options, const TlsClient& tls, std::span<Device> devices) {
  using Workers = WorkerGroup<PublishScenario>;
  RunControl control(static_cast<unsigned>(Workers::worker_count(options, devices.size())));
  Workers workers(options, tls, devices, control);
  const auto sum = [&workers](std::uint64_t (PublishScenario::*figure)() const) {
    std::uint64_t total = 0;
    for (const auto& worker : workers.scenarios()) total += (worker.get()->*figure)();
    return total;
  };
  control.wait_ready();
  control.advance(Phase::running);
  if (options.messages == 0) control.wait_done_for(Seconds(options.warmup_seconds));
  const Sample before(options.target.pid);
  const std::uint64_t acknowledged_before = sum(&PublishScenario::acknowledged);
  control.set_measuring(true);
  control.wait_done_for(Seconds(options.duration_seconds));
  control.set_measuring(false);
  const Sample after(options.target.pid);
  const std::uint64_t acknowledged = sum(&PublishScenario::acknowledged) - acknowledged_before;
  control.advance(Phase::closing);
  workers.join();

  Latency latency;
  for (const auto& worker : workers.scenarios()) latency.add(worker->latency());
  const std::uint64_t sent = sum(&PublishScenario::sent);
  const std::uint64_t acknowledged_total = sum(&PublishScenario::acknowledged);
  const std::uint64_t violations = sum(&PublishScenario::order_violations);
  const std::uint64_t lost = sum(&PublishScenario::lost_connections);
  const std::uint64_t not_opened = sum(&PublishScenario::open_failures);
  Report report;
  Json& figures = report.figures;
  figures = {
      {"mode", options.mode == Mode::twin ? "twin" : "publish"},
      {"devices", devices.size()},
      {"tls", name_of(options.tls)},
      {"protocol", options.amqp ? "amqp" : "mqtt"},
      {"transport", options.websocket ? "websocket" : "tcp"},
      {"window", options.window},
      {"batch", options.batch},
      {"payloadBytes", options.payload_bytes},
      {"rate", options.rate},
      {"seconds", two_digits(seconds_between(before, after))},
      {"acknowledged", acknowledged},
      {"messagesPerSecond", std::round(static_cast<double>(acknowledged) / seconds_between(before, after))},
      {"latency", latency.to_json()}};
  add_cpu(figures, before, after, acknowledged, 1e6, "SecondsPerMillion");
  figures["sentTotal"] = sent;
  figures["acknowledgedTotal"] = acknowledged_total;
  figures["unacknowledged"] = sent - acknowledged_total;
  figures["orderViolations"] = violations;
  figures["connectionsLost"] = lost;
  figures["connectionsNotOpened"] = not_opened;
  figures["failures"] = workers.failures();
  if (violations != 0 || not_opened != 0) {
    report.exit_status = 1;
  } else if (lost != 0) {
    report.exit_status = 3;
  } else if (sent != acknowledged_total || acknowledged_total == 0) {
    report.exit_status = 1;
  }
  return report;
}

Report run_idle(const Options& options, const TlsClient& tls, std::span<Device> devices) {
  using Workers = WorkerGroup<IdleScenario>;
  RunControl control(static_cast<unsigned>(Workers::worker_count(options, devices.size())));
  const Sample before(options.target.pid);
  Workers workers(options, tls, devices, control);
  control.wait_ready();
  const Sample opened(options.target.pid);
  control.wait_done_for(Seconds(options.settle_seconds));
  const Sample settled(options.target.pid);
  control.wait_done_for(Seconds(options.hold_seconds));
  const Sample held(options.target.pid);
  control.advance(Phase::closing);
  workers.join();
  RunControl pause(1);
  pause.wait_done_for(Seconds(options.settle_seconds));
  const Sample closed(options.target.pid);

  std::size_t count = 0;
  std::size_t lost = 0;
  for (const auto& worker : workers.scenarios()) {
    count += worker->opened();
    lost += worker->lost();
  }
  Report report;
  Json& figures = report.figures;
  figures = {{"mode", "idle"},
             {"devices", devices.size()},
             {"tls", name_of(options.tls)},
             {"protocol", options.amqp ? "amqp" : "mqtt"},
             {"transport", options.websocket ? "websocket" : "tcp"},
             {"connections", count},
             {"secondsToOpen", two_digits(seconds_between(before, opened))},
             {"secondsHeld", two_digits(seconds_between(opened, held))},
             {"connectionsLost", lost}};
  if (before.server && settled.server && held.server && count != 0) {
    const auto resident = [](const Sample& sample) {
      return static_cast<std::int64_t>(sample.server->resident_bytes);
    };
    figures["serverResidentBeforeKiB"] = kib(resident(before));
    figures["serverResidentOpenKiB"] = kib(resident(settled));
    figures["serverResidentKiBPerConnection"] = two_digits(
        static_cast<double>(resident(settled) - resident(before)) / 1024.0 / static_cast<double>(count));
    if (closed.server) figures["serverResidentAfterKiB"] = kib(resident(closed));
    if (options.hold_seconds > 0) {
      figures["serverIdleCpuPercent"] = two_digits((held.server->cpu_seconds - settled.server->cpu_seconds) *
                                                   100 / seconds_between(settled, held));
    }
  }
  figures["failures"] = workers.failures();
  report.exit_status = count == devices.size() && lost == 0 ? 0 : 1;
  return report;
}

Report run_methods(const Options& options, const TlsClient& tls, std::span<Device> devices) {
  using Workers = WorkerGroup<MethodsScenario>;
  RunControl control(static_cast<unsigned>(Workers::worker_count(options, devices.size())));
  Workers workers(options, tls, devices, control);
  control.wait_ready();
  std::vector<std::string> ids;
  for (const Device& device : devices) ids.push_back(device.id);
  const Sample before(options.target.pid);
  const auto calls =
      call_methods(options.target, ids, Seconds(options.warmup_seconds), Seconds(options.duration_seconds));
  const Sample after(options.target.pid);
  control.advance(Phase::closing);
  workers.join();

  std::size_t listening = 0;
  for (const auto& worker : workers.scenarios()) listening += worker->listening();
  Report report;
  Json& figures = report.figures;
  figures = {{"mode", "methods"}, {"devices", devices.size()}, {"listening", listening}};
  if (!calls) {
    figures["problem"] = calls.error().detail;
    report.exit_status = 2;
    return report;
  }
  figures["completed"] = calls->completed;
  figures["callsPerSecond"] = std::round(static_cast<double>(calls->completed) / options.duration_seconds);
  figures["latency"] = calls->latency.to_json();
  add_cpu(figures, before, after, calls->completed, 1e3, "MsPerCall");
  figures["failed"] = calls->failed;
  figures["failures"] = workers.failures();
  report.exit_status = calls->failed == 0 && calls->completed > 0 && listening == devices.size() ? 0 : 1;
  return report;
}

Report run_demo(const Options& options, const TlsClient& tls, std::span<Device> devices) {
  RunControl control(1);
  WorkerGroup<DemoScenario> workers(options, tls, devices.first(1), control);
  workers.join();
  Report report;
  report.figures = {{"mode", "demo"},
                    {"device", devices.front().id},
                    {"acknowledged", workers.scenarios().front()->acknowledged()},
                    {"failures", workers.failures()}};
  return report;
}

}  // namespace kyanite::load
