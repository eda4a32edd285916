#include "protocol/twin/twin_limits.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace kyanite {
namespace {

constexpr std::size_t kPathKeyBytesMax = 64;  // of a key, as a message shows it
constexpr std::size_t kPathBytesMax = 256;

// The code point at `pos`, which moves past it. The parser has checked that the text is UTF-8.
char32_t next_code_point(std::string_view text, std::size_t& pos) {
  const auto byte = [&text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
  };
  const unsigned char first = byte(pos);
  std::size_t length = 1;
  char32_t value = first;
  if (first >= 0xf0) {
    length = 4;
    value = first & 0x07U;
  } else if (first >= 0xe0) {
    length = 3;
    value = first & 0x0fU;
  } else if (first >= 0xc0) {
    length = 2;
    value = first & 0x1fU;
  }
  for (std::size_t i = 1; i < length; ++i) value = (value << 6) | (byte(pos + i) & 0x3fU);
  pos += length;
  return value;
}

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7f && c <= 0x9f); }

bool is_white_space(char32_t c) {
  return c == 0x20 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

const char* key_problem(std::string_view key) {
  if (key.size() > limits::kTwinKeyBytesMax) return "the key is longer than 1024 bytes";
  for (std::size_t pos = 0; pos < key.size();) {
    const char32_t c = next_code_point(key, pos);
    if (c == U'.') return "the key contains '.'";
    if (c == U'$') return "the key contains '$'";
    if (is_control(c)) return "the key contains a control character";
    if (is_white_space(c)) return "the key contains white space";
  }
  return nullptr;
}

// Walks a section and remembers where it is, for the message.
class Check {
 public:
  Check(TwinSection section, Nulls nulls) : section_(section), nulls_(nulls) {}

  Result<void> root(const Json& value) {
    if (!value.is_object()) return refuse("must be a JSON object");
    return members(value, 0);
  }

 private:
  Result<void> refuse(const char* problem) const {
    std::string text(section_name(section_));
    for (const std::string& step : path_) {
      if (text.size() + step.size() > kPathBytesMax) {
        text += "...";
        break;
      }
      text += step;
    }
    text += ": ";
    text += problem;
    return Error(Errc::argument_invalid, std::move(text));
  }

  // `depth`: of objects, this one included, below the section.
  Result<void> members(const Json& object, std::size_t depth) {
    for (const auto& [key, value] : members_of(object)) {
      path_.push_back("." + key.substr(0, kPathKeyBytesMax));
      if (const char* problem = key_problem(key)) return refuse(problem);
      if (value.is_null() && nulls_ == Nulls::refused) return refuse("null is not a value");
      if (!value.is_null()) {
        const Result<void> checked = one(value, depth);
        if (!checked) return checked;
      }
      path_.pop_back();
    }
    return {};
  }

  Result<void> elements(const Json& array, std::size_t depth) {
    for (std::size_t i = 0; i < array.size(); ++i) {
      path_.push_back("[" + std::to_string(i) + "]");
      if (array[i].is_null()) return refuse("null is not allowed inside an array");
      const Result<void> checked = one(array[i], depth);
      if (!checked) return checked;
      path_.pop_back();
    }
    return {};
  }

  Result<void> one(const Json& value, std::size_t depth) {
    switch (value.type()) {
      case Json::value_t::string:
        if (value.get_ref<const std::string&>().size() > limits::kTwinStringBytesMax)
          return refuse("the string is longer than 4096 bytes");
        return {};
      case Json::value_t::number_unsigned:
        if (value.get<std::uint64_t>() > std::uint64_t{limits::kTwinIntegerMax})
          return refuse("the integer is greater than 4503599627370495");
        return {};
      case Json::value_t::number_integer:
        if (value.get<std::int64_t>() < limits::kTwinIntegerMin ||
            value.get<std::int64_t>() > limits::kTwinIntegerMax)
          return refuse("the integer is outside -4503599627370496 to 4503599627370495");
        return {};
      case Json::value_t::object:
        if (depth >= limits::kTwinDepthMax) return refuse("objects are nested deeper than 10 levels");
        if (path_.size() > limits::kTwinNestingMax) return refuse("values are nested too deeply");
        return members(value, depth + 1);
      case Json::value_t::array: {
        if (path_.size() > limits::kTwinNestingMax) return refuse("values are nested too deeply");
        // Arrays are replaced, never merged: inside one null has no meaning at any depth.
        const Nulls outside = std::exchange(nulls_, Nulls::refused);
        Result<void> checked = elements(value, depth);
        nulls_ = outside;
        return checked;
      }
      default:
        return {};
    }
  }

  TwinSection section_;
  Nulls nulls_;
  std::vector<std::string> path_;
};

std::size_t counted_bytes(std::string_view text, std::size_t& text_bytes) {
  std::size_t counted = text.size();
  text_bytes += text.size() + 2;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20) {
      --counted;
      text_bytes += 5;  // \u0000
    } else if (byte == 0x7f) {
      --counted;
    } else if (byte == '"' || byte == '\\') {
      ++text_bytes;
    } else if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      counted -= 2;  // C1
      ++i;
    }
  }
  return counted;
}

void add_size(const Json& value, TwinSize& size) {
  size.text_bytes += 1;  // a comma
  switch (value.type()) {
    case Json::value_t::string:
      size.bytes += counted_bytes(value.get_ref<const std::string&>(), size.text_bytes);
      break;
    case Json::value_t::boolean:
      size.bytes += 4;
      size.text_bytes += 5;
      break;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      size.bytes += 8;
      size.text_bytes += 24;
      break;
    case Json::value_t::object:
      size.text_bytes += 2;
      for (const auto& [key, member] : members_of(value)) {
        size.bytes += counted_bytes(key, size.text_bytes);
        size.text_bytes += 1;
        add_size(member, size);
      }
      break;
    case Json::value_t::array:
      size.text_bytes += 2;
      for (const Json& element : value) add_size(element, size);
      break;
    default:
      size.text_bytes += 4;
      break;
  }
}

}  // namespace

std::string_view section_name(TwinSection section) {
  switch (section) {
    case TwinSection::tags:
      return "tags";
    case TwinSection::desired:
      return "desired";
    default:
      return "reported";
  }
}

std::size_t section_bytes_max(TwinSection section) {
  return section == TwinSection::tags ? limits::kTwinTagsBytesMax : limits::kTwinSectionBytesMax;
}

Result<void> check_section(const Json& value, TwinSection section, Nulls nulls) {
  return Check(section, nulls).root(value);
}

bool TwinSize::fits(TwinSection section) const {
  const std::size_t bytes_max = section_bytes_max(section);
  return bytes <= bytes_max && text_bytes <= bytes_max * limits::kTwinTextFactor;
}

TwinSize twin_size(const Json& value) {
  TwinSize size;
  add_size(value, size);
  return size;
}

Result<void> check_size(const Json& value, TwinSection section) {
  if (twin_size(value).fits(section)) return {};
  return Error(Errc::message_too_large, std::string(section_name(section)) + ": larger than " +
                                            std::to_string(section_bytes_max(section) / 1024) + " KB");
}

}  // namespace kyanite
