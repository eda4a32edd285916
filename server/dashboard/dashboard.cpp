#include "server/dashboard/dashboard.h"

#include <algorithm>
#include <string>

#include "protocol/base/percent_encoding.h"
#include "protocol/http/etag.h"

namespace kyanite {
namespace {

constexpr std::string_view kFolder = "dashboard";
constexpr std::string_view kIndex = "index.html";

// Nothing but what this hub serves runs or is asked, nobody frames the pages, and no form is ever sent.
constexpr std::string_view kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Whether any of the items that commas separate holds.
template <class Holds>
bool any_item(std::string_view list, Holds holds) {
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (holds(trimmed(list.substr(begin, end - begin)))) return true;
    begin = end + 1;
  }
  return false;
}

// "gzip;q=0" refuses it (RFC 9110 section 12.5.3).
bool takes_gzip(const HttpRequest& request) {
  return any_item(request.header("accept-encoding").value_or(""), [](std::string_view item) {
    const std::size_t name_end = std::min(item.find(';'), item.size());
    if (!equals_ignoring_case(trimmed(item.substr(0, name_end)), "gzip")) return false;
    const std::size_t weight = item.find("q=");
    return weight == std::string_view::npos ||
           item.find_first_of("123456789", weight) != std::string_view::npos;
  });
}

bool has_already(const HttpRequest& request, std::string_view etag) {
  return any_item(request.header("if-none-match").value_or(""), [&](std::string_view item) {
    if (item.starts_with("W/")) item.remove_prefix(2);
    return item == "*" || item == quote_etag(etag);
  });
}

}  // namespace

const DashboardFile* find_dashboard_file(std::span<const std::string> segments) {
  std::string_view name = kIndex;
  if (!segments.empty() && segments.front() != kFolder) return nullptr;
  if (segments.size() > 2) return nullptr;
  if (segments.size() == 2) name = segments[1];
  const auto files = dashboard_files();
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const auto& file) { return file.name == name; });
  return found == files.end() ? nullptr : &*found;
}

std::optional<HttpResponse> answer_dashboard(const HttpRequest& request) {
  if (request.verb != HttpVerb::get && request.verb != HttpVerb::head) return std::nullopt;
  const DashboardFile* file = find_dashboard_file(request.segments);
  if (!file) return std::nullopt;
  HttpResponse response;
  response.headers = {
      {"ETag", "W/" + quote_etag(file->etag)},  // weak: the same for both encodings
      // A newer program has newer pages: browsers ask each time, and are mostly told 304.
      {"Cache-Control", "no-cache"},
      {"Vary", "Accept-Encoding"},
      {"Content-Security-Policy", std::string(kContentPolicy)},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
  };
  if (has_already(request, file->etag)) {
    response.status = 304;
    response.content_type.clear();
    response.length = file->content.size();
    return response;
  }
  response.content_type = file->content_type;
  const bool small = takes_gzip(request);
  if (small) response.headers.emplace_back("Content-Encoding", "gzip");
  response.body = small ? file->compressed : file->content;
  return response;
}

}  // namespace kyanite
