#include "server/api/query_api.h"

#include <string_view>
#include <utility>

#include "protocol/base/limits.h"
#include "server/api/api_response.h"
#include "server/api/page_size.h"
#include "server/hub/query_service.h"

namespace kyanite {
namespace {

Result<QueryRequest> parse_query_request(const HttpRequest& request) {
  const Result<Json> body = parse_json(request.body);
  if (!body) return body.error();
  if (!body->is_object()) return Error(Errc::format_error, "the body must be a JSON object");
  const Json* text = find_member(*body, "query");
  if (!text || text->is_null()) return Error(Errc::argument_null, "the member query is missing");
  if (!text->is_string()) return Error(Errc::argument_invalid, "the member query must be a text");
  const Result<std::size_t> rows = rows_of_page(request);
  if (!rows) return rows.error();
  QueryRequest wanted{text->get<std::string>(), std::nullopt, *rows};
  if (const auto token = request.header("x-ms-continuation"); token && !token->empty()) {
    wanted.continuation = std::string(*token);
  }
  return wanted;
}

const char* item_type_text(QueryItemType type) {
  switch (type) {
    case QueryItemType::twin:
      return "Twin";
    case QueryItemType::raw:
      return "Raw";
    case QueryItemType::device_job:
      return "DeviceJob";
  }
  return "Raw";
}

HttpResponse page_response(const QueryPage& page) {
  std::string body = "[";
  for (const Json& row : page.rows) {
    if (body.size() > 1) body += ',';
    body += dump_json(row);
  }
  HttpResponse response;
  response.body = std::move(body) + "]";
  response.headers.emplace_back("x-ms-item-type", item_type_text(page.type));
  if (page.continuation) response.headers.emplace_back("x-ms-continuation", *page.continuation);
  return response;
}

}  // namespace

void query_devices(const ApiCall& call, Reply<HttpResponse> reply) {
  Result<QueryRequest> request = parse_query_request(call.request);
  if (!request) return reply(request.error());
  HubServices& hub = call.context.services;
  hub.queries.query(std::move(*request),
                    answer_with<QueryPage>(hub.executor, std::move(reply), page_response));
}

}  // namespace kyanite
