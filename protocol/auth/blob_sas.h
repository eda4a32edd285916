#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"
#include "protocol/base/time.h"

// Shared access signatures of one blob, as Azure storage makes and checks them (service version 2018-03-28).
namespace kyanite {

// Where devices upload files to: an account with a container, of the hub's own or of somebody else.
struct BlobAccount {
  std::string name;
  std::string key;   // base64
  std::string host;  // as in the URL of a blob, with ":port" where it is not 443
  std::string container;
};

// "?sv=…&sr=b&sig=…&se=…&sp=rw": what follows the URL of the blob. Empty when the key is not base64.
std::string make_blob_sas(const BlobAccount& account, std::string_view blob, std::string_view permissions,
                          WallTime expiry);

// The query parameters of a request for a blob, decoded; empty ones were not given.
struct BlobSas {
  std::string version, start, expiry, resource, permissions, identifier, ip, protocol, signature;
  std::string cache_control, disposition, encoding, language, type;  // rscc, rscd, rsce, rscl, rsct
};
// That the signature is the account's, of this blob, and in its time, and that it allows `right`, a letter of
// sp. Errors: unauthorized with the reason.
Result<void> check_blob_sas(const BlobAccount& account, std::string_view blob, const BlobSas& sas, char right,
                            WallTime now);

// "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=…;EndpointSuffix=core.windows.net" or with
// BlobEndpoint=https://host[:port]. The container is the caller's to set. Errors: config_invalid; the text is
// never quoted.
Result<BlobAccount> parse_storage_connection_string(std::string_view text);

// What can be a blob's name and survives being part of a URL: 1 to limits::kBlobNameBytesMax bytes of UTF-8
// without control characters or backslashes, no segment empty, "." or "..".
bool is_valid_blob_name(std::string_view name);

}  // namespace kyanite
