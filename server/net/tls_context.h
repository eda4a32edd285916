#pragma once

#include <openssl/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "protocol/base/result.h"
#include "server/net/ticket_keys.h"

namespace kyanite {

// A certificate with its key, both PEM. `chain` is the leaf followed by the issuers that clients should be
// sent.
struct TlsCertificate {
  std::string chain_pem;
  std::string key_pem;
};

struct TlsContextSettings {
  TlsCertificate certificate;               // normally ECDSA P-256
  std::optional<TlsCertificate> second;     // of another key type (RSA), for clients that cannot do the first
  std::shared_ptr<TicketKeys> ticket_keys;  // shared by all contexts of the process; made when absent
  bool tls_1_3 = true;                      // false: TLS 1.2 alone
  bool select_http_1_1 = false;             // 443: answer ALPN when it offers http/1.1 [device-mqtt.md 1.3]
};

// TlsContext is what all connections of a listener share: certificate, versions, ciphers, ticket keys
// [device-mqtt.md 1.3]. Immutable once made; each connection holds OpenSSL's own reference to it.
//
// TLS 1.2 and, unless it is turned off, 1.3; no renegotiation, 0-RTT or compression. A client certificate is
// requested, not required, with an empty list of acceptable issuers, and any chain (of up to
// limits::kCertificateChainMax) is accepted: possession of the leaf's key is proven, the rest is judged at
// CONNECT. Sessions resume by ticket, except where a client certificate was presented: a ticket keeps only
// the leaf, and CONNECT must judge the whole chain as it was presented, so such clients always do a full
// handshake.
class TlsContext {
 public:
  // Errc::config_invalid: certificate or key unreadable, or not a pair.
  static Result<std::shared_ptr<const TlsContext>> create(const TlsContextSettings& settings);

  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  SSL_CTX* native() const { return context_; }

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}

  SSL_CTX* const context_;
};

// The context for new connections, replaced as a whole on reload; existing connections keep the one they
// began with. Threads: any. Synchronised: the lock covers the copy of one pointer per accepted connection.
class TlsContextHolder {
 public:
  explicit TlsContextHolder(std::shared_ptr<const TlsContext> context) : context_(std::move(context)) {}

  std::shared_ptr<const TlsContext> get() const {
    const std::lock_guard lock(mutex_);
    return context_;
  }
  void replace(std::shared_ptr<const TlsContext> context) {
    const std::lock_guard lock(mutex_);
    context_.swap(context);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsContext> context_;  // protected by mutex_, never null
};

}  // namespace kyanite
