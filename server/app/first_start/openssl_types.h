#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

// Owners of the OpenSSL objects that make and read certificates.
namespace kyanite::pki {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

using Key = std::unique_ptr<EVP_PKEY, FreeWith<&EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<&X509_free>>;
using Bio = std::unique_ptr<BIO, FreeWith<&BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, FreeWith<&X509_EXTENSION_free>>;
using AltNames = std::unique_ptr<GENERAL_NAMES, FreeWith<&GENERAL_NAMES_free>>;

// Null when the text holds no such object; OpenSSL's error queue is left empty.
Key read_key(std::string_view pem);
Certificate read_certificate(std::string_view pem);  // the first of the text
std::string write_key(EVP_PKEY* key);
std::string write_certificate(X509* certificate);

}  // namespace kyanite::pki
