#include "server/app/cli/terminal_text.h"

namespace kyanite::cli {
namespace {

// Writes what is no control as it is, and lets `escape` write the others by their number.
template <class IsControl, class Escape>
std::string escaped(std::string_view text, IsControl is_control, Escape escape) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) {
      escape(out, static_cast<unsigned char>(text[++i]));
    } else if (is_control(byte)) {
      escape(out, byte);
    } else {
      out += text[i];
    }
  }
  return out;
}

void append_hex(std::string& out, std::string_view before, unsigned char byte) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += before;
  out += kHex[byte >> 4];
  out += kHex[byte & 15u];
}

}  // namespace

std::string printable(std::string_view text) {
  return escaped(
      text, [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; },
      [](std::string& out, unsigned char byte) { append_hex(out, "\\x", byte); });
}

std::string printable_json(std::string_view json) {
  return escaped(
      json, [](unsigned char byte) { return byte == 0x7F; },
      [](std::string& out, unsigned char byte) { append_hex(out, "\\u00", byte); });
}

std::string dump_printable(const Json& json, int indent) {
  return printable_json(json.dump(indent, ' ', false, Json::error_handler_t::replace));
}

}  // namespace kyanite::cli
