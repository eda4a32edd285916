#include "protocol/http/request.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::array<std::pair<HttpVerb, std::string_view>, 7> kVerbNames{{
    {HttpVerb::get, "GET"},
    {HttpVerb::put, "PUT"},
    {HttpVerb::post, "POST"},
    {HttpVerb::patch, "PATCH"},
    {HttpVerb::del, "DELETE"},
    {HttpVerb::head, "HEAD"},
    {HttpVerb::options, "OPTIONS"},
}};

using NamedValues = std::vector<std::pair<std::string, std::string>>;

std::optional<std::string_view> find_value(const NamedValues& values, std::string_view name) {
  const auto found =
      std::find_if(values.begin(), values.end(), [&](const auto& row) { return row.first == name; });
  if (found == values.end()) return std::nullopt;
  return found->second;
}

// "https://host/path" is as good as "/path" (RFC 9112 section 3.2.2).
std::string_view without_origin(std::string_view target) {
  for (const std::string_view scheme : {std::string_view("https://"), std::string_view("http://")}) {
    if (target.size() < scheme.size() || !equals_ignoring_case(target.substr(0, scheme.size()), scheme))
      continue;
    const std::size_t end = target.find_first_of("/?", scheme.size());
    return end == std::string_view::npos ? std::string_view{} : target.substr(end);
  }
  return target;
}

std::vector<std::string> split_path(std::string_view path) {
  // Ids cannot hold '/', so decoding first is safe and lets "/devices%2Fd1" work.
  const std::string decoded = percent_decode(path);
  std::vector<std::string> segments;
  std::string_view rest = decoded;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    if (end != 0) segments.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return segments;
}

NamedValues split_query(std::string_view query) {
  NamedValues values;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view piece = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (piece.empty()) continue;
    const std::size_t equals = std::min(piece.find('='), piece.size());
    values.emplace_back(to_lower_ascii(percent_decode(piece.substr(0, equals))),
                        percent_decode(piece.substr(std::min(equals + 1, piece.size()))));
  }
  return values;
}

}  // namespace

std::optional<std::string_view> HttpRequest::header(std::string_view lower_name) const {
  const auto found = std::find_if(headers.begin(), headers.end(), [&](const auto& row) {
    return equals_ignoring_case(row.first, lower_name);
  });
  if (found == headers.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string_view> HttpRequest::query_value(std::string_view lower_name) const {
  return find_value(query, lower_name);
}

void parse_http_target(std::string_view target, HttpRequest& request) {
  target = without_origin(target);
  const std::size_t mark = std::min(target.find('?'), target.size());
  request.target = target.substr(0, mark);
  request.segments = split_path(target.substr(0, mark));
  request.query = split_query(target.substr(std::min(mark + 1, target.size())));
}

HttpVerb parse_http_verb(std::string_view text) {
  const auto row = std::find_if(kVerbNames.begin(), kVerbNames.end(),
                                [&](const auto& pair) { return pair.second == text; });
  return row == kVerbNames.end() ? HttpVerb::other : row->first;
}

std::string_view to_text(HttpVerb verb) {
  const auto row = std::find_if(kVerbNames.begin(), kVerbNames.end(),
                                [&](const auto& pair) { return pair.first == verb; });
  return row == kVerbNames.end() ? "other" : row->second;
}

void apply_method_override(HttpRequest& request) {
  if (request.verb != HttpVerb::post) return;
  const auto wanted = request.header("x-http-method-override");
  if (!wanted) return;
  for (const HttpVerb verb : {HttpVerb::patch, HttpVerb::put, HttpVerb::del}) {
    if (equals_ignoring_case(*wanted, to_text(verb))) request.verb = verb;
  }
}

}  // namespace kyanite
