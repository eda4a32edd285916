#!/bin/sh
# Prints the path of promtool, or why it cannot be had. Debian has it only in the package of the server, whose
# service nobody wants here: the package is unpacked under build/tools instead of installed.
#   scripts/promtool.sh
set -u
root=$(cd "$(dirname "$0")/.." && pwd)

if found=$(command -v promtool); then
  echo "$found"
  exit 0
fi
tools=$root/build/tools
promtool=$tools/prometheus/usr/bin/promtool
if [ ! -x "$promtool" ]; then
  command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null || {
    echo "promtool is not installed, and this system has no Debian packages to take it from" >&2
    exit 1
  }
  folder=$(mktemp -d) || exit 1
  trap 'rm -rf "$folder"' EXIT
  chmod 755 "$folder"
  (cd "$folder" && apt-get download -q prometheus > "$folder/log" 2>&1) || {
    tail -n 3 "$folder/log" >&2
    echo "promtool is not installed, and the package prometheus cannot be downloaded" >&2
    exit 1
  }
  mkdir -p "$tools"
  # Unpacked beside and renamed, so that two who ask at once do not see half of it.
  dpkg-deb -x "$folder"/prometheus_*.deb "$folder/prometheus" || exit 1
  rm -rf "$tools/prometheus"
  mv "$folder/prometheus" "$tools/prometheus"
fi
echo "$promtool"
