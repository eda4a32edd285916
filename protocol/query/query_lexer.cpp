#include "protocol/query/query_lexer.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "protocol/base/limits.h"

namespace kyanite {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}
bool continues_word(char c) { return starts_word(c) || is_digit(c); }

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void append_utf8(std::string& into, std::uint32_t point) {
  const auto put = [&into](std::uint32_t byte) {
    into += static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | (point >> 6));
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | (point >> 12));
    put(0x80 | ((point >> 6) & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | (point >> 18));
    put(0x80 | ((point >> 12) & 0x3f));
    put(0x80 | ((point >> 6) & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

class QueryLexer {
 public:
  explicit QueryLexer(std::string_view text) : text_(text) {}

  Result<std::vector<QueryToken>> run() {
    while (!error_) {
      skip_spaces();
      if (error_ || at_ >= text_.size()) break;
      QueryToken token;
      token.position = at_ + 1;
      begin_ = at_;
      read(token);
      tokens_.push_back(std::move(token));
    }
    if (error_) return *error_;
    QueryToken end;
    end.position = text_.size() + 1;
    tokens_.push_back(std::move(end));
    return std::move(tokens_);
  }

 private:
  char at(std::size_t offset) const { return at_ + offset < text_.size() ? text_[at_ + offset] : '\0'; }
  void fail(const char* why) {
    if (!error_) error_ = query_error(begin_ + 1, why);
  }

  void skip_spaces() {
    while (at_ < text_.size()) {
      const std::string_view rest = text_.substr(at_);
      if (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n') {
        ++at_;
      } else if (rest.starts_with("--")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (rest.starts_with("/*")) {
        begin_ = at_;
        const std::size_t end = text_.find("*/", at_ + 2);
        if (end == std::string_view::npos) return fail("a comment has no end");
        at_ = end + 2;
      } else {
        return;
      }
    }
  }

  // Whether a name may go on with what comes now: "tags.2nd" is a path, ".5" alone a number.
  bool after_name() const {
    if (tokens_.empty()) return false;
    const QueryToken& last = tokens_.back();
    return last.kind == QueryToken::Kind::word || last.kind == QueryToken::Kind::quoted_word ||
           last.text == "]" || last.text == ")";
  }
  bool after_dot() const {
    return !tokens_.empty() && tokens_.back().kind == QueryToken::Kind::symbol && tokens_.back().text == ".";
  }

  void read(QueryToken& token) {
    const char c = at(0);
    if (starts_word(c) || (after_dot() && is_digit(c))) {
      token.kind = QueryToken::Kind::word;
      while (at_ < text_.size() && continues_word(at(0))) token.text += text_[at_++];
    } else if (is_digit(c) || (c == '.' && is_digit(at(1)) && !after_name())) {
      read_number(token);
    } else if (c == '\'' || c == '"') {
      read_text(token);
    } else if (c == '[' && at(1) == '[') {
      read_quoted_word(token);
    } else {
      read_symbol(token);
    }
  }

  void read_quoted_word(QueryToken& token) {
    const std::size_t end = text_.find("]]", at_ + 2);
    if (end == std::string_view::npos) return fail("a name in [[ has no ]]");
    token.kind = QueryToken::Kind::quoted_word;
    token.text = text_.substr(at_ + 2, end - at_ - 2);
    at_ = end + 2;
  }

  void read_symbol(QueryToken& token) {
    token.kind = QueryToken::Kind::symbol;
    for (const char* two : {"!=", "<>", "<=", ">="}) {
      if (text_.substr(at_).starts_with(two)) {
        token.text = two;
        at_ += 2;
        return;
      }
    }
    if (std::string_view("=<>+-*/%()[],.;").find(at(0)) == std::string_view::npos || at(0) == '\0') {
      return fail("a character that has no meaning here");
    }
    token.text = text_[at_++];
  }

  void read_number(QueryToken& token) {
    token.kind = QueryToken::Kind::number;
    const char* const end = text_.data() + text_.size();
    const char* const begin = text_.data() + at_;
    std::from_chars_result read{begin, std::errc()};
    if (at(0) == '0' && (at(1) == 'x' || at(1) == 'X')) {
      std::uint64_t value = 0;
      read = std::from_chars(begin + 2, end, value, 16);
      if (read.ptr == begin + 2) read.ec = std::errc::invalid_argument;
      token.number =
          value <= INT64_MAX ? Json(static_cast<std::int64_t>(value)) : Json(static_cast<double>(value));
    } else {
      std::int64_t whole = 0;
      read = std::from_chars(begin, end, whole);
      token.number = whole;
      const bool goes_on = read.ptr != end && (*read.ptr == '.' || *read.ptr == 'e' || *read.ptr == 'E');
      if (read.ec != std::errc() || goes_on) {
        double value = 0;
        read = std::from_chars(begin, end, value);
        token.number = value;
      }
    }
    if (read.ec != std::errc()) return fail("a number that is out of range or malformed");
    at_ = static_cast<std::size_t>(read.ptr - text_.data());
    token.text = std::string(begin, read.ptr);
    if (at_ < text_.size() && continues_word(at(0))) fail("a number runs into a name");
  }

  void read_text(QueryToken& token) {
    token.kind = QueryToken::Kind::text;
    const char quote = text_[at_++];
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) {
        if (at(0) != quote) return;
        ++at_;  // a doubled quote is one
        token.text += c;
      } else if (c == '\\') {
        read_escape(token.text);
        if (error_) return;
      } else {
        token.text += c;
      }
    }
    fail("a text has no closing quote");
  }

  void read_escape(std::string& into) {
    constexpr std::string_view kNames = "'\"\\/bfnrt";
    constexpr std::string_view kMeanings = "'\"\\/\b\f\n\r\t";
    const char c = at(0);
    ++at_;
    if (const std::size_t place = kNames.find(c); c != '\0' && place != std::string_view::npos) {
      into += kMeanings[place];
      return;
    }
    if (c != 'u') return fail("a text holds an unknown escape");
    std::optional<std::uint32_t> point = hex4();
    if (point && *point >= 0xd800 && *point < 0xdc00 && at(0) == '\\' && at(1) == 'u') {
      at_ += 2;
      const std::optional<std::uint32_t> low = hex4();
      point = low && *low >= 0xdc00 && *low < 0xe000
                  ? std::optional(0x10000 + ((*point - 0xd800) << 10) + (*low - 0xdc00))
                  : std::nullopt;
    }
    if (!point || (*point >= 0xd800 && *point < 0xe000)) return fail("a text holds a bad \\u escape");
    append_utf8(into, *point);
  }

  std::optional<std::uint32_t> hex4() {
    if (at_ + 4 > text_.size()) return std::nullopt;
    std::uint32_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto read = std::from_chars(begin, begin + 4, value, 16);
    if (read.ec != std::errc() || read.ptr != begin + 4) return std::nullopt;
    at_ += 4;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;  // of the token that is read
  std::vector<QueryToken> tokens_;
  std::optional<Error> error_;
};

}  // namespace

Error query_error(std::size_t position, const std::string& why) {
  return Error(Errc::argument_invalid, "BadRequest: " + why + " (position " + std::to_string(position) + ")");
}

Result<std::vector<QueryToken>> tokenize_query(std::string_view text) {
  if (text.size() > limits::kQueryCharactersMax && code_points(text) > limits::kQueryCharactersMax) {
    return query_error(limits::kQueryCharactersMax + 1, "the query is longer than 8192 characters");
  }
  return QueryLexer(text).run();
}

}  // namespace kyanite
