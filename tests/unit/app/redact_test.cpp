#include "server/app/cli/redact.h"

#include <gtest/gtest.h>

namespace kyanite::cli {
namespace {

constexpr const char* kKey = "BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY=";

TEST(Redact, takes_secrets_by_their_form) {
  const std::string key = kKey;
  EXPECT_EQ(redact("HostName=h;SharedAccessKey=" + key), "HostName=h;SharedAccessKey=***");
  EXPECT_EQ(redact("HostName=h;sharedaccesskey=abc;X=1"), "HostName=h;sharedaccesskey=***;X=1");
  EXPECT_EQ(redact("?sv=1&sig=ab%2Bc%3D&se=5"), "?sv=1&sig=***&se=5");
  EXPECT_EQ(redact("SharedAccessSignature sr=h&sig=abc"), "SharedAccessSignature ***&sig=***");
  EXPECT_EQ(redact("Authorization: Bearer abc.def.ghi\nnext"), "Authorization: Bearer ***\nnext");
  EXPECT_EQ(redact("key \"" + key + "\" end"), "key \"***\" end");
  EXPECT_EQ(redact("a\n-----BEGIN EC PRIVATE KEY-----\nMIG\n-----END EC PRIVATE KEY-----\nb"), "a\n***\nb");
  EXPECT_EQ(redact("-----BEGIN PRIVATE KEY-----\ncut off"), "***");
  EXPECT_EQ(redact(key), "***");
}

TEST(Redact, leaves_what_is_none) {
  for (const char* text : {"", "device_connected device=thermometer-with-a-long-name-1234567890",
                           "0123456789abcdef0123456789abcdef", "AB:CD:EF",
                           "/var/lib/kyanite/store/000012.sst", "2026-01-05T10:00:01.123Z", "sig=", "***"})
    EXPECT_EQ(redact(text), text);
}

}  // namespace
}  // namespace kyanite::cli
