#include "server/app/cli/json_command.h"

#include <cstdio>

#include "server/app/cli/terminal_text.h"

namespace kyanite::cli {

int print_answer(const Result<Json>& answer) {
  if (!answer) return fail(answer.error().detail);
  std::printf("%s\n", dump_printable(*answer, 2).c_str());
  return kDone;
}

}  // namespace kyanite::cli
