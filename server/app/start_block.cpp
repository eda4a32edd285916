#include "server/app/start_block.h"

#include "server/app/first_start/host_names.h"

namespace kyanite {

std::string start_block(const HubFile& hub, const std::string& mqtts_address,
                        const std::string& https_address, bool name_was_chosen) {
  std::string out;
  out += "\nKyanite " + hub.version + " is ready.\n\n";
  out += "  devices (MQTT over TLS)    " + mqtts_address + "\n";
  out += "  services (REST over TLS)   " + https_address + "\n";
  out += "  host name                  " + hub.host_name + "\n";
  out += "  CA that clients must trust " +
         (hub.ca_file.empty() ? "that of your own certificate" : hub.ca_file) + "\n";
  out += "  data                       " + hub.data_directory + "\n\n";
  out += "  service connection string (a secret: it opens everything)\n";
  out += "  " + hub.service_connection_string + "\n\n";
  const std::string data = " --data " + hub.data_directory;
  out += "  Try:  kyanite device create d1" + data + "\n";
  out += "        kyanite device connection-string d1" + data + "\n";
  out += "        kyanite events" + data + "\n";
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
