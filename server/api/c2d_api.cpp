#include "server/api/c2d_api.h"

#include <optional>

#include "protocol/base/percent_encoding.h"
#include "server/api/api_response.h"
#include "server/api/api_throttle.h"
#include "server/api/c2d_request.h"
#include "server/hub/feedback_json.h"
#include "server/hub/feedback_queue.h"
#include "server/hub/hub_events.h"
#include "server/hub/registry_service.h"

namespace kyanite {
namespace {

HttpResponse batch_response(const std::optional<FeedbackBatch>& batch) {
  if (!batch) return no_content();
  HttpResponse response = entity_response(feedback_to_json(batch->records), batch->lock_token);
  response.content_type = kFeedbackContentType;
  return response;
}

void send(HubServices& hub, C2dMessage message, Reply<HttpResponse> reply) {
  C2dRefusal facts{message.device, message.header.ack, message.header.bytes, Errc::internal};
  hub.router.send(SendC2d{std::move(message),
                          Reply<void>(hub.executor, [&hub, facts = std::move(facts),
                                                     reply = std::move(reply)](Result<void> sent) mutable {
                            if (sent) return reply(no_content());
                            facts.error = sent.error();
                            hub.events.c2d_refused(facts);
                            reply(sent.error());
                          })});
}

}  // namespace

// A well-known tool encodes the device id in this path twice. '%' is also a character of ids, so the second
// decoding is tried only for an id that nobody has (1.4).
void send_c2d(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  const std::string device = call.identity().device;
  const std::size_t body_bytes = call.request.body.size();
  const auto refuse = [&](const Error& error) {
    hub.events.c2d_refused({percent_decode(device), AckRequest::none, body_bytes, error});
    reply(error);
  };
  if (const Result<void> admitted = admit_c2d_by_rate(hub, body_bytes); !admitted) {
    return refuse(admitted.error());
  }
  Result<C2dMessage> message = parse_c2d_request(call.request, device, hub.executor.wall_now());
  if (!message) return refuse(message.error());
  std::string decoded = percent_decode(device);
  if (decoded == device) return send(hub, std::move(*message), std::move(reply));
  // The send itself does not tell: a disabled device answers as if nobody had the id (8.3).
  hub.registry.get(
      {device, {}},
      Reply<IdentityView>(hub.executor, [&hub, decoded = std::move(decoded), message = std::move(*message),
                                         reply = std::move(reply)](Result<IdentityView> known) mutable {
        if (!known && known.error().code == Errc::device_not_found) message.device = std::move(decoded);
        send(hub, std::move(message), std::move(reply));
      }));
}

void purge_c2d(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  const Identity device = call.identity();
  hub.router.send(PurgeC2d{
      device, answer_with<std::uint64_t>(hub.executor, std::move(reply), [device](std::uint64_t purged) {
        Json json;
        json["deviceId"] = device.device;
        json["moduleId"] = nullptr;
        json["totalMessagesPurged"] = purged;
        return json_response(json);
      })});
}

void receive_feedback(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.feedback.receive(
      answer_with<std::optional<FeedbackBatch>>(hub.executor, std::move(reply), batch_response));
}

void complete_feedback(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.feedback.complete(call.route.parameters.at(0),
                        answer_with<void>(hub.executor, std::move(reply), no_content));
}

void abandon_feedback(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.feedback.abandon(call.route.parameters.at(0),
                       answer_with<void>(hub.executor, std::move(reply), no_content));
}

}  // namespace kyanite
