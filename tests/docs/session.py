"""The shell of one page: a bash in a folder of its own that carries out the page's blocks one after the other.

What one block sets (variables, the folder, functions) the next one finds, as with a reader at a terminal. Background
blocks run beside the others and end with the page. Every wait has a limit.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path


class Failed(Exception):
    """A block that did not do what the page says."""


class Shell:
    def __init__(self, folder, environment):
        self.folder = Path(folder)
        self.private = self.folder / ".blocks"
        self.private.mkdir(parents=True)
        self.number = 0
        self.background = {}  # name: (pid, output file)
        self.bash = subprocess.Popen(
            ["stdbuf", "-oL", "bash", "--noprofile", "--norc"],  # lines as at a terminal
            cwd=self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def _tell(self, line):
        try:
            self.bash.stdin.write(line + "\n")
            self.bash.stdin.flush()
        except BrokenPipeError as gone:
            raise Failed("the page's shell has ended") from gone

    def _wait(self, file, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if file.exists():
                return True
            if self.bash.poll() is not None and not file.exists():
                return False
            time.sleep(0.01)
        return False

    def _script(self, text):
        self.number += 1
        script = self.private / f"{self.number}.sh"
        script.write_text(text)
        return script, script.with_suffix(".out"), script.with_suffix(".rc")

    def run(self, text, exit_code="0", seconds=180):
        """The output of the block. Each command has to succeed, or the last one to end with `exit_code` ("failure": any but 0)."""
        script, out, rc = self._script(text)
        part = rc.with_suffix(".part")
        careful = "set -e; " if exit_code == "0" else ""
        # The trap tells of a block that ended the shell.
        self._tell(
            f"trap 'echo $? > {part}; mv {part} {rc}' EXIT; {careful}. {script} > {out} 2>&1 < /dev/null; "
            f"s=$?; set +e; trap - EXIT; echo $s > {part}; mv {part} {rc}"
        )
        if not self._wait(rc, seconds):
            raise Failed(f"not done within {seconds} s; so far it printed:\n{_tail(out)}")
        status = rc.read_text().strip()
        if status == "0" if exit_code == "failure" else status != exit_code:
            raise Failed(f"exit status {status} instead of {exit_code}:\n{_tail(out)}")
        return _read(out)

    def start(self, name, text, until, seconds=180):
        """Runs a block beside the others; done when its output has the text `until`."""
        script, out, rc = self._script(f"set -e\n{text}")
        pid_file = script.with_suffix(".pid")
        self._tell(f"set -m; ( . {script} ) > {out} 2>&1 < /dev/null & echo $! > {pid_file}.part; "
                   f"mv {pid_file}.part {pid_file}; set +m; touch {rc}")
        if not self._wait(rc, 60):
            raise Failed("the page's shell does not answer")
        pid = int(pid_file.read_text().strip())
        self.background[name] = (pid, out)
        if until:
            self.wait_for(name, lambda text: until in text, seconds, f'"{until}"')

    def wait_for(self, name, holds, seconds, what):
        """Until the output of a background block is as it should be."""
        pid, out = self.background[name]
        end = time.monotonic() + seconds
        while not holds(_read(out)):
            if time.monotonic() > end:
                raise Failed(f"{what} did not come within {seconds} s from {name}:\n{_tail(out)}")
            if not _alive(pid) and not holds(_read(out)):
                raise Failed(f"{name} ended before {what} came:\n{_tail(out)}")
            time.sleep(0.02)

    def output(self, name):
        return _read(self.background[name][1])

    def close(self):
        # Readers first, the hub they read from last.
        for pid, _ in list(self.background.values())[::-1]:
            _end(pid)
        with contextlib.suppress(BrokenPipeError, OSError):
            self.bash.stdin.close()
        try:
            self.bash.wait(5)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.bash.pid, signal.SIGKILL)
        self.bash.wait(60)


def _read(file):
    try:
        text = file.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _tail(file):
    lines = _read(file).splitlines()
    return "\n".join((["..."] if len(lines) > 40 else []) + lines[-40:])


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _group_lives(leader):
    """The leader may be a shell that is gone before the hub that it runs. Who is dead may wait for a parent to look."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, group = (entry / "stat").read_text(errors="replace").rsplit(")", 1)[1].split()[:3]
            if int(group) == leader and state not in "ZX":
                return True
    return False


def _end(leader):
    """The whole process group of a background block: the ports of a hub are the next page's."""
    for number, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 60)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, number)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not _group_lives(leader):
                return
            time.sleep(0.02)
