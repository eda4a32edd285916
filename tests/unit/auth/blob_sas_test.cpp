#include "protocol/auth/blob_sas.h"

#include <gmock/gmock.h>

#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

using testing::HasSubstr;

const BlobAccount kTestAccount{
    "acct", "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U=", "acct.blob.core.windows.net", "c"};
const WallTime kSignedAt = *parse_iso_time("2026-01-05T10:00:00Z");

// As the endpoint reads it from a query.
BlobSas parsed(std::string text) {
  BlobSas sas;
  text.erase(0, 1);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('&', at), text.size());
    const std::string part = text.substr(at, end - at);
    const std::string name = part.substr(0, part.find('='));
    const std::string value = percent_decode(part.substr(part.find('=') + 1));
    if (name == "sv") sas.version = value;
    if (name == "sr") sas.resource = value;
    if (name == "sig") sas.signature = value;
    if (name == "se") sas.expiry = value;
    if (name == "sp") sas.permissions = value;
    at = end + 1;
  }
  return sas;
}

TEST(BlobSasTest, has_the_form_that_the_service_gives_to_devices) {
  const std::string sas = make_blob_sas(kTestAccount, "d1/a.log", "rw", kSignedAt);
  EXPECT_TRUE(sas.starts_with("?sv=2018-03-28&sr=b&sig=")) << sas;
  EXPECT_TRUE(sas.ends_with("&se=2026-01-05T10%3A00%3A00Z&sp=rw")) << sas;
}

TEST(BlobSasTest, opens_its_blob_in_its_time_with_its_rights) {
  const BlobSas sas = parsed(make_blob_sas(kTestAccount, "d1/a", "rw", kSignedAt + seconds{10}));
  EXPECT_TRUE(check_blob_sas(kTestAccount, "d1/a", sas, 'w', kSignedAt));
  EXPECT_TRUE(check_blob_sas(kTestAccount, "d1/a", sas, 'r', kSignedAt + seconds{9}));
  EXPECT_FALSE(check_blob_sas(kTestAccount, "d1/a", sas, 'r', kSignedAt + seconds{10}));
  EXPECT_FALSE(check_blob_sas(kTestAccount, "d1/b", sas, 'w', kSignedAt));
  EXPECT_FALSE(check_blob_sas(kTestAccount, "d1/a", sas, 'd', kSignedAt));
  BlobAccount other = kTestAccount;
  other.container = "e";
  EXPECT_FALSE(check_blob_sas(other, "d1/a", sas, 'w', kSignedAt));
}

TEST(BlobSasTest, nothing_signed_can_be_changed) {
  const BlobSas good = parsed(make_blob_sas(kTestAccount, "d1/a", "r", kSignedAt + seconds{10}));
  for (std::string BlobSas::*member : {&BlobSas::permissions, &BlobSas::expiry, &BlobSas::start, &BlobSas::ip,
                                       &BlobSas::protocol, &BlobSas::identifier, &BlobSas::type}) {
    BlobSas bad = good;
    bad.*member = member == &BlobSas::expiry ? "2027-01-05T10:00:00Z" : "w";
    EXPECT_FALSE(check_blob_sas(kTestAccount, "d1/a", bad, 'r', kSignedAt));
  }
  BlobSas none;
  EXPECT_THAT(check_blob_sas(kTestAccount, "d1/a", none, 'r', kSignedAt).error().detail,
              HasSubstr("no signature"));
}

TEST(StorageConnectionString, forms) {
  const std::string key = ";AccountKey=" + kTestAccount.key;
  const auto cloud = parse_storage_connection_string("DefaultEndpointsProtocol=https;AccountName=a" + key +
                                                     ";EndpointSuffix=core.windows.net\n");
  ASSERT_TRUE(cloud);
  EXPECT_EQ(cloud->host, "a.blob.core.windows.net");
  EXPECT_EQ(cloud->key, kTestAccount.key);
  EXPECT_EQ(parse_storage_connection_string("AccountName=a" + key + ";BlobEndpoint=https://h:10000/")->host,
            "h:10000");
  for (const std::string& bad : {std::string("AccountName=a"), "AccountKey=" + kTestAccount.key,
                                 std::string("x"), "AccountName=a" + key + ";BlobEndpoint=http://h",
                                 "AccountName=a" + key + ";BlobEndpoint=https://h/devstoreaccount1"}) {
    EXPECT_FALSE(parse_storage_connection_string(bad)) << bad;
  }
}

TEST(BlobName, what_survives_in_a_url) {
  for (const char* good : {"a", "a/b.log", "d1/ä b%20+", "a.b/..c"})
    EXPECT_TRUE(is_valid_blob_name(good)) << good;
  for (const char* bad : {"", "/a", "a/", "a//b", "a/../b", ".", "a\\b", "a\nb", "\xff"}) {
    EXPECT_FALSE(is_valid_blob_name(bad)) << bad;
  }
  EXPECT_FALSE(is_valid_blob_name(std::string(1025, 'x')));
}

}  // namespace
}  // namespace kyanite
