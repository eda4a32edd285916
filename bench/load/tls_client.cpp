#include "bench/load/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace kyanite::load {
namespace {

constexpr int kSessionSlot = 0;  // OpenSSL's application data

// Called by OpenSSL for each ticket; taking it means returning 1.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* slot = static_cast<SslSessionPtr*>(SSL_get_ex_data(ssl, kSessionSlot));
  if (slot == nullptr) return 0;
  slot->reset(session);
  return 1;
}

bool is_numeric_address(const std::string& host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

void SslDelete::operator()(SSL* ssl) const {
  // OpenSSL spoils the session of a connection that was freed without a shutdown; ours are closed at will and
  // their tickets must stay good.
  SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl);
}

Result<TlsClient> TlsClient::create(const Target& target, TlsVersion version) {
  SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) return Error{Errc::internal, "no TLS context: " + take_tls_error()};
  if (SSL_CTX_load_verify_file(context.get(), target.ca_file.c_str()) != 1) {
    return Error{Errc::io_failed, "CA file " + target.ca_file + ": " + take_tls_error()};
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_min_proto_version(context.get(), version == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  if (version == TlsVersion::v1_2) SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), keep_session);
  return TlsClient(std::move(context), target.host_name);
}

SslPtr TlsClient::make(int socket, SslSessionPtr* session) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl || SSL_set_fd(ssl.get(), socket) != 1) return nullptr;
  if (is_numeric_address(host_name_)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host_name_.c_str());
  } else {
    // What the macro SSL_set_tlsext_host_name says, without its C cast.
    SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host_name_.c_str()));
    SSL_set1_host(ssl.get(), host_name_.c_str());
  }
  if (session != nullptr && *session) SSL_set_session(ssl.get(), session->get());
  SSL_set_ex_data(ssl.get(), kSessionSlot, session);
  SSL_set_connect_state(ssl.get());
  return ssl;
}

std::string take_tls_error() {
  char text[256] = "unknown reason";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return text;
}

}  // namespace kyanite::load
