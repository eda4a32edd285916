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

Reply<std::uint64_t> answer_incarnation(const ApiCall& call, Reply<HttpResponse> reply) {
  return answer_with<std::uint64_t>(call.context.services.executor, std::move(reply),
                                    [](std::uint64_t incarnation) {
                                      HttpResponse response = json_response({{"incarnation", incarnation}});
                                      response.status = 202;
                                      response.close_connection = true;
                                      return response;
                                    });
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
  if (StoreControl* store = store_of(call, reply)) store->reset(answer_incarnation(call, std::move(reply)));
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
  if (store) store->restore(call.route.parameters.at(0), answer_incarnation(call, std::move(reply)));
}

}  // namespace kyanite
