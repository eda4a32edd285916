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

std::string start_block(const HubFile& hub, const std::string& mqtts_address,
                        const std::string& https_address, const std::string& amqps_address,
                        bool name_was_chosen, const std::string& program, bool with_secrets) {
  const std::string data = " --data " + hub.data_directory;
  std::string out;
  out += "\nKyanite " + hub.version + " is ready.\n\n";
  out += "  devices (MQTT over TLS)    " + mqtts_address + "\n";
  out += "  services (REST over TLS)   " + https_address + "\n";
  out += "  both (AMQP over TLS)       " + amqps_address + "\n";
  out += "  host name                  " + hub.host_name + "\n";
  out += "  CA that clients must trust " +
         (hub.ca_file.empty() ? "that of your own certificate" : hub.ca_file) + "\n";
  out += "  data                       " + hub.data_directory + "\n\n";
  if (!with_secrets) {
    out += "  connection strings, which are secrets:\n";
    out += "        " + program + " policy connection-string iothubowner" + data + "\n";
    if (!hub.events_connection_string.empty())
      out += "        " + program + " policy events-connection-string iothubowner" + data + "\n";
    out += "\n";
  } else {
    out += "  service connection string (a secret: it opens everything)\n";
    out += "  " + hub.service_connection_string + "\n\n";
  }
  if (with_secrets && !hub.events_connection_string.empty()) {
    out += "  Event Hubs-compatible connection string, for readers of events (a secret too)\n";
    out += "  " + hub.events_connection_string + "\n\n";
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
