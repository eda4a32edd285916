#pragma once

#include <memory>
#include <string>

#include "protocol/base/time.h"

struct evp_pkey_st;

namespace kyanite::test {

// A certificate with its private key, for use as a leaf or as the issuer of others.
struct MadeCertificate {
  std::string der;
  std::shared_ptr<evp_pkey_st> key;
};

struct CertificateWish {
  std::string common_name;
  bool is_ca = false;
  WallTime not_before{};
  WallTime not_after{};
  const MadeCertificate* issuer = nullptr;  // null: signed by itself
  std::string extended_key_usage = {};      // "serverAuth"; empty for none
};

// ECDSA P-256, SHA-256.
MadeCertificate make_certificate(const CertificateWish& wish);

}  // namespace kyanite::test
