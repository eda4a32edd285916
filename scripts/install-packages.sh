#!/bin/sh
# Installs what is missing of a set of Debian 12 packages; does nothing when everything is there.
#   scripts/install-packages.sh build|test|runtime|package|docker ...
set -eu

build="g++ cmake ninja-build ccache git libboost1.81-dev libssl-dev librocksdb-dev nlohmann-json3-dev libspdlog-dev
  libfmt-dev libcli11-dev libvalijson-dev zlib1g-dev libcurl4-openssl-dev prometheus-cpp-dev libgtest-dev libgmock-dev
  libcap2-bin python3"
# What the program needs where it runs: the image is made from it.
runtime="ca-certificates libcurl4 libfmt9 libgcc-s1 libprometheus-cpp-core1.0 librocksdb7.8 libspdlog1.10 libssl3 libstdc++6 zlib1g"
# Images and Debian packages, built and tried without a container engine.
package="buildah podman runc debootstrap dpkg-dev file mosquitto-clients python3-yaml systemd util-linux"
# A Docker engine for the tests of the image, which else take podman: 62 MB to fetch, and 20 MB more for compose with Prometheus.
docker="docker.io docker-compose prometheus iproute2 iptables curl $package"
# The sanitized builds are clang's: it compiles them faster than g++, and warns of other things.
test="chromium clang clang-format clang-tidy libclang-rt-14-dev lld llvm openssl mosquitto-clients python3-venv python3-pip ca-certificates
  openjdk-17-jdk-headless maven curl groff-base"

wanted=
for set in "$@"; do
  case $set in
    build) wanted="$wanted $build" ;;
    runtime) wanted="$wanted $runtime" ;;
    package) wanted="$wanted $package" ;;
    docker) wanted="$wanted $docker" ;;
    test) wanted="$wanted $build $test $package"
      # Any Node from 18 on will do, wherever it comes from.
      command -v node > /dev/null && command -v npm > /dev/null || wanted="$wanted nodejs npm" ;;
    *) echo "usage: $0 build|test|runtime|package|docker ..." >&2; exit 2 ;;
  esac
done

missing=
for package in $wanted; do
  dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2> /dev/null | grep -q '^ii' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo > /dev/null || {
    echo "These packages are missing and only root may install them:$missing" >&2
    echo "Run as root: apt-get update && apt-get install -y --no-install-recommends$missing" >&2
    exit 1
  }
  as_root=sudo
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # lists of words
{
  $as_root apt-get update -q
  $as_root apt-get install -y -q --no-install-recommends $missing
}
