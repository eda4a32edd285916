"""Fault injection under test control: each fault as a device or a back end sees it, and nothing acknowledged is lost by one."""
import http.client
import json
import ssl
import subprocess
import time
import unittest

import mqtt_wire
import test_file_upload as upload
import world
from https_wire import RawHttps, connection, exchange
from world import rest

FAULTS = "/kyanite/v1/faults"


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = world.test_control()

    def setUp(self):
        self.addCleanup(lambda: self.assertEqual(rest(self.hub, "DELETE", FAULTS).status, 204))
        self.device = world.device(self.hub)

    def add(self, kind, **rule):
        rule.setdefault("scope", {"device": self.device.device_id})
        answer = rest(self.hub, "POST", FAULTS, {"kind": kind, **rule})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def test_a_drop_ends_the_connection_and_fires_the_will(self):
        with self.device.session(will=(self.device.events, b"dropped")) as client:
            self.assertEqual(self.add("drop")["hits"], 1)
            client.expect_closed()
        self.assertIn("dropped", [event["body"] for event in self.device.received()])

    def test_a_connect_is_refused_with_the_code_asked_for(self):
        for code in (1, 2, 3, 4, 5):
            self.add("refuseConnect", code=code, count=1)
            self.assertEqual(self.device.connack(), code)
            self.assertEqual(self.device.connack(), 0)

    def test_a_lost_puback_is_of_a_stored_message_and_sending_again_doubles_it(self):
        self.add("losePuback", nth=2)
        with self.device.session() as client:
            client.publish(self.device.events, b"1")
            client.send(mqtt_wire.publish(self.device.events, b"2", packet_id=2))
            client.ping()
            world.wait_for(lambda: rest(self.hub, "GET", FAULTS).json["faults"] == [], "the loss")
            self.add("drop")
            client.expect_closed()
        with self.device.session() as client:
            client.send(mqtt_wire.publish(self.device.events, b"2", packet_id=2, dup=True))
            self.assertEqual(client.read(), (0x40, b"\x00\x02"))
            client.disconnect()
        self.assertEqual([event["body"] for event in self.device.received()], ["1", "2", "2"])

    def test_held_pubacks_come_when_the_rule_is_removed(self):
        rule = self.add("holdPubacks")
        with self.device.session() as client:
            for number in (1, 2, 3):
                client.send(mqtt_wire.publish(self.device.events, b"x", packet_id=number))
            client.ping()  # overtakes what is held
            self.assertEqual(rest(self.hub, "DELETE", f"{FAULTS}/{rule['id']}").status, 204)
            self.assertEqual([client.read()[1] for _ in range(3)], [b"\x00\x01", b"\x00\x02", b"\x00\x03"])
            client.disconnect()
        self.assertEqual(len(self.device.received()), 3)

    def test_a_rule_ends_by_itself(self):
        self.add("holdPubacks", durationSeconds=0.5)
        with self.device.session() as client:
            client.publish(self.device.events, b"x")  # waits for its PUBACK
            client.disconnect()
        world.wait_for(lambda: rest(self.hub, "GET", FAULTS).json["faults"] == [], "the end of the rule")

    def test_bytes_are_cut_in_both_directions_over_both_transports(self):
        for over in (mqtt_wire.TCP, mqtt_wire.WEBSOCKET):
            with self.device.session(link={"over": over}) as client:
                self.add("cut", bytes=10, count=1)
                client.send(mqtt_wire.publish(self.device.events, b"never taken"))
                client.expect_closed()
            with self.device.session(link={"over": over}) as client:
                self.add("cut", bytes=2, direction="toDevice", count=1)
                client.send(mqtt_wire.publish(self.device.events, b"stored"))
                self.assertIsNone(client.read())
                self.assertEqual(client.received, b"\x40\x02")
        self.assertEqual([event["body"] for event in self.device.received()], ["stored", "stored"])

    def test_a_delay_holds_up_the_device(self):
        with self.device.session() as client:
            self.add("delay", delaySeconds=0.4, count=1)
            began = time.monotonic()
            client.ping()
            self.assertGreater(time.monotonic() - began, 0.35)
            client.disconnect()

    def test_requests_fail_by_route_and_device(self):
        path = f"/twins/{self.device.device_id}"
        for status, name in ((429, "ThrottlingException"), (500, "ServerError"), (502, "GenericBadGateway"), (503, "ServerBusy"), (504, "GatewayTimeout")):
            self.add("httpError", status=status, routes=["GET /twins/*"], count=1)
            answer = rest(self.hub, "GET", path)
            self.assertEqual((answer.status, answer.error), (status, name))
            self.assertEqual(rest(self.hub, "GET", path).status, 200)

    def test_connections_end_before_after_and_within_an_answer(self):
        path, twin = f"/devices/{self.device.device_id}/modules/m", f"/twins/{self.device.device_id}"
        link = connection(self.hub)
        self.addCleanup(link.close)
        headers = {"Authorization": world.policy_token(self.hub, "iothubowner")}

        def ends(method, target, body=None):
            with self.assertRaises((http.client.HTTPException, ConnectionError, ssl.SSLError)):
                exchange(link, method, f"{target}?api-version={world.VERSION}", body, headers)
            link.close()
        self.add("drop", routes=["PUT /devices/*/modules/*"], count=1)
        ends("PUT", path, {"deviceId": self.device.device_id, "moduleId": "m"})
        self.assertEqual(rest(self.hub, "GET", path).status, 404)
        self.add("drop", routes=["PUT /devices/*/modules/*"], afterOperation=True, count=1)
        ends("PUT", path, {"deviceId": self.device.device_id, "moduleId": "m"})
        self.assertEqual(rest(self.hub, "GET", path).status, 200)
        for cut in (1, 20, 600):
            self.add("cut", bytes=cut, routes=["GET /twins/*"], count=1)
            with RawHttps(self.hub) as raw:
                raw.send(f"GET {twin}?api-version={world.VERSION} HTTP/1.1\r\nHost: h\r\nAuthorization: {headers['Authorization']}\r\n\r\n".encode())
                self.assertEqual(len(raw.read_all()), cut)
        self.add("cut", bytes=100_000, routes=["GET /twins/*"], count=1)  # a shorter answer is whole
        self.assertEqual(rest(self.hub, "GET", twin).status, 200)

    def test_uploads_meet_faults(self):
        ticket = upload.begin(self.device)
        route = f"* /{ticket['containerName']}/**"
        content = b"x" * 300_000
        self.add("httpError", status=503, routes=[route], count=1)
        answer = upload.blob(self.device, ticket, "PUT", body=content)
        self.assertEqual((answer.status, upload.code_of(answer)), (503, "ServerBusy"))
        self.add("httpError", status=500, afterOperation=True, count=1)
        answer = upload.blob(self.device, ticket, "PUT", body=content)
        self.assertEqual((answer.status, upload.code_of(answer)), (500, "InternalError"))
        self.add("cut", bytes=100_000, routes=[route], count=1)
        with self.assertRaises(http.client.IncompleteRead) as ended:
            upload.blob(self.device, ticket, "GET")
        self.assertEqual(len(ended.exception.partial), 100_000)
        self.add("drop", routes=[route], count=1)
        with self.assertRaises((http.client.HTTPException, ConnectionError, ssl.SSLError)):
            upload.blob(self.device, ticket, "GET")
        self.add("delay", delaySeconds=0.3, routes=[route], count=1)
        began = time.monotonic()
        self.assertEqual(upload.blob(self.device, ticket, "GET").body, content)
        self.assertGreater(time.monotonic() - began, 0.25)
        # One who is not let in meets it, too; other devices do not.
        self.add("httpError", status=502, count=1)
        other = world.device(self.hub)
        self.assertEqual(upload.blob(other, upload.begin(other), "PUT", body=b"x").status, 201)
        self.assertEqual(upload.blob(self.device, {**ticket, "sasToken": "?sv=x"}, "PUT", body=content).status, 502)
        self.assertEqual(upload.blob(self.device, {**ticket, "sasToken": "?sv=x"}, "PUT", body=content).status, 403)

    def test_a_share_of_the_devices_is_always_the_same(self):
        devices = [world.device(self.hub) for _ in range(12)]
        self.add("refuseConnect", scope={"sharePercent": 50, "seed": 7})
        first = [device.connack() for device in devices]
        self.assertEqual(first, [device.connack() for device in devices])
        self.assertEqual(set(first), {0, 3})

    def test_telemetry_asks_for_the_services_own_faults(self):
        bag = "AzIoTHub_FaultOperationType={}&AzIoTHub_FaultOperationCloseReason=Boom&AzIoTHub_FaultOperationDelayInSecs=0&AzIoTHub_FaultOperationDurationInSecs={}"
        for kind in ("KillTcp", "ShutDownMqtt"):
            with self.device.session() as client:
                client.send(mqtt_wire.publish(self.device.events + bag.format(kind, 1), b"ask", packet_id=1))
                while client.read() is not None:
                    pass  # its PUBACK may come first
        for duration in (10, 40, 120):  # a slow machine may see the end of the connection after that of the fault
            with self.device.session() as client:
                client.send(mqtt_wire.publish(self.device.events + bag.format("InvokeAuthError", duration), b"ask", packet_id=1))
                while client.read() is not None:
                    pass
            code = self.device.connack()
            if code:
                break
        self.assertEqual(code, 5)
        world.wait_for(lambda: self.device.connack() == 0, "the end of the fault", timeout=duration + 60)
        with self.device.session() as client:
            client.send(mqtt_wire.publish(self.device.events + bag.format("KillAmqpConnection", 1), b"no", packet_id=1))
            self.assertEqual(client.read(), (0x40, b"\x00\x01"))
            client.disconnect()

    def test_the_command_line_adds_lists_and_clears(self):
        def kyanite(*arguments):
            done = subprocess.run([world.program(), "fault", *arguments, "--data", self.hub.info["dataDirectory"]], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout
        added = json.loads(kyanite("add", "losePuback", "--device", self.device.device_id, "--nth", "3", "--seconds", "60", "--json"))
        self.assertEqual((added["nth"], added["durationSeconds"], added["scope"]), (3, 60, {"device": self.device.device_id}))
        self.assertIn("losePuback", kyanite("list"))
        kyanite("add", "httpError", "--route", "GET /devices/*", "--status", "429", "--id", "mine")
        kyanite("clear", "mine")
        self.assertEqual([fault["id"] for fault in json.loads(kyanite("list", "--json"))["faults"]], [added["id"]])
        kyanite("clear")
        self.assertEqual(json.loads(kyanite("list", "--json"))["faults"], [])


class FaultsWithoutTestControl(unittest.TestCase):
    def test_neither_the_routes_nor_the_properties_exist(self):
        hub = world.main()
        for method in ("GET", "POST", "DELETE"):
            self.assertEqual(rest(hub, method, FAULTS, {"kind": "drop"} if method == "POST" else None).status, 404)
        device = world.device(hub)
        with device.session() as client:
            client.publish(device.events + "AzIoTHub_FaultOperationType=KillTcp&AzIoTHub_FaultOperationDelayInSecs=0", b"x")
            client.ping()
            client.disconnect()
