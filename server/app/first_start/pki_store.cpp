#include "server/app/first_start/pki_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>

#include "server/app/first_start/files.h"
#include "server/app/first_start/pki.h"

namespace kyanite {
namespace {

constexpr mode_t kSecret = 0600;
constexpr mode_t kPublic = 0644;

Result<ServerCertificate> load_user_certificate(const Settings::Tls& settings, WallTime now) {
  const auto certificate = read_file(settings.certificate_file);
  if (!certificate) return Error(Errc::config_invalid, "tls.certificateFile: " + certificate.error().detail);
  const auto key = read_file(settings.key_file);
  if (!key) return Error(Errc::config_invalid, "tls.keyFile: " + key.error().detail);
  if (const auto usable = pki::check_pair({*key, *certificate}, now); !usable) {
    return Error(Errc::config_invalid, "tls.certificateFile " + settings.certificate_file.string() +
                                           " cannot be used: " + usable.error().detail);
  }
  ServerCertificate out;
  out.certificate_pem = *certificate;
  out.key_pem = *key;
  if (!settings.ca_file.empty()) {
    const auto ca = read_file(settings.ca_file);
    if (!ca) return Error(Errc::config_invalid, "tls.caFile: " + ca.error().detail);
    if (!pki::expiry_of(*ca)) {
      return Error(Errc::config_invalid,
                   "tls.caFile " + settings.ca_file.string() + " holds no certificate in PEM form");
    }
    out.ca_pem = *ca;
    out.ca_file = std::filesystem::absolute(settings.ca_file);
  }
  out.expires = *pki::expiry_of(out.certificate_pem);
  return out;
}

// Nothing for an absent file. One that is there and cannot be read is an error: taken for absent, a CA would
// be replaced by another, which no client trusts.
Result<std::optional<std::string>> read_if_present(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return std::optional<std::string>();
  auto text = read_file(path);
  if (!text) return text.error();
  return std::optional(std::move(*text));
}

// A pair of files, empty texts for absent ones.
struct StoredPair {
  pki::KeyPair pair;
  bool has_key = false;
  bool has_certificate = false;
};
Result<StoredPair> read_pair(const std::filesystem::path& directory, const std::string& name) {
  auto key = read_if_present(directory / (name + ".key"));
  if (!key) return key.error();
  auto certificate = read_if_present(directory / (name + ".pem"));
  if (!certificate) return certificate.error();
  return StoredPair{.pair = {key->value_or(""), certificate->value_or("")},
                    .has_key = key->has_value(),
                    .has_certificate = certificate->has_value()};
}

// The key first: a crash between the two leaves a certificate that does not fit or is missing, and what was
// never given out is then made anew.
Result<void> write_pair(const std::filesystem::path& directory, const std::string& name,
                        const pki::KeyPair& pair) {
  if (auto done = write_file(directory / (name + ".key"), pair.key_pem, kSecret); !done) return done;
  return write_file(directory / (name + ".pem"), pair.certificate_pem, kPublic);
}

}  // namespace

Result<ServerCertificate> load_server_certificate(const Settings::Tls& settings,
                                                  const std::filesystem::path& directory,
                                                  const std::vector<std::string>& names, WallTime now) {
  if (!settings.certificate_file.empty()) return load_user_certificate(settings, now);
  now = std::max(now, pki::kEarliestNow);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error(Errc::io_failed, "cannot make " + directory.string() + ": " + system_reason(errno));
  }
  const auto stored_ca = read_pair(directory, "ca");
  if (!stored_ca) return stored_ca.error();
  const auto stored_server = read_pair(directory, "server");
  if (!stored_server) return stored_server.error();
  const bool is_first = !stored_server->has_key && !stored_server->has_certificate;
  std::vector<std::string> renewed;
  pki::KeyPair ca = stored_ca->pair;
  // A first start that was cut off may have left the CA's key alone; nobody can trust its certificate yet.
  if (!stored_ca->has_certificate && (!stored_ca->has_key || is_first)) {
    auto made = pki::make_ca(now);
    if (!made) return made.error();
    ca = std::move(*made);
    if (auto done = write_pair(directory, "ca", ca); !done) return done.error();
    renewed.emplace_back("CA certificate: first start");
  } else if (const std::string reason = pki::ca_renewal_reason(ca, now); !reason.empty()) {
    auto made = pki::renew_ca(ca, now);
    if (!made) {
      return Error(Errc::io_failed, "the hub's CA in " + directory.string() + " cannot be used (" + reason +
                                        "): " + made.error().detail +
                                        "; restore ca.key and ca.pem, or remove both to start with a new CA");
    }
    ca = std::move(*made);
    if (auto done = write_file(directory / "ca.pem", ca.certificate_pem, kPublic); !done) return done.error();
    renewed.push_back("CA certificate, with the same key: " + reason);
  }
  pki::KeyPair server = stored_server->pair;
  const std::string reason = is_first ? std::string("first start")
                                      : pki::server_renewal_reason(server, ca, names, settings.key_type, now);
  if (!reason.empty()) {
    auto made = pki::issue_server(ca, names, settings.key_type, now);
    if (!made) return made.error();
    server = std::move(*made);
    if (auto done = write_pair(directory, "server", server); !done) return done.error();
    renewed.push_back("server certificate: " + reason);
  }
  const auto expires = pki::expiry_of(server.certificate_pem);
  if (!expires) return expires.error();
  return ServerCertificate{.certificate_pem = server.certificate_pem,
                           .key_pem = server.key_pem,
                           .ca_pem = ca.certificate_pem,
                           .ca_file = directory / "ca.pem",
                           .renewed = std::move(renewed),
                           .expires = *expires};
}

std::string remembered_host_name(const std::filesystem::path& directory) {
  const auto certificate = read_file(directory / "server.pem");
  if (!certificate) return {};
  const auto names = pki::names_of(*certificate);
  return names.empty() ? std::string() : names.front();
}

}  // namespace kyanite
