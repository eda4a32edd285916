#include "bench/load/options.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

namespace kyanite::load {
namespace {

constexpr std::uint32_t kDevicesMax = 100'000;
constexpr std::uint64_t kConnectionsMax = 1'000'000;
constexpr std::uint64_t kMessagesMax = 1'000'000'000;
constexpr std::uint32_t kWindowMax = 4096;
constexpr std::uint32_t kBatchMax = 256;
// What a connection may have waiting for its owner, and a string in a twin.
constexpr std::uint32_t kTwinWindowMax = 64;
constexpr std::uint32_t kTwinBodyBytesMax = 4096;
constexpr std::uint32_t kPayloadBytesMax = 262'000;
constexpr double kDurationSecondsMax = 3600;

// The flags that name the hub, before they are resolved.
struct TargetFlags {
  std::string data;
  std::string mqtts;
  std::string amqps;
  std::string https;
  std::string host_name;
  std::string connection_string;
  std::string ca_file;
  int pid = 0;
};

void add_target(CLI::App& app, TargetFlags& flags) {
  app.add_option("--data", flags.data,
                 "Data directory of a running hub; its hub.json gives all that follows");
  app.add_option("--mqtts", flags.mqtts, "MQTT address, ADDRESS:PORT on the loopback");
  app.add_option("--amqps", flags.amqps, "AMQP address, for --amqp");
  app.add_option("--https", flags.https, "HTTPS address, to create devices");
  app.add_option("--host", flags.host_name, "The hub's host name");
  app.add_option("--connection-string", flags.connection_string,
                 "Service connection string, to create devices");
  app.add_option("--ca", flags.ca_file, "CA of the hub's certificate (PEM)");
  app.add_option("--pid", flags.pid, "Process whose CPU time and memory are reported")
      ->check(CLI::Range(1, 1 << 30));
}

void add_run(CLI::App& app, Options& options) {
  static const std::map<std::string, TlsVersion> versions{
      {"any", TlsVersion::any}, {"1.2", TlsVersion::v1_2}, {"1.3", TlsVersion::v1_3}};
  app.add_option("--tls", options.tls, "TLS version: any, 1.2 or 1.3")
      ->transform(CLI::CheckedTransformer(versions));
  app.add_option("--keep-alive", options.keep_alive_seconds, "MQTT keep-alive in seconds")
      ->check(CLI::Range(5, 1177));
  app.add_flag("--websocket", options.websocket, "MQTT over WebSocket, on the HTTPS address");
  app.add_flag("--json", options.json, "Print one JSON object instead of a table");
}

void add_fleet(CLI::App& app, Options& options) {
  app.add_option("--device-list", options.fleet.list_file, "CSV file: deviceId,key");
  app.add_option("--devices", options.fleet.count, "Number of devices")->check(CLI::Range(1U, kDevicesMax));
  app.add_option("--prefix", options.fleet.prefix, "Created devices are PREFIX00000, PREFIX00001, ...");
  app.add_option("--save-devices", options.fleet.save_file, "Write the devices used as CSV");
  app.add_option("--threads", options.threads, "Threads of the generator")->check(CLI::Range(1U, 16U));
}

void add_modes(CLI::App& app, Options& options, TargetFlags& flags) {
  CLI::App* connect =
      app.add_subcommand("connect", "Connections a second: TCP, TLS, CONNECT, CONNACK, close");
  connect->add_option("--connections", options.connections, "Connections to make")
      ->check(CLI::Range(std::uint64_t{1}, kConnectionsMax));
  connect->add_option("--concurrency", options.concurrency, "Open at once; 0 is every device (a storm)")
      ->check(CLI::Range(0U, kDevicesMax));
  connect->add_flag("--resume", options.resume,
                    "Resume TLS sessions; one full handshake a device goes before");
  connect->add_flag("--drop", options.drop, "Close without DISCONNECT");

  CLI::App* publish = app.add_subcommand("publish", "Pipelined QoS 1 telemetry with latency percentiles");
  publish->add_option("--window", options.window, "Unacknowledged messages a device")
      ->check(CLI::Range(1U, kWindowMax));
  publish->add_option("--payload", options.payload_bytes, "Body size in bytes")
      ->check(CLI::Range(1U, kPayloadBytesMax));
  publish->add_option("--rate", options.rate, "Messages a second over all devices; 0 saturates")
      ->check(CLI::Range(0.0, 1e7));
  publish->add_option("--messages", options.messages, "Stop after so many messages")
      ->check(CLI::Range(std::uint64_t{0}, kMessagesMax));
  publish->add_option("--duration", options.duration_seconds, "Stop after so many seconds")
      ->check(CLI::Range(0.1, kDurationSecondsMax));
  publish->add_option("--warmup", options.warmup_seconds, "Seconds left out of the figures")
      ->check(CLI::Range(0.0, 60.0));
  publish->add_option("--batch", options.batch, "Messages that a transfer carries, with --amqp")
      ->check(CLI::Range(1U, kBatchMax));
  publish->add_option("--first-sequence", options.first_sequence, "Sequence number each device starts with");
  publish->add_option("--ack-log", options.ack_log, "Append each acknowledged message to this file");

  // The hub acknowledges a patch of QoS 1 when it is stored.
  CLI::App* twin = app.add_subcommand("twin", "Reported patches of QoS 1, each durable when acknowledged");
  twin->add_option("--window", options.window, "Unacknowledged patches a device")
      ->check(CLI::Range(1U, kTwinWindowMax));
  twin->add_option("--payload", options.payload_bytes, "Body size in bytes")
      ->check(CLI::Range(1U, kTwinBodyBytesMax));
  twin->add_option("--rate", options.rate, "Patches a second over all devices; 0 saturates")
      ->check(CLI::Range(0.0, 1e7));
  twin->add_option("--duration", options.duration_seconds, "Stop after so many seconds")
      ->check(CLI::Range(0.1, kDurationSecondsMax));
  twin->add_option("--warmup", options.warmup_seconds, "Seconds left out of the figures")
      ->check(CLI::Range(0.0, 60.0));

  CLI::App* idle = app.add_subcommand("idle", "Open connections, hold them, report the server's memory");
  idle->add_option("--hold", options.hold_seconds, "Seconds to hold")
      ->check(CLI::Range(0.0, kDurationSecondsMax));
  idle->add_option("--settle", options.settle_seconds, "Seconds before each look at the memory")
      ->check(CLI::Range(0.0, 60.0));
  idle->add_flag("--drop", options.drop, "Close without DISCONNECT");

  CLI::App* methods =
      app.add_subcommand("methods", "Direct methods over REST, one at a time for each device");
  methods->add_option("--duration", options.duration_seconds, "Stop after so many seconds")
      ->check(CLI::Range(0.1, kDurationSecondsMax));
  methods->add_option("--warmup", options.warmup_seconds, "Seconds left out of the figures")
      ->check(CLI::Range(0.0, 60.0));

  static const std::map<std::string, C2dPart> parts{
      {"all", C2dPart::all}, {"fill", C2dPart::fill}, {"drain", C2dPart::drain}};
  CLI::App* c2d = app.add_subcommand(
      "c2d", "Cloud-to-device messages from REST to the device, and full queues filled and drained");
  c2d->add_option("--duration", options.duration_seconds, "Seconds of measuring latency")
      ->check(CLI::Range(0.1, kDurationSecondsMax));
  c2d->add_option("--warmup", options.warmup_seconds, "Seconds left out of the figures")
      ->check(CLI::Range(0.0, 60.0));
  c2d->add_option("--part", options.part, "all, or only to fill or to drain the queues")
      ->transform(CLI::CheckedTransformer(parts));
  c2d->add_option("--depth", options.depth, "Messages that a fill leaves for each device")
      ->check(CLI::Range(1U, 50U));
  c2d->add_option("--take", options.take, "Messages that each device of a drain takes")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{50}));
  c2d->add_option("--first-sequence", options.first_sequence, "Number of the first message that waits");

  CLI::App* demo = app.add_subcommand("demo", "One simulated thermometer, until stopped");
  demo->add_option("--device-list", options.fleet.list_file,
                   "CSV file: deviceId,key; its first device is used");
  demo->add_option("--device", options.demo_device, "Device id");
  demo->add_option("--interval", options.interval_seconds, "Seconds between two messages")
      ->check(CLI::Range(0.05, kDurationSecondsMax));
  demo->add_option("--count", options.demo_count, "Stop after so many acknowledged messages");

  for (CLI::App* mode : {connect, publish, idle}) {
    mode->add_flag("--amqp", options.amqp, "AMQP in place of MQTT: SASL PLAIN and a link for telemetry");
  }
  for (CLI::App* mode : {connect, publish, twin, idle, methods, c2d, demo}) {
    add_target(*mode, flags);
    add_run(*mode, options);
    if (mode != demo) add_fleet(*mode, options);
  }
  connect->callback([&options] { options.mode = Mode::connect; });
  publish->callback([&options] { options.mode = Mode::publish; });
  twin->callback([&options] { options.mode = Mode::twin; });
  idle->callback([&options] { options.mode = Mode::idle; });
  methods->callback([&options] { options.mode = Mode::methods; });
  c2d->callback([&options] { options.mode = Mode::c2d; });
  demo->callback([&options] { options.mode = Mode::demo; });
}

// Flags over hub.json; what a run cannot do without is named.
Result<Target> resolve(const TargetFlags& flags, const Options& options) {
  Target target;
  if (!flags.data.empty()) {
    Result<Target> read = read_hub_file(flags.data);
    if (!read) return read.error();
    target = std::move(*read);
  }
  for (const auto& [text, address] : {std::pair{&flags.mqtts, &target.mqtts},
                                      {&flags.amqps, &target.amqps},
                                      {&flags.https, &target.https}}) {
    if (text->empty()) continue;
    const Result<LoopbackAddress> parsed = parse_loopback_address(*text);
    if (!parsed) return parsed.error();
    *address = *parsed;
  }
  if (!flags.host_name.empty()) target.host_name = flags.host_name;
  if (!flags.connection_string.empty()) target.service_connection_string = flags.connection_string;
  if (!flags.ca_file.empty()) target.ca_file = flags.ca_file;
  if (flags.pid != 0) target.pid = flags.pid;
  if (!target.mqtts.known()) return Error{Errc::argument_invalid, "give --data DIR or --mqtts ADDRESS:PORT"};
  if (options.amqp && options.websocket)
    return Error{Errc::argument_invalid, "--amqp goes over TLS, not with --websocket"};
  if (options.batch > 1 && !options.amqp) return Error{Errc::argument_invalid, "--batch is for --amqp"};
  if (options.amqp && !target.amqps.known())
    return Error{Errc::argument_invalid, "give --data DIR or --amqps ADDRESS:PORT: --amqp connects there"};
  if (options.websocket && !target.https.known()) {
    return Error{Errc::argument_invalid,
                 "give --data DIR or --https ADDRESS:PORT: --websocket connects there"};
  }
  if (target.ca_file.empty()) return Error{Errc::argument_invalid, "give --data DIR or --ca FILE"};
  if (target.host_name.empty()) target.host_name = target.mqtts.host;
  return target;
}

}  // namespace

bool parse_options(int argc, char** argv, Options& options, int& exit_status) {
  CLI::App app{"Load generator for a Kyanite hub on this machine (loopback only)"};
  app.require_subcommand(1);
  TargetFlags flags;
  add_modes(app, options, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    exit_status = app.exit(problem);
    return false;
  }
  Result<Target> target = resolve(flags, options);
  if (!target) {
    std::fprintf(stderr, "kyanite_load: %s\n", target.error().detail.c_str());
    exit_status = 2;
    return false;
  }
  options.target = std::move(*target);
  return true;
}

}  // namespace kyanite::load
