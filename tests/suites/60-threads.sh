#!/bin/sh
# The thread sanitizer: what crosses threads, and the whole program under load.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh tsan kyanite kyanite_load runtime_test net_test storage_threads_test || exit 1
exec tests/threads/run.sh build/tsan
