#include "protocol/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace kyanite {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "{\"event\":\"assertion_failed\",\"expression\":\"%s\",\"file\":\"%s\",\"line\":%d}\n",
               expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace kyanite
