#include "server/api/openapi_api.h"

#include <vector>

#include "protocol/base/json_limits.h"

namespace kyanite {
namespace {

std::string make_openapi_document(bool test_control) {
  Json document = Json::parse(openapi_text(), nullptr, false);
  KYANITE_ASSERT(document.is_object());
  if (!test_control) {
    Json paths = Json::object();
    for (const auto& [path, verbs] : members_of(document["paths"])) {
      Json kept = Json::object();
      for (const auto& [verb, operation] : members_of(verbs)) {
        if (!operation.contains("x-kyanite-test-control")) kept[verb] = operation;
      }
      if (!kept.empty()) paths[path] = std::move(kept);
    }
    document["paths"] = std::move(paths);
  }
  return dump_json(document);
}

}  // namespace

const std::string& openapi_document(bool test_control) {
  static const std::string complete = make_openapi_document(true);
  static const std::string without_tests = make_openapi_document(false);
  return test_control ? complete : without_tests;
}

void get_openapi(const ApiCall& call, Reply<HttpResponse> reply) {
  HttpResponse response;
  response.body = openapi_document(call.context.services.settings.test_control);
  reply(std::move(response));
}

}  // namespace kyanite
