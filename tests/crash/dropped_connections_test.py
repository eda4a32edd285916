#!/usr/bin/env python3
"""Thousands of connections opened and dropped without a word: the hub serves on, and its memory does not grow with
each wave."""

import tempfile
import time
from pathlib import Path

from load_runs import Hub, arguments, finish_load, start_load

KIB = 1024
MIB = 1 << 20
PER_CONNECTION_MAX_KIB = 32  # while open; the aim of the benchmarks is 20


def main():
    chosen = arguments(__doc__.splitlines()[0], connections=10_000, waves=3)
    with tempfile.TemporaryDirectory(prefix="kyanite-drop-") as folder:
        with Hub(chosen.kyanite, Path(folder) / "data") as hub:
            run(chosen, hub, Path(folder) / "devices.csv")
    print(f"drop: {chosen.waves} waves of {chosen.connections} connections, still serving")


def resident_below(hub, bound):
    """Resident bytes, once they are below the bound: a hub that is late frees some of a wave's memory late."""
    until = time.monotonic() + 60
    while (resident := hub.resident_bytes()) >= bound and time.monotonic() < until:
        time.sleep(0.1)
    return resident


def run(chosen, hub, devices):
    # Only creates the devices; one connection is the least a run makes.
    create = (
        "--devices",
        chosen.connections,
        "--connections",
        1,
        "--concurrency",
        1,
        "--save-devices",
        devices,
    )
    finish_load(start_load(chosen.load, hub, "connect", *create))
    first = None  # resident bytes after the first wave
    for wave in range(chosen.waves):
        figures = finish_load(
            start_load(
                chosen.load,
                hub,
                "idle",
                "--device-list",
                devices,
                "--devices",
                chosen.connections,
                "--hold",
                0,
                "--settle",
                2,
                "--drop",
            )
        )
        assert figures["connections"] == chosen.connections and figures["connectionsLost"] == 0, figures
        assert hub.is_running(), hub.log_tail()
        print(
            f"  wave {wave + 1}: {chosen.connections} opened in {figures['secondsToOpen']} s, resident "
            f"{figures['serverResidentBeforeKiB'] // KIB} MiB before, {figures['serverResidentOpenKiB'] // KIB} open, "
            f"{figures['serverResidentAfterKiB'] // KIB} after"
        )
        if wave == 0:
            first = figures["serverResidentAfterKiB"] * KIB
            assert figures["serverResidentKiBPerConnection"] < PER_CONNECTION_MAX_KIB, figures
    # The allocator may keep what the first wave needed; later waves must live in that.
    bound = first + 8 * MIB + first // 20
    resident = resident_below(hub, bound)
    assert resident < bound, f"memory grew by {(resident - first) // MIB} MiB over {chosen.waves} waves"
    finish_load(
        start_load(chosen.load, hub, "publish", "--device-list", devices, "--devices", 10, "--messages", 1000)
    )
    status = hub.stop()
    assert status == 0, f"the hub ended with {status}: {hub.log_tail()}"


if __name__ == "__main__":
    main()
