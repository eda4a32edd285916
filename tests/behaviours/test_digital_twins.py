"""Digital twins over the wire (R110 to R112)."""
import json
import threading
import unittest

import mqtt_wire as wire
import world
from test_methods import answer, called, listen


class Command:
    def __init__(self, device, path, body=None):
        self.thread = threading.Thread(target=self._run, args=(device.hub, f"/digitaltwins/{device.device_id}{path}", body), daemon=True)
        self.thread.start()

    def _run(self, hub, path, body):
        self.answer = world.rest(hub, "POST", path, body)

    def result(self):
        self.thread.join(130)
        assert not self.thread.is_alive(), "no answer from the hub"
        return self.answer


class DigitalTwins(unittest.TestCase):
    def test_R110_without_a_model(self):
        device = world.device()
        got = world.rest(device.hub, "GET", f"/digitaltwins/{device.device_id}")
        self.assertEqual((got.status, got.json), (200, {"$dtId": device.device_id, "$metadata": {"$model": ""}}))
        twin = world.rest(device.hub, "GET", f"/twins/{device.device_id}")
        self.assertEqual(got.headers["etag"], twin.headers["etag"])

    def test_R110_the_model_a_device_announces(self):
        device = world.device()
        with device.session(username=device.username(f"/?api-version={world.VERSION}&model-id=dtmi%3Aexample%3APump%3B1")):
            document = world.rest(device.hub, "GET", f"/digitaltwins/{device.device_id}").json
            self.assertEqual(document["$metadata"]["$model"], "dtmi:example:Pump;1")

    def test_R111_a_component_command(self):
        device = world.device()
        with device.session() as client:
            listen(client)
            command = Command(device, "/components/t/commands/go?responseTimeoutInSeconds=100", {"a": 1})
            _, method, rid, body = called(client)
            self.assertEqual((method, json.loads(body)), ("t*go", {"a": 1}))
            answer(client, rid, 207, b'{"b":[2]}')
            got = command.result()
            self.assertEqual((got.status, got.json, got.headers["x-ms-command-statuscode"]), (200, {"b": [2]}, "207"))

    def test_R112_no_other_reply_has_the_status_header(self):
        device = world.device()
        for method, path, body in (("GET", f"/twins/{device.device_id}", None),
                                   ("GET", f"/digitaltwins/{device.device_id}", None),
                                   ("POST", f"/digitaltwins/{device.device_id}/commands/c", None),
                                   ("POST", f"/twins/{device.device_id}/methods", {"methodName": "m"})):
            got = world.rest(device.hub, method, path, body)
            self.assertNotIn("x-ms-command-statuscode", {name.lower() for name in got.headers}, path)

    def test_a_patch_reaches_the_device(self):
        device = world.device()
        with device.session(clean=True) as client:
            client.send(wire.subscribe(1, ("$iothub/twin/PATCH/properties/desired/#", 0)))
            client.read()
            got = world.rest(device.hub, "PATCH", f"/digitaltwins/{device.device_id}",
                             json.dumps([{"op": "add", "path": "/t/target", "value": 21}]))
            self.assertEqual((got.status, got.body), (202, b""), got)
            self.assertTrue(got.headers["location"].endswith(f"/digitaltwins/{device.device_id}"))
            packet = client.read()
            self.assertIn(b'{"t":{"__t":"c","target":21},"$version":2}', packet[1])
