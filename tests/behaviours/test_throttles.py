"""The service's rate limits, switched on (B68, R32, CONNACK 3, shaping and the daily quota)."""
import contextlib
import json
import time
import unittest

import mqtt_wire as wire
import world
from https_wire import connection, exchange
from world import rest

GETS = 3000  # at most


class Throttles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The tier by environment and test control by flag, as people switch them on.
        cls.hub = world.new_hub("throttled", environment={"KYANITE_LIMITS_TIER": "F1"}, arguments=("--test-control",))
        cls.hub.start()
        cls.devices = [world.device(cls.hub) for _ in range(3)]

    @classmethod
    def tearDownClass(cls):
        status = cls.hub.stop()
        assert status == 0, cls.hub.log_tail()

    def test_B68_a_burst_of_twin_reads_gets_some_429_and_the_connection_stays(self):
        device = self.devices[0]
        with device.session(clean=True) as client:
            client.send(wire.subscribe(1, ("$iothub/twin/res/#", 0)))
            self.assertEqual(client.read()[0], 0x90)
            refused = asked = 0
            began = time.monotonic()
            # No more than 50 under way, for the hub answers in order. The bucket holds 100 and gets 100 each second.
            while not refused and asked < GETS:
                start, asked = asked, asked + 50
                client.send(b"".join(wire.publish(f"$iothub/twin/GET/?$rid={start + i}", qos=0) for i in range(50)))
                for i in range(50):
                    first, body = client.read()
                    length = int.from_bytes(body[:2], "big")
                    topic, payload = body[2:2 + length].decode(), body[2 + length:]
                    self.assertTrue(topic.endswith(f"?$rid={start + i}"), topic)
                    if "/res/429/" in topic:
                        refused += 1
                        self.assertEqual(json.loads(payload)["errorCode"], 429001)
            if not refused:
                world.skip_unless_fast(self, asked, began)
            self.assertGreater(refused, 0)
            client.ping()

    def test_R32_a_burst_of_requests_gets_429_without_retry_after(self):
        headers = {"Authorization": world.policy_token(self.hub, "iothubowner")}
        with contextlib.closing(connection(self.hub)) as link:  # one for all: 100 a minute are to be outrun, and the 100 that are saved up
            for _ in range(GETS):
                answer = exchange(link, "GET", f"/devices?api-version={world.VERSION}", headers=headers)
                if answer.status != 200:
                    break
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.error, "ThrottlingException")
        self.assertTrue(answer.json["Message"].startswith("ErrorCode:ThrottlingException;"))
        self.assertNotIn("retry-after", answer.headers)
        self.assertEqual(answer.headers["connection"].lower(), "close")

    def test_connects_over_the_rate_are_refused_with_3(self):
        device = self.devices[1]
        packet = wire.connect(device.client_id, device.username(), device.token())

        def refusals():  # 3 is also the answer to one that a newer connection overtook
            return [line for line in world.log_lines(self.hub, "over the rate of the tier") if f'"device":"{device.device_id}"' in line]

        codes = []
        for attempt, count in enumerate((200, 200, 400, 400, 400), 1):  # a hub that takes a second for each 100 lets them in
            links = [device.link() for _ in range(count)]
            began = time.monotonic()
            try:
                for link in links:
                    link.send(packet)
                for link in links:
                    answer = link.read()
                    codes.append(answer[1][1] if answer and answer[0] == 0x20 else "closed")
            finally:
                took = time.monotonic() - began
                for link in links:
                    link.cut()
            self.assertIn(0, codes)
            try:
                world.wait_for(refusals, "a refusal in the log", 60 if attempt == 5 else 2)
                break
            except AssertionError:
                if attempt == 5:
                    world.skip_unless_fast(self, count, time.monotonic() - took)
                    raise
        self.assertIn(3, codes)
        world.wait_for(lambda: device.connack(clean=True) == 0, "a connect after a rest")

    def test_telemetry_over_the_rate_is_shaped_and_none_is_lost(self):
        device = self.devices[2]
        with device.session(clean=True) as client:
            began = time.monotonic()
            client.send(b"".join(wire.publish(device.events, b"x", packet_id=i + 1) for i in range(300)))
            for i in range(300):
                self.assertEqual(client.read(), (0x40, (i + 1).to_bytes(2, "big")))
            self.assertGreater(time.monotonic() - began, 1.5)
            client.disconnect()

    def test_zz_a_used_up_quota_refuses_and_the_next_day_forgives(self):
        device = self.devices[2]
        with device.session(clean=True) as client:
            for i in range(20):  # 8,000 messages of half a kilobyte
                client.send(wire.publish(device.events, b"x" * 255 * 1024, qos=1, packet_id=i + 1))
            while client.read():
                pass
        self.assertEqual(device.connack(), 3)
        answer = rest(self.hub, "GET", f"/twins/{device.device_id}")
        self.assertEqual((answer.status, answer.json["Message"].split(";")[0]), (403, "ErrorCode:IotHubQuotaExceeded"))
        self.assertEqual(rest(self.hub, "PUT", "/kyanite/v1/clock", {"advanceSeconds": 86400}).status, 200)
        expiry = int(time.time()) + 86400 + 3600
        self.assertEqual(device.connack(password=device.token(expiry=expiry)), 0)
