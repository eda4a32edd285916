#include "server/app/cli/redact.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "protocol/base/percent_encoding.h"

namespace kyanite::cli {
namespace {

constexpr std::string_view kMask = "***";
constexpr std::size_t kKeyCharactersMin = 22;  // base64 of 16 bytes, the shortest key

// What stands behind these, up to a separator, is a secret. Matched ignoring case.
constexpr std::array<std::string_view, 8> kMarkers{
    "SharedAccessKey=",       "AccountKey=", "sig=",      "sig%3d",
    "SharedAccessSignature ", "Bearer ",     "password=", "Basic "};

bool ends_secret(char c) {
  return c == ';' || c == '&' || c == '"' || c == '\'' || c == ',' || static_cast<unsigned char>(c) <= 0x20;
}

bool is_base64(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

// Of a word of base64 characters with its padding, 0 when it is not like a key. Names, paths and numbers are
// words too: a key is padded, or has upper and lower case and digits.
std::size_t key_length(std::string_view text) {
  std::size_t size = 0;
  bool upper = false, lower = false, digit = false;
  for (; size < text.size() && is_base64(text[size]); ++size) {
    upper = upper || (text[size] >= 'A' && text[size] <= 'Z');
    lower = lower || (text[size] >= 'a' && text[size] <= 'z');
    digit = digit || (text[size] >= '0' && text[size] <= '9');
  }
  const std::size_t letters = size;
  while (size < text.size() && text[size] == '=' && size < letters + 2) ++size;
  if (letters < kKeyCharactersMin) return 0;
  const bool is_padded = size > letters && size % 4 == 0;
  const bool is_mixed = upper && lower && digit && letters % 4 == 0 && letters >= 40;
  return is_padded || is_mixed ? size : 0;
}

}  // namespace

std::string redact(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ";
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  bool in_word = false;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with(kBegin) && rest.substr(0, 64).find("PRIVATE KEY") != std::string_view::npos) {
      const std::size_t end = rest.find(kEnd);
      out += kMask;
      if (end == std::string_view::npos) break;
      at += std::min(rest.find('\n', end), rest.size());
      continue;
    }
    const auto marker = std::find_if(kMarkers.begin(), kMarkers.end(), [&](std::string_view known) {
      return rest.size() > known.size() && equals_ignoring_case(rest.substr(0, known.size()), known);
    });
    if (marker != kMarkers.end()) {
      out += rest.substr(0, marker->size());
      at += marker->size();
      std::size_t size = 0;
      while (at + size < text.size() && !ends_secret(text[at + size])) ++size;
      if (size > 0) out += kMask;
      at += size;
      in_word = false;
      continue;
    }
    if (!in_word) {
      if (const std::size_t size = key_length(rest)) {
        out += kMask;
        at += size;
        continue;
      }
    }
    in_word = is_base64(text[at]);
    out += text[at++];
  }
  return out;
}

}  // namespace kyanite::cli
