#include "server/api/connection_api.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/base/iso_time.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/api/api_response.h"

namespace kyanite {
namespace {

using Kind = ConnectionEntry::Kind;

std::string_view event_name(Kind kind) {
  switch (kind) {
    case Kind::connected:
      return "connected";
    case Kind::disconnected:
      return "disconnected";
    case Kind::refused:
      return "refused";
  }
  return "connected";
}

Result<std::vector<Kind>> parse_kinds(std::string_view text) {
  std::vector<Kind> kinds;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    bool known = false;
    for (const Kind kind : {Kind::connected, Kind::disconnected, Kind::refused}) {
      if (!equals_ignoring_case(word, event_name(kind))) continue;
      known = true;
      if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
    }
    if (!known) return Error(Errc::argument_invalid, "event must be connected, disconnected or refused");
    begin = end + 1;
  }
  return kinds;
}

std::string_view scope_name(AuthScope scope) {
  switch (scope) {
    case AuthScope::hub:
      return "hub";
    case AuthScope::module:
      return "module";
    case AuthScope::device:
      return "device";
  }
  return "device";
}

}  // namespace

Result<ConnectionQuery> parse_connection_query(const HttpRequest& request) {
  const auto value_of = [&](std::string_view name) {
    const auto value = request.query_value(name);
    return value && !value->empty() ? value : std::nullopt;
  };
  ConnectionQuery query;
  if (const auto device = value_of("device")) {
    if (!is_valid_id(*device)) return Error(Errc::argument_invalid, "device is not a device ID");
    query.device = *device;
  }
  if (const auto module = value_of("module")) {
    if (!is_valid_id(*module)) return Error(Errc::argument_invalid, "module is not a module ID");
    query.module = *module;
  }
  if (const auto text = value_of("event")) {
    auto kinds = parse_kinds(*text);
    if (!kinds) return kinds.error();
    query.kinds = std::move(*kinds);
  }
  if (const auto text = value_of("since")) {
    query.since = parse_iso_time(*text);
    if (!query.since) {
      return Error(Errc::argument_invalid, "since must be a UTC time like 2026-01-05T10:00:01Z");
    }
  }
  if (const auto text = value_of("limit")) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), query.limit);
    if (error != std::errc() || end != text->data() + text->size() || query.limit == 0 ||
        query.limit > limits::kJournalPageMax) {
      return Error(Errc::argument_invalid,
                   "limit must be a number from 1 to " + std::to_string(limits::kJournalPageMax));
    }
  }
  return query;
}

Json connection_entry_to_json(const ConnectionEntry& entry) {
  Json json;
  json["time"] = to_iso_time(entry.time);
  json["event"] = event_name(entry.kind);
  json["deviceId"] = text_or_null(entry.identity.device);
  json["moduleId"] = text_or_null(entry.identity.module);
  json["protocol"] = to_string(entry.protocol);
  json["transport"] = entry.transport == PeerTransport::websocket ? "websocket" : "tcp";
  json["address"] = text_or_null(entry.address);
  json["tls"] = text_or_null(entry.tls);
  json["client"] = text_or_null(entry.client);
  json["authType"] = entry.credential ? entry.credential->second == AuthKind::sas ? Json("sas") : Json("x509")
                                      : Json(nullptr);
  json["authScope"] = entry.credential ? Json(scope_name(entry.credential->first)) : Json(nullptr);
  json["code"] = entry.code;
  json["reason"] = text_or_null(entry.reason);
  json["detail"] = text_or_null(entry.detail);
  json["explanation"] = text_or_null(entry.explanation);
  if (entry.kind == Kind::disconnected) json["connectedMilliseconds"] = entry.connected_for.count();
  if (entry.kind == Kind::refused) {
    json["count"] = entry.count;
    json["firstTime"] = to_iso_time(entry.first_time);
  }
  return json;
}

void list_connections(const ApiCall& call, Reply<HttpResponse> reply) {
  const auto query = parse_connection_query(call.request);
  if (!query) return reply(query.error());
  HubServices& hub = call.context.services;
  if (!hub.history) return reply(json_response({{"connections", Json::array()}}));
  hub.history->find(*query,
                    answer_with<std::vector<ConnectionEntry>>(
                        hub.executor, std::move(reply), [](const std::vector<ConnectionEntry>& entries) {
                          Json array = Json::array();
                          for (const ConnectionEntry& entry : entries) {
                            array.push_back(connection_entry_to_json(entry));
                          }
                          return json_response({{"connections", std::move(array)}});
                        }));
}

}  // namespace kyanite
