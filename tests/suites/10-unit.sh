#!/bin/sh
# Every ctest under address and undefined-behaviour sanitizers: unit, contract, lint, corpus. Counts single test cases.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh dev || exit 1
results=$root/build/test-results/unit
rm -rf "$results"
mkdir -p "$results/cases"
GTEST_OUTPUT="json:$results/cases/" ctest --preset dev --output-on-failure --output-junit "$results/ctest.xml"
exec python3 tests/suites/count_ctest.py "$results"
