#include "protocol/http/etag.h"

namespace kyanite {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

std::optional<IfMatch> parse_if_match(std::optional<std::string_view> header) {
  if (!header) return std::nullopt;
  std::string_view text = *header;
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  if (text.size() > 2 && (text[0] == 'W' || text[0] == 'w') && text[1] == '/' && text[2] == '"')
    text.remove_prefix(2);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  IfMatch result;
  result.any = text == "*";
  if (!result.any) result.etag = text;
  return result;
}

std::string quote_etag(std::string_view etag) {
  std::string text;
  text.reserve(etag.size() + 2);
  text += '"';
  text += etag;
  text += '"';
  return text;
}

}  // namespace kyanite
