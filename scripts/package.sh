#!/bin/sh
# Makes the Debian package of Kyanite and prints its path.
#   scripts/package.sh [--preset release] [--version VERSION] [--output DIR]
# --preset is a build of scripts/build.sh, made when it is missing or old; --version another than the project's own.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
preset=release version= output=$root/build/package

while [ $# -gt 0 ]; do
  case $1 in
    --preset | --version | --output)
      [ $# -ge 2 ] || { echo "scripts/package.sh: $1 needs a value" >&2; exit 2; }
      case $1 in
        --preset) preset=$2 ;;
        --version) version=$2 ;;
        --output) output=$2 ;;
      esac
      shift 2
      ;;
    *) echo "usage: $0 [--preset PRESET] [--version VERSION] [--output DIR]" >&2; exit 2 ;;
  esac
done
command -v dpkg-shlibdeps > /dev/null || {
  echo "scripts/package.sh: dpkg-dev is missing; scripts/install-packages.sh package installs it" >&2
  exit 1
}
"$root/scripts/build.sh" "$preset" kyanite >&2
mkdir -p "$output"
log=$output/cpack.log
cd "$root/build/$preset"
if [ -n "$version" ]; then
  cpack -G DEB -B "$output/work" -D "CPACK_PACKAGE_VERSION=$version" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
else
  cpack -G DEB -B "$output/work" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
package=$(sed -n 's/^CPack: - package: \(.*\) generated\.$/\1/p' "$log" | tail -n 1)
[ -f "$package" ] || { cat "$log" >&2; exit 1; }
mv "$package" "$output/"
echo "$output/$(basename "$package")"
