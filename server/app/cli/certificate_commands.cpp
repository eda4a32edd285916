#include <CLI/CLI.hpp>
#include <cstdio>

#include "protocol/base/percent_encoding.h"
#include "server/app/cli/commands.h"
#include "server/app/cli/exit_codes.h"
#include "server/app/cli/hub_target.h"
#include "server/app/cli/rest_client.h"
#include "server/app/cli/terminal_text.h"
#include "server/app/first_start/files.h"

// The CA certificates that X.509 devices may chain to (device-mqtt.md 2.6).
namespace kyanite::cli {
namespace {

constexpr const char* kPath = "/kyanite/v1/ca-certificates";

struct CertificateOptions {
  std::shared_ptr<HubOptions> hub;
  std::string name;
  std::string file;
  bool trusted = false;
  bool json = false;
};

std::string entry_path(const CertificateOptions& options) {
  return std::string(kPath) + "/" + percent_encode(options.name);
}

bool is_verified(const Json& entry) {
  const auto found = entry.find("isVerified");
  return found != entry.end() && found->is_boolean() && found->get<bool>();
}

void print_certificate_line(const Json& entry) {
  std::printf("%-20s  %s  until %s  %-10s  %s\n", text_member(entry, "name").c_str(),
              text_member(entry, "thumbprint").c_str(), text_member(entry, "notAfter").c_str(),
              is_verified(entry) ? "verified" : "unverified",
              printable(text_member(entry, "subject")).c_str());
}

int print_certificate(const CertificateOptions& options, const Result<Json>& entry) {
  if (!entry) return fail(entry.error().detail);
  if (options.json) {
    std::printf("%s\n", dump_printable(*entry, 2).c_str());
  } else {
    print_certificate_line(*entry);
  }
  return kDone;
}

int add(const CertificateOptions& options, RestClient& hub) {
  const auto text = read_file(options.file);
  if (!text) return fail(text.error().detail);
  Json body;
  body["certificate"] = *text;
  body["isVerified"] = options.trusted;
  const auto added = hub.ask_json("PUT", entry_path(options), dump_json(body));
  const int exit_code = print_certificate(options, added);
  if (added && !is_verified(*added)) {
    std::fprintf(
        stderr,
        "Devices may chain to it once it is verified: `kyanite cert challenge %s` says how. If you need "
        "no proof that its key is yours, add it with --trusted.\n",
        options.name.c_str());
  }
  return exit_code;
}

// The code alone on standard output, for scripts; what to do with it beside it, for people.
int challenge(const CertificateOptions& options, RestClient& hub) {
  const auto entry = hub.ask_json("POST", entry_path(options) + "/challenge");
  if (!entry) return fail(entry.error().detail);
  if (options.json) return print_certificate(options, entry);
  const std::string code = text_member(*entry, "verificationCode");
  std::printf("%s\n", code.c_str());
  std::fprintf(
      stderr,
      "Sign a certificate whose common name is this code with the CA's key, for example:\n"
      "  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout proof.key -out "
      "proof.csr -subj /CN=%s\n"
      "  openssl x509 -req -in proof.csr -CA CA.pem -CAkey CA.key -CAcreateserial -days 1 -out proof.pem\n"
      "  kyanite cert verify %s proof.pem\n",
      code.c_str(), options.name.c_str());
  return kDone;
}

int verify(const CertificateOptions& options, RestClient& hub) {
  const auto text = read_file(options.file);
  if (!text) return fail(text.error().detail);
  Json body;
  body["certificate"] = *text;
  return print_certificate(options, hub.ask_json("POST", entry_path(options) + "/verify", dump_json(body)));
}

int list(const CertificateOptions& options, RestClient& hub) {
  const auto answer = hub.ask_json("GET", kPath);
  if (!answer) return fail(answer.error().detail);
  if (options.json) {
    std::printf("%s\n", dump_printable(*answer, 2).c_str());
    return kDone;
  }
  const auto entries = answer->find("caCertificates");
  if (entries == answer->end()) return fail("the hub answered without a list");
  for (const Json& entry : *entries) print_certificate_line(entry);
  return kDone;
}

int erase(const CertificateOptions& options, RestClient& hub) {
  const auto erased = hub.ask_json("DELETE", entry_path(options));
  return erased ? kDone : fail(erased.error().detail);
}

}  // namespace

void add_certificate_commands(CLI::App& app, int& exit_code) {
  auto* group = app.add_subcommand("cert", "CA certificates that X.509 devices may chain to");
  group->require_subcommand(1);
  const auto declare = [&](const char* name, const char* description,
                           int (*action)(const CertificateOptions&, RestClient&)) {
    auto* command = group->add_subcommand(name, description);
    const auto options = std::make_shared<CertificateOptions>();
    options->hub = add_hub_options(*command);
    command->callback([options, action, &exit_code] {
      auto target = find_hub(*options->hub);
      if (!target) {
        exit_code = fail(target.error().detail);
        return;
      }
      RestClient hub(std::move(*target));
      exit_code = action(*options, hub);
    });
    return std::pair(command, options);
  };
  const auto [add_command, add_options] = declare("add", "add a CA certificate, unverified", add);
  add_command->add_option("NAME", add_options->name, "a name of your choice")->required();
  add_command->add_option("FILE", add_options->file, "the certificate, PEM")->required();
  add_command->add_flag("--trusted", add_options->trusted,
                        "devices may chain to it at once, without a proof that its key is yours");
  add_command->add_flag("--json", add_options->json, "print JSON");
  const auto [challenge_command, challenge_options] =
      declare("challenge", "get a code that proves, when signed, that the CA's key is yours", challenge);
  challenge_command->add_option("NAME", challenge_options->name, "of an unverified CA certificate")
      ->required();
  challenge_command->add_flag("--json", challenge_options->json, "print JSON");
  const auto [verify_command, verify_options] =
      declare("verify", "prove that the CA's key is yours; devices may chain to it then", verify);
  verify_command->add_option("NAME", verify_options->name, "of an unverified CA certificate")->required();
  verify_command
      ->add_option("FILE", verify_options->file,
                   "PEM certificate with the code as common name, signed by the CA")
      ->required();
  verify_command->add_flag("--json", verify_options->json, "print JSON");
  const auto [list_command, list_options] = declare("list", "list them", list);
  list_command->add_flag("--json", list_options->json, "print JSON");
  const auto [delete_command, delete_options] =
      declare("delete", "trust it no longer; live connections stay", erase);
  delete_command->add_option("NAME", delete_options->name, "of a CA certificate")->required();
}

}  // namespace kyanite::cli
