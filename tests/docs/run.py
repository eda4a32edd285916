#!/usr/bin/env python3
"""Follows the documents as a reader would, against a real hub: tests/docs/run.py [--own-network] PROGRAM [PAGE...]

Checked: each link and anchor, each command block of README.md, docs/ and config/reference.md with its output, each
program file, each configuration, and that the made pages are what the program says. 8883, 443 and 5671 on 127.0.0.1
have to be free: run.sh takes a network namespace where it may. Ends with "N passed, N failed".
"""

import fcntl
import json
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import links
import output
import session
from pages import BadPage, blocks_of

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("COMPAT_CACHE", ROOT / "build/compat")).resolve()


class Count:
    def __init__(self):
        self.passed, self.failed, self.not_run = 0, 0, []

    def good(self):
        self.passed += 1

    def bad(self, what):
        self.failed += 1
        print(f"FAILED {what}", flush=True)


def without_comments(text):
    """JSON as the hub's configuration allows it: // and /* */ comments, not within a text."""
    return re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda m: m[1] or "", text, flags=re.S)


def check_json(block):
    text = without_comments(block.text)
    try:
        json.loads(text)
    except ValueError:
        for line in filter(None, map(str.strip, text.splitlines())):  # or an object a line
            json.loads(line)


def check_settings(program, block, folder, environment):
    file = folder / "checked.json"
    file.write_text(block.text)
    done = subprocess.run(
        [program, "config", "check", "--config", file], env=environment, capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise session.Failed(done.stderr)


def shown_file(block):
    """The file that the block is."""
    file = (ROOT / block.page).parent / block.argument
    if not file.is_file():
        raise session.Failed(f"there is no {block.argument}")
    if file.read_text() != block.text:
        raise session.Failed(f"is not what {block.argument} holds; tests/docs/embed.py copies the files into the pages")
    return file


class Page:
    """One page's blocks, carried out in their order."""

    def __init__(self, program, name, blocks, count, environment):
        self.program, self.name, self.blocks, self.count = program, name, blocks, count
        self.folder = Path(tempfile.mkdtemp(prefix="kyanite-docs-"))
        self.environment = dict(environment, HOME=str(self.folder))
        self.shell = None
        self.shown = {}  # a background block's name: the block

    # Places of the pages that lie in the page's own folder here.
    PLACES = {"/var/lib/kyanite": "var/lib/kyanite", "/home/me": ""}

    def as_read(self, text):
        """What was printed, with places as the page has them."""
        for folder in (self.folder.resolve(), self.folder):
            for place, here in self.PLACES.items():
                text = text.replace(str(folder / here).rstrip("/"), place)
        return text

    def as_carried_out(self, text):
        for place, here in self.PLACES.items():
            text = text.replace(place, str(self.folder / here))
        return text

    def carry_out(self):
        began = time.monotonic()
        release = ROOT / "build/release/server/app/kyanite"
        if any(block.options.get("needs") == "release" for block in self.blocks) and self.program != release:
            self.count.not_run.append(f"{self.name}: the program is not the release build of these sources")
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        try:
            for block in self.blocks:
                try:
                    self.step(block)
                except (session.Failed, ValueError) as problem:
                    self.count.bad(f"{block.place}: {self.as_read(str(problem))}")
                    if block.kind in ("run", "shell"):
                        print(f"       the rest of {self.name} was not reached", flush=True)
                        return
            self.finish()
        finally:
            if self.shell:
                self.shell.close()
            if not os.environ.get("DOCS_KEEP"):
                shutil.rmtree(self.folder, ignore_errors=True)
            print(f"{self.name}: {time.monotonic() - began:.1f} s", flush=True)

    def step(self, block):
        if block.kind == "not run":
            self.count.not_run.append(f"{block.place}: {block.argument}")
        elif block.kind == "settings":
            check_settings(self.program, block, self.folder, self.environment)
            self.count.good()
        elif block.kind == "file":
            file = shown_file(block)
            self.in_shell().run(f"cp {shlex.quote(str(file))} .\n")  # the reader has that file now
            self.count.good()
        elif block.options.get("needs") == "java" and not (CACHE / "java/jars").is_dir():
            self.count.not_run.append(f"{block.place}: the Java SDKs are not installed")
        elif block.kind in ("run", "shell"):
            self.execute(block)
        elif block.language == "json":
            check_json(block)
            self.count.good()

    def in_shell(self):
        self.shell = self.shell or session.Shell(self.folder, self.environment)
        return self.shell

    def execute(self, block):
        self.in_shell()
        options = block.options
        text, seconds = self.as_carried_out(block.text), int(options.get("seconds", 180))
        if "background" in options:
            self.shell.start(options["background"], text, options.get("until"), seconds)
            self.shown[options["background"]] = block
            if block.output is None and block.kind == "run":
                self.count.good()
            return
        printed = self.shell.run(text, options.get("exit", "0"), seconds)
        if block.output is not None:
            difference = output.differs(block.output, self.as_read(printed))
            if difference:
                raise session.Failed(f"prints something else:\n{difference}")
        if block.kind == "run":
            self.count.good()

    def finish(self):
        """What runs in the background has by now printed what the page shows, or does so soon."""
        for name, block in self.shown.items():
            if block.output is None:
                continue
            try:
                self.shell.wait_for(
                    name, lambda text: output.begins(block.output, self.as_read(text)), 120, "what the page shows"
                )
                self.count.good()
            except session.Failed as problem:
                self.count.bad(f"{block.place}: {self.as_read(str(problem))}\nthe page shows:\n{block.output}")


def environment_for(program):
    """What a reader has who installed the program; nothing of whoever runs the tests."""
    tools = Path(tempfile.mkdtemp(prefix="kyanite-docs-bin-"))
    (tools / "kyanite").symlink_to(program)
    path = [str(tools), str(CACHE / "venv/bin"), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    return tools, {
        "PATH": ":".join(path),
        "LANG": "C.UTF-8",
        "NODE_PATH": str(CACHE / "node/node_modules"),
        "PYTHONUNBUFFERED": "1",
        "DOCS_ROOT": str(ROOT),
        "DOCS_CACHE": str(CACHE),
        "KYANITE_LOG_FORMAT": "text",
    }


def check_made_pages(program, count, environment):
    done = subprocess.run(
        [sys.executable, ROOT / "tests/docs/make.py", program, "--check"],
        env=environment, capture_output=True, text=True, timeout=120,
    )
    count.good() if done.returncode == 0 else count.bad(f"made pages: {done.stdout}{done.stderr}")


def check_versions(pages, count):
    """Readers install the versions that the tests run."""
    compat = ROOT / "tests/compat"
    pip = re.findall(r"^([\w-]+)==([\w.]+)$", (compat / "requirements.txt").read_text(), re.M)
    npm = json.loads((compat / "node/package.json").read_text())["dependencies"].items()
    tested = {("pip", *found) for found in pip} | {("npm", *found) for found in npm}
    named = []
    for page in pages:
        for line in page.read_text(encoding="utf-8").splitlines():
            if installs := re.match(r"\s*(npm|pip) install ", line):
                packages = re.findall(r"(@?[\w/-]+)(?:@|==)(\d[\w.]*)", line)
                named += [(page, (installs[1], *found)) for found in packages]
    artifact = re.compile(r"<artifactId>([\w-]+)</artifactId>\s*<version>([^<]+)</version>")
    if (compat / "java/pom.xml").exists():
        tested |= {("mvn", *found) for found in artifact.findall((compat / "java/pom.xml").read_text())}
        pom = ROOT / "docs/sdk/examples/java/pom.xml"
        named += [(pom, ("mvn", *found)) for found in artifact.findall(pom.read_text()) if found[0].startswith("iot-")]
    for page, package in named:
        if package in tested:
            count.good()
        else:
            count.bad(f"{page.relative_to(ROOT)}: {' '.join(package)} is no version that tests/compat runs")


def raise_loopback():
    """A network namespace begins with a loopback that is down."""
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, get_flags, struct.pack("16sh14x", b"lo", 0))
        flags = struct.unpack("16sh14x", request)[1] | up
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", flags))


def check_own_parts(count):
    """That a page which says something else, or a link to nowhere, would be found."""
    tests = unittest.defaultTestLoader.loadTestsFromName("test_parts")
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(tests)
    count.passed += result.testsRun - len(result.failures) - len(result.errors)
    count.failed += len(result.failures) + len(result.errors)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--own-network"]:
        raise_loopback()
        arguments = arguments[1:]
    program = Path(arguments[0]).resolve()
    wanted = [str(Path(name)) for name in arguments[1:]]
    count = Count()
    tools, environment = environment_for(program)
    try:
        followed = [ROOT / "README.md", ROOT / "config/reference.md", *sorted((ROOT / "docs").rglob("*.md"))]
        if not wanted:
            check_own_parts(count)
            check_versions(followed, count)
            for page in links.pages(ROOT):
                problems = list(links.broken(ROOT, page))
                for problem in problems:
                    count.bad(f"link {problem}")
                if not problems:
                    count.good()
            check_made_pages(program, count, environment)
        for page in followed:
            name = str(page.relative_to(ROOT))
            if wanted and name not in wanted:
                continue
            try:
                blocks = blocks_of(name, page.read_text(encoding="utf-8"))
            except BadPage as problem:
                count.bad(str(problem))
                continue
            if blocks:
                Page(program, name, blocks, count, environment).carry_out()
    finally:
        shutil.rmtree(tools, ignore_errors=True)
    for reason in count.not_run:
        print(f"not run {reason}")
    print(f"{count.passed} passed, {count.failed} failed")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
