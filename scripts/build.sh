#!/bin/sh
# Configures a preset and builds it, or only the given targets. Compiled objects are kept by ccache.
#   scripts/build.sh dev|quick|release|tsan|fuzz [TARGET...]
set -eu
[ $# -ge 1 ] || { echo "usage: $0 PRESET [TARGET...]" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1
preset=$1
shift
cmake --preset "$preset" > "/dev/null" || { cmake --preset "$preset"; exit 1; }
if [ $# -gt 0 ]; then
  cmake --build --preset "$preset" --target "$@"
else
  cmake --build --preset "$preset"
fi
