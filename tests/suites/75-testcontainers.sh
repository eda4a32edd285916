#!/bin/sh
# The packages that start a hub for tests in Node and Python, with the release program as a process and in containers.
# Lane: ports
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh release kyanite || exit 1
exec tests/testcontainers/run.sh build/release/server/app/kyanite
