#!/usr/bin/env python3
"""kill -9 of the real program at random moments under load, again and again on one store.

After each restart every acknowledged message must be stored, each device's in the order it was sent, each once
(the load generator never sends one twice), and none that was not sent.
"""

import random
import tempfile
import time
from pathlib import Path

from load_runs import LOST_CONNECTIONS, Hub, Promises, arguments, check, finish_load, start_load

SEQUENCES_PER_ROUND = 10_000_000  # each round has numbers of its own


def main():
    chosen = arguments(__doc__.splitlines()[0], rounds=3, durability="fsync", longest=2.0)
    print(f"crash: {chosen.rounds} rounds, durability {chosen.durability}, seed {chosen.seed}")
    with tempfile.TemporaryDirectory(prefix="kyanite-crash-") as folder:
        with Hub(
            chosen.kyanite,
            Path(folder) / "data",
            environment={"KYANITE_STORAGE_DURABILITY": chosen.durability},
        ) as hub:
            run(chosen, hub, Path(folder))


def run(chosen, hub, folder):
    devices = folder / "devices.csv"
    finish_load(
        start_load(
            chosen.load,
            hub,
            "publish",
            "--devices",
            40,
            "--messages",
            40,
            "--save-devices",
            devices,
            "--first-sequence",
            0,
            "--ack-log",
            folder / "round-0.log",
        )
    )
    promises = Promises()
    promises.read(folder / "round-0.log")
    for number in range(1, chosen.rounds + 1):
        crash_round(chosen, hub, devices, promises, number, folder / f"round-{number}.log")
    check(promises.violations(hub.events(timeout=1)), "after the last round")
    status = hub.stop()
    assert status == 0, f"the hub ended with {status}: {hub.log_tail()}"
    print(f"crash: {promises.count()} acknowledged messages, all stored in order, none invented")


def crash_round(chosen, hub, devices, promises, number, ack_log):
    first = number * SEQUENCES_PER_ROUND
    began_ms = int(time.time() * 1000) - 1000
    # Some rounds saturate the commit queue, others leave it pauses.
    rate = random.choice([0, 500, 8000])
    load = start_load(
        chosen.load,
        hub,
        "publish",
        "--device-list",
        devices,
        "--window",
        random.choice([1, 8, 64]),
        "--payload",
        random.choice([64, 1024]),
        "--rate",
        rate,
        "--warmup",
        0,
        "--duration",
        30,
        "--first-sequence",
        first,
        "--ack-log",
        ack_log,
    )
    after = random.uniform(0.05, chosen.longest)
    time.sleep(after)  # the random moment itself, not a wait for something
    hub.kill()
    figures = finish_load(
        load, allowed=(0, 1, LOST_CONNECTIONS)
    )  # 1: killed before every device was connected
    assert figures["orderViolations"] == 0, figures
    hub.start()
    if ack_log.exists():
        promises.read(ack_log)
    violations = promises.violations(hub.events(start=began_ms, timeout=1), first)
    check(violations, f"round {number} (killed after {after:.3f} s, rate {rate})")
    print(
        f"  round {number}: killed after {after:.2f} s, {figures['acknowledgedTotal']} acknowledged, "
        f"ready again in {hub.seconds_to_ready * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
