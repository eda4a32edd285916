# Sourced by run.sh: finds what runs containers here and gets the image of a program to it.
#   begin_engine PROGRAM WORK   sets KYANITE_TEST_ENGINE (docker, podman or none), KYANITE_IMAGE, why and `inside`, the words
#                               that lead a command to where ports are published
#   end_engine
# In this order: a Docker engine that answers; one of our own by Debian's docker.io, unless KYANITE_TEST_DOCKER is 0; podman.
engine_pid=
own_docker=
inside=

begin_engine() {
  program=$1 work=$2
  KYANITE_TEST_ENGINE=none
  why=
  mkdir -p "$work"
  if docker info > /dev/null 2>&1; then
    KYANITE_TEST_ENGINE=docker
    KYANITE_IMAGE=${KYANITE_IMAGE:-kyanite:under-test}
    if ! docker image inspect "$KYANITE_IMAGE" > /dev/null 2>&1; then
      docker/build.sh --tool docker --binary "$program" --tag "$KYANITE_IMAGE" > "$work/image.txt" 2>&1 || {
        why="the image could not be built, see $work/image.txt"
        KYANITE_TEST_ENGINE=none
      }
    fi
  elif [ "$(id -u)" -ne 0 ]; then
    why="no Docker daemon, and one of our own or podman's API with published ports takes root"
  elif begin_docker; then
    :
  elif ! command -v podman > /dev/null || ! command -v buildah > /dev/null || ! command -v runc > /dev/null; then
    why="no Docker daemon, and podman, buildah or runc is not installed"
  else
    begin_podman
  fi
  export KYANITE_TEST_ENGINE
  [ "$KYANITE_TEST_ENGINE" = none ] || export KYANITE_IMAGE
}

# An engine in a network of its own, which reaches no package mirror: buildah makes the image. Fails where there is none.
begin_docker() {
  [ "${KYANITE_TEST_DOCKER:-1}" != 0 ] && command -v dockerd > /dev/null && command -v buildah > /dev/null || return 1
  engine=$(tests/support/docker_engine.sh start "$work/docker" 2> "$work/docker.txt") || {
    echo "testcontainers: no Docker engine: $(tail -n 1 "$work/docker.txt")"
    return 1
  }
  own_docker=$work/docker
  KYANITE_IMAGE=localhost/kyanite:under-test
  storage=$work/storage
  docker/build.sh --tool buildah --binary "$program" --tag "$KYANITE_IMAGE" --storage "$storage" --save "$work/image.tar" \
    > "$work/image.txt" 2>&1 && DOCKER_HOST=unix://${engine#* } docker load --quiet --input "$work/image.tar" >> "$work/image.txt" 2>&1 || {
    why="the image could not be built or loaded, see $work/image.txt"
    return 0
  }
  DOCKER_HOST=unix://${engine#* }
  TESTCONTAINERS_RYUK_DISABLED=true  # an image of a registry
  TESTCONTAINERS_CONNECTION_MODE=docker_host
  export DOCKER_HOST TESTCONTAINERS_RYUK_DISABLED TESTCONTAINERS_CONNECTION_MODE
  inside="nsenter --net=/proc/${engine%% *}/ns/net"
  KYANITE_TEST_ENGINE=docker
}

# Podman serves Docker's API. Limits are low since raising them takes a capability that machines of CI may lack; Ryuk,
# which removes what a killed test leaves, is an image of a registry, which need not be in reach.
begin_podman() {
  KYANITE_IMAGE=localhost/kyanite:under-test
  storage=$work/storage
  docker/build.sh --tool buildah --binary "$program" --tag "$KYANITE_IMAGE" --storage "$storage" > "$work/image.txt" 2>&1 || {
    why="the image could not be built, see $work/image.txt"
    return
  }
  printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n' > "$work/containers.conf"
  # Podman takes no run root with a path of more than 50 characters; sockets have a limit, too.
  run=/run/kyanite-test-$(echo "$storage" | cksum | cut -d ' ' -f 1)
  mkdir -p -m 0700 "$run"
  socket=$run/podman.sock
  rm -f "$socket"
  CONTAINERS_CONF=$work/containers.conf podman --root "$storage/root" --runroot "$run/root" --runtime runc \
    --cgroup-manager cgroupfs system service --time 0 "unix://$socket" > "$work/podman.txt" 2>&1 &
  engine_pid=$!
  tries=0
  until curl --silent --fail --max-time 2 --unix-socket "$socket" http://d/_ping > /dev/null; do
    tries=$((tries + 1))
    if [ $tries -gt 1200 ] || ! kill -0 "$engine_pid" 2> /dev/null; then
      why="podman serves no API here, see $work/podman.txt"
      return
    fi
    sleep 0.1
  done
  DOCKER_HOST=unix://$socket
  TESTCONTAINERS_RYUK_DISABLED=true
  TESTCONTAINERS_CONNECTION_MODE=docker_host  # the Python library else takes a gateway where it finds /.dockerenv
  export DOCKER_HOST TESTCONTAINERS_RYUK_DISABLED TESTCONTAINERS_CONNECTION_MODE
  # Some machines have podman but no way to publish ports.
  if container=$(podman --url "unix://$socket" run --detach --publish 127.0.0.1::8080 "$KYANITE_IMAGE" serve --admin 0.0.0.0:8080 \
    --mqtts 0.0.0.0:18883 --https 0.0.0.0:18443 2> "$work/trial.txt"); then
    podman --url "unix://$socket" rm --force "$container" > /dev/null 2>&1
    KYANITE_TEST_ENGINE=podman
  else
    why="podman runs no container with a published port here, see $work/trial.txt"
  fi
}

end_engine() {
  [ -z "$own_docker" ] || tests/support/docker_engine.sh stop "$own_docker"
  own_docker=
  [ -z "$engine_pid" ] || kill "$engine_pid" 2> /dev/null || true
  [ -z "$engine_pid" ] || wait "$engine_pid" 2> /dev/null || true
  # What tests that were killed left in the storage of their own.
  [ -z "$engine_pid" ] || podman --root "$storage/root" --runroot "$run/root" --runtime runc --cgroup-manager cgroupfs \
    rm --all --force > /dev/null 2>&1 || true
  # The storage is mounted onto itself while it is in use, and could not be deleted.
  [ -z "${storage:-}" ] || umount -l "$storage/root/overlay" 2> /dev/null || true
  engine_pid=
}
