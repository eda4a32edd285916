"""The store under test control: back to empty, named snapshots, and what a kill in the middle leaves."""
import http.client
import json
import os
import signal
import subprocess
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import test_file_upload as upload
import test_seed
import world
from https_wire import RawHttps, connection, exchange
from world import rest

RESET, SNAPSHOTS = "/kyanite/v1/reset", "/kyanite/v1/snapshots"


def change(hub, path):
    """Asks for a change of the store, answered by the hub that has it; gives how long it took."""
    began = time.monotonic()
    answer = rest(hub, "POST", path, version=None)
    took = time.monotonic() - began
    assert answer.status == 200, answer
    assert answer.headers["x-ms-request-id"], answer.headers
    # No further attempt: the hub that answered takes the next request at once.
    now = rest(hub, "GET", "/kyanite/v1/status", version=None).json["incarnation"]
    assert now == answer.json["incarnation"], (now, answer)
    return took


def post(hub, path, more=""):
    token = world.policy_token(hub, "iothubowner")
    return f"POST {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {token}\r\n{more or 'Content-Length: 0'}\r\n\r\n".encode()


def devices(hub):
    return sorted(device["deviceId"] for device in rest(hub, "GET", "/devices").json)


class Snapshots(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = world.new_hub("snapshots", {"testControl": True})
        cls.hub.start()
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

    def test_uploaded_files_are_part_of_it(self):
        device = world.device(self.hub, "d1")
        first, second = upload.begin(device, "one"), upload.begin(device, "two")
        self.assertEqual(upload.blob(device, first, "PUT", body=b"first").status, 201)
        self.assertEqual(upload.blob(device, second, "PUT", upload.block_query(1), b"block").status, 201)
        self.take("files")
        self.assertEqual(upload.blob(device, first, "PUT", body=b"changed").status, 201)
        self.assertEqual(upload.blob(device, second, "PUT", "&comp=blocklist", upload.block_list([1])).status, 201)
        change(self.hub, f"{SNAPSHOTS}/files/restore")
        # What was signed and uploaded then is there, and goes on.
        self.assertEqual(upload.blob(device, first, "GET").body, b"first")
        self.assertEqual(upload.blob(device, second, "GET").status, 404)
        self.assertEqual(upload.blob(device, second, "PUT", "&comp=blocklist", upload.block_list([1])).status, 201)
        self.assertEqual(upload.blob(device, second, "GET").body, b"block")
        self.assertEqual(upload.finish(device, first).status, 204)
        change(self.hub, RESET)
        self.assertEqual(rest(self.hub, "GET", "/kyanite/v1/files", version=None).json, [])
        self.assertEqual(upload.notifications(self.hub), [])
        for method, body in (("GET", None), ("PUT", b"late")):  # nothing old lands
            self.assertEqual(upload.blob(device, first, method, body=body).status, 403)
        change(self.hub, f"{SNAPSHOTS}/files/restore")
        self.assertEqual(upload.blob(device, first, "GET").body, b"first")

    def test_who_keeps_a_connection_open_does_not_hold_it_up(self):
        # A drain that waits for somebody is given up after two seconds; a slow machine may need as long by itself.
        self.assertTrue(any(self.drains_in_time() for _ in range(10)))

    def drains_in_time(self):
        idle, ended = connection(self.hub), connection(self.hub)
        half = RawHttps(self.hub)
        self.addCleanup(half.socket.close)
        headers = {"Authorization": world.policy_token(self.hub, "iothubowner")}
        self.assertEqual(exchange(idle, "GET", "/kyanite/v1/status", headers=headers).status, 200)
        # One whose end was sent and that does not close, as a client's pool does.
        ended.request("GET", "/kyanite/v1/events?timeout=1&count=1", headers=headers)
        ended.getresponse().read()
        half.send(b"GET /devices HTTP/1.1\r\nHost: h\r\n")
        before = len(world.log_lines(self.hub, '"stopped"'))
        change(self.hub, RESET)
        world.wait_for(lambda: len(world.log_lines(self.hub, '"stopped"')) > before, "the stop in the log")
        idle.close()
        ended.close()
        return '"complete":true' in world.log_lines(self.hub, '"stopped"')[-1]

    def test_changes_at_once_are_refused_or_done_one_by_one(self):
        with ThreadPoolExecutor(8) as pool:
            def ask(_):
                try:
                    return rest(self.hub, "POST", RESET, version=None).status
                except (OSError, http.client.HTTPException):
                    return 0  # arrived between two incarnations
            statuses = list(pool.map(ask, range(8)))
        self.assertIn(200, statuses)
        self.assertLessEqual(set(statuses), {0, 200, 503})

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
        hub.start()
        for number in range(20):
            world.device(hub, f"old{number}")
        self.assertEqual(rest(hub, "PUT", f"{SNAPSHOTS}/old", version=None).status, 200)
        old = devices(hub)
        change(hub, RESET)
        world.device(hub, "new")
        for step in range(8):
            state = devices(hub)
            with RawHttps(hub) as link:
                link.send(post(hub, f"{SNAPSHOTS}/old/restore"))
                until = time.monotonic() + step * 0.008
                while time.monotonic() < until:
                    pass  # the kill falls into another part of the change each time
                os.kill(hub.process.pid, signal.SIGKILL)
                hub.process.wait(120)
            hub.start()
            self.assertIn(devices(hub), (state, old))
            if devices(hub) == old:
                change(hub, RESET)
                world.device(hub, "new")
        self.assertEqual(hub.stop(), 0)


class Changes(unittest.TestCase):
    def test_who_ends_the_hub_within_a_change_ends_it(self):
        # The signal has to come within the two seconds of the drain.
        self.assertTrue(any(self.ends_within_a_change() for _ in range(10)))

    def ends_within_a_change(self):
        hub = world.new_hub("snapshot-stop", {"testControl": True})
        self.addCleanup(hub.kill)
        hub.start()
        with RawHttps(hub) as slow, RawHttps(hub) as link:
            # A body under way, and its 100: the change waits for it a little.
            slow.send(post(hub, "/devices/query?api-version=2021-04-12", "Content-Length: 9\r\nExpect: 100-continue"))
            self.assertIn(b"100 Continue", slow.read_until(b"\r\n\r\n"))
            link.send(post(hub, RESET))
            world.wait_for(lambda: '"draining"' in world.log_text(hub), "the drain")
            self.assertEqual(hub.stop(), 0)
        return world.log_text(hub).count('"ready"') == 1

    def test_a_slow_request_is_not_waited_for_long(self):
        hub = world.new_hub("snapshot-slow", {"testControl": True})
        self.addCleanup(hub.kill)
        hub.start()
        with RawHttps(hub) as slow:
            slow.send(post(hub, "/devices/query?api-version=2021-04-12", "Content-Length: 9\r\nExpect: 100-continue"))
            self.assertIn(b"100 Continue", slow.read_until(b"\r\n\r\n"))
            self.assertLess(change(hub, RESET), 60)
        self.assertEqual(hub.stop(), 0)

    def test_a_reset_reads_the_start_file_again(self):
        file = world.folder("seed") / "fleet.json"
        file.write_text(json.dumps(test_seed.FLEET))
        hub = world.new_hub("reseeded", {"testControl": True}, arguments=["--seed", str(file)])
        self.addCleanup(hub.kill)
        hub.start()
        world.device(hub, "mine")
        change(hub, RESET)
        self.assertEqual(devices(hub), ["gate", "loose", "pump"])
        file.write_text(json.dumps([{"id": "other"}]))
        change(hub, RESET)
        self.assertEqual(devices(hub), ["other"])
        file.write_text("[")
        answer = rest(hub, "POST", RESET, version=None)
        self.assertEqual((answer.status, "start file" in answer.json["Message"]), (409, True))
        self.assertEqual(devices(hub), ["other"])
        self.assertEqual(hub.stop(), 0)


class SnapshotsWithoutTestControl(unittest.TestCase):
    def test_the_routes_do_not_exist(self):
        hub = world.main()
        for method, path in (("POST", RESET), ("GET", SNAPSHOTS), ("PUT", f"{SNAPSHOTS}/a"), ("DELETE", f"{SNAPSHOTS}/a"), ("POST", f"{SNAPSHOTS}/a/restore")):
            self.assertEqual(rest(hub, method, path, version=None).status, 404)
