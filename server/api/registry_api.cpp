#include "server/api/registry_api.h"

#include <algorithm>
#include <charconv>

#include "protocol/base/limits.h"
#include "server/api/api_response.h"
#include "server/api/identity_json.h"
#include "server/hub/registry_service.h"

namespace kyanite {
namespace {

using ToJson = Json (*)(const IdentityView&);

auto as_entity(ToJson to_json) {
  return [to_json](IdentityView view) { return entity_response(to_json(view), identity_etag(view.record)); };
}

auto as_array(ToJson to_json) {
  return [to_json](std::vector<IdentityView> views) {
    Json array = Json::array();
    for (const IdentityView& view : views) array.push_back(to_json(view));
    return json_response(array);
  };
}

void get_identity(const ApiCall& call, ToJson to_json, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.registry.get(call.identity(),
                   answer_with<IdentityView>(hub.executor, std::move(reply), as_entity(to_json)));
}

// Without If-Match a PUT only creates, with it only updates (service-rest.md 4.4); the owner decides that.
void put_identity(const ApiCall& call, ToJson to_json, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  Result<IdentityRecord> wanted = parse_identity_body(call.request.body, call.identity());
  if (!wanted) return reply(wanted.error());
  hub.registry.put(std::move(*wanted), parse_if_match(call.request.header("if-match")),
                   answer_with<IdentityView>(hub.executor, std::move(reply), as_entity(to_json)));
}

// 1 to 1000, other numbers are moved into that range silently (service-rest.md 4.3).
Result<std::size_t> list_size(const HttpRequest& request) {
  const auto text = request.query_value("top");
  if (!text || text->empty()) return limits::kListDevicesMax;
  long long top = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), top);
  if (end != text->data() + text->size() || error == std::errc::invalid_argument) {
    return Error(Errc::argument_invalid, "top must be a whole number");
  }
  if (error == std::errc::result_out_of_range) return limits::kListDevicesMax;
  return static_cast<std::size_t>(std::clamp<long long>(top, 1, limits::kListDevicesMax));
}

}  // namespace

void get_device(const ApiCall& call, Reply<HttpResponse> reply) {
  get_identity(call, device_to_json, std::move(reply));
}

void put_device(const ApiCall& call, Reply<HttpResponse> reply) {
  put_identity(call, device_to_json, std::move(reply));
}

void list_devices(const ApiCall& call, Reply<HttpResponse> reply) {
  const Result<std::size_t> size = list_size(call.request);
  if (!size) return reply(size.error());
  HubServices& hub = call.context.services;
  hub.registry.list(
      {}, *size,
      answer_with<std::vector<IdentityView>>(hub.executor, std::move(reply), as_array(device_to_json)));
}

void get_module(const ApiCall& call, Reply<HttpResponse> reply) {
  get_identity(call, module_to_json, std::move(reply));
}

void put_module(const ApiCall& call, Reply<HttpResponse> reply) {
  put_identity(call, module_to_json, std::move(reply));
}

void list_modules(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.registry.list_modules(
      call.identity().device,
      answer_with<std::vector<IdentityView>>(hub.executor, std::move(reply), as_array(module_to_json)));
}

void delete_identity(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.registry.erase(call.identity(), parse_if_match(call.request.header("if-match")),
                     answer_with<void>(hub.executor, std::move(reply), no_content));
}

}  // namespace kyanite
