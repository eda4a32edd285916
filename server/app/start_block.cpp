#include "server/app/start_block.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "server/app/first_start/host_names.h"

namespace kyanite {

std::string program_name() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "kyanite";
  const char* variable = std::getenv("PATH");
  std::string_view directories = variable ? variable : "";
  while (!directories.empty()) {
    const std::string_view directory = directories.substr(0, directories.find(':'));
    const std::filesystem::path candidate = std::filesystem::path(directory) / "kyanite";
    if (std::filesystem::exists(candidate, error)) {
      if (std::filesystem::equivalent(candidate, self, error)) return "kyanite";
      break;
    }
    directories.remove_prefix(std::min(directory.size() + 1, directories.size()));
  }
  const std::filesystem::path relative = std::filesystem::proximate(self, error);
  const bool is_below = !error && !relative.empty() && *relative.begin() != "..";
  return is_below ? "./" + relative.string() : self.string();
}

namespace {

std::string port_text(std::uint16_t port) { return port == 0 ? "off" : std::to_string(port); }

}  // namespace

std::string ready_line(const HubFile& hub, milliseconds start_time) {
  return "hub ready mqtt=" + port_text(hub.mqtts_port) + " https=" + port_text(hub.https_port) +
         " amqp=" + port_text(hub.amqps_port) + " admin=" + port_text(hub.admin_port) +
         " start_ms=" + std::to_string(start_time.count()) + "\n";
}

std::string start_block(const HubFile& hub, const ShownAddresses& addresses, bool name_was_chosen,
                        const std::string& program, bool with_secrets) {
  const std::string data = " --data " + hub.data_directory;
  std::string out;
  out += "\nKyanite " + hub.version + " is ready.\n\n";
  out += "  devices (MQTT over TLS)    " + addresses.mqtts + "\n";
  out += "  services (REST over TLS)   " + addresses.https + "\n";
  out += "  both (AMQP over TLS)       " + addresses.amqps + "\n";
  out += "  health and metrics (HTTP)  " + addresses.admin +
         (addresses.admin_gave_way ? ", since its port is another program's: choose one with --admin" : "") +
         "\n";
  out += "  host name                  " + hub.host_name + "\n";
  out += "  CA that clients must trust " +
         (hub.ca_file.empty() ? "that of your own certificate" : hub.ca_file) + "\n";
  out += "  data                       " + hub.data_directory + "\n\n";
  out += "  service connection string (a secret: it opens everything)\n";
  out += "  " +
         (with_secrets ? hub.service_connection_string
                       : program + " policy connection-string iothubowner" + data) +
         "\n\n";
  if (!hub.events_connection_string.empty()) {
    out += "  Event Hubs-compatible connection string, for readers of events (a secret too)\n";
    out += "  " +
           (with_secrets ? hub.events_connection_string
                         : program + " policy events-connection-string service" + data) +
           "\n\n";
  }
  out += "  Try:  " + program + " device create d1" + data + "\n";
  out += "        " + program + " device connection-string d1" + data + "\n";
  out += "        " + program + " events" + data + "\n";
  if (name_was_chosen && hub.host_name == kPlainHostName) {
    out +=
        "\n  For a nicer name: add the line \"127.0.0.1 kyanite.localhost\" to /etc/hosts and start with\n"
        "  --hostname kyanite.localhost. For other machines: --hostname and a name they resolve to this "
        "one.\n";
  } else if (name_was_chosen) {
    out += "\n  Other machines need a name they can resolve: --hostname NAME.\n";
  }
  out += "\n";
  return out;
}

}  // namespace kyanite
