#!/bin/sh
# The numbered behaviours of the contracts, end to end over raw MQTT and HTTPS. Sanitized build.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh dev kyanite || exit 1
exec tests/behaviours/run.sh build/dev/server/app/kyanite
