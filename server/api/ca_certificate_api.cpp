#include "server/api/ca_certificate_api.h"

#include "protocol/auth/certificate_chain.h"
#include "protocol/auth/thumbprint.h"
#include "protocol/base/base64.h"
#include "protocol/base/iso_time.h"
#include "server/api/api_response.h"
#include "server/hub/hub_administration.h"

namespace kyanite {
namespace {

Json certificate_to_json(const CaCertificateRecord& record) {
  Json json;
  json["name"] = record.name;
  const Result<CertificateFacts> facts = read_certificate(record.der);
  if (facts) {
    json["subject"] = facts->subject;
    json["thumbprint"] = sha1_thumbprint(record.der);
    json["notBefore"] = to_iso_time(facts->not_before);
    json["notAfter"] = to_iso_time(facts->not_after);
  }
  json["isVerified"] = record.verified;
  if (!record.challenge.empty()) json["verificationCode"] = record.challenge;
  json["created"] = to_iso_time(record.created);
  json["etag"] = etag_of(record);
  json["certificate"] = der_to_pem(record.der);
  return json;
}

struct NewCertificate {
  std::string name;
  std::string pem_or_der;
  HubAdministration::CaTrust trust = HubAdministration::CaTrust::after_proof;
};

Result<std::string> text_member(const Json& body, std::string_view name) {
  const Json* member = find_member(body, name);
  if (member == nullptr || !member->is_string()) {
    return Error(Errc::argument_invalid, std::string(name) + " must be a string");
  }
  return member->get<std::string>();
}

Result<NewCertificate> parse_certificate_body(const ApiCall& call) {
  const Result<Json> body = parse_json(call.request.body);
  if (!body) return body.error();
  if (!body->is_object()) return Error(Errc::argument_invalid, "the body must be a JSON object");
  NewCertificate wanted{.name = call.route.parameters.at(0), .pem_or_der = {}};
  Result<std::string> certificate = text_member(*body, "certificate");
  if (!certificate) return certificate.error();
  std::optional<std::string> der = decode_base64(*certificate);
  wanted.pem_or_der = der ? std::move(*der) : std::move(*certificate);
  if (const Json* verified = find_member(*body, "isVerified")) {
    if (!verified->is_boolean()) return Error(Errc::argument_invalid, "isVerified must be true or false");
    if (verified->get<bool>()) wanted.trust = HubAdministration::CaTrust::at_once;
  }
  return wanted;
}

Reply<CaCertificateRecord> answer_with_entry(Executor& home, Reply<HttpResponse> reply) {
  return answer_with<CaCertificateRecord>(home, std::move(reply), [](const CaCertificateRecord& record) {
    return entity_response(certificate_to_json(record), etag_of(record));
  });
}

}  // namespace

void list_ca_certificates(const ApiCall& call, Reply<HttpResponse> reply) {
  using Records = std::vector<CaCertificateRecord>;
  HubServices& hub = call.context.services;
  hub.administration.list_ca_certificates(
      answer_with<Records>(hub.executor, std::move(reply), [](Records records) {
        Json array = Json::array();
        for (const CaCertificateRecord& record : records) array.push_back(certificate_to_json(record));
        return json_response({{"caCertificates", std::move(array)}});
      }));
}

void add_ca_certificate(const ApiCall& call, Reply<HttpResponse> reply) {
  Result<NewCertificate> wanted = parse_certificate_body(call);
  if (!wanted) return reply(wanted.error());
  HubServices& hub = call.context.services;
  hub.administration.add_ca_certificate(std::move(wanted->name), std::move(wanted->pem_or_der), wanted->trust,
                                        answer_with_entry(hub.executor, std::move(reply)));
}

void challenge_ca_certificate(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.administration.challenge_ca_certificate(call.route.parameters.at(0),
                                              parse_if_match(call.request.header("if-match")),
                                              answer_with_entry(hub.executor, std::move(reply)));
}

void verify_ca_certificate(const ApiCall& call, Reply<HttpResponse> reply) {
  Result<NewCertificate> proof = parse_certificate_body(call);
  if (!proof) return reply(proof.error());
  HubServices& hub = call.context.services;
  hub.administration.verify_ca_certificate(std::move(proof->name), std::move(proof->pem_or_der),
                                           parse_if_match(call.request.header("if-match")),
                                           answer_with_entry(hub.executor, std::move(reply)));
}

void delete_ca_certificate(const ApiCall& call, Reply<HttpResponse> reply) {
  HubServices& hub = call.context.services;
  hub.administration.erase_ca_certificate(call.route.parameters.at(0),
                                          parse_if_match(call.request.header("if-match")),
                                          answer_with<void>(hub.executor, std::move(reply), no_content));
}

}  // namespace kyanite
