#!/bin/sh
# Official device SDKs, Paho and mosquitto_pub against a kyanite program. Builds nothing.
#   tests/compat/run.sh PROGRAM [--install] [python|node ...]
# With --install the SDKs are installed and nothing is run.
# 8883, 443 and 5671 on 127.0.0.1 must be free, and binding 443 allowed: the SDKs cannot be told other ports.
# COMPAT_CACHE names the folder for the installed SDKs (default build/compat). Exit status: 0 all passed, 1 some failed,
# 2 the SDKs could not be installed or a port not be bound.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ $# -ge 1 ] && [ -x "$1" ] || { echo "usage: $0 PROGRAM [python|node|java ...]" >&2; exit 2; }
COMPAT_BINARY=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
export COMPAT_BINARY
shift
only_install=no
[ "${1:-}" != --install ] || { only_install=yes; shift; }
suites=${*:-python node java}
cache=${COMPAT_CACHE:-$root/build/compat}
results=$cache/results
# What every hub logged, at the level debug; looked through at the end.
HUB_LOGS=$results/logs
export HUB_LOGS
rm -rf "$HUB_LOGS"
mkdir -p "$HUB_LOGS"

cannot() {
  echo "compat: $1; see $2" >&2
  exit 2
}

# The system's own interpreter: another one found first in PATH may lack venv.
python=/usr/bin/python3
[ -x $python ] || python=python3

[ "$only_install" = yes ] || for port in 8883 443 5671 5672; do
  $python -c "import socket; socket.create_server(('127.0.0.1', $port)).close()" 2> "$results/port-$port.txt" || {
    echo "compat: 127.0.0.1:$port cannot be bound ($(tail -1 "$results/port-$port.txt")): another hub may run there;" \
      "443 takes root or sysctl net.ipv4.ip_unprivileged_port_start=443" >&2
    exit 2
  }
done

install_python() {
  if ! cmp -s "$here/requirements.txt" "$cache/venv/requirements.txt"; then
    rm -rf "$cache/venv"
    { $python -m venv "$cache/venv" && "$cache/venv/bin/pip" install --quiet -r "$here/requirements.txt"; } \
      > "$cache/pip.log" 2>&1 || cannot "the Python SDK could not be installed" "$cache/pip.log"
    cp "$here/requirements.txt" "$cache/venv/requirements.txt"
  fi
}

install_node() {
  mkdir -p "$cache/node"
  if ! cmp -s "$here/node/package-lock.json" "$cache/node/installed-lock.json"; then
    cp "$here/node/package.json" "$here/node/package-lock.json" "$here/node/.npmrc" "$cache/node/"
    (cd "$cache/node" && npm ci) > "$cache/npm.log" 2>&1 ||
      cannot "the Node SDK could not be installed" "$cache/npm.log"
    cp "$here/node/package-lock.json" "$cache/node/installed-lock.json"
  fi
  cp "$here"/node/*.js "$cache/node/"  # beside node_modules, where require() looks
}

install_java() {
  mkdir -p "$cache/java"
  if ! cmp -s "$here/java/pom.xml" "$cache/java/installed-pom.xml"; then
    rm -rf "$cache/java/jars"
    mvn --batch-mode --quiet --file "$here/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$cache/java/jars" \
      > "$cache/mvn.log" 2>&1 || cannot "the Java SDKs could not be installed" "$cache/mvn.log"
    cp "$here/java/pom.xml" "$cache/java/installed-pom.xml"
  fi
  rm -rf "$cache/java/classes"
  javac -Xlint:all,-classfile,-processing,-serial -Werror -d "$cache/java/classes" -cp "$cache/java/jars/*" "$here"/java/*.java \
    > "$cache/javac.log" 2>&1 || cannot "the Java tests do not compile" "$cache/javac.log"
}

passed=0
failed=0
# Adds up a suite; one that ended before it could count itself is one failure.
count() {
  passed=$((passed + ${1:-0}))
  failed=$((failed + ${2:-0}))
  if [ "$3" -ne 0 ] && [ "${2:-0}" -eq 0 ]; then
    failed=$((failed + 1))
    echo "compat: the $4 suite ended with status $3" >&2
  fi
}

for suite in $suites; do
  [ "$only_install" = no ] || { "install_$suite"; continue; }
  case $suite in
    python)
      install_python
      timeout 3600 "$cache/venv/bin/python" -m pytest -p no:cacheprovider -v --tb=short --color=no \
        "$here/python" > "$results/python.txt" 2>&1
      status=$?
      grep -E ' (PASSED|FAILED|ERROR|SKIPPED)' "$results/python.txt" | sed "s|^.*/||"
      [ $status -eq 0 ] || sed -n '/= \(FAILURES\|ERRORS\) =/,$p' "$results/python.txt"
      summary=$(grep -E '^=+ .*(passed|failed|error)' "$results/python.txt" | tail -1)
      number() { echo "$summary" | grep -oE "[0-9]+ $1" | grep -oE '[0-9]+' || echo 0; }
      count "$(number passed)" $(($(number failed) + $(number error))) $status python
      ;;
    node)
      install_node
      : > "$results/node.txt"
      status=0
      for file in "$here"/node/*.test.js; do  # one after another: all want the same ports
        (cd "$cache/node" && timeout 1200 node --test-reporter=tap "$(basename "$file")") >> "$results/node.txt" 2>&1 ||
          status=$?
      done
      grep -E '^(not )?ok [0-9]+ - ' "$results/node.txt"
      [ $status -eq 0 ] || sed -n '/^not ok/,/^  \.\.\.$/p' "$results/node.txt"
      count "$(grep -cE '^ok [0-9]+ - ' "$results/node.txt")" "$(grep -cE '^not ok [0-9]+ - ' "$results/node.txt")" $status node
      ;;
    java)
      install_java
      timeout 2400 $python "$here/java/run.py" "$COMPAT_BINARY" "$cache/java/jars" "$cache/java/classes" > "$results/java.txt" 2>&1
      status=$?
      sed -n '/^+-- JUnit Jupiter/,/^.-- JUnit Vintage/p' "$results/java.txt" | sed '$d'
      [ $status -eq 0 ] || sed -n '/^Failures/,$p' "$results/java.txt"
      tests() { sed -n "s/^\[ *\([0-9]*\) tests $1 *\]$/\1/p" "$results/java.txt"; }
      count "$(tests successful)" "$(tests failed)" $status java
      ;;
    *) echo "compat: no suite $suite" >&2; exit 2 ;;
  esac
done
[ "$only_install" = no ] || exit 0
$python "$root/tests/support/log_secrecy.py" "$HUB_LOGS" > "$results/log-secrecy.txt"
status=$?
[ $status -eq 0 ] && echo "log secrecy PASSED" || cat "$results/log-secrecy.txt"
count "$([ $status -eq 0 ] && echo 1 || echo 0)" "$([ $status -eq 0 ] && echo 0 || echo 1)" $status "log secrecy"
echo "compat: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
