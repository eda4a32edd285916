#!/bin/sh
# The packages of docker/testcontainers-*, with unmodified SDKs, against a kyanite program: as a process always, in a
# container where something runs one. Says which way it took; what it could not do counts as skipped, in so many words.
#   tests/testcontainers/run.sh PROGRAM [node|python ...]
# Binding 443 must be allowed. TESTCONTAINERS_CACHE names the folder for what is installed (default build/testcontainers).
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ $# -ge 1 ] && [ -x "$1" ] || { echo "usage: $0 PROGRAM [node|python ...]" >&2; exit 2; }
KYANITE_BINARY=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
export KYANITE_BINARY
shift
languages=${*:-node python}
cache=${TESTCONTAINERS_CACHE:-$root/build/testcontainers}
mkdir -p "$cache"
cd "$root" || exit 1

cannot() {
  echo "testcontainers: $1; see $2" >&2
  exit 2
}

python=/usr/bin/python3
[ -x $python ] || python=python3

install_node() {
  package=docker/testcontainers-node
  mkdir -p "$cache/node"
  if ! cmp -s $package/package-lock.json "$cache/node/installed-lock.json"; then
    cp $package/package.json $package/package-lock.json $package/.npmrc "$cache/node/"
    (cd "$cache/node" && npm ci) > "$cache/npm.txt" 2>&1 || cannot "the Node packages could not be installed" "$cache/npm.txt"
    cp $package/package-lock.json "$cache/node/installed-lock.json"
  fi
  rm -rf "$cache/node/build" "$cache/node/test"
  cp -R $package/src $package/test $package/tsconfig.json $package/README.md "$cache/node/"
  (cd "$cache/node" && node_modules/.bin/tsc --project tsconfig.json) > "$cache/tsc.txt" 2>&1 ||
    cannot "the Node package does not compile" "$cache/tsc.txt"
}

install_python() {
  package=docker/testcontainers-python
  if ! cmp -s $package/tests/requirements.txt "$cache/venv/requirements.txt"; then
    rm -rf "$cache/venv"
    { $python -m venv "$cache/venv" && "$cache/venv/bin/pip" install --quiet -r $package/tests/requirements.txt; } \
      > "$cache/pip.txt" 2>&1 || cannot "the Python packages could not be installed" "$cache/pip.txt"
    cp $package/tests/requirements.txt "$cache/venv/requirements.txt"
  fi
  # As a user gets it: built, and installed from the wheel.
  rm -rf "$cache/python"
  cp -R $package "$cache/python"
  "$cache/venv/bin/pip" install --quiet --no-deps --no-build-isolation --force-reinstall "$cache/python" > "$cache/wheel.txt" 2>&1 ||
    cannot "the Python package could not be built" "$cache/wheel.txt"
}

. "$here/engine.sh"
trap end_engine EXIT
trap 'exit 130' INT TERM HUP
begin_engine "$KYANITE_BINARY" "$cache/engine"
if [ "$KYANITE_TEST_ENGINE" = none ]; then
  echo "testcontainers: as a process only: $why"
else
  echo "testcontainers: as a process, and in containers of $KYANITE_IMAGE by $KYANITE_TEST_ENGINE"
fi

passed=0 failed=0 skipped=0
# Adds up a language; one that ended before it could count itself is one failure.
count() {
  passed=$((passed + ${1:-0}))
  failed=$((failed + ${2:-0}))
  skipped=$((skipped + ${3:-0}))
  if [ "$4" -ne 0 ] && [ "${2:-0}" -eq 0 ]; then
    failed=$((failed + 1))
    echo "testcontainers: $5 ended with status $4" >&2
  fi
}

for language in $languages; do
  output=$cache/$language.txt
  case $language in
    node)
      install_node
      : > "$output"
      status=0
      for file in "$cache"/node/test/*.test.js; do  # one after another: all want the same ports
        (cd "$cache/node" && timeout 1200 $inside node --test-reporter=tap "test/$(basename "$file")") >> "$output" 2>&1 || status=$?
      done
      # Of nested tests the leaves count: a suite is a "1..N" of its own.
      leaves() { grep -E "^ *$1 [0-9]+ - " "$output" | grep -vE "^$1 [0-9]+ - a hub as a (process|container)" | grep "$2" "# SKIP"; }
      grep -E '^ *(not )?ok [0-9]+ - ' "$output"
      [ $status -eq 0 ] || grep -A 30 -E '^ *not ok' "$output"
      count "$(leaves ok -v | wc -l)" "$(leaves 'not ok' -v | wc -l)" "$(grep -cE '^ *ok .*# SKIP' "$output")" $status node
      ;;
    python)
      install_python
      (cd "$cache/python" && timeout 1600 $inside "$cache/venv/bin/python" -m pytest -p no:cacheprovider -v --tb=short --color=no -rs \
        -W ignore::DeprecationWarning tests) > "$output" 2>&1
      status=$?
      grep -E ' (PASSED|FAILED|ERROR|SKIPPED)' "$output"
      [ $status -eq 0 ] || sed -n '/= \(FAILURES\|ERRORS\) =/,$p' "$output"
      summary=$(grep -E '^=+ .*(passed|failed|error)' "$output" | tail -1)
      number() { echo "$summary" | grep -oE "[0-9]+ $1" | grep -oE '[0-9]+' || echo 0; }
      count "$(number passed)" $(($(number failed) + $(number error))) "$(number skipped)" $status python
      ;;
    *) echo "testcontainers: no language $language" >&2; exit 2 ;;
  esac
done
[ $skipped -eq 0 ] || echo "testcontainers: $skipped skipped: $why"
echo "testcontainers: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
