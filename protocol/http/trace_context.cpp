#include "protocol/http/trace_context.h"

#include <algorithm>

namespace kyanite {
namespace {

constexpr std::size_t kVersionEnd = 2;
constexpr std::size_t kTraceBegin = 3;
constexpr std::size_t kTraceDigits = 32;
constexpr std::size_t kParentBegin = kTraceBegin + kTraceDigits + 1;
constexpr std::size_t kParentDigits = 16;
constexpr std::size_t kFlagsBegin = kParentBegin + kParentDigits + 1;
constexpr std::size_t kFlagsDigits = 2;
constexpr std::size_t kBytes = kFlagsBegin + kFlagsDigits;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

std::string_view trace_id_of(std::string_view header) {
  if (header.size() < kBytes) return {};
  const std::string_view version = header.substr(0, kVersionEnd);
  const std::string_view trace = header.substr(kTraceBegin, kTraceDigits);
  const std::string_view parent = header.substr(kParentBegin, kParentDigits);
  const std::string_view flags = header.substr(kFlagsBegin, kFlagsDigits);
  if (header[kTraceBegin - 1] != '-' || header[kParentBegin - 1] != '-' || header[kFlagsBegin - 1] != '-') {
    return {};
  }
  if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(flags)) return {};
  // A later version may go on behind another dash.
  if (version == "ff" || (version == "00" && header.size() != kBytes)) return {};
  if (header.size() > kBytes && header[kBytes] != '-') return {};
  if (is_zero(trace) || is_zero(parent)) return {};
  return trace;
}

}  // namespace kyanite
