"""Waiting under test control: the hub says when something has happened, so that tests need no sleeps."""
import json
import subprocess
import threading
import time
import unittest
import urllib.parse

import world
from world import rest


class Waiting:
    """A wait in the background: begun before what it waits for."""

    def __init__(self, hub, **query):
        self.answer = None
        path = "/kyanite/v1/wait?" + urllib.parse.urlencode({"timeout": 50, **query}, quote_via=urllib.parse.quote)
        self.thread = threading.Thread(target=lambda: setattr(self, "answer", rest(hub, "GET", path, version=None)))
        self.thread.start()

    def result(self):
        self.thread.join(60)
        return self.answer


class WaitUntil(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = world.test_control()

    def test_a_device_connects_and_disconnects(self):
        device = world.device(self.hub)
        connected = Waiting(self.hub, condition="connected", device=device.device_id)
        with device.session() as client:
            self.assertEqual(connected.result().status, 200)
            disconnected = Waiting(self.hub, condition="disconnected", device=device.device_id)
            client.disconnect()
        self.assertEqual(disconnected.result().status, 200)

    def test_a_message_a_twin_value_and_an_empty_queue(self):
        device = world.device(self.hub)
        message = Waiting(self.hub, condition="message", device=device.device_id, contains="hello", **{"from": "start"})
        device.send(b"hello there")
        answer = message.result()
        self.assertEqual((answer.status, answer.json["event"]["body"]), (200, "hello there"))
        twin = Waiting(self.hub, condition="twin", device=device.device_id, path="tags.a.b", value='"c"')
        self.assertEqual(rest(self.hub, "PATCH", f"/twins/{device.device_id}", {"tags": {"a": {"b": "c"}}}).status, 200)
        self.assertEqual(twin.result().json["value"], "c")
        self.assertEqual(rest(self.hub, "POST", f"/devices/{device.device_id}/messages/devicebound", "x").status, 204)
        empty = Waiting(self.hub, condition="c2dEmpty", device=device.device_id)
        self.assertEqual(rest(self.hub, "DELETE", f"/devices/{device.device_id}/commands").status, 200)
        self.assertEqual(empty.result().status, 200)

    def test_the_timeout_is_408_and_on_time(self):
        device = world.device(self.hub)
        began = time.monotonic()
        answer = rest(self.hub, "GET", f"/kyanite/v1/wait?condition=connected&device={device.device_id}&timeout=0.5", version=None)
        self.assertEqual((answer.status, answer.error), (408, "GenericTimeout"))
        self.assertGreaterEqual(time.monotonic() - began, 0.5)

    def test_a_stop_of_the_hub_does_not_wait_for_those_who_wait(self):
        hub = world.new_hub("stopped-while-waiting", {"testControl": True, "drainTimeoutSeconds": 120})
        with hub:
            device = world.device(hub)
            waiting = [Waiting(hub, condition=condition, device=device.device_id, timeout=200) for condition in ("connected", "message")]
            world.wait_for(lambda: rest(hub, "GET", "/kyanite/v1/status", version=None).status == 200, "an answer beside them")
            began = time.monotonic()
            self.assertEqual(hub.stop(timeout=100), 0)
            self.assertLess(time.monotonic() - began, 60)
            for one in waiting:
                one.thread.join(20)

    def test_the_command_line_waits(self):
        device = world.device(self.hub)
        command = [world.program(), "wait", "message", device.device_id, "--contains", "x", "--from", "start", "--data", self.hub.info["dataDirectory"]]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            device.send(b"axb")
            out, _ = process.communicate(timeout=60)
        self.assertEqual((process.returncode, json.loads(out)["event"]["body"]), (0, "axb"))

    def test_without_test_control_the_route_does_not_exist(self):
        self.assertEqual(rest(world.main(), "GET", "/kyanite/v1/wait?condition=connected&device=d").status, 404)
