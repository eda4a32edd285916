#include "server/api/twin_api.h"

#include <utility>

#include "protocol/twin/twin_json.h"
#include "protocol/twin/twin_request.h"
#include "server/api/api_response.h"
#include "server/api/twin_json.h"
#include "server/hub/registry_service.h"

namespace kyanite {
namespace {

Reply<TwinView> answer_with_document(Executor& home, Reply<HttpResponse> reply) {
  return Reply<TwinView>(home, [reply = std::move(reply)](Result<TwinView> view) mutable {
    if (!view) return reply(view.error());
    const Result<Json> document = twin_to_json(view->identity, view->twin);
    if (!document) return reply(document.error());
    reply(entity_response(*document, twin_etag(view->twin.etag_counter)));
  });
}

void update_twin(const ApiCall& call, UpdateTwin::Mode mode, Nulls nulls, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  Result<TwinSections> sections = parse_twin_request(call.request.body, nulls);
  if (!sections) return reply(sections.error());
  UpdateTwin update;
  update.identity = call.identity();
  update.mode = mode;
  update.tags = std::move(sections->tags);
  update.desired = std::move(sections->desired);
  update.if_match = parse_if_match(call.request.header("if-match"));
  update.reply = answer_with_document(hub.executor, std::move(reply));
  hub.registry.update_twin(std::move(update));
}

}  // namespace

void get_twin(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.registry.twin(call.identity(), answer_with_document(hub.executor, std::move(reply)));
}

void patch_twin(const ApiCall& call, Reply<HttpResponse> reply) {
  update_twin(call, UpdateTwin::Mode::merge, Nulls::delete_members, std::move(reply));
}

void put_twin(const ApiCall& call, Reply<HttpResponse> reply) {
  update_twin(call, UpdateTwin::Mode::replace, Nulls::refused, std::move(reply));
}

}  // namespace kyanite
