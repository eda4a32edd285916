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

# One build of a folder at a time: suites that run side by side share them.
mkdir -p build
exec 9> "build/$preset.lock"
flock 9
# A folder of other presets begins anew: with another compiler CMake would drop what the preset says, sanitizers included.
fresh=
cmp -s CMakePresets.json "build/$preset/presets.json" || fresh=--fresh
cmake $fresh --preset "$preset" > "/dev/null" || { cmake --preset "$preset"; exit 1; }
cp CMakePresets.json "build/$preset/presets.json"
if [ $# -gt 0 ]; then
  cmake --build --preset "$preset" --target "$@" 9>&-
else
  cmake --build --preset "$preset" 9>&-
fi
