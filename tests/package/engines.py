"""What runs the containers of these tests: a Docker engine that answers, one of our own by Debian's docker.io, or podman.

Docker publishes the ports as for a user, on free ones of its loopback. An engine of our own has a network namespace of its own
(`tests/support/docker_engine.sh`), and loads what buildah built. With podman each container has the loopback alone, so the image's
own ports are used; low ports are open to everybody there, as Docker has it. KYANITE_TEST_DOCKER=0 takes podman although
Docker is there.
"""
import json
import os
import shutil
import subprocess
import zlib

from machine import IS_ROOT, PROGRAM, ROOT, TEST_DOCKER, WORK, missing, run, wait_for

STORAGE = WORK / "storage"
# Sockets lie below it, whose names may not be long.
RUN_ROOT = f"/run/kyanite-test-{zlib.crc32(str(WORK).encode()):08x}"
IMAGE = "localhost/kyanite:under-test"
# podman raises limits that this machine may not have; with both given it does not try.
LOW_LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]


def build_with_buildah(*arguments):
    return run(ROOT / "docker" / "build.sh", "--tool", "buildah", "--binary", PROGRAM, "--tag", IMAGE, "--storage", STORAGE,
               *arguments, timeout=900).stdout


class Podman:
    name = "podman"
    limits = LOW_LIMITS
    low_ports = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=0"]
    port_permission = ["--cap-add", "NET_BIND_SERVICE"]

    @staticmethod
    def reason_to_skip():
        if not IS_ROOT:
            return "podman without an engine's service, and debootstrap, need root"
        absent = missing("buildah", "podman", "runc", "debootstrap", "nsenter", "mosquitto_pub")
        return f"{absent} is not installed" if absent else None

    def begin(self):
        return build_with_buildah()

    def end(self):
        """What tools leave behind: the storage mounted onto itself, which could not be deleted."""
        run("umount", "-l", STORAGE / "root" / "overlay", check=False)

    def __call__(self, *arguments, check=True, timeout=300):
        return run("podman", "--root", STORAGE / "root", "--runroot", RUN_ROOT, "--runtime", "runc", "--cgroup-manager",
                   "cgroupfs", *arguments, check=check, timeout=timeout)

    def network(self):
        return ["--network", "none"]

    def mqtts(self, container, pid):
        """The words that lead a client to the container's MQTT port, and the port."""
        return ["nsenter", f"--net=/proc/{pid}/ns/net"], 8883

    def check_health(self, container, case):
        wait_for(lambda: self("healthcheck", "run", container, check=False).returncode == 0, "the image's own check finds it healthy", 180)

    def unpack(self, case):
        """The files of the image; answers their folder."""
        case.addCleanup(self, "image", "umount", IMAGE, check=False)
        return self("image", "mount", IMAGE).stdout.strip()


class Docker:
    name = "docker"
    limits = []
    low_ports = []  # Docker opens them by itself
    port_permission = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=443"]  # a capability reaches root alone in Docker

    def __init__(self):
        self.host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        self.own = False
        self.inside = []

    def answers(self):
        """Folders are mounted and processes looked at, so it has to be on this machine."""
        return self.host.startswith("unix://") and not missing("docker") and self("version", check=False).returncode == 0

    def begin(self):
        if not self.own:
            return run(ROOT / "docker" / "build.sh", "--tool", "docker", "--binary", PROGRAM, "--tag", IMAGE, timeout=900,
                       env={"DOCKER_HOST": self.host}).stdout
        said = build_with_buildah("--save", WORK / "image.tar")
        self("load", "--quiet", "--input", WORK / "image.tar", timeout=300)
        return said

    def start_own(self):
        """None, or why there can be no engine of our own."""
        done = run(ROOT / "tests" / "support" / "docker_engine.sh", "start", WORK / "docker", check=False)
        if done.returncode != 0:
            return done.stderr.strip()
        pid, socket = done.stdout.split()
        self.host, self.own, self.inside = f"unix://{socket}", True, ["nsenter", f"--net=/proc/{pid}/ns/net"]
        return None

    def end(self):
        if self.own:
            run(ROOT / "tests" / "support" / "docker_engine.sh", "stop", WORK / "docker", check=False)
        run("umount", "-l", STORAGE / "root" / "overlay", check=False)

    def __call__(self, *arguments, check=True, timeout=300):
        return run("docker", *arguments, check=check, timeout=timeout, env={"DOCKER_HOST": self.host})

    def network(self):
        return ["-p", "127.0.0.1::8883", "-p", "127.0.0.1::443", "-p", "127.0.0.1::5671", "-p", "127.0.0.1::8080"]

    def mqtts(self, container, pid):
        return self.inside, int(self("port", container, "8883/tcp").stdout.splitlines()[0].rsplit(":", 1)[1])

    def check_health(self, container, case):
        """By the engine's own timer."""
        def status():
            return json.loads(self("inspect", container).stdout)[0]["State"]["Health"]["Status"]

        wait_for(lambda: status() != "starting", "the engine looked after the container's health", 180)
        case.assertEqual(status(), "healthy")

    def unpack(self, case):
        folder = WORK / "image"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        case.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        name = "kyanite-to-unpack"
        self("create", "--name", name, IMAGE)
        try:
            self("export", "--output", WORK / "image-files.tar", name)
        finally:
            self("rm", "-v", name)
        with open(WORK / "image-files.tar", "rb") as archive:
            subprocess.run(["tar", "-C", folder, "--same-owner", "--same-permissions", "-x"], stdin=archive, check=True)
        (WORK / "image-files.tar").unlink()
        # What the engine puts in place of what is mounted there.
        for mounted in ("etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", ".dockerenv"):
            (folder / mounted).unlink(missing_ok=True)
        return folder


def choose():
    """The engine for these tests and why it is none better: (engine, words), or (None, reason to skip)."""
    docker, why_not = Docker(), "KYANITE_TEST_DOCKER is 0"
    if TEST_DOCKER:
        if docker.answers():
            return (docker, "a Docker engine that answered") if not missing("nsenter", "mosquitto_pub") else (None, "mosquitto_pub is missing")
        why_not = "no Docker engine answers"
        if not Podman.reason_to_skip():  # buildah and debootstrap make the image
            why_not = docker.start_own()
            if why_not is None:
                return docker, "a Docker engine of our own"
    reason = Podman.reason_to_skip()
    return (None, reason) if reason else (Podman(), f"podman: {why_not}")
