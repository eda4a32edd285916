#pragma once

#include "server/api/api_call.h"

// CA certificates that X.509 devices may chain to, under /kyanite/v1/ca-certificates (device-mqtt.md 2.6).
namespace kyanite {

// {"caCertificates":[{name, subject, thumbprint, notBefore, notAfter, isVerified, created, etag,
// certificate}]}
void list_ca_certificates(const ApiCall& call, Reply<HttpResponse> reply);
// PUT …/{name} with the body {"certificate":…}: PEM text or base64 of DER. Devices may chain to it only once
// it is verified: at once with "isVerified":true, as in the service, else by what follows. Answers the entry
// as listed.
void add_ca_certificate(const ApiCall& call, Reply<HttpResponse> reply);
// POST …/{name}/challenge: the entry with a new "verificationCode".
void challenge_ca_certificate(const ApiCall& call, Reply<HttpResponse> reply);
// POST …/{name}/verify with the body {"certificate":…}: one whose common name is that code, signed by the CA.
void verify_ca_certificate(const ApiCall& call, Reply<HttpResponse> reply);
void delete_ca_certificate(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
