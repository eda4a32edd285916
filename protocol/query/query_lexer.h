#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"

namespace kyanite {

struct QueryToken {
  enum class Kind : std::uint8_t { end, word, quoted_word, number, text, symbol };
  Kind kind = Kind::end;
  std::string text;          // as written, a text without quotes and escapes
  Json number;               // of a number
  std::size_t position = 0;  // of its first character in the query, from 1
};

// Where a query is wrong, as every error of the language says it. `why` is ours and holds no semicolon.
Error query_error(std::size_t position, const std::string& why);

// The words of a query, comments and spaces dropped, with one token of kind `end` behind them. Errors:
// Errc::argument_invalid for what is no token, a text or comment without its end, and a query longer than
// limits::kQueryCharactersMax.
Result<std::vector<QueryToken>> tokenize_query(std::string_view text);

}  // namespace kyanite
