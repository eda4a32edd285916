#include "server/app/cli/command_line.h"

int main(int argc, char** argv) { return kyanite::cli::run(argc, argv); }
