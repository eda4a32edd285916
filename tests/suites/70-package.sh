#!/bin/sh
# The image, the compose files and the Debian package, built from the release program and tried as users would.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh release kyanite || exit 1
# The distribution's, which has the packages of install-packages.sh.
python=/usr/bin/python3
[ -x $python ] || python=python3
exec $python tests/package/run.py release
