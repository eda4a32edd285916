#include "server/hub/connection_explanations.h"

#include "server/hub/credential_fault.h"

namespace kyanite {
namespace {

constexpr std::string_view kNotRegistered =
    "No such device or module is registered on this hub. Create it, or correct the id; ids are case "
    "sensitive.";

std::string_view explain_credential(CredentialFault fault) {
  switch (fault) {
    case CredentialFault::missing:
      return "No credential came with it. Give the client its connection string, or a certificate where the "
             "device is registered with one.";
    case CredentialFault::malformed:
      return "What came in place of a token is none. Give the client the whole connection string and let its "
             "SDK make the token, or send SharedAccessSignature sr=...&sig=...&se=... as the service's "
             "clients do.";
    case CredentialFault::expired:
      return "The token's time was over by the hub's clock. If the client makes its tokens, its clock is "
             "behind; if it was given one, it needs a new one.";
    case CredentialFault::wrong_key:
      return "The token was signed with a key that is not the one registered here: copy the connection "
             "string again. Keys of the cloud's hub or of an earlier data directory do not fit.";
    case CredentialFault::unknown_policy:
      return "The token names a shared access policy that this hub does not have: compare "
             "SharedAccessKeyName in the connection string with what kyanite policy list shows.";
    case CredentialFault::wrong_scope:
      return "The token is good and for something else: its sr names another host, device or module. Compare "
             "HostName, DeviceId and ModuleId in the connection string.";
    case CredentialFault::missing_right:
      return "The token is good and does not open this. Use a policy with the right that it takes; a "
             "device's own key opens its own side alone.";
    case CredentialFault::unregistered:
      return kNotRegistered;
    case CredentialFault::certificate:
      return "The client certificate does not prove who the client says it is, for the reason given. Compare "
             "its thumbprint, or its common name and its CA, with what is registered here.";
    case CredentialFault::other:
      break;
  }
  return "The credential was not accepted, for the reason given. Compare the device's connection string "
         "with the one registered here, its key above all, and the device's clock with the hub's.";
}

}  // namespace

std::string_view explain_refusal(const Error& error) {
  switch (error.code) {
    case Errc::unauthorized:
      return explain_credential(credential_fault_of(error.detail));
    case Errc::device_not_found:
    case Errc::module_not_found:
      return kNotRegistered;
    case Errc::device_disabled:
      return "The device is registered and disabled. Enable it to let it connect.";
    case Errc::argument_invalid:
      return "The client id or user name is not of the form that the hub expects: client id DEVICE or "
             "DEVICE/MODULE, user name HOST/DEVICE/?api-version=2021-04-12.";
    case Errc::protocol_violation:
    case Errc::malformed_packet:
      return "What the client sent is not MQTT 3.1.1 as the hub speaks it. Set the client to version 3.1.1 "
             "and look whether it reached the right port.";
    case Errc::busy:
    case Errc::shutting_down:
      return "The hub had no room for it at that moment. Clients try again by themselves.";
    case Errc::storage_failed:
      return "The hub cannot store anything at present: look at its disk and its log.";
    case Errc::throttled:
    case Errc::quota_exceeded:
      return "A rate or the daily quota of the tier that the hub was told to enforce is used up "
             "(limits.tier).";
    default:
      return "The hub's log tells more about it.";
  }
}

std::string_view explain_end(EndReason reason) {
  switch (reason) {
    case EndReason::device_disconnected:
    case EndReason::shutting_down:
    case EndReason::refused:
      return "";
    case EndReason::link_lost:
      return "The network connection ended without a DISCONNECT: the device, a router or a proxy closed it.";
    case EndReason::connect_timeout:
      return "The client opened a connection and sent no CONNECT in time.";
    case EndReason::keep_alive_timeout:
      return "Nothing came from the device for one and a half times its keep-alive: it lost power or "
             "network.";
    case EndReason::protocol_violation:
      return "The device did what the protocol or the hub forbids, such as QoS 2 or a topic that is not its "
             "own.";
    case EndReason::message_too_large:
      return "The device sent a message over 256 KiB.";
    case EndReason::slow_consumer:
      return "The device did not read what it was sent.";
    case EndReason::credential_expired:
      return "The token or certificate ended; a client with a new one connects again.";
    case EndReason::takeover:
      return "Another connection with the same id took its place. If this repeats, two clients use one id.";
    case EndReason::identity_disabled:
      return "The device was disabled.";
    case EndReason::identity_deleted:
      return "The device was deleted.";
    case EndReason::credential_changed:
      return "The key that it used was replaced.";
    case EndReason::hub_unavailable:
      return "The hub could not store a change of the device's session.";
    case EndReason::throttled:
      return "Telemetry far over the rate of the tier that the hub was told to enforce (limits.tier).";
    case EndReason::quota_exceeded:
      return "The daily quota of the tier that the hub was told to enforce is used up (limits.tier).";
    case EndReason::fault:
      return "A fault rule of test control asked for it.";
  }
  return "";
}

std::string_view explain_upgrade() {
  return "The client asked for a WebSocket in a way that the hub does not take, for the reason given. "
         "Clients "
         "dial wss://HOST/$iothub/websocket with the sub-protocol mqtt or AMQPWSB10; a proxy in between has "
         "to "
         "hand on the headers of the upgrade.";
}

std::string_view explain_tls(TlsFailure failure) {
  switch (failure) {
    case TlsFailure::untrusted:
      return "The client does not accept the hub's certificate: give it the CA that kyanite ca prints, and "
             "let it dial a name that the certificate has.";
    case TlsFailure::version:
      return "No version of TLS in common: the client offers TLS 1.1 or older, or only 1.3 to a hub whose "
             "tls.maxVersion is 1.2. Update the client's TLS library, or allow 1.2 in its settings.";
    case TlsFailure::cipher:
      return "The client and the hub have no cipher, curve or signature in common. An old client may need a "
             "certificate with an RSA key: set tls.keyType to rsa-2048.";
    case TlsFailure::client_certificate:
      return "The certificate that the client presented cannot be used: its key does not belong to it, or "
             "the chain is broken or too long. Compare the client's certificate and key files.";
    case TlsFailure::plain_text:
      return "The port speaks TLS and the client does not. Switch TLS on in the client (mqtts://, https://, "
             "amqps://), or correct the port it dials.";
    case TlsFailure::left:
      return "The client closed the connection in the middle of the handshake. Many that do not accept the "
             "hub's certificate say nothing more: give it the CA that kyanite ca prints. Probes do it, too.";
    case TlsFailure::other:
      break;
  }
  return "The client and the hub could not agree on TLS. The client's own log may tell more.";
}

std::string_view explain_silent_leave() {
  return "Clients that judge the hub's certificate only after the handshake leave so when they do not accept "
         "it: give them the CA that kyanite ca prints, and let them dial a name that the certificate has. "
         "Probes of a port do it, too.";
}

}  // namespace kyanite
