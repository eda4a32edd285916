#!/bin/sh
# Builds the image of Kyanite with docker, podman or buildah, and says how large it is and what is in it.
#   docker/build.sh [--tool docker|podman|buildah] [--base IMAGE|debootstrap] [--binary FILE] [--tag NAME]
#                   [--save FILE.tar] [--storage DIR] [--platform linux/ARCHITECTURE]
#   --tool      the first of the three that works, unless given
#   --base      the Debian 12 to build on; debian:bookworm-slim with docker. Without a registry in reach (podman and
#               buildah: unless the image is there or can be pulled) one is made by debootstrap, which takes root
#   --tag       kyanite:VERSION and kyanite:latest, unless given; with -ARCHITECTURE behind where it is not this machine's
#   --binary    a kyanite program built on Debian 12 already, instead of building one inside: seconds, not minutes
#   --save      also writes the image to a file for `docker load` and `podman load`
#   --storage   podman and buildah: keep images below this folder instead of the user's own storage
#   --platform  linux/amd64 or linux/arm64: this machine's, unless given. Another one takes its emulation (Debian's
#               qemu-user-static), under which a compiler is slow: give --binary a program from such a machine, or build there
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
tool= base= binary= tag= save= storage= platform=

usage() { sed -n '2,/^set -eu/p' "$0" | sed -e '/^set -eu/d' -e 's/^# \{0,1\}//'; }
fail() { echo "docker/build.sh: $1" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    --tool | --base | --binary | --tag | --save | --storage | --platform)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case $1 in
        --tool) tool=$2 ;;
        --base) base=$2 ;;
        --binary) binary=$2 ;;
        --tag) tag=$2 ;;
        --save) save=$2 ;;
        --storage) storage=$2 ;;
        --platform) platform=$2 ;;
      esac
      shift 2
      ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
[ -z "$binary" ] || [ -x "$binary" ] || fail "--binary $binary is no program"
case $platform in
  "" | linux/amd64 | linux/arm64) ;;
  *) fail "--platform is linux/amd64 or linux/arm64, not $platform" ;;
esac
native=$(uname -m | sed -e s/x86_64/amd64/ -e s/aarch64/arm64/)
architecture=${platform#linux/}
[ -n "$architecture" ] || architecture=$native
asked=$platform  # docker is told only then: old engines take it for an experiment
platform=linux/$architecture

if [ -z "$tool" ]; then
  for candidate in docker podman buildah; do
    command -v "$candidate" > /dev/null || continue
    # A docker client without a daemon, and a podman that cannot build here, give way to the next one.
    if [ "$candidate" = docker ]; then docker info > /dev/null 2>&1 || continue; fi
    if [ "$candidate" = podman ] && command -v buildah > /dev/null; then continue; fi
    tool=$candidate
    break
  done
fi
[ -n "$tool" ] || fail "neither docker with a running daemon, nor podman, nor buildah is here"
command -v "$tool" > /dev/null || fail "$tool is not installed"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# Runs buildah or podman on the storage that was asked for.
containers() {
  if [ -n "$storage" ]; then
    mkdir -p "$storage/root" "$storage/run"
    "$tool" --root "$storage/root" --runroot "$storage/run" "$@"
  else
    "$tool" "$@"
  fi
}
# Whether there is an image of this name for the architecture wanted.
has_image() {
  case $tool in
    docker) found=$(docker image inspect --format '{{.Architecture}}' "$1" 2> /dev/null) ;;
    podman) found=$(containers image inspect --format '{{.Architecture}}' "$1" 2> /dev/null) ;;
    buildah) found=$(containers inspect --type image --format '{{.OCIv1.Architecture}}' "$1" 2> /dev/null) ;;
  esac && [ "$found" = "$architecture" ]
}

made=localhost/kyanite-base:bookworm-$architecture
way=
if [ -z "$base" ]; then
  base=debian:bookworm-slim
  if [ "$tool" != docker ]; then
    if has_image "docker.io/library/$base"; then
      base=docker.io/library/$base
    elif has_image "$made" || ! containers pull --platform "$platform" "docker.io/library/$base" > /dev/null 2>&1; then
      base=debootstrap
    else
      base=docker.io/library/$base
    fi
  fi
fi
if [ "$base" = debootstrap ]; then
  way=", base made by debootstrap"
  base=$made
  if ! has_image "$base"; then
    tar=$("$root/docker/base.sh" "$architecture")
    case $tool in
      docker) docker import ${asked:+--platform "$asked"} "$tar" "$base" > /dev/null ;;
      podman) containers import --arch "$architecture" "$tar" "$base" > /dev/null ;;
      buildah)
        container=$(containers from scratch)
        containers add --quiet "$container" "$tar" / > /dev/null
        containers config --arch "$architecture" "$container"
        containers commit --quiet --rm "$container" "$base" > /dev/null
        ;;
    esac
  fi
fi

version=$(sed -n 's/^project(kyanite VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
revision=$(git -C "$root" rev-parse HEAD 2> /dev/null) || revision=unknown
created=$(date -u +%Y-%m-%dT%H:%M:%SZ)

# Both names are one image.
second=
foreign=
[ "$architecture" = "$native" ] || foreign=-$architecture
[ -n "$tag" ] || { tag=kyanite:$version$foreign second=kyanite:latest$foreign; }

context=$root
prebuilt=
if [ -n "$binary" ]; then
  # A context of its own: what counts is the program, not the sources beside it.
  context=$work/context
  mkdir -p "$context/docker" "$context/scripts" "$context/packaging/debian"
  cp "$root/docker/Dockerfile" "$root/docker/rootfs.sh" "$context/docker/"
  cp "$root/scripts/install-packages.sh" "$context/scripts/"
  cp "$root/LICENSE" "$context/"
  cp "$root/packaging/debian/copyright" "$context/packaging/debian/"
  cp "$binary" "$context/kyanite"
  # binutils strip their own machine's programs only; llvm's any.
  strip "$context/kyanite" 2> /dev/null || llvm-strip "$context/kyanite" 2> /dev/null || true
  prebuilt=kyanite
fi

echo "Building $tag with $tool on $base$way$([ -z "$binary" ] || echo ", program $binary")"
set -- --build-arg "BASE=$base" --build-arg "PREBUILT=$prebuilt" \
  --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$revision" \
  --label "org.opencontainers.image.created=$created" -f "$context/docker/Dockerfile" -t "$tag"
case $tool in
  docker) docker build ${asked:+--platform "$asked"} "$@" "$context" ;;
  # The OCI format has no place for HEALTHCHECK. chroot needs neither an OCI runtime nor cgroups.
  podman) containers build --platform "$platform" --layers --format docker --isolation chroot "$@" "$context" ;;
  buildah) containers bud --platform "$platform" --layers --format docker --isolation chroot "$@" "$context" ;;
esac

if [ -n "$second" ]; then
  case $tool in
    docker) docker tag "$tag" "$second" ;;
    *) containers tag "$tag" "$second" ;;
  esac
fi

archive=$work/image.tar
case $tool in
  docker) docker save -o "$archive" "$tag" ;;
  podman) containers save --quiet --format docker-archive -o "$archive" "$tag" ;;
  buildah) containers push --quiet "$tag" "docker-archive:$archive:$tag" ;;
esac
bytes=$(gzip -c "$archive" | wc -c)

# The layer with the files names them in a list of its own.
mkdir "$work/layers"
tar -C "$work/layers" -xf "$archive"
find "$work/layers" -type f -size +4k | while read -r layer; do
  tar -xOf "$layer" usr/share/kyanite/contents.txt 2> /dev/null && break
done > "$work/contents" || true

echo
echo "$tag: $((bytes / 1000)) kB compressed ($(wc -c < "$archive" | awk '{printf "%d", $1 / 1000}') kB unpacked), with $tool$way. In it:"
sed -n '1,15p' "$work/contents"
awk 'NR > 15 { n++; kib += $1 } END { if (n) printf "%8d KiB  %d more libraries, licences and the like\n", kib, n }' "$work/contents"
if [ -n "$save" ]; then
  mv "$archive" "$save"
  echo "Written to $save"
fi
