#include "server/net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <boost/asio/ip/v6_only.hpp>
#include <cerrno>
#include <limits>

namespace kyanite {
namespace {

std::string der_of(X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return {};
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate, &out);
  return der;
}

}  // namespace

TlsStream::TlsStream(Shard& shard, Socket socket, const TlsContext* context)
    : shard_(shard), socket_(std::move(socket)), ssl_(context ? SSL_new(context->native()) : nullptr) {
  KYANITE_ASSERT(!context || ssl_ != nullptr);
  // Errors here mean that the peer has gone; the handshake will find out.
  error_code ignored;
  socket_.native_non_blocking(true, ignored);
  socket_.set_option(boost::asio::ip::tcp::no_delay(true),
                     ignored);  // before the handshake: tickets wait otherwise
  if (const auto endpoint = socket_.remote_endpoint(ignored); !ignored) {
    const auto address = endpoint.address();
    const bool mapped = address.is_v6() && address.to_v6().is_v4_mapped();
    peer_.address =
        mapped ? boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).to_string()
               : address.to_string();
    peer_.port = endpoint.port();
  }
  if (!ssl_) return;
  SSL_set_accept_state(ssl_.get());
  KYANITE_ASSERT(SSL_set_fd(ssl_.get(), socket_.native_handle()) == 1);
}

TlsStream::~TlsStream() = default;

bool TlsStream::resumed() const { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }

TlsStream::Outcome TlsStream::try_handshake() {
  if (failed_) return {Status::failed};
  if (!ssl_) return {Status::ok};
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) describe_peer();
  return outcome(result, 0);
}

TlsStream::Outcome TlsStream::try_read(void* data, std::size_t size) {
  if (failed_) return {Status::failed};
  if (!ssl_) {
    const Outcome read = plain_outcome(::recv(socket_.native_handle(), data, size, MSG_DONTWAIT));
    if (read.status == Status::ok && read.bytes == 0 && size > 0) return {Status::closed};
    if (read.status == Status::want_write) return {Status::want_read};
    return read;
  }
  ERR_clear_error();
  std::size_t bytes = 0;
  const int result = SSL_read_ex(ssl_.get(), data, size, &bytes);
  return outcome(result, bytes);
}

TlsStream::Outcome TlsStream::try_write(const void* data, std::size_t size) {
  if (failed_ || close_notify_sent_) return {Status::failed};
  if (!ssl_) {
    const Outcome sent =
        plain_outcome(::send(socket_.native_handle(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL));
    write_blocked_ = sent.status == Status::want_write;
    return sent;
  }
  ERR_clear_error();
  std::size_t bytes = 0;
  const int result = SSL_write_ex(ssl_.get(), data, size, &bytes);
  const Outcome done = outcome(result, bytes);
  write_blocked_ = done.status == Status::want_write || done.status == Status::want_read;
  return done;
}

// Of a bare socket; that it cannot go on is told as want_write.
TlsStream::Outcome TlsStream::plain_outcome(std::ptrdiff_t result) {
  if (result >= 0) return {Status::ok, static_cast<std::size_t>(result)};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Status::want_write};
  error_number_ = errno;
  failed_ = true;
  return {Status::failed};
}

bool TlsStream::has_pending() const { return ssl_ && SSL_has_pending(ssl_.get()) == 1; }

void TlsStream::send_close_notify() {
  if (write_blocked_) return;
  static_cast<void>(try_shutdown());
}

TlsStream::Outcome TlsStream::try_shutdown() {
  if (!ssl_) {
    if (!failed_ && !close_notify_sent_) ::shutdown(socket_.native_handle(), SHUT_WR);
    close_notify_sent_ = true;
    return {Status::ok};
  }
  if (failed_ || SSL_is_init_finished(ssl_.get()) != 1) return {Status::failed};
  if (close_notify_sent_) return {Status::ok};
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_.get());
  if (result >= 0) {  // 0: sent, the peer's is not here yet
    close_notify_sent_ = true;
    return {Status::ok};
  }
  return outcome(result, 0);
}

void TlsStream::close() {
  error_code ignored;
  socket_.close(ignored);
  failed_ = true;  // OpenSSL must not touch a descriptor number that may be somebody else's by now
}

DetachedTls TlsStream::detach() {
  error_code error;
  const int descriptor = failed_ ? -1 : socket_.release(error);
  failed_ = true;
  return {error ? -1 : descriptor, std::move(ssl_)};
}

TlsStream::Outcome TlsStream::outcome(int result, std::size_t bytes) {
  if (result > 0) return {Status::ok, bytes};
  const int saved_errno = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {Status::want_read};
    case SSL_ERROR_WANT_WRITE:
      return {Status::want_write};
    case SSL_ERROR_ZERO_RETURN:
      return {Status::closed};
    case SSL_ERROR_SYSCALL:
      error_number_ = saved_errno;
      break;
    default:
      tls_error_ = ERR_peek_error();
      break;
  }
  failed_ = true;
  return {Status::failed};
}

namespace {

// Of a reason of OpenSSL's SSL library, from 1000 on the alerts that a peer sent.
TlsFailure failure_of_reason(int reason) {
  switch (reason) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE:
      return TlsFailure::untrusted;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_INAPPROPRIATE_FALLBACK:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return TlsFailure::version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
      return TlsFailure::cipher;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_BAD_SIGNATURE:
    case SSL_R_WRONG_SIGNATURE_TYPE:
    case SSL_R_WRONG_CERTIFICATE_TYPE:
    case SSL_R_CERT_LENGTH_MISMATCH:
    case SSL_R_UNKNOWN_CERTIFICATE_TYPE:
      return TlsFailure::client_certificate;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return TlsFailure::plain_text;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:  // OpenSSL 3 tells of a peer that left as an error of its own
      return TlsFailure::left;
    default:
      return TlsFailure::other;
  }
}

}  // namespace

TlsFailure TlsStream::tls_failure() const {
  if (tls_error_ == 0) return TlsFailure::left;
  switch (ERR_GET_LIB(tls_error_)) {
    case ERR_LIB_SSL:
      return failure_of_reason(ERR_GET_REASON(tls_error_));
    case ERR_LIB_ASN1:
    case ERR_LIB_X509:
    case ERR_LIB_RSA:
    case ERR_LIB_EC:
      return TlsFailure::client_certificate;
    default:
      return TlsFailure::other;
  }
}

std::string TlsStream::tls_problem() const {
  if (tls_failure() == TlsFailure::left) return "the client left in the middle of the handshake";
  const char* const reason = ERR_reason_error_string(tls_error_);
  return reason ? reason : "TLS error " + std::to_string(ERR_GET_REASON(tls_error_));
}

TlsStream::error_code TlsStream::to_error(Status status) const {
  switch (status) {
    case Status::ok:
      return {};
    case Status::closed:
      return boost::asio::error::eof;
    default:
      break;
  }
  if (!socket_.is_open()) return boost::asio::error::operation_aborted;
  if (error_number_ != 0) return {error_number_, boost::system::system_category()};
  return boost::asio::error::connection_reset;
}

void TlsStream::describe_peer() {
  peer_.tls_version = SSL_get_version(ssl_.get());
  if (const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name)) peer_.server_name = name;
  X509* const leaf = SSL_get0_peer_certificate(ssl_.get());
  if (!leaf) return;
  peer_.certificate_chain.push_back(der_of(leaf));
  // On the server side OpenSSL keeps the leaf apart from the rest.
  const STACK_OF(X509)* rest = SSL_get_peer_cert_chain(ssl_.get());
  for (int i = 0; rest && i < sk_X509_num(rest); ++i)
    peer_.certificate_chain.push_back(der_of(sk_X509_value(rest, i)));
}

}  // namespace kyanite
