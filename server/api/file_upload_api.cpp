#include "server/api/file_upload_api.h"

#include <charconv>
#include <utility>

#include "protocol/auth/username.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"
#include "server/api/api_response.h"
#include "server/hub/file_uploads.h"

namespace kyanite {
namespace {

constexpr std::size_t kFilesPageMax = 1000;
constexpr std::size_t kFilesPage = 100;
constexpr seconds kFileUrlLife{3600};

// Names of requests ignore case (service-rest.md 1.8).
const Json* member_ignoring_case(const Json& json, std::string_view name) {
  for (const auto& [key, value] : members_of(json)) {
    if (equals_ignoring_case(key, name)) return &value;
  }
  return nullptr;
}

Result<Json> parse_object(const std::string& body) {
  Result<Json> json = parse_json(body);
  if (!json) return json;
  if (!json->is_object()) return Error(Errc::format_error, "the body must be an object");
  return json;
}

Result<UploadOutcome> parse_outcome(const ApiCall& call) {
  const Result<Json> json = parse_object(call.request.body);
  if (!json) return json.error();
  UploadOutcome outcome;
  const Json* id = member_ignoring_case(*json, "correlationId");
  if (call.route.parameters.size() > 1) {
    outcome.correlation_id = call.route.parameters[1];
  } else if (id && id->is_string()) {
    outcome.correlation_id = id->get<std::string>();
  }
  if (outcome.correlation_id.empty()) return Error(Errc::upload_id_invalid, "no correlationId was given");
  const Json* success = member_ignoring_case(*json, "isSuccess");
  if (!success || !success->is_boolean()) {
    return Error(Errc::argument_invalid, "isSuccess must be true or false");
  }
  outcome.is_success = success->get<bool>();
  return outcome;
}

// As the caller dials it, so that names and ports that are mapped on the way work.
std::string own_host(const ApiCall& call) {
  const std::string host(call.request.header("host").value_or(std::string_view()));
  const std::vector<std::string>& names = call.context.security->host_names;
  if (is_accepted_host(host, names)) return host;
  constexpr std::uint16_t kHttpsPort = 443;
  const std::uint16_t port = call.context.facts.ports.https;
  return names.front() + (port == kHttpsPort ? std::string() : ":" + std::to_string(port));
}

HttpResponse ticket_response(const UploadTicket& ticket, const std::string& host) {
  Json json;
  json["correlationId"] = ticket.correlation_id;
  json["hostName"] = ticket.host.empty() ? host : ticket.host;
  json["containerName"] = ticket.container;
  json["blobName"] = ticket.blob;
  json["sasToken"] = ticket.sas;
  return json_response(json);
}

Result<std::size_t> page_limit(const HttpRequest& request) {
  const std::string_view text = request.query_value("limit").value_or(std::string_view());
  if (text.empty()) return kFilesPage;
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size() || limit == 0 || limit > kFilesPageMax) {
    return Error(Errc::argument_invalid, "limit must be a whole number from 1 to 1000");
  }
  return limit;
}

// What the URLs of a list may be used for, as the storage service writes it.
Result<std::string> url_rights(const HttpRequest& request) {
  const std::string_view text = request.query_value("access").value_or("r");
  if (text != "r" && text != "rd" && text != "d") {
    return Error(Errc::argument_invalid, "access must be r, d or rd");
  }
  return std::string(text);
}

std::string query_text(const HttpRequest& request, std::string_view name) {
  return std::string(request.query_value(name).value_or(std::string_view()));
}

}  // namespace

void begin_upload(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  const Result<Json> json = parse_object(call.request.body);
  if (!json) return reply(json.error());
  const Json* name = member_ignoring_case(*json, "blobName");
  if (!name || !name->is_string()) return reply(Error(Errc::argument_invalid, "blobName must be a text"));
  hub.uploads.begin(call.route.parameters.at(0), call.caller->generation_id, name->get<std::string>(),
                    answer_with<UploadTicket>(hub.executor, std::move(reply),
                                              [host = own_host(call)](const UploadTicket& ticket) {
                                                return ticket_response(ticket, host);
                                              }));
}

void finish_upload(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  Result<UploadOutcome> outcome = parse_outcome(call);
  if (!outcome) return reply(outcome.error());
  outcome->own_host = own_host(call);
  hub.uploads.finish(call.route.parameters.at(0), call.caller->generation_id, std::move(*outcome),
                     answer_with<void>(hub.executor, std::move(reply), no_content));
}

void list_files(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  const auto& storage = hub.uploads.storage();
  if (!storage || !storage->blobs) {
    return reply(Error(Errc::upload_not_configured, "the hub keeps no files"));
  }
  const Result<std::size_t> limit = page_limit(call.request);
  if (!limit) return reply(limit.error());
  const Result<std::string> rights = url_rights(call.request);
  if (!rights) return reply(rights.error());
  const std::string device = query_text(call.request, "device");
  storage->blobs->list(
      device.empty() ? std::string() : device + "/", query_text(call.request, "after"), *limit,
      answer_with<std::vector<BlobInfo>>(
          hub.executor, std::move(reply),
          [&hub, host = own_host(call), rights = *rights](const std::vector<BlobInfo>& blobs) {
            Json array = Json::array();
            for (const BlobInfo& blob : blobs) {
              Json json;
              json["blobName"] = blob.name;
              json["size"] = blob.bytes;
              json["lastModified"] = to_iso_time(blob.modified);
              json["etag"] = blob.etag;
              json["contentType"] = blob.content_type;
              json["url"] = hub.uploads.blob_uri(host, blob.name) +
                            make_blob_sas(hub.uploads.storage()->account, blob.name, rights,
                                          hub.executor.wall_now() + kFileUrlLife);
              array.push_back(std::move(json));
            }
            return json_response(array);
          }));
}

void list_file_notifications(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  const Result<std::size_t> limit = page_limit(call.request);
  if (!limit) return reply(limit.error());
  hub.uploads.notifications(
      query_text(call.request, "after"), *limit,
      answer_with<std::vector<FileNotification>>(
          hub.executor, std::move(reply), [](const std::vector<FileNotification>& list) {
            Json array = Json::array();
            for (const FileNotification& entry : list) {
              Json json;
              json["id"] = entry.id;
              json["deviceId"] = entry.device;
              json["blobUri"] = entry.blob_uri;
              json["blobName"] = entry.blob;
              json["lastUpdatedTime"] = to_iso_time(entry.last_updated);
              json["blobSizeInBytes"] = entry.blob_bytes;
              json["enqueuedTimeUtc"] = to_iso_time(entry.enqueued);
              array.push_back(std::move(json));
            }
            return json_response(array);
          }));
}

void delete_file_notification(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.uploads.erase_notification(call.route.parameters.at(0),
                                 answer_with<void>(hub.executor, std::move(reply), no_content));
}

}  // namespace kyanite
