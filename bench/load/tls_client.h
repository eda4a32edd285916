#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "bench/load/options.h"
#include "protocol/base/result.h"

namespace kyanite::load {

struct SslDelete {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const;
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslContextPtr = std::unique_ptr<SSL_CTX, SslDelete>;
using SslPtr = std::unique_ptr<SSL, SslDelete>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, SslDelete>;

// TlsClient makes client sides of TLS connections that check the hub's certificate as an SDK does.
//
// Owner: the run; it outlives every link. make() may be called from any thread.
class TlsClient {
 public:
  // Errors: Errc::io_failed when the CA file cannot be used.
  static Result<TlsClient> create(const Target& target, TlsVersion version);

  // A client on a connected or connecting non-blocking socket. With a session in *session it is offered for
  // resumption; a ticket that the server sends is put into *session. The slot must outlive the connection.
  SslPtr make(int socket, SslSessionPtr* session) const;

 private:
  explicit TlsClient(SslContextPtr context, std::string host_name)
      : context_(std::move(context)), host_name_(std::move(host_name)) {}

  SslContextPtr context_;
  std::string host_name_;
};

// The first line of OpenSSL's error queue, which is emptied.
std::string take_tls_error();

}  // namespace kyanite::load
