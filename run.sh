#!/bin/sh
# Builds Kyanite and runs a hub in the foreground with a demo device whose telemetry is printed as it arrives.
#   ./run.sh [--no-demo] [--build-only] [ARGUMENTS OF kyanite serve...]
# Installs the missing Debian packages first. The build and the data (./kyanite-data) are reused by the next run.
# Ctrl-C ends everything.
set -eu
root=$(cd "$(dirname "$0")" && pwd)

demo=yes
build_only=no
# Takes our own flags out of "$@" and keeps the rest in order.
remaining=$#
while [ "$remaining" -gt 0 ]; do
  argument=$1
  shift
  remaining=$((remaining - 1))
  case $argument in
    --no-demo) demo=no ;;
    --build-only) build_only=yes ;;
    *) set -- "$@" "$argument" ;;
  esac
done

"$root/scripts/install-packages.sh" build
"$root/scripts/build.sh" release kyanite kyanite_load
kyanite=$root/build/release/server/app/kyanite
load=$root/build/release/bench/load/kyanite_load
if [ "$build_only" = yes ]; then
  echo "Built $kyanite"
  exit 0
fi
"$root/scripts/allow-low-ports.sh" "$kyanite"
[ "$demo" = yes ] || exec "$kyanite" serve "$@"

# Where this hub keeps its data, by the same rules as the hub itself; its own messages say what is wrong if this fails.
data=$("$kyanite" config print "$@" 2> /dev/null | sed -n 's/^  "dataDirectory": "\(.*\)",*$/\1/p') || data=
device=demo-thermometer
hub= sender= reader=

# Ends what runs, the hub last; waits for each, so that nothing is left behind.
finish() {
  trap '' INT TERM HUP
  status=0
  for child in $sender $reader; do
    kill -TERM "$child" 2> /dev/null || true
    wait "$child" 2> /dev/null || true
  done
  if [ -n "$hub" ]; then
    kill -TERM "$hub" 2> /dev/null || true
    wait "$hub" || status=$?
  fi
  exit "$status"
}
trap finish INT TERM HUP

# In a session of its own, so that Ctrl-C reaches it once, through finish.
setsid "$kyanite" serve "$@" &
hub=$!

ready() { [ -n "$data" ] && [ -f "$data/hub.json" ] && grep -q "\"pid\": $hub," "$data/hub.json"; }
while ! ready; do
  # The hub said why.
  kill -0 "$hub" 2> /dev/null || { status=0; wait "$hub" || status=$?; exit "$status"; }
  sleep 0.05
done

since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
"$kyanite" device show "$device" --data "$data" > /dev/null 2>&1 ||
  "$kyanite" device create "$device" --data "$data" > /dev/null
echo "Device \"$device\" now sends a reading each second over MQTT with TLS. As readers of the hub see it:"
echo
"$kyanite" events --data "$data" --from "$since" &
reader=$!
"$load" demo --data "$data" --device "$device" > /dev/null &
sender=$!

status=0
wait "$hub" || status=$?
hub=
[ "$status" -eq 0 ] || echo "The hub ended with status $status." >&2
finish
