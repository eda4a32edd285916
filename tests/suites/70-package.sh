#!/bin/sh
# The image, the compose files and the Debian package, built from the release program and tried as users would.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh release kyanite || exit 1
exec python3 tests/package/run.py release
