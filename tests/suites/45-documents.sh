#!/bin/sh
# Follows the documents as a reader would: links, command blocks with their output, programs, settings, made pages.
# Lane: ports
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh release kyanite kyanite_load || exit 1
exec tests/docs/run.sh build/release/server/app/kyanite
