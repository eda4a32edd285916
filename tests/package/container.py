"""Containers of the image under test, by podman without an engine's service, on storage of their own.

Each container has a network of its own with the loopback alone, so the image's own ports are used and nothing of the
machine is in the way. Low ports are open to everybody there, as Docker has it.
"""
import json
import shutil
import uuid
import zlib

from machine import IS_ROOT, PROGRAM, ROOT, WORK, missing, publish, run, wait_for

STORAGE = WORK / "storage"
# Sockets lie below it, whose names may not be long.
RUN_ROOT = f"/run/kyanite-test-{zlib.crc32(str(WORK).encode()):08x}"
IMAGE = "localhost/kyanite:under-test"
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
LOW_PORTS = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=0"]
UID = 10001


def reason_to_skip():
    if not IS_ROOT:
        return "podman without an engine's service, and debootstrap, need root"
    absent = missing("buildah", "podman", "runc", "debootstrap", "nsenter", "mosquitto_pub")
    return f"{absent} is not installed" if absent else None


def build():
    """Builds the image from the program under test; answers what build.sh said."""
    return run(ROOT / "docker" / "build.sh", "--tool", "buildah", "--binary", PROGRAM, "--tag", IMAGE, "--storage", STORAGE,
               timeout=900).stdout


def podman(*arguments, check=True, timeout=60):
    return run("podman", "--root", STORAGE / "root", "--runroot", RUN_ROOT, "--runtime", "runc", "--cgroup-manager",
               "cgroupfs", *arguments, check=check, timeout=timeout)


def leave():
    """What tools leave behind: the storage mounted onto itself, which could not be deleted."""
    run("umount", "-l", STORAGE / "root" / "overlay", check=False)


class Volume:
    """A folder that is mounted at /data."""

    def __init__(self, case, owner=UID):
        self.path = WORK / f"volume-{uuid.uuid4().hex[:8]}"
        self.path.mkdir(parents=True)
        self.path.chmod(0o700)
        shutil.chown(self.path, owner, owner)
        case.addCleanup(shutil.rmtree, self.path, ignore_errors=True)

    def on_small_disk(self, case, megabytes):
        """The same as a file system of its own, so that it can be full."""
        run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,uid={UID},gid={UID},mode=0700", "tmpfs", self.path)
        case.addCleanup(run, "umount", "-l", self.path, check=False)
        return self


class Container:
    """One container, removed at the end of the test. `start` gives a running one; `run_to_end` waits for its end."""

    def __init__(self, case, volume, *arguments, env=None, options=(), mount=""):
        self.name = f"kyanite-{uuid.uuid4().hex[:8]}"
        self.case = case
        environment = [word for name, value in (env or {}).items() for word in ("-e", f"{name}={value}")]
        # podman raises limits that this machine may not have; with both given it does not try.
        self.command = ["--name", self.name, "--network", "none", *HARDENED, *(options or LOW_PORTS), "--ulimit",
                        "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "-v", f"{volume.path}:/data{mount}", *environment,
                        IMAGE, *arguments]

    def start(self):
        self.case.addCleanup(podman, "rm", "-f", "-t", "0", self.name, check=False)
        podman("run", "-d", *self.command)
        wait_for(lambda: self.exec("health", check=False).returncode == 0 or self.fail_if_ended(),
                 f"{self.name} is healthy", 30)
        self.pid = self.state()["Pid"]
        return self

    def fail_if_ended(self):
        if self.state()["Status"] not in ("running", "created", "initialized"):
            raise AssertionError(f"{self.name} ended: {self.logs()}")
        return False

    def run_to_end(self, timeout=30):
        self.case.addCleanup(podman, "rm", "-f", "-t", "0", self.name, check=False)
        return podman("run", *self.command, check=False, timeout=timeout)

    def state(self):
        return json.loads(podman("inspect", self.name).stdout)[0]["State"]

    def exec(self, *arguments, check=True):
        return podman("exec", self.name, "kyanite", *arguments, check=check)

    def logs(self):
        done = podman("logs", self.name)
        return done.stdout + done.stderr

    def stop(self):
        """SIGTERM and at most ten seconds, as `docker stop`; answers the exit code."""
        podman("stop", "-t", "10", self.name)
        return self.state()["ExitCode"]

    def kill(self):
        podman("kill", "-s", "KILL", self.name)
        wait_for(lambda: self.state()["Status"] == "exited", "killed")

    def device(self, name):
        """A new device and what its client needs."""
        self.exec("device", "create", name)
        return self.client(name)

    def client(self, name):
        ca = WORK / f"{self.name}.pem"
        ca.write_text(self.exec("ca").stdout)
        self.case.addCleanup(ca.unlink, missing_ok=True)
        host = self.exec("policy", "connection-string", "device").stdout.split("HostName=", 1)[1].split(";", 1)[0]
        token = self.exec("sas", "generate", "--device", name).stdout.strip()
        return lambda message, timeout=10: publish(self.pid, ca, host, name, token, message, timeout)

    def bodies(self):
        """The bodies of all telemetry that is stored."""
        partitions = json.loads(self.exec("status", "--json").stdout)["telemetry"]["partitions"]
        count = sum(partition["endOffset"] - partition["beginOffset"] for partition in partitions)
        done = self.exec("events", "--from", "start", "--count", str(count), "--timeout", "20", "--json")
        return [json.loads(line)["body"] for line in done.stdout.splitlines()]
