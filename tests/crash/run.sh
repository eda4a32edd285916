#!/bin/sh
# Crash and fault tests of the real program. Builds nothing.
#   tests/crash/run.sh KYANITE KYANITE_LOAD [ROUNDS [CONNECTIONS]]
# The defaults are short; a long run: 200 rounds, 10000 connections. Exit status: 0 when all passed.
set -u
[ $# -ge 2 ] || { echo "usage: $0 KYANITE KYANITE_LOAD [ROUNDS [CONNECTIONS]]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
programs="--kyanite $1 --load $2"
rounds=${3:-3}
connections=${4:-2000}
python=/usr/bin/python3
[ -x $python ] || python=python3
failed=0
step() {
  PYTHONUNBUFFERED=1 $python "$here/$@" || failed=$((failed + 1))
}
# shellcheck disable=SC2086 # the two programs are two flags each
{
  step binary_crash_test.py $programs --rounds "$rounds"
  step binary_crash_test.py $programs --rounds "$rounds" --durability os
  step storage_faults_test.py $programs
  step dropped_connections_test.py $programs --connections "$connections"
  step job_crash_test.py --kyanite "$1" --rounds "$rounds"
  step c2d_queues_test.py $programs
}
echo "crash tests: $((6 - failed)) passed, $failed failed"
[ $failed -eq 0 ]
