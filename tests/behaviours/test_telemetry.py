"""Telemetry as the service sees it (B37 to B49), wills and takeover (B29 to B31, B34)."""
import base64
import json
import socket
import struct
import unittest

import mqtt_wire as wire
import world
from world import VERSION

LARGEST = 262_144


class Telemetry(unittest.TestCase):
    def setUp(self):
        self.device = world.device()

    def bags(self, *bags):
        """Publishes one message to each topic suffix and returns the events."""
        with self.device.session() as client:
            for bag in bags:
                client.publish(self.device.events + bag, "x")
        events = self.device.received()
        self.assertEqual(len(events), len(bags))
        return events

    def test_B37_the_guides_message(self):
        with self.device.session() as client:
            client.publish(self.device.events, "{id=123}")
        event, = self.device.received()
        self.assertEqual((event["body"], event["properties"]), ("{id=123}", {}))

    def test_B37_bytes_that_are_no_text_and_no_bytes_at_all(self):
        body = bytes(range(256))
        with self.device.session() as client:
            client.publish(self.device.events, body)
            client.publish(self.device.events, b"")
        binary, empty = self.device.received()
        self.assertEqual((base64.b64decode(binary["body"]), binary["bodyEncoding"]), (body, "base64"))
        self.assertEqual(empty["body"], "")

    def test_B38_variants_of_the_topic(self):
        with self.device.session() as client:
            client.publish(self.device.events[:-1], "no slash")
            for bag in ("a=1/", "?a=1", "?a=1/", "/", "&a=1&&"):
                client.publish(self.device.events + bag, bag)
        properties = [event["properties"] for event in self.device.received()]
        self.assertEqual(properties, [{}, {"a": "1"}, {"a": "1"}, {"a": "1"}, {}, {"a": "1"}])

    def test_B39_values_are_decoded(self):
        event, = self.bags("a=1&b=two%20words&c=x%3Dy&d&e=")
        self.assertEqual(event["properties"], {"a": "1", "b": "two words", "c": "x=y", "d": None, "e": ""})

    def test_B40_an_encoded_plus_stays_a_plus(self):
        event, = self.bags("v=1%2B1")
        self.assertEqual(event["properties"], {"v": "1+1"})

    def test_odd_encodings_are_kept(self):
        first, second, third, fourth = self.bags("p=100%&q=%zz", "u=%ff%fe", "n=caf%C3%A9&%C3%A9=1", "a=x:/?=y&A=2&=z")
        self.assertEqual(first["properties"], {"p": "100%", "q": "%zz"})
        self.assertEqual(second["properties"], {"u": "%ff%fe"})
        self.assertEqual(third["properties"], {"n": "café", "é": "1"})
        self.assertEqual(list(fourth["properties"].values()), ["2"])

    def test_B41_system_properties(self):
        event, = self.bags("$.mid=m1&%24.cid=c1&$.ct=application%2Fjson&$.ce=utf-8&%24.uid=u1&$.ctime=2026-01-01T00:00:00Z&own=1&$.x=9")
        system = event["systemProperties"]
        for name, value in {"message-id": "m1", "correlation-id": "c1", "content-type": "application/json", "content-encoding": "utf-8",
                            "user-id": "u1", "iothub-creation-time-utc": "2026-01-01T00:00:00Z"}.items():
            self.assertEqual(system.get(name), value, name)
        self.assertEqual(event["properties"], {"own": "1"})

    def test_a_device_cannot_forge_what_the_hub_says_of_it(self):
        event, = self.bags("iothub-connection-device-id=evil&$.cdid=evil&$.cmid=evil&iothub-message-source=evil")
        system = event["systemProperties"]
        self.assertEqual(system["iothub-connection-device-id"], self.device.device_id)
        self.assertNotIn("iothub-connection-module-id", system)
        self.assertEqual(system["iothub-message-source"], "Telemetry")

    def test_B42_retain_is_passed_on_and_nothing_is_retained(self):
        with self.device.session() as client:
            client.publish(self.device.events, "kept?", retain=True)
            client.send(wire.subscribe(2, (f"devices/{self.device.device_id}/messages/devicebound/#", 1)))
            self.assertEqual(client.read()[0], 0x90)
            client.ping()
        event, = self.device.received()
        self.assertEqual(event["properties"], {"x-opt-retain": "true", "mqtt-retain": "true"})

    def test_B43_qos_2_closes_and_fires_the_will(self):
        with self.device.session(will=(self.device.events, b"will")) as client:
            client.send(wire.publish(self.device.events, "two", qos=2))
            client.expect_closed()
        self.assertEqual([event["body"] for event in self.device.received()], ["will"])

    def test_B44_topics_that_are_not_the_devices_own(self):
        other = world.device()
        me = self.device.device_id
        for topic in (other.events, "foo/bar", "$iothub/foo", "/", f"devices/{me}/messages/devicebound/", f"devices/{me}/messages/eventsx",
                      f"Devices/{me}/messages/events/", f"devices/{me.upper()}/messages/events/", f"devices/{me}/modules/m1/messages/events/",
                      "$iothub/twin/PATCH/properties/desired/?$rid=1", "$iothub/methods/POST/x/?$rid=1", "$SYS/x"):
            with self.subTest(topic), self.device.session() as client:
                client.send(wire.publish(topic, "x", qos=0))
                client.expect_closed()
        self.assertEqual(self.device.received(), [])
        self.assertEqual(other.received(), [])

    def test_B45_the_largest_body_and_one_byte_more(self):
        body = b"a" * LARGEST
        with self.device.session(will=(self.device.events, b"will")) as client:
            client.publish(self.device.events, body)
            client.send(wire.publish(self.device.events, body + b"a"))
            client.expect_closed()
        first, second = self.device.received()
        self.assertEqual(len(first["body"]), LARGEST)
        self.assertEqual(second["body"], "will")

    def test_B45_properties_count_with_the_body(self):
        # Names and values of application properties, values of system properties: 2 + 3 + 4 bytes.
        bag = "ab=123&$.mid=m234"
        with self.device.session() as client:
            client.publish(self.device.events + bag, b"a" * (LARGEST - 9))
            client.send(wire.publish(self.device.events + bag, b"a" * (LARGEST - 8)))
            client.expect_closed()
        self.assertEqual(len(self.device.received()), 1)

    def test_B45_a_packet_that_announces_too_much_is_closed_at_once(self):
        with self.device.session() as client:
            client.send(b"\x32" + wire.remaining_length(400_000))
            client.expect_closed()

    def test_the_longest_topic_is_taken(self):
        bag = "p=" + "v" * (65_535 - len(self.device.events) - 2)
        event, = self.bags(bag)
        self.assertEqual(len(event["properties"]["p"]), len(bag) - 2)

    def test_B46_model_and_component(self):
        model = "dtmi:com:example:Thermostat;1"
        for written in (model, "dtmi%3Acom%3Aexample%3AThermostat%3B1"):
            with self.device.session(username=self.device.username(f"/?api-version={VERSION}&model-id={written}")) as client:
                client.publish(self.device.events + "$.sub=thermostat1", written)
        with self.device.session() as client:
            client.publish(self.device.events, "none")
        raw, encoded, without = self.device.received()
        for event in (raw, encoded):
            self.assertEqual(event["systemProperties"]["dt-dataschema"], model)
            self.assertEqual(event["systemProperties"]["dt-subject"], "thermostat1")
        self.assertNotIn("dt-dataschema", without["systemProperties"])

    def test_B47_who_sent_it_and_how_it_was_proven(self):
        with self.device.session() as client:
            client.publish(self.device.events, "own")
        with self.device.session(password=world.policy_token(self.device.hub, "iothubowner")) as client:
            client.publish(self.device.events, "policy")
        own, policy = self.device.received()
        for event, scope in ((own, "device"), (policy, "hub")):
            system = event["systemProperties"]
            self.assertEqual(system["iothub-connection-device-id"], self.device.device_id)
            self.assertEqual(system["iothub-connection-auth-method"],
                             '{"scope":"%s","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}' % scope)
            self.assertEqual(system["iothub-connection-auth-generation-id"], self.device.document["generationId"])
            self.assertEqual(system["iothub-enqueuedtime"], event["enqueuedTime"])

    def test_B48_a_hundred_pipelined_messages_are_acknowledged_in_order(self):
        packet_ids = [1 + 37 * number for number in range(100)]
        with self.device.session() as client:
            client.send(b"".join(wire.publish(self.device.events, str(number), packet_id=number) for number in packet_ids))
            answers = [client.read() for _ in packet_ids]
        self.assertEqual(answers, [(0x40, struct.pack(">H", number)) for number in packet_ids])
        events = self.device.received()
        self.assertEqual([event["body"] for event in events], [str(number) for number in packet_ids])
        offsets = [event["offset"] for event in events]
        self.assertEqual(offsets, sorted(set(offsets)))
        self.assertEqual(len({event["partition"] for event in events}), 1)

    def test_B48_twenty_thousand_sent_before_the_first_answer_is_read(self):
        count = 20_000
        data = b"".join(wire.publish(self.device.events, "x", packet_id=number) for number in range(1, count + 1))
        with self.device.session() as client:
            client.send_reading(data)
            for number in range(1, count + 1):
                self.assertEqual(client.read(), (0x40, struct.pack(">H", number)))

    def test_a_peer_that_reads_no_answers_is_read_no_further(self):
        before = self.device.hub.resident_bytes()
        with self.device.session() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.socket.settimeout(2)
            with self.assertRaises((TimeoutError, ConnectionError)):
                for _ in range(2_000):
                    client.socket.sendall(wire.PINGREQ * 50_000)
        self.assertLess(self.device.hub.resident_bytes() - before, 64 * 1024 * 1024)
        self.device.send("others are served")

    def test_qos_0_and_1_keep_their_order(self):
        with self.device.session() as client:
            client.send(b"".join(wire.publish(self.device.events, str(i), qos=i % 2, packet_id=i) for i in range(1, 40)))
            self.assertEqual([client.read() for _ in range(20)], [(0x40, struct.pack(">H", i)) for i in range(1, 40, 2)])
        self.assertEqual([event["body"] for event in self.device.received()], [str(i) for i in range(1, 40)])

    def test_what_was_sent_before_disconnect_is_stored_acknowledged_or_not(self):
        with self.device.session() as client:
            client.send(b"".join(wire.publish(self.device.events, str(i), qos=i % 2, packet_id=i) for i in range(1, 9)) + wire.DISCONNECT)
            while client.read():
                pass
        self.assertEqual([event["body"] for event in self.device.received()], [str(i) for i in range(1, 9)])

    def test_a_repeated_message_is_a_message(self):
        with self.device.session() as client:
            client.publish(self.device.events, "twice")
            client.publish(self.device.events, "twice", dup=True)
        self.assertEqual([event["properties"] for event in self.device.received()], [{}, {}])

    def test_B49_a_modules_message(self):
        module = self.device.module("m1")
        with module.session() as client:
            client.publish(module.events + "$.on=out1", "x")
        event, = module.received()
        system = event["systemProperties"]
        self.assertEqual((event["deviceId"], event["moduleId"]), (self.device.device_id, "m1"))
        self.assertEqual(system["iothub-connection-module-id"], "m1")
        self.assertEqual(system["iothub-outputname"], "out1")
        self.assertEqual(json.loads(system["iothub-connection-auth-method"])["scope"], "module")

    def test_B49_a_module_may_not_speak_for_its_device(self):
        module = self.device.module("m1")
        with module.session() as client:
            client.send(wire.publish(self.device.events, "x"))
            client.expect_closed()


class Wills(unittest.TestCase):
    def setUp(self):
        self.device = world.device()
        self.will = (self.device.events + "a=1", b"x", 1, False)

    def test_B29_a_cut_socket_fires_the_will(self):
        with self.device.session(will=self.will) as client:
            client.ping()
            client.cut()
            event, = self.device.hub.expect_events(self.device.device_id, 1, timeout=20)
        self.assertEqual((event["body"], event["properties"]), ("x", {"a": "1", "iothub-MessageType": "Will"}))
        self.assertEqual(event["systemProperties"]["iothub-message-source"], "Telemetry")

    def test_B29_the_will_keeps_retain_and_takes_qos_2(self):
        topic, body, _, _ = self.will
        with self.device.session(will=(topic, body, 2, True)) as client:
            client.cut()
            event, = self.device.hub.expect_events(self.device.device_id, 1, timeout=20)
        self.assertEqual(event["properties"], {"a": "1", "iothub-MessageType": "Will", "x-opt-retain": "true", "mqtt-retain": "true"})

    def test_B29_malformed_packets_fire_it_too(self):
        with self.device.session(will=self.will) as client:
            client.send(b"\xff\xff")
            client.expect_closed()
        self.assertEqual(len(self.device.received()), 1)

    def test_B30_a_disconnect_discards_it(self):
        with self.device.session(will=self.will) as client:
            client.disconnect()
        self.assertEqual(self.device.received(), [])

    def test_a_refused_connect_has_no_will(self):
        self.assertEqual(self.device.connack(will=self.will, password="nonsense"), 5)
        self.assertEqual(self.device.received(), [])

    def test_B31_a_will_for_another_topic_is_dropped_with_a_warning(self):
        other = world.device()
        for topic in (other.events, "foo", f"devices/{self.device.device_id}/messages/devicebound/"):
            with self.device.session(will=(topic, b"x")) as client:
                client.cut()
        self.assertEqual(self.device.received(), [])
        self.assertEqual(other.received(), [])
        def mine():
            lines = [json.loads(line) for line in world.log_lines(self.device.hub, '"will_unusable"')]
            return [line["level"] for line in lines if line["device"] == self.device.device_id]

        world.wait_for(lambda: len(mine()) >= 3, "three warnings in the log")
        self.assertEqual(mine(), ["warning"] * 3)

    def test_a_large_will(self):
        with self.device.session(will=(self.device.events, b"w" * 65_535)) as client:
            client.cut()
            event, = self.device.hub.expect_events(self.device.device_id, 1, timeout=20)
        self.assertEqual(len(event["body"]), 65_535)

    def test_B34_the_new_connection_takes_over(self):
        with self.device.session(will=self.will) as first:
            with self.device.session() as second:
                first.expect_closed()
                second.publish(self.device.events, "after")
            self.assertEqual([event["body"] for event in self.device.received()], ["x", "after"])

        def logged():
            lines = [json.loads(line) for line in world.log_lines(self.device.hub, self.device.device_id)]
            return [(line["event"], line.get("reason")) for line in lines if line.get("device") == self.device.device_id]

        connected, taken_over = ("device_connected", None), ("device_disconnected", "takeover")
        world.wait_for(lambda: logged().count(connected) >= 2 and taken_over in logged(), "both connections and the takeover in the log")

    def test_B34_a_failed_connect_leaves_the_old_connection(self):
        with self.device.session() as first:
            self.assertEqual(self.device.connack(password=self.device.token(key=world.other_key())), 5)
            first.ping()

    def test_many_takeovers_leave_one_connection(self):
        links = []
        try:
            for _ in range(20):
                client = self.device.link()
                links.append(client)
                self.assertEqual(client.connect()[0], 0)
            for client in links[:-1]:
                client.expect_closed()
            links[-1].ping()
        finally:
            for client in links:
                client.cut()


class Subscriptions(unittest.TestCase):
    def setUp(self):
        self.device = world.device()
        self.bound = f"devices/{self.device.device_id}/messages/devicebound/#"

    def test_B77_filters_that_are_not_documented(self):
        other = world.device()
        me = self.device.device_id
        for name in ("#", "+", f"devices/{other.device_id}/messages/devicebound/#", f"devices/{me}/messages/devicebound/x/#",
                     "devices/+/messages/devicebound/#", f"devices/{me}/messages/devicebound", f"devices/{me}/#", f"devices/{me}/messages/events/#",
                     "$iothub/#", "$SYS/#", "a/#/b", "$iothub/twin/res", "$share/g/$iothub/twin/res/#"):
            with self.subTest(name), self.device.session() as client:
                client.send(wire.subscribe(1, (name, 1)))
                client.expect_closed()

    def test_B77_one_bad_filter_among_good_ones_closes(self):
        with self.device.session() as client:
            client.send(wire.subscribe(1, (self.bound, 1), ("#", 0)))
            client.expect_closed()

    def test_B78_the_four_filters_of_a_device(self):
        with self.device.session() as client:
            client.send(wire.subscribe(77, (self.bound, 0), ("$iothub/twin/res/#", 1), ("$iothub/twin/PATCH/properties/desired/#", 2),
                                       ("$iothub/methods/POST/#", 1)))
            self.assertEqual(client.read(), (0x90, b"\0\x4d\0\1\1\1"))
            client.send(wire.subscribe(78, (self.bound, 2)))
            self.assertEqual(client.read(), (0x90, b"\0\x4e\1"))

    def test_the_filters_of_a_module(self):
        module = self.device.module("m1")
        base = f"devices/{self.device.device_id}/modules/m1/"
        with module.session() as client:
            client.send(wire.subscribe(1, (base + "#", 1), (base + "inputs/#", 1), (base + "messages/devicebound/#", 1)))
            self.assertEqual(client.read(), (0x90, b"\0\1\1\1\1"))
            client.send(wire.subscribe(2, (self.bound, 1)))
            client.expect_closed()

    def test_B79_unsubscribe_of_a_known_and_an_unknown_filter(self):
        with self.device.session() as client:
            client.send(wire.subscribe(1, (self.bound, 1)))
            client.read()
            client.send(wire.unsubscribe(2, self.bound) + wire.unsubscribe(3, "never/heard") + wire.unsubscribe(4, self.bound, "#"))
            self.assertEqual([client.read() for _ in range(3)], [(0xB0, b"\0\2"), (0xB0, b"\0\3"), (0xB0, b"\0\4")])
            client.ping()

    def test_twin_requests_do_not_hang(self):
        with self.device.session() as client:
            client.send(wire.subscribe(1, ("$iothub/twin/res/#", 1)))
            client.read()
            client.send(wire.publish("$iothub/twin/GET/?$rid=r1", b" ", packet_id=5))
            answers = [client.read(), client.read()]
        self.assertIn((0x40, b"\0\5"), answers)
        topics = [body[2:2 + struct.unpack(">H", body[:2])[0]].decode() for first, body in answers if first >> 4 == 3]
        self.assertRegex(topics[0], r"^\$iothub/twin/res/\d{3}/\?\$rid=r1")


