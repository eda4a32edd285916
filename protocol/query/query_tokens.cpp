#include "protocol/query/query_tokens.h"

#include <array>

namespace kyanite {
namespace {

constexpr std::array kReserved{"select", "from",   "where",     "group", "by",      "and",
                               "or",     "not",    "in",        "nin",   "as",      "true",
                               "false",  "null",   "undefined", "top",   "order",   "join",
                               "like",   "having", "union",     "limit", "between", "distinct"};
constexpr std::array kUnsupported{"order", "join",  "distinct", "like",   "having",
                                  "union", "limit", "between",  "exists", "offset"};

template <std::size_t N>
bool is_one_of(const std::array<const char*, N>& words, std::string_view word) {
  return std::any_of(words.begin(), words.end(),
                     [word](const char* w) { return equals_ignoring_case(w, word); });
}

}  // namespace

bool is_reserved_query_word(std::string_view word) { return is_one_of(kReserved, word); }

void QueryTokens::expect_word(const std::string& word) {
  if (take_word(word)) return;
  std::string upper = word;
  for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
  fail_unexpected(upper);
}

void QueryTokens::fail_unexpected(const std::string& wanted) {
  if (now().kind == Kind::word && is_one_of(kUnsupported, now().text)) {
    return fail("ORDER BY, JOIN, DISTINCT, LIKE, HAVING and the like are not part of the language");
  }
  fail(now().kind == Kind::end ? "the query ends where " + wanted + " is expected" : wanted + " is expected");
}

}  // namespace kyanite
