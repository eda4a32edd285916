"""Direct methods over the wire (B70 to B76, R29, R87 to R92)."""
import json
import struct
import threading
import time
import unittest

import mqtt_wire as wire
import world
from https_wire import RawHttps

METHODS = "$iothub/methods/POST/#"


def listen(client, qos=0):
    client.send(wire.subscribe(1, (METHODS, qos)))
    answer = client.read()
    assert answer is not None and answer[0] == 0x90, f"no SUBACK but {answer}"


def called(client):
    """(first byte, method, request id, body) of the next request."""
    packet = client.read()
    assert packet is not None and packet[0] & 0xF0 == 0x30, f"no PUBLISH but {packet}"
    size = struct.unpack(">H", packet[1][:2])[0]
    topic = packet[1][2:2 + size].decode()
    start, _, rid = topic.partition("/?$rid=")
    assert start.startswith("$iothub/methods/POST/"), topic
    return packet[0], start[len("$iothub/methods/POST/"):], rid, packet[1][2 + size:]


def answer(client, rid, status=200, body=b"", qos=0, tail=""):
    client.send(wire.publish(f"$iothub/methods/res/{status}/?$rid={rid}{tail}", body, qos, 77))
    if qos:
        got = client.read()
        assert got == (0x40, struct.pack(">H", 77)), f"no PUBACK but {got}"


class Call:
    """A call under way; result() waits for its answer."""

    def __init__(self, device, method="m", **fields):
        path = f"/twins/{device.device_id}" + (f"/modules/{device.module_id}" if device.module_id else "") + "/methods"
        body = {"methodName": method, "responseTimeoutInSeconds": 100, **fields}
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self._run, args=(device.hub, path, body), daemon=True)
        self.thread.start()

    def _run(self, hub, path, body):
        self.answer = self.problem = None
        try:
            self.answer = world.rest(hub, "POST", path, body)
        except Exception as problem:  # told by result(), where it fails the test
            self.problem = problem
        self.took = time.monotonic() - self.began

    def result(self):
        self.thread.join(130)
        assert not self.thread.is_alive(), "no answer from the hub"
        if self.problem:
            raise AssertionError("the call broke off") from self.problem
        return self.answer


class Methods(unittest.TestCase):
    def assert_error(self, reply, status, number, name):
        self.assertEqual((reply.status, reply.error), (status, name), reply)
        self.assertEqual(reply.json["ExceptionMessage"], "")
        inner = json.loads(reply.json["Message"])
        self.assertEqual(inner["errorCode"], number)
        self.assertFalse([value for value in inner.values() if isinstance(value, (dict, list))])

    def test_B70_the_request_on_the_wire(self):
        device = world.device()
        with device.session() as client:
            listen(client, qos=1)
            call = Call(device, "reboot", payload={"a": 1})
            first, method, rid, body = called(client)
            self.assertEqual((first, method), (0x30, "reboot"))
            self.assertRegex(rid, r"^[0-9a-f-]{1,36}$")
            self.assertEqual(json.loads(body), {"a": 1})
            answer(client, rid)
            self.assertEqual(call.result().status, 200)

    def test_B71_B72_R87_what_the_device_says_is_what_the_caller_gets(self):
        device = world.device()
        with device.session() as client:
            listen(client)
            for status, body, expected in ((200, b'{"ok":true}', b'{"status":200,"payload":{"ok":true}}'),
                                           (500, b'1.50', b'{"status":500,"payload":1.50}'),
                                           (-2147483648, b'', b'{"status":-2147483648,"payload":null}')):
                call = Call(device)
                answer(client, called(client)[2], status, body, qos=1)
                self.assertEqual((call.result().status, call.result().body), (200, expected))

    def test_B73_R29_nobody_listens(self):
        device = world.device()
        self.assert_error(Call(device).result(), 404, 404103, "DeviceNotOnline")
        with device.session():
            call = Call(device)
            self.assert_error(call.result(), 404, 404103, "DeviceNotOnline")
            self.assertLess(call.took, 60)  # not the 100 s of a response

    def test_B74_R88_a_silent_device(self):
        device = world.device()
        with device.session() as client:
            listen(client)
            call = Call(device, responseTimeoutInSeconds=5)
            rid = called(client)[2]
            self.assert_error(call.result(), 504, 504101, "GatewayTimeout")
            self.assertGreater(call.took, 4.5)
            answer(client, rid, qos=1)
            client.ping()

    def test_B75_R89_a_persisted_subscription_that_comes_in_time(self):
        device = world.device()
        with device.session() as client:
            listen(client)
            client.disconnect()
        call = Call(device, connectTimeoutInSeconds=100, payload=[1])
        time.sleep(1)  # the device is away for a while
        with device.session() as client:
            _, _, rid, body = called(client)
            self.assertEqual(body, b"[1]")
            answer(client, rid, 201)
        self.assertEqual(call.result().json, {"status": 201, "payload": None})

    def test_B76_a_status_that_is_no_number_closes(self):
        device = world.device()
        with device.session() as client:
            listen(client)
            call = Call(device, responseTimeoutInSeconds=5)
            rid = called(client)[2]
            client.send(wire.publish(f"$iothub/methods/res/abc/?$rid={rid}", b"", 0, 0))
            client.expect_closed()
        self.assertEqual(call.result().status, 504)

    def test_R90_timeouts_out_of_range(self):
        device = world.device()
        for fields in ({"connectTimeoutInSeconds": 60, "responseTimeoutInSeconds": 30}, {"responseTimeoutInSeconds": 4},
                       {"responseTimeoutInSeconds": 301}, {"responseTimeoutInSeconds": "5"}, {"methodName": ""}):
            self.assert_error(Call(device, **fields).result(), 400, 400004, "ArgumentInvalid")

    def test_R91_an_unknown_device(self):
        device = world.device()
        device.delete()
        self.assert_error(Call(device).result(), 404, 404001, "DeviceNotFound")

    def test_R92_payloads_arrive_as_they_are(self):
        device = world.device()
        with device.session() as client:
            listen(client)
            for payload, wire_form in ((None, b"null"), ("text", b'"text"'), ([1], b"[1]")):
                call = Call(device, payload=payload)
                _, _, rid, body = called(client)
                self.assertEqual(body, wire_form)
                answer(client, rid)
                self.assertIsNone(call.result().json["payload"])
            call = Call(device)
            _, _, rid, body = called(client)
            self.assertEqual(body, b"")
            answer(client, rid)
            self.assertEqual(call.result().json, {"status": 200, "payload": None})

    def test_a_module_is_called(self):
        module = world.device().module("m1")
        with module.session() as client:
            listen(client)
            call = Call(module, payload=1)
            answer(client, called(client)[2], 200, b'"of a module"', tail="&x=y")
            self.assertEqual(call.result().json, {"status": 200, "payload": "of a module"})

    def test_answers_that_cannot_be_used(self):
        device = world.device()
        with device.session() as client:
            listen(client)
            call = Call(device)
            answer(client, called(client)[2], 200, b"{", qos=1)
            self.assert_error(call.result(), 502, 502000, "GenericBadGateway")
            call = Call(device)
            answer(client, called(client)[2], 200, b'"' + b"x" * 131072 + b'"')
            self.assert_error(call.result(), 413, 413001, "MessageTooLarge")
            client.ping()

    def test_the_end_of_the_connection_ends_its_calls(self):
        device = world.device()
        with device.session() as client:
            listen(client)
            call = Call(device)
            called(client)
            client.cut()
        self.assert_error(call.result(), 504, 504101, "GatewayTimeout")
        self.assertLess(call.took, 60)

    def test_a_caller_that_leaves_leaves_nothing(self):
        device = world.device()
        with device.session() as client:
            listen(client)
            body = b'{"methodName":"m"}'
            with RawHttps(device.hub) as link:
                link.send(f"POST /twins/{device.device_id}/methods?api-version={world.VERSION} HTTP/1.1\r\nHost: h\r\n"
                          f"Authorization: {world.policy_token(device.hub, 'iothubowner')}\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
                rid = called(client)[2]
            answer(client, rid, qos=1)
            call = Call(device)  # the next one is not disturbed
            answer(client, called(client)[2], 202)
            self.assertEqual(call.result().json["status"], 202)

    def test_a_stop_of_the_hub_is_not_held_up(self):
        with world.new_hub("methods-stop", {"drainTimeoutSeconds": 120}) as hub:
            device = world.device(hub)
            call = Call(device, connectTimeoutInSeconds=100)
            with device.session() as client:  # shows that the hub goes on; the call waits for a listener
                client.ping()
            world.wait_for(lambda: "\nkyanite_method_calls_under_way 1\n" in world.scrape(hub), "the call is at its device")
            began = time.monotonic()
            self.assertEqual(hub.stop(timeout=100), 0)
            self.assertLess(time.monotonic() - began, 60)
            self.assert_error(call.result(), 503, 503001, "ServiceUnavailable")


if __name__ == "__main__":
    unittest.main()
