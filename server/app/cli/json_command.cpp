#include "server/app/cli/json_command.h"

#include <cstdio>

namespace kyanite::cli {

int print_answer(const Result<Json>& answer) {
  if (!answer) return fail(answer.error().detail);
  std::printf("%s\n", answer->dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  return kDone;
}

}  // namespace kyanite::cli
