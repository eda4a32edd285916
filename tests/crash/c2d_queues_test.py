#!/usr/bin/env python3
"""A thousand devices with full cloud-to-device queues, a killed hub and an orderly restart: every message comes in order,
none is lost, and none comes again after its completion."""

import tempfile
import time
from pathlib import Path

from load_runs import Hub, arguments, finish_load, start_load

DEPTH = 50  # messages of a full queue
FIRST_PART = 20  # of these are taken before the second restart


def main():
    chosen = arguments(__doc__.splitlines()[0], devices=1000)
    with tempfile.TemporaryDirectory(prefix="kyanite-c2d-") as folder:
        with Hub(chosen.kyanite, Path(folder) / "data") as hub:
            run(chosen, hub, Path(folder) / "devices.csv")
    print(f"c2d: {chosen.devices} queues of {DEPTH} messages, all delivered once in order across two restarts")


def run(chosen, hub, devices):
    began = time.monotonic()
    fleet = ("--devices", chosen.devices, "--save-devices", devices)
    filled = finish_load(start_load(chosen.load, hub, "c2d", "--part", "fill", "--depth", DEPTH, *fleet))
    assert filled["filled"] == chosen.devices * DEPTH, filled
    print(f"  filled {filled['filled']} messages in {filled['fillSeconds']} s")

    hub.kill()  # what was answered is on the disk
    hub.start()
    drain(chosen, hub, devices, 0, FIRST_PART)
    wait_until_left(hub, DEPTH - FIRST_PART)

    assert hub.stop() == 0, hub.log_tail()  # completions are not waited for, but an orderly stop writes them
    hub.start()
    drain(chosen, hub, devices, FIRST_PART, DEPTH - FIRST_PART)

    wait_until_left(hub, 0)
    # Nothing is left for anybody: one more message is the first that comes.
    one = ("--device-list", devices, "--devices", 50)
    finish_load(start_load(chosen.load, hub, "c2d", "--part", "fill", "--depth", 1, *one))
    drain(chosen, hub, devices, 0, 1, count=50)
    status = hub.stop()
    assert status == 0, f"the hub ended with {status}: {hub.log_tail()}"
    print(f"  the whole took {time.monotonic() - began:.0f} s")


def drain(chosen, hub, devices, first, take, count=None):
    count = count or chosen.devices
    flags = ("--device-list", devices, "--devices", count, "--part", "drain", "--first-sequence", first, "--take", take)
    figures = finish_load(start_load(chosen.load, hub, "c2d", *flags))
    assert figures["drained"] == count * take and figures["orderViolations"] == 0, figures
    print(f"  {figures['drained']} messages drained in {figures['drainSeconds']} s")


def wait_until_left(hub, messages):
    """In every queue. The devices go without waiting for the hub to read their last completions."""
    deadline = time.monotonic() + 120
    while True:
        status, devices = hub.rest("GET", "/devices?api-version=2021-04-12&top=1000")
        assert status == 200, devices
        counts = {device["cloudToDeviceMessageCount"] for device in devices}
        if counts == {messages}:
            return
        assert time.monotonic() < deadline, counts
        time.sleep(0.05)


if __name__ == "__main__":
    main()
