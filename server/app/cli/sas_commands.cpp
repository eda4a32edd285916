#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "protocol/auth/sas_token.h"
#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/identity_text.h"
#include "server/app/cli/rest_client.h"

namespace kyanite::cli {
namespace {

struct GenerateOptions {
  std::shared_ptr<HubOptions> hub;
  std::string connection_string;
  std::string device;
  std::string module;
  std::int64_t lifetime_seconds = 3600;
  bool json = false;
};

// Whose token: of the given connection string, of a device looked up at the hub, or of the login's policy.
Result<ConnectionString> token_owner(const GenerateOptions& options) {
  if (!options.connection_string.empty()) return parse_connection_string(options.connection_string);
  auto target = find_hub(*options.hub);
  if (!target) return target.error();
  if (options.device.empty()) return target->login;
  RestClient hub(std::move(*target));
  std::string path = "/devices/" + percent_encode(options.device);
  if (!options.module.empty()) path += "/modules/" + percent_encode(options.module);
  const auto identity = hub.ask_json("GET", path);
  if (!identity) return identity.error();
  auto owner = connection_string_of(*identity, hub.target().host_name(), false);
  if (owner && owner->x509)
    return Error(Errc::argument_invalid, "the identity proves itself by certificate: it has no token");
  return owner;
}

int generate(const GenerateOptions& options) {
  const auto owner = token_owner(options);
  if (!owner) return fail(owner.error().detail);
  if (owner->key.empty()) return fail("the connection string has no SharedAccessKey");
  std::string resource = owner->host_name.substr(0, owner->host_name.find(':'));
  if (!owner->device_id.empty()) resource += "/devices/" + owner->device_id;
  if (!owner->module_id.empty()) resource += "/modules/" + owner->module_id;
  const auto now = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  const WallTime expiry = now + seconds(options.lifetime_seconds);
  const auto expiry_seconds = std::chrono::duration_cast<seconds>(expiry.time_since_epoch()).count();
  const std::string token = make_sas_token(resource, owner->key, expiry_seconds, owner->policy);
  if (options.json) {
    Json out;
    out["token"] = token;
    out["expires"] = to_iso_time(expiry);
    std::printf("%s\n", out.dump(2).c_str());
  } else {
    std::printf("%s\n", token.c_str());
  }
  return kDone;
}

// What a token says, and whether it can be valid; the commonest question of people who are refused.
int explain(const std::string& text, const std::string& key) {
  const auto token = parse_sas_token(text);
  if (!token) return fail("this is no valid token: " + token.error().detail);
  const auto resource = parse_sas_resource(token->resource_raw);
  std::string segments;
  if (resource) {
    for (const std::string& segment : resource->segments)
      segments += (segments.empty() ? "" : " / ") + segment;
  }
  std::printf("resource   %s\n", resource ? segments.c_str() : "cannot be read");
  std::printf("policy     %s\n", token->policy.empty() ? "none: signed with the device's or module's own key"
                                                       : token->policy.c_str());
  const auto now = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  const bool is_expired = token->expiry <= now;
  std::printf("expires    %s%s\n", to_iso_time(token->expiry).c_str(), is_expired ? "  EXPIRED" : "");
  bool is_good = resource && !is_expired;
  if (!key.empty()) {
    const bool matches = sas_signature_matches(*token, key);
    std::printf("signature  %s\n", matches ? "made with this key"
                                           : "NOT made with this key, or over another resource or expiry");
    is_good = is_good && matches;
  }
  return is_good ? kDone : kFailed;
}

}  // namespace

void add_sas_commands(CLI::App& app, int& exit_code) {
  auto* group = app.add_subcommand("sas", "shared access signatures");
  group->require_subcommand(1);
  auto* generate_command =
      group->add_subcommand("generate", "print a token: of the login's policy, or of a device with --device");
  const auto options = std::make_shared<GenerateOptions>();
  options->hub = add_hub_options(*generate_command);
  auto* device =
      generate_command->add_option("--device", options->device, "of this device, with its primary key")
          ->type_name("ID");
  generate_command->add_option("--module", options->module, "of this module of the device")
      ->type_name("ID")
      ->needs(device);
  generate_command
      ->add_option("--connection-string", options->connection_string,
                   "of any connection string, without asking a hub")
      ->type_name("STRING")
      ->excludes(device);
  generate_command->add_option("--ttl", options->lifetime_seconds, "valid for so many seconds")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{3650} * 24 * 3600));
  generate_command->add_flag("--json", options->json, "print JSON: token, expires");
  generate_command->callback([options, &exit_code] { exit_code = generate(*options); });

  auto* explain_command = group->add_subcommand("explain", "say what a token is good for");
  const auto token = std::make_shared<std::string>();
  const auto key = std::make_shared<std::string>();
  explain_command->add_option("TOKEN", *token, "SharedAccessSignature sr=...")->required();
  explain_command->add_option("--key", *key, "check the signature with this base64 key");
  explain_command->callback([token, key, &exit_code] { exit_code = explain(*token, *key); });
}

}  // namespace kyanite::cli
