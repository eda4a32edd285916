#include "server/app/first_start/pki_store.h"

#include <sys/stat.h>

#include <cerrno>

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

// A pair of files, empty texts for absent ones.
pki::KeyPair read_pair(const std::filesystem::path& directory, const std::string& name) {
  pki::KeyPair out;
  if (auto key = read_file(directory / (name + ".key"))) out.key_pem = std::move(*key);
  if (auto certificate = read_file(directory / (name + ".pem")))
    out.certificate_pem = std::move(*certificate);
  return out;
}

// The key first: a crash between the two leaves a certificate that does not fit, which is then made anew.
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
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error(Errc::io_failed, "cannot make " + directory.string() + ": " + system_reason(errno));
  }
  std::vector<std::string> renewed;
  pki::KeyPair ca = read_pair(directory, "ca");
  if (ca.key_pem.empty() && ca.certificate_pem.empty()) {
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
  pki::KeyPair server = read_pair(directory, "server");
  const bool is_first = server.key_pem.empty() && server.certificate_pem.empty();
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
