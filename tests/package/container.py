"""Containers of the image under test, run by the engine that was found."""
import atexit
import json
import shutil
import uuid

import engines
from engines import IMAGE
from machine import WORK, publish, run, wait_for

HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
UID = 10001
found = None  # (engine, words), once it is asked for
built = None


def engine():
    """The one for all tests of a run; None when there is none, with the reason in `found`."""
    global found
    if found is None:
        found = engines.choose()
        if found[0]:
            print(f"containers by {found[1]}", flush=True)
            atexit.register(found[0].end)
    return found[0]


def build():
    """The image of the program under test, made once a run; answers what build.sh said."""
    global built
    if built is None:
        built = engine().begin()
        print(built)
    return built


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
        self.engine = engine()
        self.case = case
        environment = [word for name, value in (env or {}).items() for word in ("-e", f"{name}={value}")]
        self.command = ["--name", self.name, *self.engine.network(), *HARDENED, *(options or self.engine.low_ports),
                        *self.engine.limits, "-v", f"{volume.path}:/data{mount}", *environment, IMAGE, *arguments]

    def start(self):
        self.case.addCleanup(self.engine, "rm", "-f", self.name, check=False)
        self.engine("run", "-d", *self.command)
        wait_for(lambda: self.exec("health", check=False).returncode == 0 or self.fail_if_ended(),
                 f"{self.name} is healthy", 180)
        self.pid = self.state()["Pid"]
        return self

    def fail_if_ended(self):
        if self.state()["Status"] not in ("running", "created", "initialized"):
            raise AssertionError(f"{self.name} ended: {self.logs()}")
        return False

    def run_to_end(self, timeout=120):
        self.case.addCleanup(self.engine, "rm", "-f", self.name, check=False)
        return self.engine("run", *self.command, check=False, timeout=timeout)

    def state(self):
        return json.loads(self.engine("inspect", self.name).stdout)[0]["State"]

    def exec(self, *arguments, check=True):
        return self.engine("exec", self.name, "kyanite", *arguments, check=check)

    def logs(self):
        done = self.engine("logs", self.name)
        return done.stdout + done.stderr

    def stop(self):
        """SIGTERM, and SIGKILL a minute later; answers the exit code."""
        self.engine("stop", "-t", "60", self.name)
        return self.state()["ExitCode"]

    def kill(self):
        self.engine("kill", "-s", "KILL", self.name)
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
        inside, port = self.engine.mqtts(self.name, self.pid)
        return lambda message, timeout=60: publish(inside, port, ca, host, name, token, message, timeout)

    def bodies(self):
        """The bodies of all telemetry that is stored."""
        partitions = json.loads(self.exec("status", "--json").stdout)["telemetry"]["partitions"]
        count = sum(partition["endOffset"] - partition["beginOffset"] for partition in partitions)
        done = self.exec("events", "--from", "start", "--count", str(count), "--timeout", "60", "--json")
        return [json.loads(line)["body"] for line in done.stdout.splitlines()]
