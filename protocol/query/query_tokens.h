#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/percent_encoding.h"
#include "protocol/query/query_lexer.h"

namespace kyanite {

// A word that is no name where a name is asked for.
bool is_reserved_query_word(std::string_view word);

// QueryTokens is where a parser stands among the tokens of a query. The first error ends it: from then on
// every token is the end.
class QueryTokens {
 public:
  using Kind = QueryToken::Kind;

  // `tokens` ends with the one that says so.
  explicit QueryTokens(std::vector<QueryToken> tokens) : tokens_(std::move(tokens)) {}

  const QueryToken& now() const { return tokens_[at_]; }
  const QueryToken& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void skip() { at_ = std::min(at_ + 1, tokens_.size() - 1); }
  void fail(const std::string& why) { fail_at(now().position, why); }
  void fail_at(std::size_t position, const std::string& why) {
    if (!error_) error_ = query_error(position, why);
    at_ = tokens_.size() - 1;
  }
  bool is_word(std::string_view word) const {
    return now().kind == Kind::word && equals_ignoring_case(now().text, word);
  }
  bool is_symbol(std::string_view symbol) const { return now().kind == Kind::symbol && now().text == symbol; }
  bool before_symbol(std::string_view symbol) const {
    return next().kind == Kind::symbol && next().text == symbol;
  }
  bool before_parenthesis() const { return before_symbol("("); }
  bool take_word(std::string_view word) {
    const bool is = is_word(word);
    if (is) skip();
    return is;
  }
  bool take_symbol(std::string_view symbol) {
    const bool is = is_symbol(symbol);
    if (is) skip();
    return is;
  }
  void expect_word(const std::string& word);
  void expect_symbol(const std::string& symbol) {
    if (!take_symbol(symbol)) fail_unexpected("'" + symbol + "'");
  }
  // Something else than `wanted` stands here.
  void fail_unexpected(const std::string& wanted);
  const std::optional<Error>& error() const { return error_; }

 private:
  std::vector<QueryToken> tokens_;
  std::size_t at_ = 0;
  std::optional<Error> error_;
};

}  // namespace kyanite
