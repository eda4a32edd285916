#!/bin/sh
# The official device SDKs, Paho and mosquitto_pub, unmodified, against the release program.
# Lane: ports
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh release kyanite kyanite_load || exit 1
exec tests/compat/run.sh build/release/server/app/kyanite
