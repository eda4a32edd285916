#!/bin/sh
# A Docker engine for the length of a test, by Debian's docker.io, in a network namespace of its own: its bridges and its firewall rules
# are nobody else's, ports are published on that namespace's loopback, and nothing outside can be reached from it.
#   docker_engine.sh start FOLDER     prints "PID SOCKET", or says why there is none and ends with 1
#   docker_engine.sh stop FOLDER      ends it and deletes what it stored; FOLDER itself stays
# Clients find the published ports by `nsenter --net=/proc/PID/ns/net`. Images come by `docker load`.
set -u
[ $# -eq 2 ] || { sed -n '2,/^set -u/p' "$0" | sed -e '/^set -u/d' -e 's/^# \{0,1\}//' >&2; exit 2; }
mkdir -p "$2"
folder=$(cd "$2" && pwd)
# Sockets have short names, and so need folders that have.
run=/run/kyanite-docker-$(echo "$folder" | cksum | cut -d ' ' -f 1)
socket=$run/docker.sock

alive() { [ -s "$run/pid" ] && kill -0 "$(cat "$run/pid")" 2> /dev/null; }

stop() {
  if alive; then
    pid=$(cat "$run/pid")
    kill "$pid"
    tries=0
    while kill -0 "$pid" 2> /dev/null && [ $tries -lt 300 ]; do
      tries=$((tries + 1))
      sleep 0.1
    done
    ! kill -0 "$pid" 2> /dev/null || kill -KILL "$pid"
  fi
  # Of containers that were running, and of an engine that did not get to it itself.
  awk -v run="$run/" -v data="$folder/data/" 'index($2, run) == 1 || index($2, data) == 1 { print $2 }' /proc/mounts | sort -r |
    while read -r mount; do umount -l "$mount"; done
  rm -rf "$run" "$folder/data"
}

case $1 in
  stop) stop; exit 0 ;;
  start) ;;
  *) exit 2 ;;
esac

fail() { echo "$1" >&2; stop; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "an engine of one's own takes root" >&2; exit 1; }
for program in dockerd containerd iptables ip unshare; do
  command -v $program > /dev/null || { echo "$program is not installed: scripts/install-packages.sh docker" >&2; exit 1; }
done
stop
mkdir -p -m 0700 "$run"
echo '{}' > "$run/daemon.json"  # not the machine's
# shellcheck disable=SC2016 # for the inner shell
setsid unshare --net sh -c 'ip link set lo up && exec dockerd "$@"' dockerd --config-file "$run/daemon.json" --host "unix://$socket" \
  --data-root "$folder/data" --exec-root "$run/exec" --pidfile "$run/docker.pid" > "$folder/dockerd.txt" 2>&1 < /dev/null &
pid=$!
echo $pid > "$run/pid"
tries=0
until DOCKER_HOST=unix://$socket docker version > /dev/null 2>&1; do
  tries=$((tries + 1))
  kill -0 $pid 2> /dev/null || fail "dockerd does not run here, see $folder/dockerd.txt"
  [ $tries -le 300 ] || fail "dockerd did not answer within 30 s, see $folder/dockerd.txt"
  sleep 0.1
done
echo "$pid $socket"
