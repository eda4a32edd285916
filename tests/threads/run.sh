#!/bin/sh
# usage: run.sh BUILD_DIR   Runs a thread-sanitized build: unit programs, then the hub under load from outside.
# Prints "N passed, N failed"; a report of the sanitizer is a failure.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
hub=
trap 'if [ -n "$hub" ]; then kill -KILL "$hub" 2> /dev/null; fi; rm -rf "$work"' EXIT
export TSAN_OPTIONS="exitcode=66 second_deadlock_stack=1 suppressions=$root/tests/threads/rocksdb.supp"
passed=0
failed=0
check() {  # check NAME COMMAND...
  name=$1
  shift
  if "$@" > "$work/$name.txt" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $name"
  else
    failed=$((failed + 1))
    echo "FAILED  $name"
    tail -n 40 "$work/$name.txt"
  fi
}

for program in runtime/runtime_test net/net_test storage/storage_threads_test; do
  check "$(basename $program)" "$build/tests/unit/$program" --gtest_brief=1
done

kyanite=$build/server/app/kyanite
load=$build/bench/load/kyanite_load
data=$work/data
"$kyanite" serve --data "$data" --hostname 127.0.0.1 --mqtts 127.0.0.1:0 --https 127.0.0.1:0 --amqps 127.0.0.1:0 --admin 127.0.0.1:0 \
  > "$work/hub.txt" 2>&1 &
hub=$!
tries=0
until [ -f "$data/hub.json" ] || [ $tries -ge 1800 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
check publish_from_50_devices "$load" publish --data "$data" --devices 50 --window 16 --duration 4 --json
"$kyanite" events --data "$data" --from start --timeout 5 --count 20000 > "$work/events.txt" 2>&1 &
reader=$!
check connection_storm "$load" connect --data "$data" --devices 50 --connections 400 --json
kill -HUP "$hub"
check status_after_reload "$kyanite" status --data "$data"
# Drains while devices publish: the generator loses its connections, which is not its fault.
"$load" publish --data "$data" --devices 20 --window 8 --duration 3 > "$work/during_drain.txt" 2>&1 &
sender=$!
sleep 1
kill -TERM "$hub"
wait "$hub"
status=$?
hub=
kill -KILL "$sender" 2> /dev/null
wait "$sender" "$reader" 2> /dev/null
check hub_without_reports sh -c "cat '$work/hub.txt'; [ $status -eq 0 ] && ! grep -q ThreadSanitizer '$work/hub.txt'"

# Devices, back ends and readers over AMQP: a report ends their hub with another status, which counts as a failure.
check amqp "$root/tests/behaviours/run.sh" "$kyanite" test_amqp_devices test_amqp_events test_amqp_service

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
