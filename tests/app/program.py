"""The program under test, run as a command, and a hub of its own for each test."""
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from hub_process import Hub

PROGRAM = os.environ["KYANITE_PROGRAM"]


def environment(extra=None):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KYANITE_")}
    return {**clean, **(extra or {})}


def run(*arguments, env=None, timeout=30, cwd=None, user=None):
    """Runs the program to its end; the answer has returncode, stdout, stderr."""
    return subprocess.run([PROGRAM, *map(str, arguments)], env=environment(env), cwd=cwd, capture_output=True, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL, user=user)


@contextlib.contextmanager
def occupied_port():
    """A port somebody else listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def wait_for(condition, what, timeout=10):
    """Bounded wait for something another process does."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout} s: {what}")


class HubCase(unittest.TestCase):
    """Gives each test a temporary folder, and ends the hubs it started."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kyanite-app-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def hub(self, *arguments, data="data", env=None, start=True, **listen):
        hub = Hub(PROGRAM, self.folder / data, environment=env, arguments=arguments, **listen)
        self.addCleanup(hub.kill)
        return hub.start(timeout=60) if start else hub

    def wait_for_log(self, hub, text):
        wait_for(lambda: text in hub.log_file.read_text(errors="replace"), f"{text} in the log")

    def cli(self, hub, *arguments, env=None, timeout=30):
        return run(*arguments, "--data", hub.data, env=env, timeout=timeout)

    def assert_refused(self, result, *texts, code=1):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)


def shard_threads(hub):
    """The threads of a hub's shards, the first shard's first."""
    names = {task.joinpath("comm").read_text().strip(): int(task.name) for task in Path(f"/proc/{hub.process.pid}/task").iterdir()}
    return [names[name] for name in sorted(names) if name.startswith("kyanite-shard")]


@contextlib.contextmanager
def halted(thread):
    """One thread of a child stands still as if it hung, while the others go on."""
    seize, interrupt, detach, any_thread = 0x4206, 0x4207, 17, 0x40000000
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    ptrace.restype = ctypes.c_long
    if ptrace(seize, thread, None, None) != 0:
        raise unittest.SkipTest(f"tracing a thread is not allowed here: {os.strerror(ctypes.get_errno())}")
    if ptrace(interrupt, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "the thread cannot be halted")
    os.waitpid(thread, any_thread)
    try:
        yield
    finally:
        ptrace(detach, thread, None, None)


def send(hub, number):
    hub.process.send_signal(number)


SIGHUP, SIGTERM, SIGINT, SIGKILL = signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL
