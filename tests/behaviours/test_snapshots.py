"""The store under test control: back to empty, named snapshots, and what a kill in the middle leaves."""
import http.client
import json
import os
import signal
import subprocess
import threading
import time
import unittest

import world
from world import rest

RESET, SNAPSHOTS = "/kyanite/v1/reset", "/kyanite/v1/snapshots"


def incarnation(hub):
    try:
        return rest(hub, "GET", "/kyanite/v1/status", version=None).json["incarnation"]
    except (OSError, http.client.HTTPException):
        return 0  # between two incarnations nobody listens


def change(hub, path):
    """Asks for a change of the store and waits for the hub that has it; gives how long it took."""
    began = time.monotonic()
    answer = rest(hub, "POST", path, version=None)
    assert answer.status == 202, answer
    world.wait_for(lambda: incarnation(hub) >= answer.json["incarnation"], "the next incarnation")
    return time.monotonic() - began


def devices(hub):
    return sorted(device["deviceId"] for device in rest(hub, "GET", "/devices").json)


class Snapshots(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = world.new_hub("snapshots", {"testControl": True})
        cls.hub.start(timeout=60)
        cls.addClassCleanup(cls.hub.kill)

    @classmethod
    def tearDownClass(cls):
        status = cls.hub.stop()
        assert status == 0, f"the hub ended with {status}: {cls.hub.log_tail()}"

    def setUp(self):
        change(self.hub, RESET)
        for snapshot in rest(self.hub, "GET", SNAPSHOTS, version=None).json["snapshots"]:
            rest(self.hub, "DELETE", f"{SNAPSHOTS}/{snapshot['name']}", version=None)

    def take(self, name):
        answer = rest(self.hub, "PUT", f"{SNAPSHOTS}/{name}", version=None)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def test_a_reset_leaves_nothing_but_the_policies(self):
        device = world.device(self.hub, "d1")
        device.send(b"gone")
        rest(self.hub, "POST", "/devices/d1/messages/devicebound", "x")
        rest(self.hub, "PUT", "/kyanite/v1/clock", {"shiftSeconds": 60}, version=None)
        rest(self.hub, "POST", "/kyanite/v1/faults", {"kind": "drop", "on": "publish"}, version=None)
        before = rest(self.hub, "GET", "/kyanite/v1/policies", version=None).json
        took = change(self.hub, RESET)
        self.assertEqual(devices(self.hub), [])
        self.assertEqual(rest(self.hub, "GET", "/kyanite/v1/policies", version=None).json, before)
        self.assertEqual(rest(self.hub, "GET", "/kyanite/v1/clock", version=None).json["shiftSeconds"], 0)
        self.assertEqual(rest(self.hub, "GET", "/kyanite/v1/faults", version=None).json["faults"], [])
        self.assertEqual(device.connack(), 5)
        again = world.device(self.hub, "d1")
        again.send(b"new")
        self.assertEqual([event["offset"] for event in self.hub.events("d1", count=1, timeout=20)], [0])
        print(f"reset took {took * 1000:.0f} ms", end=" ")

    def test_a_snapshot_brings_back_everything(self):
        device = world.device(self.hub, "d1")
        device.send(b"kept")
        rest(self.hub, "PATCH", "/twins/d1", {"tags": {"a": 1}})
        rest(self.hub, "POST", "/devices/d1/messages/devicebound", "x")
        began = time.monotonic()
        self.take("one")
        taken = time.monotonic() - began
        world.device(self.hub, "d2")
        device.send(b"later")
        rest(self.hub, "PATCH", "/twins/d1", {"tags": {"a": 2}})
        rest(self.hub, "DELETE", "/devices/d1/commands")
        took = change(self.hub, f"{SNAPSHOTS}/one/restore")
        self.assertEqual(devices(self.hub), ["d1"])
        self.assertEqual(rest(self.hub, "GET", "/twins/d1").json["tags"], {"a": 1})
        self.assertEqual(rest(self.hub, "GET", "/devices/d1").json["cloudToDeviceMessageCount"], 1)
        self.assertEqual([event["body"] for event in device.received()], ["kept"])
        change(self.hub, f"{SNAPSHOTS}/one/restore")  # it is not used up
        self.assertEqual(devices(self.hub), ["d1"])
        self.assertEqual(rest(self.hub, "DELETE", f"{SNAPSHOTS}/one", version=None).status, 204)
        print(f"snapshot took {taken * 1000:.0f} ms, restoring {took * 1000:.0f} ms", end=" ")

    def test_connections_end_and_nothing_old_lands_afterwards(self):
        device = world.device(self.hub, "d1")
        self.take("live")
        with device.session() as client:
            change(self.hub, f"{SNAPSHOTS}/live/restore")
            while client.read() is not None:
                pass
        self.assertEqual(device.received(), [])
        stop = threading.Event()

        def write():
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    rest(self.hub, "PUT", f"/devices/w{number}", {"deviceId": f"w{number}"})
                except (OSError, http.client.HTTPException):
                    pass
        # Writers that go on write to the new store; what was under way to the old one is not in it.
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(5):
                change(self.hub, f"{SNAPSHOTS}/live/restore")
        finally:
            stop.set()
            writer.join(60)
        change(self.hub, f"{SNAPSHOTS}/live/restore")
        self.assertEqual(devices(self.hub), ["d1"])

    def test_names_and_bounds(self):
        for name in ("..", ".hidden", "a%2Fb", "a.b", "x" * 65):
            self.assertIn(rest(self.hub, "PUT", f"{SNAPSHOTS}/{name}", version=None).status, (400, 404), name)
        self.assertEqual(rest(self.hub, "POST", f"{SNAPSHOTS}/none/restore", version=None).status, 404)
        self.assertEqual(rest(self.hub, "DELETE", f"{SNAPSHOTS}/none", version=None).status, 404)
        for number in range(16):
            self.take(f"n{number}")
        self.assertEqual(rest(self.hub, "PUT", f"{SNAPSHOTS}/n16", version=None).status, 409)
        self.take("n0")  # takes the place of the other
        listed = rest(self.hub, "GET", SNAPSHOTS, version=None).json["snapshots"]
        self.assertEqual(len(listed), 16)
        for snapshot in listed:
            self.assertEqual(rest(self.hub, "DELETE", f"{SNAPSHOTS}/{snapshot['name']}", version=None).status, 204)

    def test_the_command_line(self):
        def kyanite(*arguments):
            done = subprocess.run([world.program(), *arguments, "--data", self.hub.info["dataDirectory"]], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout
        world.device(self.hub, "d1")
        kyanite("snapshot", "take", "cli")
        kyanite("reset")
        self.assertEqual(devices(self.hub), [])
        kyanite("snapshot", "restore", "cli")
        self.assertEqual(devices(self.hub), ["d1"])
        self.assertEqual(json.loads(kyanite("snapshot", "list"))["snapshots"][0]["name"], "cli")
        kyanite("snapshot", "delete", "cli")

    def test_a_kill_in_the_middle_leaves_either_state(self):
        hub = world.new_hub("snapshot-kill", {"testControl": True})
        self.addCleanup(hub.kill)
        hub.start(timeout=60)
        for number in range(20):
            world.device(hub, f"old{number}")
        self.assertEqual(rest(hub, "PUT", f"{SNAPSHOTS}/old", version=None).status, 200)
        old = devices(hub)
        change(hub, RESET)
        world.device(hub, "new")
        for step in range(8):
            state = devices(hub)
            self.assertEqual(rest(hub, "POST", f"{SNAPSHOTS}/old/restore", version=None).status, 202)
            until = time.monotonic() + step * 0.012
            while time.monotonic() < until:
                pass  # the kill falls into another part of the change each time
            os.kill(hub.process.pid, signal.SIGKILL)
            hub.process.wait(20)
            hub.start(timeout=60)
            self.assertIn(devices(hub), (state, old))
            if devices(hub) == old:
                change(hub, RESET)
                world.device(hub, "new")
        self.assertEqual(hub.stop(), 0)


class SnapshotsWithoutTestControl(unittest.TestCase):
    def test_the_routes_do_not_exist(self):
        hub = world.main()
        for method, path in (("POST", RESET), ("GET", SNAPSHOTS), ("PUT", f"{SNAPSHOTS}/a"), ("DELETE", f"{SNAPSHOTS}/a"), ("POST", f"{SNAPSHOTS}/a/restore")):
            self.assertEqual(rest(hub, method, path, version=None).status, 404)
