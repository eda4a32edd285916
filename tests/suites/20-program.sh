#!/bin/sh
# The program from outside: start and stop, bad input, ports, files, signals, command line. Sanitized build.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh dev kyanite || exit 1
exec python3 tests/app/run.py build/dev/server/app/kyanite
