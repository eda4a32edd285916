#include "server/app/cli/identity_text.h"

#include <cctype>

namespace kyanite::cli {
namespace {

constexpr std::uint16_t kMqttsPort = 8883;

const Json& object_at(const Json& object, std::string_view name) {
  static const Json kNone = Json::object();
  const Json* member = object.is_object() ? find_member(object, name) : nullptr;
  return member && member->is_object() ? *member : kNone;
}

std::string pad(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

}  // namespace

Result<ConnectionString> connection_string_of(const Json& identity, const std::string& host_name,
                                              bool secondary) {
  ConnectionString out;
  out.host_name = host_name;
  out.device_id = text_member(identity, "deviceId");
  out.module_id = text_member(identity, "moduleId");
  const Json& authentication = object_at(identity, "authentication");
  const std::string type = text_member(authentication, "type");
  if (type == "selfSigned" || type == "certificateAuthority") {
    out.x509 = true;
    return out;
  }
  out.key = text_member(object_at(authentication, "symmetricKey"), secondary ? "secondaryKey" : "primaryKey");
  if (out.key.empty())
    return Error(Errc::argument_invalid, "the identity has no key; the login may lack the right to read it");
  return out;
}

std::string shell_word(const std::string& text) {
  bool is_plain = !text.empty();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    is_plain = is_plain &&
               (std::isalnum(byte) != 0 || std::string_view("-_./:@%+,").find(c) != std::string_view::npos);
  }
  if (is_plain) return text;
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string connection_hint(const Json& identity, const HubTarget& target) {
  const std::string device = text_member(identity, "deviceId");
  const std::string module = text_member(identity, "moduleId");
  const std::string host = target.host_name();
  const std::uint16_t port = target.local ? target.local->mqtts_port : kMqttsPort;
  std::string out;
  if (!target.ca_file.empty()) {
    out += "The client must trust the CA in " + target.ca_file + ":\n";
    out += "  Python  server_verification_cert=open(\"" + target.ca_file + "\").read()\n";
    out += "  Node    client.setOptions({ ca: fs.readFileSync(\"" + target.ca_file +
           "\", \"utf8\") }, callback)\n";
    out += "  Others: docs/sdk of the sources has a page for each client\n";
  }
  if (port != kMqttsPort) {
    out += "This hub has MQTT on port " + std::to_string(port) +
           ". SDKs dial 8883; only Node takes HostName=" + host + ":" + std::to_string(port) + ".\n";
  }
  const std::string type = text_member(object_at(identity, "authentication"), "type");
  const std::string client = module.empty() ? device : device + "/" + module;
  const std::string topic = module.empty() ? "devices/" + device + "/messages/events/"
                                           : "devices/" + device + "/modules/" + module + "/messages/events/";
  std::string token = " -P \"$(kyanite sas generate --device " + shell_word(device);
  if (!module.empty()) token += " --module " + shell_word(module);
  if (target.local) token += " --data " + shell_word(target.local->data_directory);
  token += ")\"";
  if (type == "selfSigned" || type == "certificateAuthority") token = " --cert DEVICE.pem --key DEVICE.key";
  out += "Try it:\n  mosquitto_pub -h " + shell_word(host) + " -p " + std::to_string(port) + " --cafile " +
         shell_word(target.ca_file.empty() ? "/etc/ssl/certs/ca-certificates.crt" : target.ca_file) +
         " -V mqttv311 -i " + shell_word(client) + " -u " +
         shell_word(host + "/" + client + "/?api-version=2021-04-12") + token + " -t " + shell_word(topic) +
         " -q 1 -m '{\"t\":21}'\n";
  return out;
}

namespace {

std::string last_activity(const Json& identity) {
  const std::string time = text_member(identity, "lastActivityTime");
  return time.starts_with("0001-") ? "never" : time;
}

}  // namespace

std::string identity_line(const Json& identity) {
  const std::string module = text_member(identity, "moduleId");
  const std::string id = module.empty() ? text_member(identity, "deviceId") : module;
  return pad(id, 24) + "  " + pad(text_member(identity, "status"), 8) + "  " +
         pad(text_member(object_at(identity, "authentication"), "type"), 20) + "  " +
         pad(text_member(identity, "connectionState"), 12) + "  " + last_activity(identity);
}

std::string identity_block(const Json& identity) {
  std::string out;
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) out += pad(label, 22) + value + "\n";
  };
  const Json& authentication = object_at(identity, "authentication");
  line("device", text_member(identity, "deviceId"));
  line("module", text_member(identity, "moduleId"));
  line("status", text_member(identity, "status"));
  line("status reason", text_member(identity, "statusReason"));
  line("connection", text_member(identity, "connectionState"));
  line("last activity", last_activity(identity));
  line("authentication", text_member(authentication, "type"));
  line("primary key", text_member(object_at(authentication, "symmetricKey"), "primaryKey"));
  line("secondary key", text_member(object_at(authentication, "symmetricKey"), "secondaryKey"));
  line("primary thumbprint", text_member(object_at(authentication, "x509Thumbprint"), "primaryThumbprint"));
  line("secondary thumbprint",
       text_member(object_at(authentication, "x509Thumbprint"), "secondaryThumbprint"));
  line("generation", text_member(identity, "generationId"));
  line("etag", text_member(identity, "etag"));
  return out;
}

}  // namespace kyanite::cli
