#include "server/app/cli/event_text.h"

#include "protocol/base/json_limits.h"
#include "server/app/cli/terminal_text.h"

namespace kyanite::cli {
namespace {

std::string text_at(const Json& event, const char* name) {
  const auto found = event.find(name);
  if (found == event.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : dump_json(*found);
}

}  // namespace

std::string event_line(std::string_view json_line) {
  const auto event = parse_json(json_line);
  if (!event || !event->is_object()) return printable(json_line);
  std::string who = text_at(*event, "deviceId");
  if (const std::string module = text_at(*event, "moduleId"); !module.empty()) who += "/" + module;
  std::string out = text_at(*event, "enqueuedTime") + "  " + who + "  p" + text_at(*event, "partition") +
                    "@" + text_at(*event, "offset") + "  ";
  // Telemetry is the rule; what the hub itself says is marked.
  if (const auto system = event->find("systemProperties"); system != event->end() && system->is_object()) {
    if (const std::string source = text_at(*system, "iothub-message-source");
        !source.empty() && source != "Telemetry") {
      out += "[" + source + "]  ";
    }
  }
  out += text_at(*event, "body");
  if (event->contains("bodyEncoding")) out += " (" + text_at(*event, "bodyEncoding") + ")";
  if (const auto properties = event->find("properties"); properties != event->end() && !properties->empty()) {
    out += "  " + dump_json(*properties);
  }
  return printable(out);
}

}  // namespace kyanite::cli
