#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/test_certificates.h"

struct ssl_session_st;  // SSL_SESSION

namespace kyanite::test {

// A saved TLS session, for resumption.
using TlsSession = std::shared_ptr<ssl_session_st>;

struct TlsClientOptions {
  int version = 0;  // TLS1_2_VERSION or TLS1_3_VERSION; 0: the best of both
  std::string server_name{};
  std::vector<std::string> alpn{};
  std::vector<TestCertificate>
      certificate_chain{};       // leaf first, its key is used; empty: no client certificate
  std::string cipher_list{};     // TLS 1.2
  TlsSession session{};          // offered when set
  int receive_buffer_bytes = 0;  // 0: the system's
};

// A socket to 127.0.0.1 that blocks, for the test's thread; every wait is bounded (a minute) and then fails.
class TcpTestClient {
 public:
  // `source` is the address it comes from, one of 127.0.0.0/8; nullptr: 127.0.0.1.
  explicit TcpTestClient(std::uint16_t port, int receive_buffer_bytes = 0, const char* source = nullptr);
  ~TcpTestClient();
  TcpTestClient(const TcpTestClient&) = delete;
  TcpTestClient& operator=(const TcpTestClient&) = delete;

  bool connected() const { return connected_; }
  int descriptor() const { return fd_; }
  bool send(std::string_view bytes);
  // All bytes until the peer closes or resets; `ended` tells whether it did so in time.
  std::string read_to_end(bool& ended);
  void finish();  // sends FIN, still reads
  void reset();   // closes with RST
  void close();

 private:
  int fd_ = -1;
  bool connected_ = false;
};

// A blocking TLS client that accepts every server certificate.
class TlsTestClient {
 public:
  TlsTestClient(std::uint16_t port, TlsClientOptions options = {});
  ~TlsTestClient();
  TlsTestClient(const TlsTestClient&) = delete;
  TlsTestClient& operator=(const TlsTestClient&) = delete;

  bool connected() const { return connected_; }  // the handshake finished
  bool resumed() const;
  std::string version() const;
  std::string cipher() const;
  std::string alpn() const;
  std::string server_certificate_der() const;
  int acceptable_issuers() const;  // how many the server listed in its CertificateRequest
  // The newest session that may be resumed; in TLS 1.3 the ticket comes after the handshake, so read
  // something first.
  TlsSession session() const;

  bool write(std::string_view bytes);
  std::string read_some();  // empty at the end, on errors and time-outs
  std::string read_exactly(std::size_t bytes);
  // True when the server ended the stream with close_notify; what it sent before goes to `rest`.
  bool read_close_notify(std::string* rest = nullptr);
  void shutdown();     // sends close_notify
  bool update_keys();  // TLS 1.3, asking the server to update as well
  bool renegotiate();  // TLS 1.2; true when the server went along
  TcpTestClient& tcp() { return tcp_; }

 private:
  TcpTestClient tcp_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  TlsSession session_;
  bool connected_ = false;
};

}  // namespace kyanite::test
