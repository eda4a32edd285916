#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "bench/load/target.h"

namespace kyanite::load {

enum class Mode { connect, publish, twin, idle, methods, c2d, demo };
enum class C2dPart { all, fill, drain };
enum class TlsVersion { any, v1_2, v1_3 };

// Where the devices come from: a CSV file of `deviceId,key`, or a template whose devices are created over
// REST.
struct FleetOptions {
  std::string list_file;
  std::string prefix = "load-";
  std::uint32_t count = 100;  // with list_file: at most so many of its lines
  std::string save_file;      // the devices used, as CSV, for the next run
};

// Every bound of a run is checked when the flags are read: no run goes on for ever but the demo.
struct Options {
  Mode mode = Mode::publish;
  Target target;
  FleetOptions fleet;
  TlsVersion tls = TlsVersion::any;
  std::uint32_t threads = 1;
  std::uint16_t keep_alive_seconds = 240;
  bool json = false;
  bool websocket = false;  // MQTT over WebSocket on the HTTPS address
  // connect, publish and idle: AMQP in place of MQTT; a transfer carries so many messages.
  bool amqp = false;
  std::uint32_t batch = 1;

  // connect
  std::uint64_t connections = 1000;
  std::uint32_t concurrency = 64;  // 0: every device at once (a reconnect storm)
  bool resume = false;
  bool drop = false;  // connect and idle: close without DISCONNECT

  // publish, and twin, whose messages are patches of reported properties
  std::uint32_t window = 16;
  std::uint32_t payload_bytes = 64;
  double rate = 0;             // messages a second over all devices; 0 saturates
  std::uint64_t messages = 0;  // 0: until the duration ends
  double duration_seconds = 10;
  double warmup_seconds = 1;
  std::uint64_t first_sequence = 0;
  std::string ack_log;

  // c2d
  C2dPart part = C2dPart::all;
  std::uint32_t depth = 50;  // messages that a fill leaves for each device
  std::uint64_t take = 50;   // that each device of a drain acknowledges; the first is first_sequence

  // idle
  double hold_seconds = 5;
  double settle_seconds = 2;

  // demo
  std::string demo_device = "demo-thermometer";
  double interval_seconds = 1;
  std::uint64_t demo_count = 0;  // 0: until stopped
};

// Reads the command line. Returns true when a run should follow, false when the program should end with
// exit_status (help, or a problem that was printed).
bool parse_options(int argc, char** argv, Options& options, int& exit_status);

}  // namespace kyanite::load
