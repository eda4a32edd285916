#include "tests/support/tls_test_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace kyanite::test {
namespace {

constexpr time_t kWaitSeconds = 60;

X509* parse_certificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return certificate;
}

void use_certificate_chain(SSL_CTX* context, const std::vector<TestCertificate>& chain) {
  X509* leaf = parse_certificate(chain[0].certificate_pem);
  SSL_CTX_use_certificate(context, leaf);
  X509_free(leaf);
  BIO* bio = BIO_new_mem_buf(chain[0].key_pem.data(), static_cast<int>(chain[0].key_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  SSL_CTX_use_PrivateKey(context, key);
  EVP_PKEY_free(key);
  for (std::size_t i = 1; i < chain.size(); ++i) {
    SSL_CTX_add0_chain_cert(context, parse_certificate(chain[i].certificate_pem));
  }
}

}  // namespace

TcpTestClient::TcpTestClient(std::uint16_t port, int receive_buffer_bytes, const char* source) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval wait{kWaitSeconds, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  if (receive_buffer_bytes > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (source) {
    ::inet_pton(AF_INET, source, &address.sin_addr);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

TcpTestClient::~TcpTestClient() { close(); }

void TcpTestClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void TcpTestClient::finish() { ::shutdown(fd_, SHUT_WR); }

void TcpTestClient::reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

bool TcpTestClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string TcpTestClient::read_to_end(bool& ended) {
  std::string all;
  char buffer[4096];
  for (;;) {
    const ssize_t size = ::recv(fd_, buffer, sizeof buffer, 0);
    if (size > 0) {
      all.append(buffer, static_cast<std::size_t>(size));
      continue;
    }
    ended = size == 0 || errno == ECONNRESET;
    return all;
  }
}

TlsTestClient::TlsTestClient(std::uint16_t port, TlsClientOptions options)
    : tcp_(port, options.receive_buffer_bytes) {
  context_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context_, [](SSL* ssl, SSL_SESSION* session) {
    auto* self = static_cast<TlsTestClient*>(SSL_get_app_data(ssl));
    self->session_ = TlsSession(session, SSL_SESSION_free);
    return 1;
  });
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(context_, options.version);
    SSL_CTX_set_max_proto_version(context_, options.version);
  }
  if (!options.cipher_list.empty()) SSL_CTX_set_cipher_list(context_, options.cipher_list.c_str());
  if (!options.certificate_chain.empty()) use_certificate_chain(context_, options.certificate_chain);
  ssl_ = SSL_new(context_);
  SSL_set_app_data(ssl_, this);
  if (!options.server_name.empty()) {
    SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, options.server_name.data());
  }
  if (!options.alpn.empty()) {
    std::string wire;
    for (const std::string& name : options.alpn) wire += static_cast<char>(name.size()) + name;
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(wire.data()),
                        static_cast<unsigned>(wire.size()));
  }
  if (options.session) SSL_set_session(ssl_, options.session.get());
  SSL_set_fd(ssl_, tcp_.descriptor());
  ERR_clear_error();
  connected_ = tcp_.connected() && SSL_connect(ssl_) == 1;
}

TlsTestClient::~TlsTestClient() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

bool TlsTestClient::resumed() const { return SSL_session_reused(ssl_) == 1; }
std::string TlsTestClient::version() const { return SSL_get_version(ssl_); }
std::string TlsTestClient::cipher() const { return SSL_get_cipher_name(ssl_); }

std::string TlsTestClient::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return name ? std::string(reinterpret_cast<const char*>(name), size) : std::string();
}

std::string TlsTestClient::server_certificate_der() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  std::string der(static_cast<std::size_t>(i2d_X509(certificate, nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate, &out);
  return der;
}

int TlsTestClient::acceptable_issuers() const {
  const STACK_OF(X509_NAME)* names = SSL_get0_peer_CA_list(ssl_);
  return names ? sk_X509_NAME_num(names) : 0;
}

TlsSession TlsTestClient::session() const { return session_; }

bool TlsTestClient::write(std::string_view bytes) {
  ERR_clear_error();
  std::size_t written = 0;
  return SSL_write_ex(ssl_, bytes.data(), bytes.size(), &written) == 1 && written == bytes.size();
}

std::string TlsTestClient::read_some() {
  ERR_clear_error();
  std::string bytes(64 * 1024, '\0');
  std::size_t size = 0;
  if (SSL_read_ex(ssl_, bytes.data(), bytes.size(), &size) != 1) size = 0;
  bytes.resize(size);
  return bytes;
}

std::string TlsTestClient::read_exactly(std::size_t bytes) {
  ERR_clear_error();
  std::string all(bytes, '\0');
  std::size_t filled = 0;
  while (filled < bytes) {
    std::size_t size = 0;
    if (SSL_read_ex(ssl_, all.data() + filled, bytes - filled, &size) != 1) break;
    filled += size;
  }
  all.resize(filled);
  return all;
}

bool TlsTestClient::read_close_notify(std::string* rest) {
  for (;;) {
    const std::string bytes = read_some();
    if (bytes.empty()) return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
    if (rest) *rest += bytes;
  }
}

void TlsTestClient::shutdown() { SSL_shutdown(ssl_); }

bool TlsTestClient::update_keys() {
  return SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl_) == 1;
}

bool TlsTestClient::renegotiate() { return SSL_renegotiate(ssl_) == 1 && SSL_do_handshake(ssl_) == 1; }

}  // namespace kyanite::test
