#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"
#include "protocol/http/request.h"

// Faults that a test asks the hub to make, /kyanite/v1/faults: there only with the setting testControl.
namespace kyanite {

enum class FaultKind : std::uint8_t {
  drop,            // ends the connection without a packet; with routes: instead of answering a request
  refuse_connect,  // answers CONNECT with `connack_code`
  hold_pubacks,    // what is stored is acknowledged when the rule ends
  lose_puback,     // what is stored is never acknowledged
  cut,             // ends the connection after `bytes` in one direction, within a packet if need be; with
                   // routes: within the answer to a request
  delay,           // what the device sends waits; with routes: the answer to a request does
  http_error,      // answers a request with `http_status`
};

// When a drop happens.
enum class FaultMoment : std::uint8_t {
  now,      // to what is connected when the rule begins; the rule is over then
  connect,  // in place of the answer to CONNECT
  publish,  // in place of taking a PUBLISH, which is not stored
  puback,   // in place of the PUBACK of what is stored
};

enum class FaultDirection : std::uint8_t { from_device, to_device };

// What a dropped device is told apart by in logs: the service's own faults look like its own limits.
enum class FaultPretext : std::uint8_t { none, throttled, quota_exceeded };

// Whom a rule concerns. Nothing set: everybody.
struct FaultScope {
  std::string device;  // with its modules, unless `module` is set
  std::string module;
  double share_percent = 100;  // of all devices, chosen by a hash of their ids: the same ones each time
  std::uint64_t seed = 0;      // another one chooses others

  bool is_hub() const { return device.empty() && share_percent >= 100; }
  bool matches(const Identity& identity) const;
  // A request that names no device is the whole hub's only.
  bool matches_device(std::string_view device_id) const;
};

// "GET /twins/*": a verb or "*", and a path; "*" stands for one segment, a final "**" for all that follow.
// Literals ignore case.
struct FaultRoute {
  HttpVerb verb = HttpVerb::other;  // other: any
  std::vector<std::string> segments;
  std::string text;

  bool matches(HttpVerb of, const std::vector<std::string>& path) const;
};
Result<FaultRoute> parse_fault_route(std::string_view text);

struct FaultRule {
  std::string id;  // the hub's choice when empty
  FaultKind kind = FaultKind::drop;
  FaultScope scope;
  FaultMoment moment = FaultMoment::now;
  FaultPretext pretext = FaultPretext::none;
  bool orderly = false;  // a drop lets what is queued for the device out first
  std::uint8_t connack_code = 3;
  std::uint64_t bytes = 0;
  FaultDirection direction = FaultDirection::from_device;
  milliseconds wait{0};  // of a delay
  int http_status = 503;
  bool after_operation = false;        // the request is carried out, only its answer is an error or missing
  std::vector<FaultRoute> routes;      // empty, of http_error: all routes but those for tests
  std::uint64_t nth = 1;               // the first nth - 1 events that match pass
  std::optional<std::uint64_t> count;  // then so many are hit
  milliseconds begins_after{0};
  milliseconds duration{0};  // from its beginning; 0 takes limits::kFaultDuration

  bool is_about_requests() const { return kind == FaultKind::http_error || !routes.empty(); }
};

// A request as faults see it.
struct FaultRequest {
  HttpVerb verb;
  const std::vector<std::string>& path;
  std::string_view device;  // that it is about, or empty
};
// The device that the path of a route of the API names, or empty.
std::string_view device_in_path(const std::vector<std::string>& path);

// A rule in force, shared by all shards; only the two counters change.
struct Fault {
  explicit Fault(FaultRule r) : rule(std::move(r)) {}
  // Counts one event that matches; true when it is hit.
  bool take();
  bool is_used_up() const;

  const FaultRule rule;
  std::atomic<std::uint64_t> seen{0};
  std::atomic<std::uint64_t> hits{0};
};
using FaultPtr = std::shared_ptr<Fault>;

}  // namespace kyanite
