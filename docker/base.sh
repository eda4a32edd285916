#!/bin/sh
# Makes a minimal Debian 12 root file system as a tar file, by debootstrap, where no registry gives one. Needs root.
#   docker/base.sh [--force] [ARCHITECTURE]    prints the path of the file; one that is there is used again
# Another architecture than this machine's, as arm64, takes its emulation: package qemu-user-static.
# It is kept in ~/.cache/kyanite ($XDG_CACHE_HOME), so that only the first call takes its minute.
set -eu
suite=bookworm
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kyanite
force=
[ "${1:-}" != --force ] || { force=1; shift; }
architecture=${1:-$(dpkg --print-architecture)}
case $architecture in
  amd64 | arm64) ;;
  *) echo "docker/base.sh: no architecture $architecture: amd64 or arm64" >&2; exit 2 ;;
esac
target=$cache/debian-$suite-$architecture.tar
[ -n "$force" ] || [ ! -s "$target" ] || { echo "$target"; exit 0; }
[ "$(id -u)" -eq 0 ] || { echo "docker/base.sh: debootstrap needs root" >&2; exit 1; }
command -v debootstrap > /dev/null || {
  echo "docker/base.sh: debootstrap is missing; scripts/install-packages.sh package installs it" >&2
  exit 1
}
mkdir -p "$cache"
# One at a time; who waited finds the file.
exec 9> "$cache/lock"
flock 9
[ -n "$force" ] || [ ! -s "$target" ] || { echo "$target"; exit 0; }
work=$(mktemp -d "$cache/base.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
echo "docker/base.sh: making a Debian $suite base ($architecture) by debootstrap, about a minute" >&2
debootstrap --arch="$architecture" --variant=minbase --include=ca-certificates "$suite" "$work/root" > "$work/log" 2>&1 || {
  tail -n 20 "$work/log" >&2
  echo "docker/base.sh: debootstrap failed" >&2
  exit 1
}
tar -C "$work/root" --numeric-owner --one-file-system --exclude='./var/cache/apt/archives/*.deb' \
  --exclude='./proc/*' --exclude='./sys/*' -cf "$work/base.tar" .
mv "$work/base.tar" "$target"
echo "$target"
