#!/bin/sh
# All tests: installs what is missing, builds, runs every suite of tests/suites in order, and ends with one line
# "N passed, N failed" over all of them. Exit status 0 when nothing failed.
#   ./test.sh [SUITE...]     (without arguments all; a suite is a file of tests/suites without number and .sh)
set -u
root=$(cd "$(dirname "$0")" && pwd)
cd "$root" || exit 1
logs=$root/build/test-results
mkdir -p "$logs"

scripts/install-packages.sh test || { echo "0 passed, 1 failed"; exit 1; }

passed=0
failed=0
broken=
for script in tests/suites/[0-9]*.sh; do
  name=$(basename "$script" .sh)
  name=${name#*-}
  if [ $# -gt 0 ]; then
    case " $* " in *" $name "*) ;; *) continue ;; esac
  fi
  echo "== $name"
  start=$(date +%s)
  sh "$script" > "$logs/$name.txt" 2>&1
  status=$?
  # A suite's last line of this form is its result; without one it did not get that far.
  result=$(grep -oE '[0-9]+ passed, [0-9]+ failed' "$logs/$name.txt" | tail -1)
  suite_passed=${result%% *}
  suite_failed=$(echo "$result" | sed 's/.*, \([0-9]*\) failed/\1/')
  [ -n "$result" ] || { suite_passed=0; suite_failed=1; }
  [ "$status" -eq 0 ] || [ "$suite_failed" -gt 0 ] || suite_failed=1
  passed=$((passed + suite_passed))
  failed=$((failed + suite_failed))
  if [ "$suite_failed" -gt 0 ]; then
    broken="$broken $name"
    tail -n 60 "$logs/$name.txt"
  fi
  echo "   $suite_passed passed, $suite_failed failed, $(($(date +%s) - start)) s"
done
[ -z "$broken" ] || echo "Failed:$broken (output in build/test-results)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
