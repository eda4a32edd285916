#!/bin/sh
# The dashboard in headless Chromium, against the release program; screenshots in build/test-results/dashboard.
# It needs none of the fixed ports, but mostly waits, like the suites of that lane, where the program is built.
# Lane: ports
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh release kyanite kyanite_load || exit 1
export KYANITE_LOAD="$root/build/release/bench/load/kyanite_load"
exec tests/dashboard/run.sh build/release/server/app/kyanite
