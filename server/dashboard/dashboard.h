#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "protocol/http/request.h"
#include "protocol/http/response.h"

namespace kyanite {

// One file of the dashboard, part of the program.
struct DashboardFile {
  std::string_view name;  // "app.js"
  std::string_view content_type;
  std::string_view etag;  // without quotes, made of the content
  std::string_view content;
  std::string_view compressed;  // the same by gzip
};

std::span<const DashboardFile> dashboard_files();

// The file at a path: "/", "/dashboard" and "/dashboard/" are index.html, "/dashboard/NAME" is the one of
// that name. Null for every other path.
const DashboardFile* find_dashboard_file(std::span<const std::string> segments);

// The answer to GET or HEAD of such a path: 200 with the file, compressed where the client takes gzip, or
// 304 for If-None-Match. Nothing for other requests, which belong to the API. No credential is looked at:
// the pages hold no data, and ask the REST API for all they show.
std::optional<HttpResponse> answer_dashboard(const HttpRequest& request);

}  // namespace kyanite
