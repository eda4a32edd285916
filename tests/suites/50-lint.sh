#!/bin/sh
# Format and clang-tidy over our own sources. The include rules are a ctest of the unit suite.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
scripts/build.sh dev kyanite || exit 1  # with the sources that a build makes
passed=0
failed=0
if git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run -Werror; then passed=1; else failed=1; fi
if python3 tests/lint/run_clang_tidy.py build/dev; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
