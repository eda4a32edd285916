#include "server/api/fault_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "protocol/base/ids.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

template <class Value>
struct Named {
  std::string_view name;
  Value value;
};

constexpr std::array kKinds{
    Named<FaultKind>{"drop", FaultKind::drop},
    Named<FaultKind>{"refuseConnect", FaultKind::refuse_connect},
    Named<FaultKind>{"holdPubacks", FaultKind::hold_pubacks},
    Named<FaultKind>{"losePuback", FaultKind::lose_puback},
    Named<FaultKind>{"cut", FaultKind::cut},
    Named<FaultKind>{"delay", FaultKind::delay},
    Named<FaultKind>{"httpError", FaultKind::http_error},
};
constexpr std::array kMoments{
    Named<FaultMoment>{"now", FaultMoment::now},
    Named<FaultMoment>{"connect", FaultMoment::connect},
    Named<FaultMoment>{"publish", FaultMoment::publish},
    Named<FaultMoment>{"puback", FaultMoment::puback},
};
constexpr std::array kDirections{
    Named<FaultDirection>{"fromDevice", FaultDirection::from_device},
    Named<FaultDirection>{"toDevice", FaultDirection::to_device},
};
constexpr std::array kStatuses{429, 500, 502, 503, 504};
constexpr double kCountMax = 1e9;

template <class Value, std::size_t N>
std::string_view name_in(const std::array<Named<Value>, N>& names, Value value) {
  for (const auto& entry : names) {
    if (entry.value == value) return entry.name;
  }
  return {};
}

// Reads the members of a rule one after the other; the first one that is wrong stays.
class RuleReader {
 public:
  explicit RuleReader(const Json& json) : json_(json) {}

  std::optional<Error>& error() { return error_; }
  bool has(std::string_view name) const { return find_member(json_, name) != nullptr; }

  void number(std::string_view name, double least, double most, double& into) {
    const Json* value = find_member(json_, name);
    if (!value || error_) return;
    const double number = value->is_number() ? value->get<double>() : std::nan("");
    if (!(number >= least && number <= most)) {
      return fail(name, "must be a number from " + short_text(least) + " to " + short_text(most));
    }
    into = number;
  }
  template <class Integer>
  void integer(std::string_view name, double least, double most, Integer& into) {
    double value = 0;
    if (!has(name)) return;
    number(name, least, most, value);
    if (error_) return;
    if (value != std::floor(value)) return fail(name, "must be a whole number");
    into = static_cast<Integer>(value);
  }
  void duration(std::string_view name, seconds most, milliseconds& into) {
    double value = 0;
    if (!has(name)) return;
    number(name, 0, static_cast<double>(most.count()), value);
    into = milliseconds(std::llround(value * 1000));
  }
  void flag(std::string_view name, bool& into) {
    const Json* value = find_member(json_, name);
    if (!value || error_) return;
    if (!value->is_boolean()) return fail(name, "must be true or false");
    into = value->get<bool>();
  }
  void text(std::string_view name, std::string& into) {
    const Json* value = find_member(json_, name);
    if (!value || error_) return;
    if (!value->is_string() || !is_valid_id(value->get<std::string>())) return fail(name, "must be an id");
    into = value->get<std::string>();
  }
  template <class Value, std::size_t N>
  void one_of(std::string_view name, const std::array<Named<Value>, N>& names, Value& into) {
    const Json* value = find_member(json_, name);
    if (!value || error_) return;
    std::string known;
    for (const auto& entry : names) {
      if (value->is_string() && equals_ignoring_case(value->get<std::string>(), entry.name)) {
        into = entry.value;
        return;
      }
      known.append(known.empty() ? "" : ", ").append(entry.name);
    }
    fail(name, "must be one of " + known);
  }
  void fail(std::string_view name, const std::string& why) {
    if (!error_) error_ = Error(Errc::argument_invalid, std::string(name) + " " + why);
  }

 private:
  static std::string short_text(double number) { return std::to_string(static_cast<std::int64_t>(number)); }

  const Json& json_;
  std::optional<Error> error_;
};

std::optional<Error> unknown_member(const Json& json, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : members_of(json)) {
    const bool is_known = std::any_of(known.begin(), known.end(), [&name = name](std::string_view one) {
      return equals_ignoring_case(one, name);
    });
    if (!is_known) return Error(Errc::argument_invalid, "unknown member " + name);
  }
  return std::nullopt;
}

Result<FaultScope> read_scope(const Json& json) {
  FaultScope scope;
  if (!json.is_object()) return Error(Errc::argument_invalid, "scope must be an object");
  if (const auto unknown = unknown_member(json, {"device", "module", "sharePercent", "seed"}))
    return *unknown;
  RuleReader read(json);
  read.text("device", scope.device);
  read.text("module", scope.module);
  read.number("sharePercent", 0, 100, scope.share_percent);
  read.integer("seed", 0, 1e15, scope.seed);
  if (!scope.module.empty() && scope.device.empty()) read.fail("module", "needs a device");
  if (!scope.device.empty() && read.has("sharePercent"))
    read.fail("sharePercent", "and device exclude each other");
  if (read.error()) return *read.error();
  return scope;
}

Result<std::vector<FaultRoute>> read_routes(const Json& json) {
  std::vector<FaultRoute> routes;
  if (!json.is_array() || json.empty() || json.size() > limits::kFaultRoutesMax)
    return Error(Errc::argument_invalid, "routes must be an array of 1 to 16 texts");
  for (const Json& text : json) {
    Result<FaultRoute> route = parse_fault_route(text.is_string() ? text.get<std::string>() : std::string());
    if (!route) return route.error();
    routes.push_back(std::move(*route));
  }
  return routes;
}

double in_seconds(milliseconds time) { return static_cast<double>(time.count()) / 1000; }

}  // namespace

Result<FaultRule> fault_from_json(const Json& json) {
  if (!json.is_object()) return Error(Errc::argument_invalid, "the body must be an object");
  if (const auto unknown = unknown_member(
          json, {"id", "kind", "scope", "on", "orderly", "code", "bytes", "direction", "delaySeconds",
                 "status", "afterOperation", "routes", "nth", "count", "afterSeconds", "durationSeconds"}))
    return *unknown;
  FaultRule rule;
  RuleReader read(json);
  if (!read.has("kind")) read.fail("kind", "is missing");
  read.one_of("kind", kKinds, rule.kind);
  read.text("id", rule.id);
  read.one_of("on", kMoments, rule.moment);
  read.flag("orderly", rule.orderly);
  read.integer("code", 1, 5, rule.connack_code);
  read.integer("bytes", 1, 1e12, rule.bytes);
  read.one_of("direction", kDirections, rule.direction);
  read.duration("delaySeconds", limits::kFaultDelayMax, rule.wait);
  read.integer("status", 429, 504, rule.http_status);
  read.flag("afterOperation", rule.after_operation);
  read.integer("nth", 1, kCountMax, rule.nth);
  read.duration("afterSeconds", limits::kFaultDurationMax, rule.begins_after);
  read.duration("durationSeconds", limits::kFaultDurationMax, rule.duration);
  if (read.has("count")) {
    std::uint64_t count = 1;
    read.integer("count", 1, kCountMax, count);
    rule.count = count;
  } else if (rule.kind == FaultKind::lose_puback) {
    rule.count = 1;  // "the nth acknowledgement"
  }
  if (std::find(kStatuses.begin(), kStatuses.end(), rule.http_status) == kStatuses.end())
    read.fail("status", "must be 429, 500, 502, 503 or 504");
  if (rule.kind == FaultKind::cut && rule.bytes == 0) read.fail("bytes", "is missing");
  if (rule.kind == FaultKind::delay && rule.wait == milliseconds(0)) read.fail("delaySeconds", "is missing");
  if (rule.after_operation && rule.kind != FaultKind::http_error &&
      (rule.kind != FaultKind::drop || !read.has("routes")))
    read.fail("afterOperation", "goes with httpError, and with a drop that has routes");
  if (read.error()) return *read.error();
  if (const Json* scope = find_member(json, "scope")) {
    Result<FaultScope> parsed = read_scope(*scope);
    if (!parsed) return parsed.error();
    rule.scope = std::move(*parsed);
  }
  if (const Json* routes = find_member(json, "routes")) {
    const bool is_about_requests = rule.kind == FaultKind::http_error || rule.kind == FaultKind::delay ||
                                   rule.kind == FaultKind::drop || rule.kind == FaultKind::cut;
    if (!is_about_requests)
      return Error(Errc::argument_invalid, "routes go with httpError, delay, drop and cut only");
    for (const char* other : {"on", "orderly", "direction"}) {
      if (find_member(json, other))
        return Error(Errc::argument_invalid, std::string(other) + " and routes exclude each other");
    }
    Result<std::vector<FaultRoute>> parsed = read_routes(*routes);
    if (!parsed) return parsed.error();
    rule.routes = std::move(*parsed);
  }
  return rule;
}

Json fault_to_json(const FaultView& fault) {
  const FaultRule& rule = fault.rule;
  Json json;
  json["id"] = rule.id;
  json["kind"] = name_in(kKinds, rule.kind);
  Json scope = Json::object();
  if (!rule.scope.device.empty()) scope["device"] = rule.scope.device;
  if (!rule.scope.module.empty()) scope["module"] = rule.scope.module;
  if (rule.scope.device.empty() && !rule.scope.is_hub()) {
    scope["sharePercent"] = rule.scope.share_percent;
    scope["seed"] = rule.scope.seed;
  }
  json["scope"] = std::move(scope);
  switch (rule.kind) {
    case FaultKind::drop:
      if (rule.is_about_requests()) {
        json["afterOperation"] = rule.after_operation;
        break;
      }
      json["on"] = name_in(kMoments, rule.moment);
      json["orderly"] = rule.orderly;
      break;
    case FaultKind::refuse_connect:
      json["code"] = rule.connack_code;
      break;
    case FaultKind::cut:
      json["bytes"] = rule.bytes;
      if (!rule.is_about_requests()) json["direction"] = name_in(kDirections, rule.direction);
      break;
    case FaultKind::delay:
      json["delaySeconds"] = in_seconds(rule.wait);
      break;
    case FaultKind::http_error:
      json["status"] = rule.http_status;
      json["afterOperation"] = rule.after_operation;
      break;
    case FaultKind::hold_pubacks:
    case FaultKind::lose_puback:
      break;
  }
  if (!rule.routes.empty()) {
    json["routes"] = Json::array();
    for (const FaultRoute& route : rule.routes) json["routes"].push_back(route.text);
  }
  json["nth"] = rule.nth;
  if (rule.count) json["count"] = *rule.count;
  json["afterSeconds"] = in_seconds(rule.begins_after);
  json["durationSeconds"] = in_seconds(rule.duration);
  json["seen"] = fault.seen;
  json["hits"] = fault.hits;
  json["active"] = fault.is_active;
  json["endsInSeconds"] = in_seconds(fault.ends_in);
  return json;
}

}  // namespace kyanite
