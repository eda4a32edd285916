#!/bin/sh
# Follows the documents against a kyanite program: tests/docs/run.sh PROGRAM [PAGE...]; ends with "N passed, N failed".
# SDKs want 8883, 443 and 5671. In a network namespace of its own the test has them without being anybody and without
# disturbing anybody; where none may be made they have to be free on 127.0.0.1.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ $# -ge 1 ] && [ -x "$1" ] || { echo "usage: $0 PROGRAM [PAGE...]" >&2; exit 2; }
"$root/tests/compat/run.sh" "$1" --install
for way in "unshare --net" "unshare --map-root-user --net"; do
  # shellcheck disable=SC2086 # words
  if $way true > /dev/null 2>&1; then
    exec $way python3 "$here/run.py" --own-network "$@"
  fi
done
echo "No network namespace can be made here: the ports of this machine are used."
exec python3 "$here/run.py" "$@"
