#include "server/net/tls_context.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include "protocol/base/limits.h"

namespace kyanite {
namespace {

// GCM and ChaCha20 first; the CBC suites are for old device stacks that the service still lists
// [device-mqtt.md 1.3].
constexpr const char* kTls12Ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"
    "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384";
constexpr const char* kTls13Ciphers =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr const char* kSessionContext = "kyanite";
// What a client may send as certificate message; eight certificates fit amply.
constexpr long kCertificateBytesMax = 64 * 1024;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
void free_stack(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }

using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Chain = std::unique_ptr<STACK_OF(X509), Deleter<free_stack>>;
using Context = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;

Error refuse(std::string what) {
  const unsigned long code = ERR_peek_last_error();
  if (const char* reason = code ? ERR_reason_error_string(code) : nullptr) what += std::string(": ") + reason;
  ERR_clear_error();
  return Error(Errc::config_invalid, std::move(what));
}

Bio read_from(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// A key that needs a pass phrase cannot be used by a service: answer none instead of asking on the terminal.
int no_pass_phrase(char*, int, int, void*) { return 0; }

Result<void> use_certificate(SSL_CTX* context, const TlsCertificate& certificate) {
  const Bio chain_bio = read_from(certificate.chain_pem);
  const Certificate leaf(PEM_read_bio_X509_AUX(chain_bio.get(), nullptr, no_pass_phrase, nullptr));
  if (!leaf) return refuse("the certificate file holds no PEM certificate");
  const Chain chain(sk_X509_new_null());
  while (X509* issuer = PEM_read_bio_X509(chain_bio.get(), nullptr, no_pass_phrase, nullptr)) {
    sk_X509_push(chain.get(), issuer);
  }
  ERR_clear_error();  // the end of the file is reported as an error

  const Bio key_bio = read_from(certificate.key_pem);
  const PrivateKey key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_pass_phrase, nullptr));
  if (!key) return refuse("the key file holds no PEM private key (without pass phrase)");
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) return refuse("the certificate cannot be used");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return refuse("the private key does not belong to the certificate");
  }
  if (SSL_CTX_set1_chain(context, chain.get()) != 1) return refuse("the certificate chain cannot be used");
  return {};
}

// Session tickets

void free_ticket_keys(void*, void* keys, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<std::shared_ptr<TicketKeys>*>(keys);
}

// The slot of an SSL_CTX that holds its shared TicketKeys.
int ticket_keys_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_ticket_keys);
  return index;
}

bool set_ticket_cipher(const TicketKeys::Key& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, bool encrypting) {
  char digest[] = "SHA256";
  auto mac_key = key.mac;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key.data(), mac_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv, encrypting ? 1 : 0) ==
             1 &&
         EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// OpenSSL's contract: below 0 fails the handshake, 0 goes on without the ticket, 1 uses it, 2 uses and
// replaces it.
int on_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                  int encrypting) {
  const auto& keys = *static_cast<std::shared_ptr<TicketKeys>*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ticket_keys_index()));
  const SteadyTime now = std::chrono::steady_clock::now();
  if (encrypting) {
    const std::optional<TicketKeys::Key> key = keys->current(now);
    if (!key || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return 0;
    std::memcpy(name, key->name.data(), key->name.size());
    return set_ticket_cipher(*key, iv, cipher, mac, true) ? 1 : -1;
  }
  const std::string_view wanted(reinterpret_cast<const char*>(name), TicketKeys::kNameBytes);
  const std::optional<TicketKeys::Found> found = keys->find(wanted, now);
  if (!found) return 0;
  if (!set_ticket_cipher(found->key, iv, cipher, mac, false)) return -1;
  return found->current ? 1 : 2;
}

// A session that began with a client certificate is not resumed (see the header).
SSL_TICKET_RETURN on_ticket_opened(SSL*, SSL_SESSION* session, const unsigned char*, std::size_t,
                                   SSL_TICKET_STATUS status, void*) {
  switch (status) {
    case SSL_TICKET_SUCCESS:
    case SSL_TICKET_SUCCESS_RENEW:
      if (SSL_SESSION_get0_peer(session)) return SSL_TICKET_RETURN_IGNORE_RENEW;
      return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
    default:
      return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
}

// Callbacks of the handshake

// Accepts every client certificate: OpenSSL checks that the peer has the key, CONNECT judges the rest.
int on_client_certificate(X509_STORE_CTX* store, void*) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const STACK_OF(X509)* presented = X509_STORE_CTX_get0_untrusted(store);
  if (presented && sk_X509_num(presented) > static_cast<int>(limits::kCertificateChainMax)) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_CHAIN_TOO_LONG);
    return 0;
  }
  SSL_set_num_tickets(ssl, 0);  // TLS 1.3: its ticket would be refused anyway
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

int on_alpn(SSL*, const unsigned char** selected, unsigned char* selected_size, const unsigned char* offered,
            unsigned offered_size, void*) {
  static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* match = nullptr;
  if (SSL_select_next_proto(&match, selected_size, kHttp11, sizeof kHttp11, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;  // never a reason to fail
  }
  *selected = match;
  return SSL_TLSEXT_ERR_OK;
}

// Taking every name makes OpenSSL remember it, in TLS 1.2 sessions too.
int on_server_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

bool configure(SSL_CTX* context, bool tls_1_3) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_max_cert_list(context, kCertificateBytesMax);
  // Shorter than the time that the key of a ticket is kept.
  SSL_CTX_set_timeout(context, static_cast<long>((TicketKeys::kRotation * TicketKeys::kOldKeys).count()));
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, on_client_certificate, nullptr);
  // The macro of this name casts in C's way.
  SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(on_server_name));
  SSL_CTX_set_session_ticket_cb(context, nullptr, on_ticket_opened, nullptr);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, kTls12Ciphers) == 1 &&
         SSL_CTX_set_ciphersuites(context, kTls13Ciphers) == 1 &&
         SSL_CTX_set1_groups_list(context, kGroups) == 1 &&
         // Without it no session resumes once client certificates are requested.
         SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(kSessionContext),
                                        static_cast<unsigned>(std::strlen(kSessionContext))) == 1 &&
         SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key) == 1;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::create(const TlsContextSettings& settings) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_server_method()));
  if (!context || !configure(context.get(), settings.tls_1_3)) return refuse("TLS could not be set up");
  if (auto used = use_certificate(context.get(), settings.certificate); !used) return used.error();
  if (settings.second) {
    if (auto used = use_certificate(context.get(), *settings.second); !used) return used.error();
  }
  if (settings.select_http_1_1) SSL_CTX_set_alpn_select_cb(context.get(), on_alpn, nullptr);
  auto keys = settings.ticket_keys ? settings.ticket_keys : std::make_shared<TicketKeys>();
  if (SSL_CTX_set_ex_data(context.get(), ticket_keys_index(),
                          new std::shared_ptr<TicketKeys>(std::move(keys))) != 1) {
    return refuse("TLS could not be set up");
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(context.release()));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace kyanite
