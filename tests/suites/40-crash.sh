#!/bin/sh
# kill -9 under load, a full disk, dropped connections, against the release program.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh release kyanite kyanite_load || exit 1
exec tests/crash/run.sh build/release/server/app/kyanite build/release/bench/load/kyanite_load
