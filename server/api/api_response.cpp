#include "server/api/api_response.h"

#include "protocol/http/etag.h"

namespace kyanite {

HttpResponse json_response(const Json& document) {
  HttpResponse response;
  response.body = dump_json(document);
  return response;
}

HttpResponse entity_response(const Json& document, std::string_view etag) {
  HttpResponse response = json_response(document);
  response.headers.emplace_back("ETag", quote_etag(etag));
  return response;
}

HttpResponse no_content() {
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  return response;
}

Json text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace kyanite
