"""Sessions that outlive connections and the hub, SUBSCRIBE and UNSUBSCRIBE, and requests (B35, B36, B69, B76, B79)."""
import struct
import unittest

import mqtt_wire as wire
import world

RESPONSES, METHODS = "$iothub/twin/res/#", "$iothub/methods/POST/#"


def subscribed(client, *filters, packet_id=1):
    """The return codes of one SUBSCRIBE."""
    client.send(wire.subscribe(packet_id, *filters))
    answer = client.read()
    assert answer is not None, "closed without SUBACK"
    assert answer[0] == 0x90 and answer[1][:2] == struct.pack(">H", packet_id), f"no SUBACK but {answer}"
    return list(answer[1][2:])


def unsubscribed(client, *filters, packet_id=9):
    client.send(wire.unsubscribe(packet_id, *filters))
    answer = client.read()
    assert answer == (0xB0, struct.pack(">H", packet_id)), f"no UNSUBACK but {answer}"


def topic_of(packet):
    assert packet is not None and packet[0] & 0xF0 == 0x30, f"no PUBLISH but {packet}"
    size = struct.unpack(">H", packet[1][:2])[0]
    return packet[1][2:2 + size].decode()


def twin_answer(client, request_id="1"):
    """The topic of the answer to a GET."""
    client.send(wire.publish(f"$iothub/twin/GET/?$rid={request_id}", b"", qos=0))
    return topic_of(client.read())


def is_silent(client):
    """A GET gets no answer: the next packet is that of the PINGREQ behind it."""
    client.send(wire.publish("$iothub/twin/GET/?$rid=1", b"", qos=0) + wire.PINGREQ)
    return client.read() == (0xD0, b"")


class Sessions(unittest.TestCase):
    def test_B35_subscriptions_survive_a_restart_of_the_hub(self):
        for kill in (False, True):
            with self.subTest(kill=kill), world.new_hub("restart") as hub:
                device = world.device(hub)
                with device.link() as client:
                    self.assertEqual(client.connect(), (0, 0))
                    self.assertEqual(subscribed(client, (RESPONSES, 1)), [1])
                    if not kill:
                        client.disconnect()
                    if kill:
                        hub.kill()
                    else:
                        self.assertEqual(hub.stop(), 0)
                hub.start()
                with device.link() as client:
                    self.assertEqual(client.connect(), (0, 1))
                    self.assertRegex(twin_answer(client, "after"), r"^\$iothub/twin/res/\d{3}/\?\$rid=after")
                hub.stop()

    def test_B35_a_module_keeps_its_own(self):
        device = world.device()
        module = device.module("m1")
        with module.session() as client:
            subscribed(client, (RESPONSES, 0))
        with device.link() as client:
            self.assertEqual(client.connect(), (0, 0))
        with module.link() as client:
            self.assertEqual(client.connect(), (0, 1))
            self.assertTrue(twin_answer(client).startswith("$iothub/twin/res/"))

    def test_B36_a_clean_session_ends_the_stored_one(self):
        device = world.device()
        with device.session() as client:
            subscribed(client, (RESPONSES, 1))
        with device.link() as client:
            self.assertEqual(client.connect(clean=True), (0, 0))
            self.assertTrue(is_silent(client))
            self.assertEqual(subscribed(client, (RESPONSES, 1)), [1])
            self.assertTrue(twin_answer(client).startswith("$iothub/twin/res/"))
        with device.link() as client:
            self.assertEqual(client.connect(), (0, 0))
            self.assertTrue(is_silent(client))

    def test_what_was_unsubscribed_stays_so(self):
        device = world.device()
        with device.session() as client:
            subscribed(client, (RESPONSES, 1), (METHODS, 0))
            unsubscribed(client, RESPONSES)
            self.assertTrue(is_silent(client))
        with device.link() as client:
            self.assertEqual(client.connect(), (0, 1))
            self.assertTrue(is_silent(client))
            unsubscribed(client, METHODS)
        self.assertEqual(self._present(device), 0)

    def test_a_takeover_finds_the_session(self):
        device = world.device()
        with device.session() as first:
            subscribed(first, (RESPONSES, 1))
            with device.link() as second:
                self.assertEqual(second.connect(), (0, 1))
                first.expect_closed()
                self.assertTrue(twin_answer(second).startswith("$iothub/twin/res/"))

    def test_a_recreated_device_has_no_session(self):
        device = world.device()
        with device.session() as client:
            subscribed(client, (RESPONSES, 1))
        device.delete()
        again = world.device(name=device.device_id)
        self.assertEqual(self._present(again), 0)

    def test_a_request_right_behind_its_subscribe_is_answered(self):
        device = world.device()
        with device.session() as client:
            client.send(wire.subscribe(5, (RESPONSES, 0)) + wire.publish("$iothub/twin/GET/?$rid=x", b"", qos=0))
            self.assertEqual(client.read(), (0x90, b"\x00\x05\x00"))
            self.assertIn("$rid=x", topic_of(client.read()))

    @staticmethod
    def _present(device):
        with device.link() as client:
            return client.connect()[1]


class Subscriptions(unittest.TestCase):
    def test_invalid_filters_get_0x80_when_configured(self):
        with world.new_hub("lax", {"mqtt": {"invalidSubscription": "suback80"}}) as hub:
            device = world.device(hub)
            with device.session() as client:
                self.assertEqual(subscribed(client, (RESPONSES, 1), ("#", 1)), [0x80, 0x80])
                self.assertTrue(is_silent(client), "all or nothing")
            hub.stop()

    def test_B79_unsubscribe_is_always_answered(self):
        device = world.device()
        for clean in (False, True):
            with device.session(clean=clean) as client:
                subscribed(client, (RESPONSES, 1))
                unsubscribed(client, RESPONSES)
                unsubscribed(client, "never/seen", "#")
                unsubscribed(client, RESPONSES)

    def test_packets_of_a_burst_are_answered_in_order(self):
        device = world.device()
        with device.session() as client:
            client.send(wire.subscribe(1, (RESPONSES, 0)) + wire.subscribe(2, (METHODS, 1)) + wire.unsubscribe(3, METHODS)
                        + wire.subscribe(4, (METHODS, 0)))
            kinds = [client.read() for _ in range(4)]
        self.assertEqual(kinds, [(0x90, b"\x00\x01\x00"), (0x90, b"\x00\x02\x01"), (0xB0, b"\x00\x03"), (0x90, b"\x00\x04\x00")])

    def test_subscribing_is_for_the_documented_packets_only(self):
        device = world.device()
        for name, data in (("no filter", wire.packet(0x82, b"\x00\x01")), ("QoS 3", wire.subscribe(1, (RESPONSES, 3))),
                           ("packet id 0", wire.subscribe(0, (RESPONSES, 0))),
                           ("wrong flags", wire.packet(0x80, wire.subscribe(1, (RESPONSES, 0))[2:])),
                           ("UNSUBSCRIBE of nothing", wire.packet(0xA2, b"\x00\x01"))):
            with self.subTest(name), device.session(clean=True) as client:
                client.send(data)
                client.expect_closed()


class Requests(unittest.TestCase):
    def test_B69_a_get_without_request_id_closes(self):
        device = world.device()
        for topic in ("$iothub/twin/GET/", "$iothub/twin/GET", "$iothub/twin/GET/?$rid="):
            with self.subTest(topic), device.session(clean=True) as client:
                client.send(wire.publish(topic, b"", qos=0))
                client.expect_closed()

    def test_B76_a_method_answer_whose_status_is_no_number_closes(self):
        device = world.device()
        for status in ("abc", "", "2 0", "99999999999"):
            with self.subTest(status), device.session(clean=True) as client:
                client.send(wire.publish(f"$iothub/methods/res/{status}/?$rid=1", b"{}", qos=1))
                client.expect_closed()

    def test_a_method_answer_nobody_waits_for_is_acknowledged(self):
        device = world.device()
        with device.session(clean=True) as client:
            client.publish("$iothub/methods/res/200/?$rid=77", b"{}")
            client.ping()

    def test_pubacks_of_nothing_harm_nobody(self):
        device = world.device()
        with device.session(clean=True) as client:
            client.send(wire.puback(1) + wire.puback(65535))
            client.ping()

    def test_a_flood_of_requests_is_answered_in_order(self):
        device = world.device()
        count = 500
        with device.session(clean=True) as client:
            subscribed(client, (RESPONSES, 0))
            client.send(b"".join(wire.publish(f"$iothub/twin/GET/?$rid={i}", b"", qos=0) for i in range(count)))
            for i in range(count):
                self.assertRegex(topic_of(client.read()), rf"\?\$rid={i}$")

    def test_a_client_that_never_reads_its_answers_costs_the_hub_a_bounded_amount(self):
        # The sanitizer would keep what was freed.
        with world.new_hub("flood", environment={"ASAN_OPTIONS": "quarantine_size_mb=1"}) as hub:
            self._flood(world.device(hub))
            self.assertEqual(hub.stop(), 0)

    def _flood(self, device):
        with device.session(clean=True) as client:
            subscribed(client, (RESPONSES, 0))
            client.send(wire.publish("$iothub/twin/PATCH/properties/reported/?$rid=0", b'{"a":"' + b"x" * 4000 + b'"}', qos=0))
            client.read()
            before = device.hub.resident_bytes()
            burst = wire.publish("$iothub/twin/GET/?$rid=1", b"", qos=0) * 200
            client.socket.settimeout(2)
            with self.assertRaises(OSError):  # the hub stops reading: sending gets stuck
                for _ in range(20000):
                    client.socket.sendall(burst)
            self.assertLess(device.hub.resident_bytes() - before, 64 << 20)
        self.assertEqual(device.connack(), 0)
