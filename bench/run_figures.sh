#!/bin/sh
# The figures of bench/README.md: a release hub on ephemeral ports and temporary data, kyanite_load beside it.
#   bench/run_figures.sh [--kyanite FILE] [--load FILE] [--json FILE] [--quick]
# Takes under six minutes; what did not fit is named as not measured.
ulimit -n "$(ulimit -Hn)" 2>/dev/null  # 10,000 connections need so many descriptors in both programs
python=/usr/bin/python3
[ -x $python ] || python=python3
exec $python "$(dirname "$0")/run_figures.py" "$@"
