#include "protocol/base/json_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace kyanite {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

// Walks over text that is known to be valid JSON.
class ValidJson {
 public:
  explicit ValidJson(std::string_view text) : text_(text) {}

  char next() {
    at_ = std::min(text_.find_first_not_of(kSpaces, at_), text_.size());
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void skip() { ++at_; }

  std::string_view string() {
    const std::size_t begin = at_++;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    return text_.substr(begin, ++at_ - begin);
  }

  std::string_view value() {
    next();
    const std::size_t begin = at_;
    std::size_t open = 0;
    do {
      const char c = next();
      if (c == '"') {
        string();
      } else if (c == '{' || c == '[') {
        ++open;
        skip();
      } else if (c == '}' || c == ']') {
        --open;
        skip();
      } else if (c == ',' || c == ':') {
        skip();
      } else {  // a number or a name
        at_ = std::min(text_.find_first_of(" \t\r\n,:{}[]\"", at_), text_.size());
      }
    } while (open > 0);
    return text_.substr(begin, at_ - begin);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// Notes where the library's parser gives up.
struct FaultFinder : nlohmann::json_sax<nlohmann::json> {
  std::size_t at = 0;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(nlohmann::json::binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(std::string&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    at = position;
    return false;
  }
};

}  // namespace

std::optional<std::size_t> find_json_fault(std::string_view text) {
  FaultFinder finder;
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &finder)) return std::nullopt;
  return finder.at > 0 ? finder.at - 1 : 0;  // the library counts from one
}

Result<std::vector<std::string_view>> split_json_array(std::string_view text) {
  text = without_byte_order_mark(text);
  if (const Result<void> checked = check_json(text); !checked) return checked.error();
  ValidJson json(text);
  if (json.next() != '[') return Error(Errc::format_error, "not a JSON array");
  json.skip();
  std::vector<std::string_view> elements;
  while (json.next() != ']') {
    elements.push_back(json.value());
    if (json.next() == ',') json.skip();
  }
  return elements;
}

Result<void> check_json(std::string_view text) {
  text = without_byte_order_mark(text);
  if (!nlohmann::json::accept(text.begin(), text.end())) return Error(Errc::format_error, "not valid JSON");
  return {};
}

Result<std::vector<JsonMember>> split_json_object(std::string_view text) {
  text = without_byte_order_mark(text);
  if (const Result<void> checked = check_json(text); !checked) return checked.error();
  ValidJson json(text);
  if (json.next() != '{') return Error(Errc::format_error, "not a JSON object");
  json.skip();
  std::vector<JsonMember> members;
  while (json.next() != '}') {
    const auto name = nlohmann::json::parse(json.string(), nullptr, false);
    json.next();
    json.skip();  // the colon
    members.push_back({name.get<std::string>(), json.value()});
    if (json.next() == ',') json.skip();
  }
  return members;
}

std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return text;
}

}  // namespace kyanite
