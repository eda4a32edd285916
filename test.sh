#!/bin/sh
# All tests: installs what is missing, builds, runs every suite of tests/suites, and ends with one line
# "N passed, N failed" over all of them. Exit status 0 when nothing failed.
#   ./test.sh [SUITE...]     (without arguments all; a suite is a file of tests/suites without number and .sh)
# Suites that need the SDKs' fixed ports mostly wait, so they run beside the others, in an order of their own:
# their files say "Lane: ports". A third lane takes of the others what nobody began, the last first, so that what compiles
# runs beside what waits; the lane of the ports joins in when it is done. TEST_LANES=1 runs everything one after another.
set -u
root=$(cd "$(dirname "$0")" && pwd)
cd "$root" || exit 1
logs=$root/build/test-results
mkdir -p "$logs"

# The suites of a lane in the order of their numbers; of every lane for "all".
suites_of() {
  for script in tests/suites/[0-9]*.sh; do
    lane=$(sed -n 's/^# Lane: *//p' "$script")
    [ "$1" = all ] || [ "$1" = "${lane:-main}" ] || continue
    name=$(basename "$script" .sh)
    name=${name#*-}
    [ -z "$wanted" ] || case " $wanted " in *" $name "*) ;; *) continue ;; esac
    echo "$script"
  done
}

# Runs each of these suites, unless another lane has begun it.
run_suites() {
  for script in "$@"; do
    name=$(basename "$script" .sh)
    name=${name#*-}
    mkdir "$logs/$name.begun" 2> /dev/null || continue
    start=$(date +%s)
    sh "$script" > "$logs/$name.txt" 2>&1 8>&-
    status=$?
    # A suite's last line of this form is its result; without one it did not get that far.
    result=$(grep -oE '[0-9]+ passed, [0-9]+ failed' "$logs/$name.txt" | tail -1)
    suite_passed=${result%% *}
    suite_failed=$(echo "$result" | sed 's/.*, \([0-9]*\) failed/\1/')
    [ -n "$result" ] || { suite_passed=0; suite_failed=1; }
    [ "$status" -eq 0 ] || [ "$suite_failed" -gt 0 ] || suite_failed=1
    echo "$suite_passed $suite_failed" > "$logs/$name.result"
    # In one write, since another lane may write as well.
    {
      echo "== $name: $suite_passed passed, $suite_failed failed, $(($(date +%s) - start)) s"
      [ "$suite_failed" -eq 0 ] || tail -n 60 "$logs/$name.txt"
    } > "$logs/$name.report"
    cat "$logs/$name.report"
  done
}

if [ "${1:-}" = --lane ]; then  # from below
  lane=$2
  shift 2
  wanted=$*
  # Linux shares time among sessions, whatever nice says inside of one: the first build comes before what helps.
  [ "$lane" != help ] || echo 15 2> /dev/null > /proc/$$/autogroup || true
  # shellcheck disable=SC2046 # lists of words
  case $lane in
    help) run_suites $(suites_of main | sort -r) ;;
    ports) run_suites $(suites_of ports) $(suites_of main | sort -r) ;;
    *) run_suites $(suites_of "$lane") ;;
  esac
  exit 0
fi

wanted=$*
for name in $wanted; do
  ls tests/suites/[0-9]*-"$name".sh > /dev/null 2>&1 || {
    echo "test.sh: no suite \"$name\"; there are: $(ls tests/suites | sed -n 's/^[0-9]*-\(.*\)\.sh$/\1/p' | tr '\n' ' ')" >&2
    exit 2
  }
done
# One run of a folder at a time: suites share what they build and write. Lanes that outlive a killed run hold it on.
exec 8> "$logs/lock"
flock -n 8 || { echo "test.sh: another run is under way in this folder" >&2; exit 2; }
scripts/install-packages.sh test || { echo "0 passed, 1 failed"; exit 1; }
rm -rf "$logs"/*.result "$logs"/*.begun

# Each lane leads a process group, so that an interrupt ends all that it runs.
lanes=
finish() {
  trap '' INT TERM HUP
  for lane in $lanes; do kill -TERM "-$lane" 2> /dev/null; done
  exit 130
}
trap finish INT TERM HUP
if [ "${TEST_LANES:-3}" = 1 ]; then set -- all; else set -- main ports help; fi
for lane in "$@"; do
  # shellcheck disable=SC2086 # a list of words
  setsid "$root/test.sh" --lane "$lane" $wanted &
  lanes="$lanes $!"
done
wait

passed=0
failed=0
broken=
for script in $(suites_of all); do
  name=$(basename "$script" .sh)
  name=${name#*-}
  # A suite that left no result did not get that far.
  read -r suite_passed suite_failed 2> /dev/null < "$logs/$name.result" || { suite_passed=0; suite_failed=1; }
  passed=$((passed + suite_passed))
  failed=$((failed + suite_failed))
  [ "$suite_failed" -eq 0 ] || broken="$broken $name"
done
[ -z "$broken" ] || echo "Failed:$broken (output in build/test-results)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
