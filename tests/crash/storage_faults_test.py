#!/usr/bin/env python3
"""A full disk, a directory that cannot be written, a second process on the same store: clear errors, no half-started
hub, and nothing acknowledged that is not stored. The disk is a small tmpfs; where mounting is not allowed its tests
are skipped and say so."""

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

from load_runs import (
    LOST_CONNECTIONS,
    Hub,
    HubDidNotStart,
    Promises,
    arguments,
    check,
    finish_load,
    start_load,
)

MIB = 1 << 20


@contextlib.contextmanager
def small_disk(folder, mebibytes):
    """A tmpfs; yields None where mounting is not possible."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "kyanite-test", folder], capture_output=True
    )
    if mounted.returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def grow(folder, mebibytes):
    subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", folder], check=True)


def refusal(hub):
    """The error of a hub that must not start; it must leave no hub.json behind."""
    try:
        hub.start()
    except HubDidNotStart as problem:
        assert "not ready" not in str(problem), f"the hub hung: {problem}"
        assert not (hub.data / "hub.json").exists(), "hub.json of a hub that did not start"
        return str(problem)
    hub.kill()
    raise AssertionError("the hub started")


def test_full_disk(chosen, folder, size, floor, rate):
    """With a floor the hub looks at the disk now and then, refuses writes below it and stays; filled faster than it
    looks, or without a floor, it stops at the first write that fails."""
    with small_disk(folder / f"disk-{floor}", size) as disk:
        if disk is None:
            return "mounting a tmpfs is not allowed here"
        hub = Hub(chosen.kyanite, disk / "data", environment={"KYANITE_STORAGE_FREE_BYTES_FLOOR": str(floor * MIB)})
        hub.log_file = folder / f"hub-{floor}.log"  # not on the disk that fills
        with hub:
            stayed = fill_disk(chosen, hub, disk, folder / f"full-{floor}.log", rate)
            assert stayed or floor == 0, hub.log_tail()
    return None


def wait_until_full(hub, load, ack_log):
    """Until the hub has taken nothing for some seconds, since the disk is low, or one of the two has ended. A disk may
    be low for a moment only: files that were compacted go."""
    acknowledged, since = None, time.monotonic()
    while hub.is_running() and load.poll() is None:
        before, acknowledged = acknowledged, ack_log.stat().st_size if ack_log.exists() else 0
        log = hub.log_file.read_text()
        is_low = log.rfind('"disk_low"') > log.rfind('"disk_recovered"')
        if not is_low or acknowledged != before:
            since = time.monotonic()
        if time.monotonic() - since > 5:
            return
        time.sleep(0.1)


def fill_disk(chosen, hub, disk, ack_log, rate):
    load = start_load(
        chosen.load,
        hub,
        "publish",
        "--devices",
        10,
        "--window",
        16,
        "--payload",
        16384,
        "--warmup",
        0,
        "--duration",
        600,
        "--rate",
        rate,
        "--ack-log",
        ack_log,
    )
    wait_until_full(hub, load, ack_log)
    if hub.is_running():
        load.terminate()  # else it ends by itself
    # 1: the hub stayed and left messages unacknowledged; 3: it closed the connections or ended.
    figures = finish_load(load, allowed=(1, LOST_CONNECTIONS))
    if load.returncode == LOST_CONNECTIONS:
        with contextlib.suppress(subprocess.TimeoutExpired):
            hub.process.wait(120)  # the connections are gone before the process is
    promises = Promises()
    promises.read(ack_log)
    assert promises.count() > 100, figures
    words = ("space", "free", "full")
    assert any(
        word in hub.log_file.read_text().lower() for word in words
    ), f"no clear error: {hub.log_tail()}"
    stayed = hub.is_running()
    if stayed:
        check(promises.violations(hub.events(timeout=1)), "on the full disk")
    print(
        f"    {promises.count()} acknowledged before the disk was full; the hub {'stayed' if stayed else 'stopped'}"
    )
    hub.kill()
    grow(disk, 1024)
    hub.start()
    check(promises.violations(hub.events(timeout=1)), "after the disk was enlarged")
    finish_load(
        start_load(
            chosen.load, hub, "publish", "--devices", 10, "--messages", 100, "--first-sequence", 10_000_000
        )
    )
    assert hub.stop() == 0, hub.log_tail()
    return stayed


def test_start_on_a_full_disk(chosen, folder):
    with small_disk(folder / "disk-start", 8) as disk:
        if disk is None:
            return "mounting a tmpfs is not allowed here"
        with open(disk / "filler", "wb") as filler, contextlib.suppress(OSError):
            while filler.write(b"x" * MIB):
                filler.flush()
        hub = Hub(chosen.kyanite, disk / "data")
        hub.log_file = folder / "start.log"
        print("    " + refusal(hub).splitlines()[-1])
    return None


def test_read_only_disk(chosen, folder):
    with small_disk(folder / "disk-ro", 8) as disk:
        if disk is None:
            return "mounting a tmpfs is not allowed here"
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        hub = Hub(chosen.kyanite, disk / "data")
        hub.log_file = folder / "read-only.log"
        print("    " + refusal(hub).splitlines()[-1])
    return None


def test_data_directory_below_a_file(chosen, folder):
    (folder / "file").write_text("x")
    hub = Hub(chosen.kyanite, folder / "file" / "data")
    hub.log_file = folder / "below.log"
    print("    " + refusal(hub).splitlines()[-1])


def test_second_process_on_the_same_store(chosen, folder):
    first = Hub(chosen.kyanite, folder / "shared")
    with first:
        refuse_second(chosen, first)
    return None


def refuse_second(chosen, first):
    info = (first.data / "hub.json").read_text()
    second = subprocess.run(
        first.command,
        env=first.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert second.returncode > 0, second
    assert str(first.data) in second.stdout + second.stderr, second
    assert (first.data / "hub.json").read_text() == info, "the second process touched hub.json"
    finish_load(start_load(chosen.load, first, "publish", "--devices", 2, "--messages", 10))
    assert first.stop() == 0


def main():
    chosen = arguments(__doc__.splitlines()[0])
    skipped = 0
    with tempfile.TemporaryDirectory(prefix="kyanite-faults-") as name:
        tests = [
            (
                "a disk that fills up, the floor of free bytes first",
                # 16 MB a second, so that a hub that is late to look has twenty seconds above the last byte.
                lambda c, f: test_full_disk(c, f, 512, 352, 1000),
            ),
            ("a disk that fills up to the last byte", lambda c, f: test_full_disk(c, f, 256, 0, 0)),
            ("a start on a full disk", test_start_on_a_full_disk),
            ("a read-only disk", test_read_only_disk),
            ("a data directory below a file", test_data_directory_below_a_file),
            ("a second process on the same store", test_second_process_on_the_same_store),
        ]
        for title, test in tests:
            print(f"  {title}")
            why = test(chosen, Path(name))
            if why:
                skipped += 1
                print(f"    SKIPPED: {why}")
    print(f"faults: {len(tests) - skipped} passed, {skipped} skipped")


if __name__ == "__main__":
    main()
