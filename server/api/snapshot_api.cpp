#include "server/api/snapshot_api.h"

#include <algorithm>

#include "protocol/base/iso_time.h"
#include "server/api/api_response.h"
#include "server/hub/store_control.h"
#include "server/hub/test_control.h"

namespace kyanite {
namespace {

Json snapshot_to_json(const SnapshotFacts& snapshot) {
  return {{"name", snapshot.name}, {"taken", to_iso_time(snapshot.taken)}, {"bytes", snapshot.bytes}};
}

// The connection is answered by the hub that comes next, when it is ready.
template <class Change>
HttpResponse hold_until_changed(const ApiCall& call, Change change) {
  HttpResponse response;
  response.hold = [change = std::move(change), tracking_id = call.request.tracking_id,
                   time = to_error_time(call.context.services.executor.wall_now())](
                      std::unique_ptr<HeldConnection> connection) mutable {
    change([connection = std::move(connection), tracking_id = std::move(tracking_id),
            time = std::move(time)](const Result<std::uint64_t>& incarnation) {
      HttpResponse answer = incarnation ? json_response({{"incarnation", *incarnation}})
                                        : error_response(incarnation.error(), tracking_id, time);
      answer.headers.emplace_back("x-ms-request-id", tracking_id);
      connection->answer(std::move(answer));
    });
  };
  return response;
}

// What may be the name of a folder.
bool is_snapshot_name(const std::string& name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= limits::kPolicyNameBytesMax &&
         std::all_of(name.begin(), name.end(), is_plain);
}

// Nothing, after an answer, when the request can go no further.
StoreControl* store_of(const ApiCall& call, Reply<HttpResponse>& reply) {
  StoreControl* store = call.context.services.tests->store;
  const auto& names = call.route.parameters;
  if (!store) {
    reply(Error(Errc::not_implemented));
  } else if (!names.empty() && !is_snapshot_name(names[0])) {
    reply(Error(Errc::argument_invalid, "a name has 1 to 64 letters, digits, - and _"));
    return nullptr;
  }
  return store;
}

}  // namespace

void reset_hub(const ApiCall& call, Reply<HttpResponse> reply) {
  StoreControl* store = store_of(call, reply);
  if (!store) return;
  reply(hold_until_changed(call, [store](auto changed) { store->reset(std::move(changed)); }));
}

void list_snapshots(const ApiCall& call, Reply<HttpResponse> reply) {
  StoreControl* store = store_of(call, reply);
  if (!store) return;
  store->list(answer_with<std::vector<SnapshotFacts>>(
      call.context.services.executor, std::move(reply), [](const std::vector<SnapshotFacts>& snapshots) {
        Json array = Json::array();
        for (const SnapshotFacts& snapshot : snapshots) array.push_back(snapshot_to_json(snapshot));
        return json_response({{"snapshots", std::move(array)}});
      }));
}

void put_snapshot(const ApiCall& call, Reply<HttpResponse> reply) {
  StoreControl* store = store_of(call, reply);
  if (!store) return;
  store->take(call.route.parameters.at(0),
              answer_with<SnapshotFacts>(
                  call.context.services.executor, std::move(reply),
                  [](const SnapshotFacts& snapshot) { return json_response(snapshot_to_json(snapshot)); }));
}

void delete_snapshot(const ApiCall& call, Reply<HttpResponse> reply) {
  StoreControl* store = store_of(call, reply);
  if (!store) return;
  store->remove(call.route.parameters.at(0),
                answer_with<void>(call.context.services.executor, std::move(reply), no_content));
}

void restore_snapshot(const ApiCall& call, Reply<HttpResponse> reply) {
  StoreControl* store = store_of(call, reply);
  if (!store) return;
  reply(hold_until_changed(call, [store, name = call.route.parameters.at(0)](auto changed) {
    store->restore(name, std::move(changed));
  }));
}

}  // namespace kyanite
