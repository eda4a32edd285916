"""Time under test control: what ends by a date ends when the hub's clock is shifted (B12, B13, B20, B27, R17)."""
import datetime
import json
import subprocess
import time
import unittest

import device_certificates as certificates
import world
from world import rest

CLOCK = "/kyanite/v1/clock"
HOUR, DAY = 3600, 86400


class TestControl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = world.test_control()

    def setUp(self):
        self.addCleanup(self.shift, 0)

    def token_of_owner(self, ends_in=HOUR):
        return world.policy_token(self.hub, "iothubowner", expiry=int(time.time()) + ends_in)

    def shift(self, seconds):
        answer = rest(self.hub, "PUT", CLOCK, {"shiftSeconds": seconds})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.json["shiftSeconds"], seconds)

    def test_B27_a_live_connection_ends_at_once_by_the_shift_past_its_token(self):
        # Not by the check each 30 s, when a slow machine may see it; once is enough.
        self.assertTrue(any(self.ends_at_once() for _ in range(3)))

    def ends_at_once(self):
        self.shift(0)
        device = world.device(self.hub)
        began = time.monotonic()
        with device.session(will=(device.events, b"expired")) as client:
            self.shift(HOUR)  # forgiven for five minutes
            client.ping()
            self.shift(HOUR + 310)
            client.expect_closed()
        return time.monotonic() - began < 25

    def test_B12_B13_a_token_is_forgiven_two_minutes_and_not_ten(self):
        device = world.device(self.hub)
        password = device.token()
        self.shift(HOUR + 120)
        self.assertEqual(device.connack(password=password), 0)
        self.shift(HOUR + 600)
        self.assertEqual(device.connack(password=password), 5)
        self.shift(0)
        self.assertEqual(device.connack(password=password), 0)

    def test_B20_a_client_certificate_ends(self):
        own = certificates.self_signed(world.folder("clock"), "own")  # for two days
        both = {"primaryThumbprint": own.thumbprint(), "secondaryThumbprint": own.thumbprint()}
        device = world.device(self.hub, authentication={"type": "selfSigned", "x509Thumbprint": both})
        link = {"certificate": own}
        self.assertEqual(device.connack(link=link, password=None), 0)
        self.shift(3 * DAY)
        self.assertEqual(device.connack(link=link, password=None), 5)
        self.shift(-DAY)
        self.assertEqual(device.connack(link=link, password=None), 5)

    def test_R17_a_service_token_ends_and_still_brings_the_clock_back(self):
        token = self.token_of_owner()
        self.shift(HOUR + 120)
        self.assertEqual(rest(self.hub, "GET", "/devices", authorization=token).status, 200)
        self.shift(HOUR + 600)
        self.assertEqual(rest(self.hub, "GET", "/devices", authorization=token).status, 401)
        self.assertEqual(rest(self.hub, "DELETE", CLOCK, authorization=token).status, 200)
        self.assertEqual(rest(self.hub, "GET", "/devices", authorization=token).status, 200)

    def test_stored_times_follow(self):
        device = world.device(self.hub)
        ahead = 40 * DAY
        self.shift(ahead)
        with device.session(password=device.token(expiry=int(time.time()) + ahead + HOUR), clean=True) as client:
            client.publish(device.events, b"later")
            client.disconnect()
        self.shift(0)
        event = next(self.hub.events(device.device_id, count=1, timeout=20))
        stamped = datetime.datetime.fromisoformat(event["enqueuedTime"][:19] + "+00:00").timestamp()
        self.assertAlmostEqual(stamped, time.time() + ahead, delta=60)

    def test_bad_bodies_change_nothing(self):
        for body in ({}, {"shiftSeconds": "1"}, {"shiftSeconds": 1, "now": "2026-01-05T10:00:00Z"}, {"shiftSeconds": 1e12}, "[1]"):
            self.assertEqual(rest(self.hub, "PUT", CLOCK, body).status, 400, body)
        self.assertEqual(rest(self.hub, "GET", CLOCK).json["shiftSeconds"], 0)

    def test_the_command_line_shifts_and_finds_its_way_back(self):
        def kyanite(*arguments):
            done = subprocess.run([world.program(), *arguments, "--data", self.hub.info["dataDirectory"]], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout
        self.assertEqual(json.loads(kyanite("clock", "shift", "86400.5", "--json"))["shiftSeconds"], 86400.5)
        self.assertEqual(json.loads(kyanite("clock", "advance", "-0.5", "--json"))["shiftSeconds"], 86400)
        self.assertIn("shift  86400.000 s", kyanite("clock", "show"))
        self.assertIn("control is on", kyanite("status"))  # its token is signed by the hub's clock
        self.assertIn("shift  0.000 s", kyanite("clock", "reset"))

    def test_the_log_says_that_test_control_is_on_and_every_shift(self):
        self.shift(7)
        self.assertIn("test_control_on", world.log_text(self.hub))
        world.wait_for(lambda: '"shift_ms":7000' in world.log_text(self.hub), "the log of the shift")


class WithoutTestControl(unittest.TestCase):
    def test_the_route_is_as_unknown_as_any_other(self):
        hub = world.main()
        unknown = rest(hub, "GET", "/kyanite/v1/nothing")
        for method in ("GET", "PUT", "POST", "DELETE", "PATCH"):
            answer = rest(hub, method, CLOCK, {"shiftSeconds": 1} if method != "GET" else None)
            self.assertEqual((answer.status, answer.json["Message"]), (404, unknown.json["Message"]), method)
