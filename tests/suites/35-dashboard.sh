#!/bin/sh
# The dashboard in headless Chromium, against the release program; screenshots in build/test-results/dashboard.
# It needs none of the fixed ports, but mostly waits, like the suites of that lane, where the program is built.
# Lane: ports
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh release kyanite || exit 1
exec tests/dashboard/run.sh build/release/server/app/kyanite
