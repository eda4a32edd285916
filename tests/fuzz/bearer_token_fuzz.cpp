// Any text is a key set and, behind the first empty line, a token: nothing that an issuer did not sign is
// accepted.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/auth/bearer_token.h"
#include "protocol/base/assert.h"

namespace {

// A key whose private half nobody has kept.
constexpr std::string_view kKeySet =
    R"({"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kyanite;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find("\n\n"), text.size());
  const auto keys = BearerKeys::parse(text.substr(0, end));
  if (!keys) KYANITE_ASSERT(keys.error().code == Errc::config_invalid);
  static const BearerKeys known = BearerKeys::parse(kKeySet).value();
  const std::string_view token = text.substr(std::min(end + 2, text.size()));
  const auto claims = check_bearer_token(token, known, "https://issuer.test", "hub", seconds(300),
                                         WallTime(seconds(1'767'607'200)));
  KYANITE_ASSERT(!claims && claims.error().code == Errc::unauthorized);
  return 0;
}
