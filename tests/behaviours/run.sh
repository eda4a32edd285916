#!/bin/sh
# Behaviours of a kyanite program from outside: run.sh PROGRAM [TEST...]; ends with "N passed, N failed".
exec python3 "$(dirname "$0")/run.py" "$@"
