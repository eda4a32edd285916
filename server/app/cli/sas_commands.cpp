#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "protocol/auth/sas_token.h"
#include "protocol/auth/username.h"
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

struct ExplainOptions {
  std::shared_ptr<HubOptions> hub;
  std::string token;
  std::string key;
  bool ask = false;  // the hub, for the key
};

// A key that the token may have been signed with, and whose it is.
struct Candidate {
  std::string whose;
  std::string key;
};

// Event Hubs SDKs sign with the text of the key, the others with the bytes it stands for (spec amqp.md 3.3).
const char* way_of_signing(const SasToken& token, const std::string& key) {
  if (sas_signature_matches(token, key)) return "as IoT SDKs sign";
  if (sas_signature_matches_text(token, key)) return "as Event Hubs SDKs sign, with the text of the key";
  return nullptr;
}

// The keys of the policy that the token names. Errors: a sentence.
Result<std::vector<Candidate>> policy_keys(RestClient& hub, const std::string& name) {
  const auto answer = hub.ask_json("GET", "/kyanite/v1/policies");
  if (!answer) return answer.error();
  for (const Json& policy : answer->value("policies", Json::array())) {
    if (!equals_ignoring_case(policy.value("name", ""), name)) continue;
    std::printf("rights     %s\n", policy.value("rights", "").c_str());
    return std::vector<Candidate>{{"the policy's primary key", policy.value("primaryKey", "")},
                                  {"the policy's secondary key", policy.value("secondaryKey", "")}};
  }
  return Error(Errc::not_found, "the hub has no policy " + name);
}

// The keys of the device or module that the token's resource names.
Result<std::vector<Candidate>> identity_keys(RestClient& hub, const SasResource& resource) {
  const auto& segments = resource.segments;
  if (!sas_scope_names_identity(resource)) {
    return Error(Errc::unauthorized, "a token without skn must name a device; this resource names none");
  }
  std::string path = "/devices/" + percent_encode(segments[2]);
  if (segments.size() >= 5) path += "/modules/" + percent_encode(segments[4]);
  const auto identity = hub.ask_json("GET", path);
  if (!identity) return identity.error();
  if (identity->value("status", "enabled") == "disabled") std::printf("identity   DISABLED: it is refused\n");
  const Json authentication = identity->value("authentication", Json::object());
  if (const std::string type = authentication.value("type", "sas"); type != "sas") {
    return Error(Errc::unauthorized, "the identity proves itself by " + type + ": tokens are ignored");
  }
  const Json keys = authentication.value("symmetricKey", Json::object());
  return std::vector<Candidate>{{"the identity's primary key", text_member(keys, "primaryKey")},
                                {"the identity's secondary key", text_member(keys, "secondaryKey")}};
}

// The hub's part of the explanation: whether it would take the host, and whose key signed.
Result<std::vector<Candidate>> candidates_of(const ExplainOptions& options, const SasToken& token,
                                             const SasResource& resource, bool& is_good) {
  if (!options.key.empty()) return std::vector<Candidate>{{"this key", options.key}};
  if (!options.ask) return std::vector<Candidate>{};
  auto target = find_hub(*options.hub);
  if (!target) return target.error();
  RestClient hub(std::move(*target));
  const auto status = hub.ask_json("GET", "/kyanite/v1/status");
  if (!status) return status.error();
  const auto names = status->value("hostNames", std::vector<std::string>{});
  if (!is_accepted_host(resource.segments.front(), names)) {
    std::printf("host       NOT one of the hub's names\n");
    is_good = false;
  }
  return token.policy.empty() ? identity_keys(hub, resource) : policy_keys(hub, token.policy);
}

// What a token says, and whether it can be valid; the commonest question of people who are refused.
int explain(const ExplainOptions& options) {
  const auto token = parse_sas_token(options.token);
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
  if (!resource) return kFailed;
  const auto candidates = candidates_of(options, *token, *resource, is_good);
  if (!candidates) {
    std::printf("signature  cannot be checked: %s\n", candidates.error().detail.c_str());
    return kFailed;
  }
  if (candidates->empty()) return is_good ? kDone : kFailed;
  for (const Candidate& candidate : *candidates) {
    const char* way = candidate.key.empty() ? nullptr : way_of_signing(*token, candidate.key);
    if (!way) continue;
    std::printf("signature  made with %s, %s\n", candidate.whose.c_str(), way);
    return is_good ? kDone : kFailed;
  }
  std::printf("signature  NOT made with %s, or over another resource or expiry\n",
              options.key.empty() ? "a key of the hub's" : "this key");
  return kFailed;
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
  const auto asked = std::make_shared<ExplainOptions>();
  asked->hub = add_hub_options(*explain_command);
  explain_command->add_option("TOKEN", asked->token, "SharedAccessSignature sr=...")->required();
  auto* key = explain_command->add_option("--key", asked->key, "check the signature with this base64 key");
  explain_command->add_flag("--ask", asked->ask, "check it with the keys that the hub has")->excludes(key);
  explain_command->callback([asked, &exit_code] { exit_code = explain(*asked); });
}

}  // namespace kyanite::cli
