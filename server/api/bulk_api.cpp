#include "server/api/bulk_api.h"

#include <map>
#include <memory>
#include <utility>

#include "protocol/base/error_catalog.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/api/api_response.h"
#include "server/api/bulk_item.h"
#include "server/hub/registry_batch.h"

namespace kyanite {
namespace {

// The name of a refusal whose body is a result, not an envelope (service-rest.md 3.3).
void name_error(HttpResponse& response, Errc code) {
  const ErrorRow& row = error_row(code);
  response.status = row.http_status;
  response.headers.emplace_back("iothub-errorcode", std::string(row.name));
}

Result<std::vector<RegistryItem>> parse_bulk_body(std::string_view body) {
  Result<Json> parsed = parse_json(body, limits::kJsonDepthMax, HugeIntegers::refused);
  if (!parsed) return parsed.error();
  if (!parsed->is_array()) return Error(Errc::argument_invalid, "the body must be an array of items");
  if (parsed->size() > limits::kBulkItemsMax) return Error(Errc::too_many_devices);
  std::vector<RegistryItem> items;
  items.reserve(parsed->size());
  for (Json& json : *parsed) {
    Result<RegistryItem> item = parse_registry_item(std::move(json));
    if (!item) {
      return Error(item.error().code, "item " + std::to_string(items.size()) + ": " + item.error().detail);
    }
    items.push_back(std::move(*item));
  }
  return items;
}

struct BulkSubject {
  Identity id;
  ImportMode mode;
};

HttpResponse bulk_response(const std::vector<BulkSubject>& subjects, const ItemErrors& outcomes) {
  Json errors = Json::array();
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const std::optional<Error>& error = outcomes[i];
    if (!error) continue;
    errors.push_back({{"deviceId", subjects[i].id.device},
                      {"moduleId", text_or_null(subjects[i].id.module)},
                      {"errorCode", error_row(error->code).number},
                      {"errorStatus", error_sentence(*error)},
                      {"operation", to_text(subjects[i].mode)}});
  }
  const bool successful = errors.empty();
  HttpResponse response = json_response(
      {{"isSuccessful", successful}, {"errors", std::move(errors)}, {"warnings", Json::array()}});
  if (!successful) {
    name_error(response, Errc::bulk_failed);
    // C# looks for this one to see that the body is a result (service-rest.md 0.2, rule 10).
    response.headers.emplace_back("IotHubErrorCode", std::string(error_row(Errc::bulk_failed).name));
  }
  return response;
}

// Keys

struct KeyRequest {
  std::string policy_key;  // in the service's spelling
  RotateKeys::Which which = RotateKeys::Which::primary;
  std::vector<Identity> identities;
};

Result<void> read_policy_key(const Json& body, KeyRequest& into) {
  const Json* name = find_member(body, "policyKey");
  if (!name || !name->is_string()) return Error(Errc::policy_key_invalid);
  const auto text = name->get<std::string>();
  for (const auto& [spelling, which] : {std::pair{"primaryKey", RotateKeys::Which::primary},
                                        std::pair{"secondaryKey", RotateKeys::Which::secondary},
                                        std::pair{"both", RotateKeys::Which::both}}) {
    if (!equals_ignoring_case(spelling, text)) continue;
    into.policy_key = spelling;
    into.which = which;
    return {};
  }
  return Error(Errc::policy_key_invalid);
}

Result<KeyRequest> parse_key_request(std::string_view body) {
  const Result<Json> parsed = parse_json(body);
  if (!parsed) return parsed.error();
  if (!parsed->is_object()) return Error(Errc::argument_invalid, "the body must be a JSON object");
  KeyRequest request;
  if (auto read = read_policy_key(*parsed, request); !read) return read.error();
  const Json* devices = find_member(*parsed, "devices");
  if (!devices || !devices->is_array()) return Error(Errc::argument_invalid, "devices must be an array");
  if (devices->size() > limits::kBulkItemsMax) return Error(Errc::too_many_devices);
  for (const Json& device : *devices) {
    const Json* id = find_member(device, "id");
    const Json* module = find_member(device, "moduleId");
    if (!id || !id->is_string() || id->get_ref<const std::string&>().empty()) {
      return Error(Errc::argument_invalid, "each of devices needs an id");
    }
    const bool has_module = module && !module->is_null();
    if (has_module && !module->is_string()) return Error(Errc::argument_invalid, "moduleId must be a string");
    request.identities.push_back(
        {id->get<std::string>(), has_module ? module->get<std::string>() : std::string()});
  }
  return request;
}

// The identities of one request on their way; ends with the last answer.
struct KeyRotation : std::enable_shared_from_this<KeyRotation> {
  KeyRequest request;
  std::vector<Result<IdentityView>> answers;
  std::size_t missing = 0;
  Reply<HttpResponse> reply;

  void run(Executor& executor, RegistryService& registry) {
    missing = request.identities.size();
    answers.assign(missing, Error(Errc::device_listed_twice));
    if (missing == 0) return reply(response());
    std::map<Identity, std::size_t> times;
    for (const Identity& id : request.identities) ++times[id];
    for (std::size_t place = 0; place < request.identities.size(); ++place) {
      const Identity& id = request.identities[place];
      if (times[id] > 1) {
        take(place, Error(Errc::device_listed_twice));
        continue;
      }
      registry.rotate_keys(
          id, request.which,
          Reply<IdentityView>(executor, [self = shared_from_this(), place](Result<IdentityView> answer) {
            self->take(place, std::move(answer));
          }));
    }
  }

  void take(std::size_t place, Result<IdentityView> answer) {
    answers[place] = std::move(answer);
    if (--missing == 0) reply(response());
  }

  HttpResponse response() const {
    Json rotated = Json::array();
    Json errors = Json::array();
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const Identity& id = request.identities[i];
      if (const Result<IdentityView>& answer = answers[i]; answer) {
        rotated.push_back({{"id", id.device},
                           {"moduleId", text_or_null(id.module)},
                           {"primaryKey", answer->record.primary_key},
                           {"secondaryKey", answer->record.secondary_key}});
      } else {
        errors.push_back({{"id", id.device},
                          {"moduleId", text_or_null(id.module)},
                          {"errorCode", error_row(answer.error().code).number},
                          {"errorStatus", error_sentence(answer.error())}});
      }
    }
    constexpr int kMultiStatus = 207;
    const bool none = rotated.empty() && !errors.empty();
    const bool some = !rotated.empty() && !errors.empty();
    HttpResponse made = json_response({{"policyKey", request.policy_key},
                                       {"rotatedKeys", std::move(rotated)},
                                       {"errors", std::move(errors)}});
    if (none) name_error(made, Errc::key_regeneration_failed);
    if (some) made.status = kMultiStatus;
    return made;
  }
};

}  // namespace

void bulk_registry(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  Result<std::vector<RegistryItem>> items = parse_bulk_body(call.request.body);
  if (!items) return reply(items.error());
  std::vector<BulkSubject> subjects;
  subjects.reserve(items->size());
  for (const RegistryItem& item : *items) subjects.push_back({item.wanted.id, item.mode});
  apply_items(hub.executor, hub.registry, std::move(*items),
              answer_with<ItemErrors>(hub.executor, std::move(reply),
                                      [subjects = std::move(subjects)](const ItemErrors& outcomes) {
                                        return bulk_response(subjects, outcomes);
                                      }));
}

void regenerate_identity_keys(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  Result<KeyRequest> request = parse_key_request(call.request.body);
  if (!request) return reply(request.error());
  const auto rotation = std::make_shared<KeyRotation>();
  rotation->request = std::move(*request);
  rotation->reply = std::move(reply);
  rotation->run(hub.executor, hub.registry);
}

}  // namespace kyanite
