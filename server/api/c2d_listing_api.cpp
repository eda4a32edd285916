#include "server/api/c2d_listing_api.h"

#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/iso_time.h"
#include "server/api/api_response.h"
#include "server/hub/c2d_message.h"
#include "server/hub/feedback_json.h"

namespace kyanite {

Json c2d_listing_to_json(const std::string& device, const C2dListing& listing) {
  Json queued = Json::array();
  for (const QueuedC2d& message : listing.queued) {
    queued.push_back({{"messageId", message.header.message_id},
                      {"state", message.with_device ? "withDevice" : "queued"},
                      {"enqueuedTime", to_iso_time(message.header.enqueued)},
                      {"expiryTime", to_iso_time(message.header.expiry)},
                      {"deliveryCount", message.header.delivery_count},
                      {"ack", to_string(message.header.ack)},
                      {"bytes", message.header.bytes}});
  }
  Json ended = Json::array();
  for (const C2dEnd& end : listing.ended) {
    ended.push_back({{"messageId", end.message_id},
                     {"statusCode", feedback_status_text(end.status)},
                     {"enqueuedTime", to_iso_time(end.enqueued)},
                     {"endedTime", to_iso_time(end.ended)},
                     {"deliveryCount", end.delivery_count}});
  }
  return {{"deviceId", device}, {"queued", std::move(queued)}, {"ended", std::move(ended)}};
}

void list_c2d(const ApiCall& call, Reply<HttpResponse> reply) {
  const std::optional<std::string_view> device = call.request.query_value("device");
  if (!device || !is_valid_id(*device)) {
    return reply(Error(Errc::argument_invalid, "device must be a device ID"));
  }
  HubServices& hub = call.context.services;
  hub.router.send(ListC2d{{std::string(*device), {}},
                          answer_with<C2dListing>(hub.executor, std::move(reply),
                                                  [device = std::string(*device)](const C2dListing& listing) {
                                                    return json_response(
                                                        c2d_listing_to_json(device, listing));
                                                  })});
}

}  // namespace kyanite
