"""The program under test, run as a command, and a hub of its own for each test."""
import contextlib
import ctypes
import errno
import os
import signal
import socket
import struct
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


def run(*arguments, env=None, timeout=120, cwd=None, user=None, before=None):
    """Runs the program to its end; the answer has returncode, stdout, stderr."""
    return subprocess.run([PROGRAM, *map(str, arguments)], env=environment(env), cwd=cwd, capture_output=True, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL, user=user, preexec_fn=before)


@contextlib.contextmanager
def occupied_port():
    """A port somebody else listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def wait_for(condition, what, timeout=60):
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

    def hub(self, *arguments, data="data", env=None, start=True, before=None, **listen):
        hub = Hub(PROGRAM, self.folder / data, environment=env, arguments=arguments, **listen)
        hub.before = before
        self.addCleanup(hub.kill)
        return hub.start() if start else hub

    def log_lines(self, hub):
        """The lines of the log; one that is still being written is none yet."""
        return [line for line in hub.log_file.read_text(errors="replace").splitlines(True) if line.endswith("\n")]

    def wait_for_log(self, hub, text):
        wait_for(lambda: any(text in line for line in self.log_lines(hub)), f"{text} in the log")

    def cli(self, hub, *arguments, env=None, timeout=120):
        return run(*arguments, "--data", hub.data, env=env, timeout=timeout)

    def assert_refused(self, result, *texts, code=1):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)


def without_ipv6():
    """For a child before its program: the kernel refuses AF_INET6 as one does that was started with ipv6.disable=1."""
    machine = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}.get(os.uname().machine)
    if machine is None:
        raise unittest.SkipTest("the numbers of this machine's system calls are not known here")
    architecture, socket_call = machine
    load, equal, give = 0x20, 0x15, 0x06  # of a word; jump when equal; answer
    allow, refuse = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
    program = [(load, 0, 0, 4), (equal, 0, 5, architecture), (load, 0, 0, 0), (equal, 0, 3, socket_call),
               (load, 0, 0, 16), (equal, 0, 1, socket.AF_INET6), (give, 0, 0, refuse), (give, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    no_new_privileges, seccomp, filter_mode = 38, 22, 2
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

    def install(kept=code):
        if prctl(no_new_privileges, 1, 0, 0, 0) != 0 or prctl(seccomp, filter_mode, ctypes.addressof(header), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "the filter was not taken")

    return install


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
