#pragma once

namespace kyanite::cli {

// Parses the arguments and runs the subcommand; the answer is the process's exit code.
int run(int argc, char** argv);

}  // namespace kyanite::cli
