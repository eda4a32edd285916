#include "tests/sim/sim_service.h"

#include <utility>

#include "protocol/base/iso_time.h"
#include "server/hub/c2d_message.h"

namespace kyanite::sim {
namespace {

constexpr const char* kKey = "c2ltdWxhdGVkIGtleSBvZiBhIGRldmljZQ==";
constexpr const char* kFeedback = "/messages/serviceBound/feedback";

std::string text_member(const Json& json, std::string_view name) {
  const Json* member = find_member(json, name);
  return member && member->is_string() ? member->get<std::string>() : std::string();
}

}  // namespace

std::string SimService::path_of(const char* root, const Identity& identity) {
  return root + identity.device + (identity.is_module() ? "/modules/" + identity.module : "");
}

void SimService::use(test::SimHub& hub) {
  lose_answers();
  routers_.clear();
  services_.clear();
  hub_ = &hub;
  for (std::uint16_t shard = 0; shard < hub.shard_count(); ++shard) {
    services_.push_back(hub.services(shard));
    const HubFacts facts{"sim", hub.loop.now(), hub.loop.wall_now(), {.https = 443}};
    routers_.push_back(
        std::make_unique<ApiRouter>(services_.back(), facts, hub.security_snapshot(), silent_));
  }
}

void SimService::lose_answers() { waiting_.clear(); }

void SimService::ask(const std::string& verb, const std::string& target, const std::string& body,
                     Headers headers, Handler handler) {
  const auto shard = static_cast<std::uint16_t>(random_.below(hub_->shard_count()));
  const std::uint64_t number = checkers_.new_number();
  HttpRequest request;
  request.verb = parse_http_verb(verb);
  parse_http_target(target + "?api-version=2021-04-12", request);
  request.headers = std::move(headers);
  request.headers.emplace_back("authorization", hub_->policy_token("iothubowner"));
  request.body = body;
  request.peer.address = "192.0.2.1";
  request.tracking_id = "0123456789abcdef0123456789abcdef";
  apply_method_override(request);
  // Lock tokens are random and no part of the story.
  const std::string shown = target.starts_with(kFeedback) ? kFeedback : target;
  checkers_.judge.tell("service " + verb + " " + shown + " " + body + " ?" + std::to_string(number));
  waiting_[number] = {verb + " " + target, std::move(handler)};
  // The request arrives as a task of the shard, as from a socket.
  hub_->executor(shard).post([this, number, request = std::move(request), router = routers_[shard].get(),
                              &executor = hub_->executor(shard)] {
    router->handle(request, Reply<HttpResponse>(executor, [this, number](Result<HttpResponse> response) {
                     on_answer(number, std::move(response));
                   }));
  });
}

void SimService::on_answer(std::uint64_t request, Result<HttpResponse> response) {
  const auto waiting = waiting_.find(request);
  checkers_.judge.require(waiting != waiting_.end(),
                          "a request is answered once: ?" + std::to_string(request));
  checkers_.judge.require(response.has_value(), "a request gets a response: ?" + std::to_string(request));
  if (waiting == waiting_.end() || !response) return;
  Answer answer;
  answer.status = response->status;
  answer.body = response->body;
  for (const auto& [name, value] : response->headers) {
    if (name == "ETag" && value.size() > 2) answer.etag = value.substr(1, value.size() - 2);
  }
  if (auto json = parse_json(answer.body)) answer.json = std::move(*json);
  checkers_.judge.tell("service ?" + std::to_string(request) + " " + std::to_string(answer.status));
  checkers_.judge.require(answer.status != 500 && answer.status != 501,
                          waiting->second.what + " meets no internal error: " + answer.body);
  const Handler handler = std::move(waiting->second.handler);
  waiting_.erase(waiting);
  handler(answer);
}

void SimService::create(const Identity& identity) {
  Json body;
  body["deviceId"] = identity.device;
  if (identity.is_module()) body["moduleId"] = identity.module;
  body["authentication"]["symmetricKey"]["primaryKey"] = kKey;  // given, so that the story has no random text
  body["authentication"]["symmetricKey"]["secondaryKey"] = kKey;
  ask("PUT", path_of("/devices/", identity), dump_json(body), {},
      [this, identity, mark = checkers_.registry.mark()](const Answer& answer) {
        if (answer.status / 100 != 2) return;
        checkers_.registry.put_answered(identity, mark, text_member(answer.json, "generationId"),
                                        answer.etag);
      });
}

void SimService::enable(const Identity& device, bool enabled) {
  const auto record = state().identities.find(device);
  if (record == state().identities.end()) return;
  Json body;
  body["deviceId"] = device.device;
  body["status"] = enabled ? "enabled" : "disabled";
  body["authentication"]["type"] = "sas";
  body["authentication"]["symmetricKey"]["primaryKey"] = record->second.primary_key;
  body["authentication"]["symmetricKey"]["secondaryKey"] = record->second.secondary_key;
  ask("PUT", path_of("/devices/", device), dump_json(body), {{"if-match", "*"}},
      [this, device, mark = checkers_.registry.mark()](const Answer& answer) {
        if (answer.status / 100 != 2) return;
        checkers_.registry.put_answered(device, mark, text_member(answer.json, "generationId"), answer.etag);
      });
}

void SimService::erase(const Identity& identity) {
  ask("DELETE", path_of("/devices/", identity), {}, {{"if-match", "*"}},
      [this, identity, mark = checkers_.registry.mark()](const Answer& answer) {
        if (answer.status == 204) checkers_.registry.delete_answered(identity, mark);
      });
}

void SimService::send_c2d(const std::string& device, AckRequest ack, std::optional<seconds> time_to_live) {
  const std::uint64_t number = checkers_.new_number();
  const std::string name = "c" + std::to_string(number);
  Headers headers{{"iothub-messageid", name}, {"iothub-ack", std::string(to_string(ack))}};
  std::optional<WallTime> expiry;
  if (time_to_live) {
    expiry = hub_->loop.wall_now() + *time_to_live;
    headers.emplace_back("iothub-expiry", to_iso_time(*expiry));
  }
  checkers_.c2d.sent(number, device, ack, expiry);
  ask("POST", "/devices/" + device + "/messages/deviceBound", name, std::move(headers),
      [this, number](const Answer& answer) { checkers_.c2d.answered(number, answer.status); });
}

void SimService::purge(const std::string& device) {
  checkers_.c2d.purge_requested(device);
  ask("DELETE", "/devices/" + device + "/commands", {}, {}, [](const Answer&) {});
}

void SimService::patch_twin(const Identity& identity, const std::string& key, bool removes,
                            bool conditional) {
  update_twin({checkers_.new_number(), identity, Section::desired, key, removes, false}, conditional);
}

void SimService::replace_twin(const Identity& identity, const std::string& key, bool conditional) {
  update_twin({checkers_.new_number(), identity, Section::desired, key, false, true}, conditional);
}

void SimService::update_twin(const TwinPatch& patch, bool conditional) {
  const Identity& identity = patch.identity;
  const std::uint64_t number = patch.number;
  Json body;
  body["properties"]["desired"][patch.key] = patch.removes ? Json(nullptr) : Json(number);
  Headers headers;
  std::string etag;
  if (const auto known = twin_etags_.find(identity); conditional && known != twin_etags_.end()) {
    etag = known->second;
    headers.emplace_back("if-match", "\"" + etag + "\"");
  }
  const std::string generation = checkers_.twins.generation_of(identity, state());
  checkers_.twins.sent(patch, state());
  ask(patch.replaces ? "PUT" : "PATCH", path_of("/twins/", identity), dump_json(body), std::move(headers),
      [this, identity, number, etag, generation](const Answer& answer) {
        if (answer.status != 200) return checkers_.twins.refused(number);
        twin_etags_[identity] = answer.etag;
        const Json* properties = find_member(answer.json, "properties");
        const Json* desired = properties ? find_member(*properties, "desired") : nullptr;
        checkers_.judge.require(desired && desired->contains("$version"), "a twin has desired.$version");
        if (!desired || !desired->contains("$version")) return;
        checkers_.twins.accepted(number, (*desired)["$version"].get<std::uint64_t>(), state());
        const auto now = state().identities.find(identity);
        if (etag.empty() || now == state().identities.end() || now->second.generation_id != generation)
          return;
        checkers_.judge.require(spent_etags_.insert({identity, {generation, etag}}).second,
                                "an etag admits one update: " + name_of(identity) + " " + etag);
      });
}

void SimService::read_twin(const Identity& identity) {
  const std::string generation = checkers_.twins.generation_of(identity, state());
  ask("GET", path_of("/twins/", identity), {}, {}, [this, identity, generation](const Answer& answer) {
    if (answer.status != 200) return;
    twin_etags_[identity] = answer.etag;
    const Json* properties = find_member(answer.json, "properties");
    checkers_.judge.require(properties != nullptr, "a twin has properties");
    if (!properties) return;
    for (const auto& [name, section] :
         {std::pair("reported", Section::reported), {"desired", Section::desired}}) {
      checkers_.twins.read(identity, generation, section,
                           (*properties)[name].value("$version", std::uint64_t{0}), state());
    }
  });
}

void SimService::invoke(const Identity& identity, seconds response_timeout, seconds connect_timeout) {
  const std::uint64_t number = checkers_.new_number();
  const std::string body = "{\"methodName\":\"m\",\"payload\":" + std::to_string(number) +
                           ",\"responseTimeoutInSeconds\":" + std::to_string(response_timeout.count()) +
                           ",\"connectTimeoutInSeconds\":" + std::to_string(connect_timeout.count()) + "}";
  checkers_.methods.invoked(number, identity);
  ask("POST", path_of("/twins/", identity) + "/methods", body, {}, [this, number](const Answer& answer) {
    checkers_.methods.replied(number, answer.status, answer.body);
  });
}

void SimService::receive_feedback(Then then) {
  ask("GET", kFeedback, {}, {}, [this, then](const Answer& answer) {
    if (answer.status == 204) feedback_empty_ = true;
    if (answer.status != 200) return;
    feedback_empty_ = false;
    std::vector<std::string> ids;
    for (const Json& line : answer.json) {
      ids.push_back(text_member(line, "originalMessageId"));
      checkers_.c2d.feedback_received(ids.back(), text_member(line, "statusCode"), hub_->loop.now());
    }
    settle_feedback(answer.etag, ids, then);
  });
}

void SimService::settle_feedback(const std::string& token, const std::vector<std::string>& ids, Then then) {
  const std::string path = std::string(kFeedback) + "/" + token;
  if (then == Then::abandon) return ask("POST", path + "/abandon", {}, {}, [](const Answer&) {});
  if (then != Then::complete) return;
  ask("DELETE", path, {}, {}, [this, ids](const Answer& answer) {
    if (answer.status != 204) return;
    for (const std::string& id : ids) checkers_.c2d.feedback_completed(id, hub_->loop.now());
  });
}

}  // namespace kyanite::sim
