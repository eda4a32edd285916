#!/bin/sh
# usage: jitter.sh COMMAND...   Runs a command whose threads, and those of what it starts, pause at random: see jitter.c.
#   JITTER_SEED=7 tests/threads/jitter.sh ctest --preset dev -j 4 --output-on-failure
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -ge 1 ] || { sed -n 's/^# //p' "$0" >&2; exit 2; }
library=$root/build/jitter.so
mkdir -p "$root/build"
[ "$library" -nt "$root/tests/threads/jitter.c" ] ||
  "${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Werror -shared -fPIC -o "$library" "$root/tests/threads/jitter.c"
LD_PRELOAD=$library exec "$@"
