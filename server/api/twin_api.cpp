#include "server/api/twin_api.h"

#include "server/api/api_response.h"
#include "server/api/twin_json.h"
#include "server/hub/registry_service.h"

namespace kyanite {

void get_twin(const ApiCall& call, Reply<HttpResponse> reply) {
  using Answer = std::pair<IdentityView, TwinRecord>;
  HubServices& hub = call.context.services;
  hub.registry.twin(call.identity(),
                    Reply<Answer>(hub.executor, [reply = std::move(reply)](Result<Answer> answer) mutable {
                      if (!answer) return reply(answer.error());
                      const Result<Json> document = twin_to_json(answer->first, answer->second);
                      if (!document) return reply(document.error());
                      reply(entity_response(*document, twin_etag(answer->second)));
                    }));
}

}  // namespace kyanite
