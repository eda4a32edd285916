#pragma once

#include "server/api/api_call.h"

// Files that devices upload (service-rest.md 9.7), and what back ends learn of them.
namespace kyanite {

// POST /devices/{id}/files {"blobName"}: where the file goes, with a signature.
void begin_upload(const ApiCall& call, Reply<HttpResponse> reply);
// POST /devices/{id}/files/notifications[/{correlationId}] {"correlationId","isSuccess","statusCode",…}
void finish_upload(const ApiCall& call, Reply<HttpResponse> reply);

// GET /kyanite/v1/files[?device=&after=&limit=]: [{blobName, size, lastModified, etag, contentType, url}],
// the URL readable for an hour. Errors: upload_not_configured where the hub keeps no files.
void list_files(const ApiCall& call, Reply<HttpResponse> reply);
// GET /kyanite/v1/file-notifications[?after=&limit=]: the oldest ones, as the service's messages with an
// "id".
void list_file_notifications(const ApiCall& call, Reply<HttpResponse> reply);
// DELETE /kyanite/v1/file-notifications/{id}
void delete_file_notification(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
