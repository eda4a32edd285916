#!/usr/bin/env python3
"""Runs clang-tidy with the project's list over our own sources, skipping those that have not changed.

usage: run_clang_tidy.py BUILD_DIR   (a build folder with compile_commands.json)

Where the folder compiles sources in batches, a batch is checked as one: its sources share their headers.

A source counts as unchanged when its preprocessed text and .clang-tidy are those of its last clean run; the
digests are kept under BUILD_DIR/tidy. Prints each finding and a closing line; exits 1 when there is a finding.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

OURS = ("protocol/", "config/", "storage/", "server/", "bench/")


def is_ours(path, build, root):
    # A batch lies in the build folder of its target.
    return os.path.relpath(path, build if path.startswith(build + os.sep) else root).startswith(OURS)


def digest_of(entry, config):
    # The recorded command, turned into a preprocessor run without line markers.
    words = [w for w in shlex.split(entry["command"]) if not w.endswith("ccache")]
    out = words.index("-o")
    del words[out:out + 2]
    words = [w for w in words if w not in ("-c", "-MD")]
    for flag in ("-MT", "-MF"):
        if flag in words:
            at = words.index(flag)
            del words[at:at + 2]
    run = subprocess.run(words + ["-E", "-P"], cwd=entry["directory"], capture_output=True)
    return hashlib.sha256(config + run.stdout).hexdigest() if run.returncode == 0 else None


def check(entry, build, config, root):
    path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), root)
    digest = digest_of(entry, config)
    mark = os.path.join(build, "tidy", re.sub(r"[^A-Za-z0-9]", "_", path))
    if digest and os.path.exists(mark) and open(mark).read() == digest:
        return path, True, ""
    run = subprocess.run(
        ["clang-tidy", "--quiet", "-p", build, "--extra-arg=-Wno-unknown-warning-option",
         "--extra-arg=-fno-sanitize=all", "--extra-arg=-Qunused-arguments", entry["file"]],
        capture_output=True, text=True)
    if run.returncode == 0 and digest:
        with open(mark, "w") as handle:
            handle.write(digest)
    return path, run.returncode == 0, run.stdout


def main():
    build = os.path.abspath(sys.argv[1])
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    os.makedirs(os.path.join(build, "tidy"), exist_ok=True)
    with open(os.path.join(root, ".clang-tidy"), "rb") as handle:
        config = handle.read()
    with open(os.path.join(build, "compile_commands.json")) as handle:
        entries = [e for e in json.load(handle) if is_ours(os.path.join(e["directory"], e["file"]), build, root)]
    if not entries:
        print("no source of ours in compile_commands.json")
        return 1
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for path, clean, output in pool.map(lambda e: check(e, build, config, root), entries):
            if not clean:
                failed += 1
                print(f"clang-tidy: {path}\n{output}")
    print(f"clang-tidy: {len(entries)} sources, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
