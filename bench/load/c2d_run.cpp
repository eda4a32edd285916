#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "bench/load/c2d_scenario.h"
#include "bench/load/c2d_sender.h"
#include "bench/load/runs.h"
#include "bench/load/worker_group.h"

namespace kyanite::load {
namespace {

using C2dWorkers = WorkerGroup<C2dScenario>;
using C2dSeconds = std::chrono::duration<double>;

constexpr auto kDeliveredWithin = std::chrono::seconds(20);
constexpr C2dSeconds kDrainedWithin{120};

double in_hundredths(double value) { return std::round(value * 100) / 100; }

std::uint64_t received_by(const C2dWorkers& workers) {
  std::uint64_t sum = 0;
  for (const auto& worker : workers.scenarios()) sum += worker->received();
  return sum;
}

std::vector<std::string> ids_of(std::span<const Device> devices) {
  std::vector<std::string> ids;
  for (const Device& device : devices) ids.push_back(device.id);
  return ids;
}

// Subscribes all devices and, unless only queues are to be filled, measures how long messages take.
bool measure_latency(const Options& options, const TlsClient& tls, std::span<Device> devices,
                     Report& report) {
  RunControl control(static_cast<unsigned>(C2dWorkers::worker_count(options, devices.size())));
  C2dWorkers workers(options, tls, devices, control);
  control.wait_ready();
  bool good = true;
  SendFigures sent;
  if (options.part == C2dPart::all) {
    const auto send_for = [&](double time) {
      const auto figures = send_messages(
          options.target, ids_of(devices),
          {.per_device = 0, .time = C2dSeconds(time), .at_once = std::min<std::size_t>(devices.size(), 256)});
      if (!figures) report.figures["problem"] = figures.error().detail;
      good = good && figures && figures->failed == 0;
      if (!figures) return;
      sent.sent += figures->sent;
      sent.failed += figures->failed;
      sent.seconds = figures->seconds;
    };
    if (options.warmup_seconds > 0) send_for(options.warmup_seconds);
    const std::uint64_t sent_before = sent.sent;
    control.set_measuring(true);
    send_for(options.duration_seconds);
    const auto until = std::chrono::steady_clock::now() + kDeliveredWithin;
    while (received_by(workers) < sent.sent && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    report.figures["messagesPerSecond"] =
        std::round(static_cast<double>(sent.sent - sent_before) / sent.seconds);
  }
  const std::uint64_t received = received_by(workers);
  control.advance(Phase::closing);
  workers.join();
  std::size_t subscribed = 0;
  Latency latency;
  for (const auto& worker : workers.scenarios()) {
    subscribed += worker->subscribed();
    latency.add(worker->latency());
  }
  report.figures["subscribed"] = subscribed;
  if (options.part == C2dPart::all) {
    report.figures["sent"] = sent.sent;
    report.figures["sendsFailed"] = sent.failed;
    report.figures["received"] = received;
    report.figures["latency"] = latency.to_json();
    good = good && received >= sent.sent;
  }
  report.figures["failures"] = workers.failures();
  return good && subscribed == devices.size();
}

bool fill_queues(const Options& options, std::span<const Device> devices, Report& report) {
  const auto filled = send_messages(options.target, ids_of(devices), {.per_device = options.depth});
  if (!filled) {
    report.figures["problem"] = filled.error().detail;
    return false;
  }
  report.figures["filled"] = filled->sent;
  report.figures["fillsFailed"] = filled->failed;
  report.figures["fillSeconds"] = in_hundredths(filled->seconds);
  report.figures["filledPerSecond"] = std::round(static_cast<double>(filled->sent) / filled->seconds);
  return filled->failed == 0 && filled->sent == options.depth * devices.size();
}

bool drain_queues(const Options& options, const TlsClient& tls, std::span<Device> devices, Report& report) {
  RunControl control(static_cast<unsigned>(C2dWorkers::worker_count(options, devices.size())));
  control.advance(Phase::running);
  const auto began = std::chrono::steady_clock::now();
  C2dWorkers workers(options, tls, devices, control);
  const bool all_done = control.wait_done_for(kDrainedWithin);
  const double time = C2dSeconds(std::chrono::steady_clock::now() - began).count();
  control.advance(Phase::closing);
  workers.join();
  std::uint64_t repetitions = 0;
  std::uint64_t violations = 0;
  for (const auto& worker : workers.scenarios()) {
    repetitions += worker->repetitions();
    violations += worker->order_violations();
  }
  const std::uint64_t drained = received_by(workers);
  report.figures["drained"] = drained;
  report.figures["drainSeconds"] = in_hundredths(time);
  report.figures["drainedPerSecond"] = std::round(static_cast<double>(drained) / time);
  report.figures["repetitions"] = repetitions;
  report.figures["orderViolations"] = violations;
  report.figures["drainFailures"] = workers.failures();
  return all_done && violations == 0 && drained == options.take * devices.size();
}

}  // namespace

Report run_c2d(const Options& options, const TlsClient& tls, std::span<Device> devices) {
  Report report;
  report.figures = {
      {"mode", "c2d"}, {"devices", devices.size()}, {"transport", options.websocket ? "websocket" : "tcp"}};
  bool good = true;
  if (options.part != C2dPart::drain) {
    good = measure_latency(options, tls, devices, report) && fill_queues(options, devices, report);
  }
  Options drain = options;
  if (options.part == C2dPart::all) drain.take = std::min<std::uint64_t>(options.take, options.depth);
  if (good && options.part != C2dPart::fill) good = drain_queues(drain, tls, devices, report);
  report.exit_status = good ? 0 : 1;
  return report;
}

}  // namespace kyanite::load
