"""SAS tokens over MQTT (B21 to B27), and what ends a connection that has one (B27, disable, delete)."""
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import mqtt_wire as wire
import world
from world import HOST, percent, token


class Tokens(unittest.TestCase):
    def setUp(self):
        self.device = world.device()
        self.hub = self.device.hub

    def connack(self, password):
        return self.device.connack(password=password)

    def test_B21_each_of_the_two_keys(self):
        for key in (self.device.primary, self.device.secondary):
            self.assertEqual(self.connack(self.device.token(key=key)), 0)

    def test_B22_policies_with_and_without_the_right(self):
        self.assertEqual(self.connack(world.policy_token(self.hub, "iothubowner")), 0)
        self.assertEqual(self.connack(token(percent(HOST), world.owner_key(self.hub), "nobody")), 5)
        self.assertEqual(self.connack(token(percent(HOST), world.other_key(), "iothubowner")), 5)
        self.assertEqual(self.connack(world.policy_token(self.hub, "device")), 0)
        for name in ("service", "registryRead", "registryReadWrite"):
            self.assertEqual(self.connack(world.policy_token(self.hub, name)), 5, name)

    def test_B23_the_resource_is_signed_as_written(self):
        plain = self.device.resource
        for resource in (plain, percent(plain), percent(plain, "lower")):
            self.assertEqual(self.connack(token(resource, self.device.primary)), 0, resource)

    def test_B24_fields_in_any_order(self):
        for order in (("sig", "se", "sr"), ("sr", "sig", "se"), ("se", "sr", "sig")):
            self.assertEqual(self.connack(self.device.token(order=order)), 0, order)

    def test_B25_the_resource_of_device_explorer(self):
        self.assertEqual(self.connack(token(percent(self.device.resource + "/api-version=2016-11-14"), self.device.primary)), 0)

    def test_B26_a_resource_covers_whole_segments_only(self):
        owner = world.owner_key(self.hub)
        prefix = self.device.resource[:-1]
        self.assertEqual(self.connack(token(percent(prefix), owner, "iothubowner")), 5)
        self.assertEqual(self.connack(token(percent(f"{HOST}/device"), owner, "iothubowner")), 5)
        self.assertEqual(self.connack(token(percent(f"{HOST}/devices"), owner, "iothubowner")), 0)
        self.assertEqual(self.connack(token(percent(f"{HOST}/devices/"), owner, "iothubowner")), 0)
        self.assertEqual(self.connack(token(percent(self.device.resource + "/messages/events"), self.device.primary)), 5)

    def test_a_device_key_opens_nothing_wider_than_the_device(self):
        for resource in (HOST, f"{HOST}/devices", f"other.test/devices/{self.device.client_id}", ""):
            self.assertEqual(self.connack(token(percent(resource), self.device.primary)), 5, resource)

    def test_a_policy_token_of_a_device_opens_its_modules(self):
        module = self.device.module("m1")
        self.assertEqual(module.connack(password=world.policy_token(self.hub, "iothubowner", self.device.resource)), 0)

    def test_an_empty_skn_is_none_and_unknown_fields_are_ignored(self):
        self.assertEqual(self.connack(self.device.token() + "&skn="), 0)
        self.assertEqual(self.connack(self.device.token() + "&other=1"), 0)

    def test_bad_expiries_are_refused(self):
        for expiry in ("1.5e9", "-1", "99999999999999999999999", "4102444800.5", "", "0x7fffffff"):
            self.assertEqual(self.connack(token(percent(self.device.resource), self.device.primary, expiry=expiry)), 5, expiry)
        self.assertEqual(self.connack(self.device.token(expiry=2**62)), 0)


class WhileConnected(unittest.TestCase):
    def test_B27_a_token_that_expires_cuts_the_connection_and_fires_the_will(self):
        # A slow machine may connect after the end of the token, or see late that the connection ended.
        self.assertTrue(any(self.ends_with_its_token(lives) for lives in (8, 35, 65)))

    def ends_with_its_token(self, lives):
        device = world.device(world.strict())
        expiry = int(time.time()) + lives
        with device.link() as client:
            try:
                self.assertEqual(client.connect(password=device.token(expiry=expiry), will=(device.events, b"expired"))[0], 0)
                client.ping()
            except AssertionError:
                if time.time() < expiry:
                    raise
                return False
            client.expect_closed(lives + 100)
            ended = time.time()
        self.assertGreaterEqual(ended, expiry)
        self.assertEqual([event["body"] for event in device.received()], ["expired"])
        return ended < expiry + 20  # a timer of its own, not the check each 30 s nor the end of the keep-alive

    def test_without_grace_an_expired_token_does_not_connect(self):
        device = world.device(world.strict())
        self.assertEqual(device.connack(password=device.token(expiry=int(time.time()) - 1)), 5)

    def test_R47_disabling_closes_the_live_connection_with_its_will(self):
        device = world.device()
        module = device.module("m1")
        before = device.show()
        with device.session(will=(device.events, b"disabled")) as client, module.session() as below:
            after = device.update(status="disabled")
            client.expect_closed()
            below.expect_closed()
        self.assertEqual(device.connack(), 3)
        self.assertNotEqual(after["etag"], before["etag"])
        self.assertNotEqual(after["statusUpdatedTime"], before["statusUpdatedTime"])
        device.update(status="enabled")
        self.assertEqual([event["body"] for event in device.received()], ["disabled"])

    def test_deleting_closes_the_live_connections_of_device_and_modules(self):
        device = world.device()
        module = device.module("m1")
        with device.session() as client, module.session() as below:
            device.delete()
            client.expect_closed()
            below.expect_closed()
        self.assertEqual(device.connack(), 5)

    def test_deleting_a_module_leaves_the_devices_connection(self):
        device = world.device()
        module = device.module("m1")
        with device.session() as client, module.session() as below:
            answer = world.rest(device.hub, "DELETE", f"/devices/{device.device_id}/modules/m1", headers={"If-Match": "*"})
            self.assertEqual(answer.status, 204)
            below.expect_closed()
            client.ping()

    def test_new_keys_refuse_the_old_ones_and_leave_the_connection(self):
        device = world.device()
        with device.session() as client:
            device.update(authentication={"type": "sas"})
            self.assertEqual(device.connack(), 5)
            client.ping()


class KeepAlive(unittest.TestCase):
    def test_B32_silence_of_one_and_a_half_keep_alives_closes(self):
        device, lively, telling = world.device(), world.device(), world.device()
        began = time.monotonic()  # the hub's time begins later, so that this one is never the shorter
        with device.session(keep_alive=2, will=(device.events, b"silent")) as silent:
            with ThreadPoolExecutor() as pool:
                kept = [pool.submit(self.keep_open, lively, lambda client: client.ping()),
                        pool.submit(self.keep_open, telling, lambda client: client.publish(telling.events, "x", qos=0))]
                silent.expect_closed(120)
                took = time.monotonic() - began
                for one in kept:
                    one.result()
        self.assertGreaterEqual(took, 2.8)
        self.assertLess(took, 100)  # the cap is beyond
        self.assertEqual([event["body"] for event in device.received()], ["silent"])

    def keep_open(self, device, act):
        """Acts three times in a keep-alive, for longer than the hub would wait in silence."""
        for keep_alive in (6, 20, 60):
            try:
                with device.session(keep_alive=keep_alive) as client:
                    for _ in range(6):
                        act(client)
                        self.assert_open_for(client, keep_alive / 3)
                    return client.ping()
            except AssertionError:
                if keep_alive == 60:
                    raise  # else it may be the machine that was slow, and silent for so long

    def assert_open_for(self, client, seconds):
        with self.assertRaises(TimeoutError):
            self.assertIsNotNone(client.read(seconds))

    def test_B33_keep_alive_0_and_beyond_the_cap_close_at_the_cap(self):
        hub = world.impatient()
        with ThreadPoolExecutor() as pool:
            for took in pool.map(lambda keep_alive: self.silence(world.device(hub), keep_alive), (0, 65535, 600)):
                self.assertGreaterEqual(took, 9.5)
                self.assertLess(took, 100)

    def silence(self, device, keep_alive):
        began = time.monotonic()
        with device.session(keep_alive=keep_alive) as client:
            client.expect_closed(120)
            return time.monotonic() - began


