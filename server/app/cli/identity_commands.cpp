#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "protocol/auth/certificate_chain.h"
#include "protocol/auth/symmetric_key.h"
#include "protocol/auth/thumbprint.h"
#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/identity_text.h"
#include "server/app/cli/rest_client.h"
#include "server/app/cli/terminal_text.h"
#include "server/app/first_start/files.h"

// device and module: create, show, list, update, delete, connection-string. A module is a device's identity
// with one more name, so both share everything here.
namespace kyanite::cli {
namespace {

// What the flags of one command say; each command declares those it has.
struct IdentityOptions {
  std::shared_ptr<HubOptions> hub;
  std::string device;
  std::string module;
  bool json = false;

  std::string authentication;  // sas, thumbprint, ca; empty: by what else is given
  std::string primary_key;
  std::string secondary_key;
  std::string primary_thumbprint;
  std::string secondary_thumbprint;
  std::string certificate_file;  // its thumbprint becomes the primary one
  std::string status;
  std::optional<std::string> status_reason;
  bool new_keys = false;
  bool disabled = false;
  bool edge = false;
  bool secondary = false;
  std::size_t top = 1000;

  std::string path() const {
    std::string out = "/devices/" + percent_encode(device);
    if (!module.empty()) out += "/modules/" + percent_encode(module);
    return out;
  }
};
using IdentityOptionsPtr = std::shared_ptr<IdentityOptions>;

void print_json(const Json& json) { std::printf("%s\n", dump_printable(json, 2).c_str()); }

// Writes what the flags say about credentials and status into an identity document.
Result<void> apply(const IdentityOptions& options, Json& identity) {
  Json& authentication = identity["authentication"];
  if (!authentication.is_object()) authentication = Json::object();
  std::string thumbprint = options.primary_thumbprint;
  if (!options.certificate_file.empty()) {
    const auto pem = read_file(options.certificate_file);
    if (!pem) return pem.error();
    const auto certificates = pem_to_der(*pem);
    if (!certificates || certificates->empty()) {
      return Error(Errc::argument_invalid, options.certificate_file + " holds no certificate in PEM form");
    }
    thumbprint = sha256_thumbprint(certificates->front());
  }
  std::string type = options.authentication;
  if (type.empty() && !thumbprint.empty()) type = "thumbprint";
  if (type == "sas") authentication["type"] = "sas";
  if (type == "thumbprint") authentication["type"] = "selfSigned";
  if (type == "ca") authentication["type"] = "certificateAuthority";
  if (!type.empty() && type != "sas") authentication.erase("symmetricKey");
  if (!type.empty() && type != "thumbprint") authentication.erase("x509Thumbprint");
  std::string primary = options.primary_key;
  std::string secondary = options.secondary_key;
  if (options.new_keys) {
    primary = make_symmetric_key();
    secondary = make_symmetric_key();
  }
  // The registry wants both keys or none; one given alone gets a random partner.
  if (!primary.empty() && secondary.empty() && !authentication.contains("symmetricKey"))
    secondary = make_symmetric_key();
  if (primary.empty() && !secondary.empty() && !authentication.contains("symmetricKey"))
    primary = make_symmetric_key();
  if (!primary.empty()) authentication["symmetricKey"]["primaryKey"] = primary;
  if (!secondary.empty()) authentication["symmetricKey"]["secondaryKey"] = secondary;
  if (!thumbprint.empty()) authentication["x509Thumbprint"]["primaryThumbprint"] = thumbprint;
  if (!options.secondary_thumbprint.empty()) {
    authentication["x509Thumbprint"]["secondaryThumbprint"] = options.secondary_thumbprint;
  }
  if (authentication.empty()) identity.erase("authentication");
  if (options.disabled) identity["status"] = "disabled";
  if (!options.status.empty()) identity["status"] = options.status;
  if (options.status_reason) identity["statusReason"] = *options.status_reason;
  if (options.edge) identity["capabilities"]["iotEdge"] = true;
  return {};
}

void show(const IdentityOptions& options, const Json& identity) {
  if (options.json) {
    print_json(identity);
  } else {
    std::printf("%s", identity_block(identity).c_str());
  }
}

int create(const IdentityOptions& options, RestClient& hub) {
  Json identity;
  identity["deviceId"] = options.device;
  if (!options.module.empty()) identity["moduleId"] = options.module;
  if (auto applied = apply(options, identity); !applied) return fail(applied.error().detail);
  const auto created = hub.ask_json("PUT", options.path(), identity.dump());
  if (!created) return fail(created.error().detail);
  show(options, *created);
  return kDone;
}

int show_one(const IdentityOptions& options, RestClient& hub) {
  const auto identity = hub.ask_json("GET", options.path());
  if (!identity) return fail(identity.error().detail);
  show(options, *identity);
  return kDone;
}

int list(const IdentityOptions& options, RestClient& hub) {
  const std::string path = options.device.empty() ? "/devices?top=" + std::to_string(options.top)
                                                  : "/devices/" + percent_encode(options.device) + "/modules";
  const auto identities = hub.ask_json("GET", path);
  if (!identities) return fail(identities.error().detail);
  if (options.json) {
    print_json(*identities);
    return kDone;
  }
  for (const Json& identity : *identities) std::printf("%s\n", identity_line(identity).c_str());
  if (identities->size() == options.top && options.device.empty()) {
    std::fprintf(stderr, "kyanite: the list is cut at %zu devices\n", options.top);
  }
  return kDone;
}

int update(const IdentityOptions& options, RestClient& hub) {
  auto identity = hub.ask_json("GET", options.path());
  if (!identity) return fail(identity.error().detail);
  const Json* etag = find_member(*identity, "etag");
  const std::string match = etag && etag->is_string() ? "\"" + etag->get<std::string>() + "\"" : "*";
  if (auto applied = apply(options, *identity); !applied) return fail(applied.error().detail);
  const auto updated = hub.ask_json("PUT", options.path(), identity->dump(), {"If-Match: " + match});
  if (!updated) return fail(updated.error().detail);
  show(options, *updated);
  return kDone;
}

int erase(const IdentityOptions& options, RestClient& hub) {
  const auto erased = hub.ask_json("DELETE", options.path(), {}, {"If-Match: *"});
  return erased ? kDone : fail(erased.error().detail);
}

int print_connection_string(const IdentityOptions& options, RestClient& hub) {
  const auto identity = hub.ask_json("GET", options.path());
  if (!identity) return fail(identity.error().detail);
  const auto connection = connection_string_of(*identity, hub.target().host_name(), options.secondary);
  if (!connection) return fail(connection.error().detail);
  if (options.json) {
    Json out;
    out["connectionString"] = to_string(*connection);
    out["caFile"] = hub.target().ca_file;
    out["mqttsPort"] = hub.target().local ? Json(hub.target().local->mqtts_port) : Json(nullptr);
    print_json(out);
    return kDone;
  }
  std::printf("%s\n", to_string(*connection).c_str());
  std::fflush(stdout);
  std::fprintf(stderr, "\n%s", connection_hint(*identity, hub.target()).c_str());
  return kDone;
}

using IdentityAction = int (*)(const IdentityOptions&, RestClient&);

// Declares a subcommand with what all of them share.
CLI::App& declare_identity(CLI::App& group, const char* name, const char* description,
                           const IdentityOptionsPtr& options, bool is_module, bool has_id,
                           IdentityAction action, int& exit_code) {
  CLI::App& command = *group.add_subcommand(name, description);
  options->hub = add_hub_options(command);
  command.add_flag("--json", options->json, "print JSON");
  if (is_module) command.add_option("DEVICE", options->device, "device id")->required();
  if (has_id) {
    command
        .add_option(is_module ? "MODULE" : "ID", is_module ? options->module : options->device,
                    is_module ? "module id" : "device id")
        ->required();
  }
  command.callback([options, action, &exit_code] {
    auto target = find_hub(*options->hub);
    if (!target) {
      exit_code = fail(target.error().detail);
      return;
    }
    RestClient hub(std::move(*target));
    exit_code = action(*options, hub);
  });
  return command;
}

void add_credential_flags(CLI::App& command, IdentityOptions& options) {
  command.add_option("--auth", options.authentication, "how it proves itself")
      ->check(CLI::IsMember({"sas", "thumbprint", "ca"}));
  command.add_option("--primary-key", options.primary_key,
                     "base64 of 16 to 64 bytes; without keys the hub makes them");
  command.add_option("--secondary-key", options.secondary_key, "base64 of 16 to 64 bytes");
  command.add_option("--primary-thumbprint", options.primary_thumbprint,
                     "SHA-1 or SHA-256 of its certificate, hex");
  command.add_option("--secondary-thumbprint", options.secondary_thumbprint, "of a second certificate");
  command.add_option("--certificate", options.certificate_file, "PEM file: take the thumbprint from it")
      ->type_name("FILE");
}

void add_identity_commands(CLI::App& app, bool is_module, int& exit_code) {
  CLI::App& group =
      *app.add_subcommand(is_module ? "module" : "device",
                          is_module ? "identities of modules of a device" : "identities of devices");
  group.require_subcommand(1);
  const auto make = [] { return std::make_shared<IdentityOptions>(); };

  auto options = make();
  CLI::App& create_command =
      declare_identity(group, "create", "register one", options, is_module, true, create, exit_code);
  add_credential_flags(create_command, *options);
  if (!is_module) {
    create_command.add_flag("--disabled", options->disabled, "it may not connect until enabled");
    create_command.add_flag("--edge", options->edge, "mark it as an IoT Edge device");
  }
  declare_identity(group, "show", "show one, with its keys", make(), is_module, true, show_one, exit_code);

  options = make();
  CLI::App& list_command =
      declare_identity(group, "list", "list them", options, is_module, false, list, exit_code);
  if (!is_module)
    list_command.add_option("--top", options->top, "at most so many")->check(CLI::Range(1, 1000));

  options = make();
  CLI::App& update_command = declare_identity(group, "update", "change what the flags name, keep the rest",
                                              options, is_module, true, update, exit_code);
  add_credential_flags(update_command, *options);
  update_command.add_flag("--new-keys", options->new_keys, "replace both keys by random ones");
  if (!is_module) {
    update_command.add_option("--status", options->status)->check(CLI::IsMember({"enabled", "disabled"}));
    update_command.add_option("--status-reason", options->status_reason, "why, at most 128 characters");
  }
  declare_identity(group, "delete", "remove it with everything it owns", make(), is_module, true, erase,
                   exit_code);

  options = make();
  CLI::App& string_command =
      declare_identity(group, "connection-string", "print what to paste into the client", options, is_module,
                       true, print_connection_string, exit_code);
  string_command.add_flag("--secondary", options->secondary, "with the secondary key");
}

}  // namespace

void add_device_commands(CLI::App& app, int& exit_code) { add_identity_commands(app, false, exit_code); }
void add_module_commands(CLI::App& app, int& exit_code) { add_identity_commands(app, true, exit_code); }

}  // namespace kyanite::cli
