#!/bin/sh
# The dashboard of a kyanite program in headless Chromium. Builds nothing.
#   tests/dashboard/run.sh PROGRAM [NAME-PATTERN]
# DASHBOARD_CACHE names the folder for what npm installs (default build/dashboard), DASHBOARD_RESULTS the one for the
# screenshots (default build/test-results/dashboard). Ends with "N passed, N failed". Exit status: 0 all passed, 1 some
# failed, 2 npm could not install what the tests need, or there is no Chromium.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ $# -ge 1 ] && [ -x "$1" ] || { echo "usage: $0 PROGRAM [NAME-PATTERN]" >&2; exit 2; }
KYANITE_BINARY=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cache=${DASHBOARD_CACHE:-$root/build/dashboard}
DASHBOARD_RESULTS=${DASHBOARD_RESULTS:-$root/build/test-results/dashboard}
CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
# The generator that plays a fleet, of the same build unless KYANITE_LOAD names another.
beside=$(dirname "$KYANITE_BINARY")/../../bench/load/kyanite_load
[ -n "${KYANITE_LOAD:-}" ] || { [ -x "$beside" ] && KYANITE_LOAD=$beside; }
[ -n "${KYANITE_LOAD:-}" ] || echo "dashboard: there is no kyanite_load beside the program; nobody plays ten thousand devices"
export KYANITE_BINARY KYANITE_LOAD DASHBOARD_RESULTS CHROMIUM
[ -x "$CHROMIUM" ] || { echo "dashboard: no Chromium at $CHROMIUM; scripts/install-packages.sh test installs it" >&2; exit 2; }
mkdir -p "$cache"
rm -rf "$DASHBOARD_RESULTS"
mkdir -p "$DASHBOARD_RESULTS"

if ! cmp -s "$here/package-lock.json" "$cache/installed-lock.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$cache/"
  (cd "$cache" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci) > "$cache/npm.log" 2>&1 || {
    echo "dashboard: Playwright could not be installed; see $cache/npm.log" >&2
    exit 2
  }
  cp "$here/package-lock.json" "$cache/installed-lock.json"
fi
cp "$here"/*.js "$cache/"  # beside node_modules, where imports are looked for

results=$DASHBOARD_RESULTS/tests.txt
set -- ${2:+--test-name-pattern="$2"}
(cd "$cache" && timeout 6000 node "$@" --test-reporter=tap all.test.js) > "$results" 2>&1
status=$?
grep -E '^(not )?ok [0-9]+ - |^ *# figure: ' "$results" | grep -v '# SKIP'
[ $status -eq 0 ] || sed -n '/^not ok/,/^  \.\.\.$/p' "$results"
passed=$(grep -E '^ok [0-9]+ - ' "$results" | grep -vc '# SKIP')
failed=$(grep -cE '^not ok [0-9]+ - ' "$results")
[ $status -eq 0 ] || [ "$failed" -gt 0 ] || { failed=1; tail -n 40 "$results"; }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
