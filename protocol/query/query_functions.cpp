#include "protocol/query/query_functions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

struct NamedSignature {
  const char* name;  // lower case, no underscores
  QuerySignature signature;
};

constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();

constexpr std::array kFunctions{
    NamedSignature{"isdefined", {QueryFunction::is_defined, 1, 1}},
    NamedSignature{"isarray", {QueryFunction::is_array, 1, 1}},
    NamedSignature{"isbool", {QueryFunction::is_bool, 1, 1}},
    NamedSignature{"isnull", {QueryFunction::is_null, 1, 1}},
    NamedSignature{"isnumber", {QueryFunction::is_number, 1, 1}},
    NamedSignature{"isobject", {QueryFunction::is_object, 1, 1}},
    NamedSignature{"isprimitive", {QueryFunction::is_primitive, 1, 1}},
    NamedSignature{"isstring", {QueryFunction::is_string, 1, 1}},
    NamedSignature{"asnumber", {QueryFunction::as_number, 1, 1}},
    NamedSignature{"startswith", {QueryFunction::starts_with, 2, 2}},
    NamedSignature{"endswith", {QueryFunction::ends_with, 2, 2}},
    NamedSignature{"contains", {QueryFunction::contains, 2, 2}},
    NamedSignature{"indexof", {QueryFunction::index_of, 2, 2}},
    NamedSignature{"length", {QueryFunction::length, 1, 1}},
    NamedSignature{"lower", {QueryFunction::lower, 1, 1}},
    NamedSignature{"upper", {QueryFunction::upper, 1, 1}},
    NamedSignature{"substring", {QueryFunction::substring, 2, 3}},
    NamedSignature{"concat", {QueryFunction::concat, 1, kAnyNumber}},
    NamedSignature{"abs", {QueryFunction::abs, 1, 1}},
    NamedSignature{"exp", {QueryFunction::exp, 1, 1}},
    NamedSignature{"power", {QueryFunction::power, 2, 2}},
    NamedSignature{"square", {QueryFunction::square, 1, 1}},
    NamedSignature{"ceiling", {QueryFunction::ceiling, 1, 1}},
    NamedSignature{"floor", {QueryFunction::floor, 1, 1}},
    NamedSignature{"sign", {QueryFunction::sign, 1, 1}},
    NamedSignature{"sqrt", {QueryFunction::sqrt, 1, 1}},
    NamedSignature{"arraycontains", {QueryFunction::array_contains, 2, 2}},
};

const std::string* text_of(const QueryValue& value) {
  const Json* json = value.json();
  return json && json->is_string() ? &json->get_ref<const std::string&>() : nullptr;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

// The byte where the character with this place begins, the end when there are fewer.
std::size_t byte_of_character(std::string_view text, double place) {
  double seen = 0;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (is_continuation(text[at])) continue;
    if (seen >= place) break;
    ++seen;
  }
  return at;
}

QueryValue substring(const std::vector<QueryValue>& arguments) {
  const std::string* text = text_of(arguments[0]);
  if (!text) return {};
  double places[2] = {0, std::numeric_limits<double>::max()};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const Json* place = arguments[i].json();
    if (!place || !place->is_number()) return {};
    places[i - 1] = std::trunc(place->get<double>());
    if (places[i - 1] < 0) return {};
  }
  const std::string_view rest = std::string_view(*text).substr(byte_of_character(*text, places[0]));
  return Json(std::string(rest.substr(0, byte_of_character(rest, places[1]))));
}

QueryValue about_texts(QueryFunction function, const std::string& text, const std::string& part) {
  if (function == QueryFunction::starts_with) return Json(text.starts_with(part));
  if (function == QueryFunction::ends_with) return Json(text.ends_with(part));
  const std::size_t place = text.find(part);
  if (function == QueryFunction::contains) return Json(place != std::string::npos);
  if (place == std::string::npos) return Json(-1);
  return Json(characters_of(std::string_view(text).substr(0, place)));
}

QueryValue concat(const std::vector<QueryValue>& arguments) {
  std::string joined;
  for (const QueryValue& argument : arguments) {
    const std::string* text = text_of(argument);
    if (!text || joined.size() + text->size() > limits::kQueryTextBytesMax) return {};
    joined += *text;
  }
  return Json(std::move(joined));
}

QueryValue as_number(const QueryValue& argument) {
  if (argument.json() && argument.json()->is_number()) return argument;
  const std::string* text = text_of(argument);
  if (!text) return {};
  const char* const end = text->data() + text->size();
  std::int64_t whole = 0;
  if (const auto read = std::from_chars(text->data(), end, whole);
      read.ec == std::errc() && read.ptr == end) {
    return Json(whole);
  }
  double value = 0;
  const auto read = std::from_chars(text->data(), end, value);
  return read.ec == std::errc() && read.ptr == end ? query_number(value) : QueryValue();
}

QueryValue about_number(QueryFunction function, const Json& number) {
  const auto value = number.get<double>();
  switch (function) {
    case QueryFunction::abs:
      return query_number(std::abs(value));
    case QueryFunction::exp:
      return query_number(std::exp(value));
    case QueryFunction::square:
      return query_number(value * value);
    case QueryFunction::ceiling:
      return query_number(std::ceil(value));
    case QueryFunction::floor:
      return query_number(std::floor(value));
    case QueryFunction::sign:
      return Json(value > 0 ? 1 : value < 0 ? -1 : 0);
    default:
      return query_number(std::sqrt(value));
  }
}

bool has_type(QueryFunction function, const Json& value) {
  switch (function) {
    case QueryFunction::is_array:
      return value.is_array();
    case QueryFunction::is_bool:
      return value.is_boolean();
    case QueryFunction::is_null:
      return value.is_null();
    case QueryFunction::is_number:
      return value.is_number();
    case QueryFunction::is_object:
      return value.is_object();
    case QueryFunction::is_primitive:
      return value.is_primitive();
    case QueryFunction::is_string:
      return value.is_string();
    default:
      return true;  // is_defined
  }
}

}  // namespace

std::optional<QuerySignature> find_query_function(std::string_view name) {
  std::string plain = to_lower_ascii(name);
  std::erase(plain, '_');
  for (const NamedSignature& row : kFunctions) {
    if (plain == row.name) return row.signature;
  }
  return std::nullopt;
}

QueryValue call_query_function(QueryFunction function, const std::vector<QueryValue>& arguments) {
  const Json* first = arguments.front().json();
  const std::string* text = text_of(arguments.front());
  switch (function) {
    case QueryFunction::is_defined:
    case QueryFunction::is_array:
    case QueryFunction::is_bool:
    case QueryFunction::is_null:
    case QueryFunction::is_number:
    case QueryFunction::is_object:
    case QueryFunction::is_primitive:
    case QueryFunction::is_string:
      return Json(first && has_type(function, *first));
    case QueryFunction::as_number:
      return as_number(arguments.front());
    case QueryFunction::starts_with:
    case QueryFunction::ends_with:
    case QueryFunction::contains:
    case QueryFunction::index_of: {
      const std::string* part = text_of(arguments[1]);
      return text && part ? about_texts(function, *text, *part) : QueryValue();
    }
    case QueryFunction::length:
      return text ? QueryValue(Json(characters_of(*text))) : QueryValue();
    case QueryFunction::lower:
      return text ? QueryValue(Json(to_lower_ascii(*text))) : QueryValue();
    case QueryFunction::upper: {
      if (!text) return {};
      std::string upper = *text;
      for (char& c : upper) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      }
      return Json(std::move(upper));
    }
    case QueryFunction::substring:
      return substring(arguments);
    case QueryFunction::concat:
      return concat(arguments);
    case QueryFunction::power: {
      const Json* exponent = arguments[1].json();
      if (!first || !first->is_number() || !exponent || !exponent->is_number()) return {};
      return query_number(std::pow(first->get<double>(), exponent->get<double>()));
    }
    case QueryFunction::abs:
    case QueryFunction::exp:
    case QueryFunction::square:
    case QueryFunction::ceiling:
    case QueryFunction::floor:
    case QueryFunction::sign:
    case QueryFunction::sqrt:
      return first && first->is_number() ? about_number(function, *first) : QueryValue();
    case QueryFunction::array_contains: {
      const Json* wanted = arguments[1].json();
      if (!first || !first->is_array() || !wanted) return {};
      return Json(std::any_of(first->begin(), first->end(),
                              [wanted](const Json& item) { return same_query_value(item, *wanted); }));
    }
  }
  return {};
}

}  // namespace kyanite
