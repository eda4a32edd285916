"""The AMQP connection, SASL and `$cbs`, byte by byte (amqp.md 11, behaviours 1 to 22)."""
import base64
import hashlib
import hmac
import json
import time
import unittest
import urllib.parse
import uuid

import amqp_wire as wire
import world
from amqp_wire import (ATTACH, BEGIN, CLOSE, DETACH, DISPOSITION, END, FLOW, OPEN, RECEIVER, SENDER, TRANSFER, Client, Int, Symbol,
                       Uint, Ulong, performative)

C2D = "/messages/devicebound"
KIND = "servicebus.windows.net:sastoken"


def connect(hub, **options):
    return Client(hub.info["ports"]["amqps"], hub.ca_file, **options)


def opened(hub, **options):
    client = connect(hub, **options)
    client.open()
    client.begin()
    return client


def text_key_token(resource, key, policy, expiry=None):
    """As Event Hubs SDKs sign: the text of the key is the secret."""
    expiry = str(int(time.time()) + 3600 if expiry is None else expiry)
    quoted = urllib.parse.quote(resource, safe="")
    digest = hmac.new(key.encode(), f"{quoted}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(digest).decode(), safe="")
    return f"SharedAccessSignature sr={quoted}&sig={signature}&se={expiry}&skn={policy}"


class Connection(unittest.TestCase):
    def setUp(self):
        self.hub = world.main()

    def owner(self):
        return world.policy_token(self.hub, "iothubowner")

    def proven(self, **options):
        client = opened(self.hub, **options)
        answer = client.cbs().put_token(self.owner(), world.HOST)
        self.assertEqual(answer.application["status-code"], 200)
        return client

    def test_A1_amqp_without_sasl_and_cbs_works(self):
        with self.proven():
            pass

    def test_A2_mechanisms_offered(self):
        with connect(self.hub) as client:
            offered, outcome = client.sasl("ANONYMOUS")
            self.assertEqual(sorted(offered), ["ANONYMOUS", "MSSBCBS", "PLAIN"])
            self.assertEqual(outcome.fields[0], 0)
            client.open()

    def test_A2_each_mechanism_and_an_unknown_one(self):
        for mechanism in ("MSSBCBS", "ANONYMOUS"):
            with connect(self.hub) as client:
                client.sasl(mechanism)
                client.open()
        with connect(self.hub) as client:
            _, outcome = client.sasl("SCRAM-SHA-1")
            self.assertEqual((outcome.fields[0], len(outcome.fields)), (1, 2))
            client.wait_closed()

    def test_A3_plain_with_a_wrong_token(self):
        wrong = self.owner()[:-2] + "xx"
        for user, password in ((f"iothubowner@sas.root.{world.HOST.split('.')[0]}", wrong), ("iothubowner", "not the key"), ("", ""),
                               ("nobody@sas.root.hub", self.owner()), ("d1@sas.hub", self.owner().replace("&skn=iothubowner", ""))):
            with connect(self.hub) as client:
                _, outcome = client.sasl("PLAIN", f"\0{user}\0{password}".encode())
                self.assertEqual((outcome.fields[0], outcome.fields[1], len(outcome.fields)), (1, None, 2))
                client.wait_closed()

    def test_3_5_plain_of_policy_device_and_key(self):
        device = world.device()
        users = [("iothubowner@sas.root.hub", self.owner()), (f"{device.client_id}@sas.hub", device.token()), ("iothubowner", world.owner_key(self.hub))]
        for user, password in users:
            with connect(self.hub) as client:
                _, outcome = client.sasl("PLAIN", f"\0{user}\0{password}".encode())
                self.assertEqual(outcome.fields[0], 0, user)
                client.open()
                client.begin()
                if "@sas.root" in user:
                    self.assertIsNotNone(client.attach(SENDER, C2D).attached.field(6))

    def test_3_5_plain_of_a_device_with_a_policys_token_for_another(self):
        own, other = world.device(), world.device()
        token = world.policy_token(self.hub, "device", f"{world.HOST}/devices/{own.client_id}")
        for user, code in ((own.client_id, 0), (other.client_id, 1)):
            with connect(self.hub) as client:
                _, outcome = client.sasl("PLAIN", f"\0{user}@sas.hub\0{token}".encode())
                self.assertEqual(outcome.fields[0], code)
                if code == 0:
                    client.open()
                    client.begin()
                    self.assertIsNotNone(client.attach(SENDER, f"/devices/{user}/messages/events").attached.field(6))

    def test_3_3_a_policys_token_opens_no_device_that_takes_no_tokens(self):
        device = world.device(authentication={"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": "A" * 40}})
        with opened(self.hub) as client:
            self.assertEqual(client.cbs().put_token(world.policy_token(self.hub, "device"), world.HOST).application["status-code"], 200)
            link = client.attach(SENDER, f"/devices/{device.client_id}/messages/events")
            self.assertIsNone(link.attached.field(6))
            self.assertEqual(link.refused()[0], "amqp:unauthorized-access")

    def test_A4_websocket_paths_and_names(self):
        for path in ("/$iothub/websocket", "/$servicebus/websocket"):
            for tail in ("", "/", "?iothub-no-client-cert=true", "/?x=1"):
                for name in ("AMQPWSB10", "amqp"):
                    with connect_websocket(self.hub, path + tail, name) as client:
                        self.assertEqual(client.upgrade.status, 101, path + tail)
                        self.assertEqual(client.upgrade.headers["sec-websocket-protocol"], name)
                        client.open()
        for path in ("/$servicebus/websocket", "/$servicebus/websocket/"):
            for name in (None, "mqtt", "soap"):
                with connect_websocket(self.hub, path, name) as client:
                    self.assertEqual(client.upgrade.status, 400, (path, name))
                    self.assertIn("AMQPWSB10", json.loads(client.upgrade.body)["Message"])
        with connect_websocket(self.hub, "/$iothub/websocket", "soap, AMQPWSB10") as client:
            self.assertEqual(client.upgrade.headers["sec-websocket-protocol"], "AMQPWSB10")

    def test_A5_frames_over_messages(self):
        body = wire.AMQP_HEADER + performative(OPEN, ["cut", "hub.test"]) + performative(BEGIN, [None, Uint(0), Uint(9), Uint(9)])
        with connect_websocket(self.hub, "/$iothub/websocket", "AMQPWSB10") as client:
            for byte in body:
                client.send(bytes([byte]))
            client.read_bytes(8)
            client.expect(OPEN)
            client.expect(BEGIN)
        with connect_websocket(self.hub, "/$iothub/websocket", "AMQPWSB10") as client:
            client.send(body + performative(wire.END, [None]))
            client.read_bytes(8)
            for code in (OPEN, BEGIN, END):
                client.expect(code)

    def test_A5_bytes_one_by_one_over_tls(self):
        with connect(self.hub) as client:
            for byte in wire.AMQP_HEADER + performative(OPEN, ["cut", "hub.test"]):
                client.send(bytes([byte]))
            client.read_bytes(8)
            client.expect(OPEN)

    def test_A6_every_performative_has_all_its_fields(self):
        counts = {OPEN: 10, BEGIN: 8, ATTACH: 14, FLOW: 11, TRANSFER: 11, DISPOSITION: 6, DETACH: 3, END: 1, CLOSE: 1}
        seen = {}
        with connect(self.hub) as client:
            frames = [client.open(), client.begin()]
            requester = client.cbs()
            frames += [requester.sender.attached, requester.receiver.attached]
            requester.sender.send(wire.message(self.owner(), {"message_id": "1"}, {"operation": "put-token", "type": KIND, "name": world.HOST}))
            frames += [client.wait_for(DISPOSITION), client.wait_for(TRANSFER)]
            requester.sender.detach()
            frames.append(client.wait_for(DETACH))
            client.send(performative(END, []))
            frames.append(client.wait_for(END))
            client.send(performative(CLOSE, []))
            frames += [client.wait_for(CLOSE), *client.skipped]
            for got in frames:
                seen[got.code] = len(got.fields)
                self.assertNotIn(b"\x45", got.raw[3:4], "no list0")
        self.assertEqual(seen, counts)

    def test_A7_open_and_begin_say_their_limits(self):
        with connect(self.hub) as client:
            answer = client.open()
            self.assertEqual(answer.field(2), 65536)
            self.assertGreaterEqual(answer.field(3), 255)
            self.assertTrue(120_000 <= answer.field(4) <= 240_000)
            begun = client.begin(channel=7)
            self.assertEqual((begun.channel, begun.field(0)), (7, 7))
            self.assertGreaterEqual(begun.field(2), 2048)
            self.assertGreaterEqual(begun.field(4), 63)

    def test_A8_attach_has_source_target_and_properties(self):
        with self.proven() as client:
            for role in (SENDER, RECEIVER):
                attached = client.attach(role, "$cbs", target=wire.described(wire.TARGET, ["$cbs"] if role == SENDER else [])).attached
                self.assertIsNotNone(attached.field(5))
                self.assertIsNotNone(attached.field(6))
                self.assertEqual(attached.field(13), {})
                self.assertEqual(attached.field(9), 0 if role == RECEIVER else None)
            named = client.attach(SENDER, C2D, properties={Symbol("com.microsoft:client-version"): "1"}).attached
            self.assertEqual(named.field(13), {"com.microsoft:client-version": "1"})

    def test_A8_an_absent_target_is_echoed_as_an_empty_one(self):
        with self.proven() as client:
            link = client.attach(RECEIVER, "$cbs", target=wire.Typed(b"\x40"))
            self.assertEqual(int(link.attached.field(6).descriptor), wire.TARGET)

    def test_A9_errors_have_three_fields(self):
        with opened(self.hub) as client:
            error = client.attach(SENDER, C2D).refused()
            self.assertEqual((len(error), error[0]), (3, "amqp:unauthorized-access"))
            self.assertIsInstance(error[1], str)
            self.assertIsInstance(error[2], dict)
            self.assertTrue(any(key == "com.microsoft:tracking-id" for key in error[2]))

    def test_A10_heartbeats(self):
        with connect(self.hub) as client:
            client.open(idle_time_out=2000)
            began = time.monotonic()
            for _ in range(3):
                self.assertIsNone(client.read_raw().code)
            self.assertLess(time.monotonic() - began, 100)

    def test_A11_frames_after_end_are_ignored(self):
        with self.proven() as client:
            client.begin(channel=3)
            link = client.attach(SENDER, "$cbs", channel=3)
            client.send(performative(END, [], channel=3))
            client.wait_for(END)
            link.detach()
            client.send(performative(FLOW, [Uint(0), Uint(9), Uint(0), Uint(9)], channel=3))
            self.assertTrue(client.has_nothing())
            client.begin(channel=3)
            self.assertIsNotNone(client.attach(SENDER, "$cbs", channel=3, handle=0).attached.field(6))

    def test_A12_the_same_name_on_two_sessions(self):
        with self.proven() as client:
            client.begin(channel=1)
            for channel in (0, 1):
                self.assertIsNotNone(client.attach(SENDER, C2D, name="TelemetrySenderLink", channel=channel).attached.field(6))

    def test_A13_addresses_in_every_form(self):
        with self.proven() as client:
            for form in ("messages/devicebound", "/messages/devicebound", "amqps://hub.test:5671/messages/devicebound",
                         "amqps://user:pw@hub.test/messages/devicebound", "/Messages/deviceBound", "messages%2fdevicebound"):
                attached = client.attach(SENDER, form).attached
                if form == "messages%2fdevicebound":
                    self.assertIsNone(attached.field(6), "an encoded slash is no separator")
                    client.wait_for(DETACH)
                else:
                    self.assertIsNotNone(attached.field(6), form)

    def test_A14_ids_are_echoed_in_their_type(self):
        with opened(self.hub) as client:
            requester = client.cbs()
            number = uuid.uuid4()
            for given in ("text", Ulong(0), Ulong(2**40), number, b"\x00\xff"):
                answer = requester.put_token(self.owner(), world.HOST, message_id=given)
                self.assertEqual(answer.application["status-code"], 200)
                self.assertIsInstance(answer.application["status-code"], Int)
                self.assertIsInstance(answer.application["status-description"], str)
                self.assertEqual((type(answer.property(5)), answer.property(5)), (type(given), given))
            answer = requester.put_token(self.owner(), world.HOST, message_id=None, correlation_id=Ulong(7))
            self.assertEqual((type(answer.property(5)), answer.property(5)), (Ulong, 7))
            answer = requester.put_token(self.owner(), world.HOST, message_id=None)
            self.assertIsNone(answer.property(5))

    def test_A15_the_request_is_settled_before_its_answer(self):
        with opened(self.hub) as client:
            requester = client.cbs()
            client.skipped.clear()
            for token, status in ((self.owner(), 200), ("nonsense", 401)):
                requester.sender.send(wire.message(token, {"message_id": "1"}, {"operation": "put-token", "type": KIND, "name": world.HOST}))
                first = client.read()
                while first.code == FLOW:
                    first = client.read()
                self.assertEqual(first.code, DISPOSITION)
                self.assertEqual((first.field(0), first.field(3)), (RECEIVER, True))
                _, answer = requester.receiver.receive()
                self.assertEqual(answer.application["status-code"], status)

    def test_A15_a_device_token_too(self):
        device = world.device()
        with opened(self.hub) as client:
            requester = client.cbs()
            name = f"{world.HOST}%2Fdevices%2F{device.client_id}"
            requester.sender.send(wire.message(device.token(), {"message_id": "1"}, {"operation": "put-token", "type": KIND, "name": name}))
            client.wait_for(DISPOSITION)
            self.assertFalse([got for got in client.skipped if got.code == TRANSFER])
            self.assertEqual(requester.receiver.receive()[1].application["status-code"], 200)

    def test_A16_answers_wait_for_credit(self):
        with opened(self.hub) as client:
            requester = wire.Requester(client, "$cbs", credit=0)
            requester.sender.send(wire.message(self.owner(), {"message_id": "1"}, {"operation": "put-token", "type": KIND, "name": world.HOST}))
            client.wait_for(DISPOSITION)
            self.assertTrue(client.has_nothing())
            requester.receiver.credit(1)
            self.assertEqual(requester.receiver.receive()[1].application["status-code"], 200)

    def test_A17_answers_go_where_reply_to_says(self):
        with opened(self.hub) as client:
            sender = client.attach(SENDER, "$cbs")
            by_target = client.attach(RECEIVER, "$cbs", reply_to="my-address")
            by_name = client.attach(RECEIVER, "$cbs", name="cbs-0815")
            for link in (by_target, by_name):
                link.credit(10)
            for reply_to, expected in (("my-address", by_target), ("cbs-0815", by_name)):
                sender.send(wire.message(self.owner(), {"message_id": "1", "reply_to": reply_to}, {"operation": "put-token", "type": KIND, "name": world.HOST}))
                expected.receive()
        for reply_to in ("cbs", None):
            with opened(self.hub) as client:
                requester = wire.Requester(client, "$cbs")
                answer = requester.put_token(self.owner(), world.HOST, reply_to=reply_to)
                self.assertEqual(answer.application["status-code"], 200)

    def test_A18_the_content_says_what_a_token_is(self):
        with opened(self.hub) as client:
            requester = client.cbs()
            for kind in ("jwt", "bearer", "azure-devices.net:sastoken", "nonsense", None):
                answer = requester.request({"operation": "put-token", "type": kind, "name": world.HOST}, self.owner())
                self.assertEqual(answer.application["status-code"], 200, kind)

    def test_A19_both_ways_to_sign(self):
        key = world.owner_key(self.hub)
        entity = f"sb://{world.HOST}/some-entity"
        with opened(self.hub) as client:
            requester = client.cbs()
            for token in (self.owner(), text_key_token(entity, key, "iothubowner")):
                audience = entity if "some-entity" in token else world.HOST
                self.assertEqual(requester.put_token(token, audience).application["status-code"], 200)
                at = token.index("&sig=") + 8
                bad = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]
                answer = requester.put_token(bad, audience)
                self.assertEqual(answer.application["status-code"], 401)
                self.assertEqual(answer.application["error-condition"], "amqp:unauthorized-access")
                self.assertIsInstance(answer.application["error-condition"], Symbol)
                self.assertIsInstance(answer.application["status-code"], Int)

    def test_A20_the_signature_covers_the_text_of_sr(self):
        key = world.owner_key(self.hub)
        with opened(self.hub) as client:
            requester = client.cbs()
            for resource in (world.percent(f"sb://{world.HOST}/entity"), world.percent(f"sb://{world.HOST}/entity", "lower"), f"{world.HOST}",
                             f"sb://{world.HOST}:5671/entity", world.percent(f"amqps://{world.HOST}:5671/")):
                answer = requester.put_token(world.token(resource, key, "iothubowner"), f"sb://{world.HOST}/entity")
                self.assertEqual(answer.application["status-code"], 200, resource)

    def test_3_3_audiences_beyond_the_token_are_refused(self):
        key = world.owner_key(self.hub)
        with opened(self.hub) as client:
            requester = client.cbs()
            token = world.token(world.percent(f"{world.HOST}/devices/d1"), key, "iothubowner")
            for audience in (world.HOST, f"{world.HOST}/devices/d10", f"sb://{world.HOST}/entity"):
                self.assertEqual(requester.put_token(token, audience).application["status-code"], 401, audience)
            other = world.token("other.test", key, "iothubowner")
            self.assertEqual(requester.put_token(other, "other.test").application["status-code"], 401)

    def test_3_2_codes_of_failure(self):
        device = world.device()
        with opened(self.hub) as client:
            requester = client.cbs()
            put = {"operation": "put-token", "type": KIND, "name": world.HOST}
            expired = world.policy_token(self.hub, "iothubowner", expiry=int(time.time()) - 3600)
            self.assertEqual(requester.put_token(expired, world.HOST).application["status-code"], 401)
            self.assertEqual(requester.put_token("", world.HOST).application["status-code"], 401)
            self.assertEqual(requester.request({"operation": "steal-token"}, self.owner()).application["status-code"], 400)
            self.assertEqual(requester.request({}, self.owner()).application["status-code"], 400)
            self.assertEqual(requester.request(put, [1, 2]).application["status-code"], 400)
            unknown = world.token(world.percent(f"{world.HOST}/devices/nobody-here"), world.other_key())
            self.assertEqual(requester.put_token(unknown, f"{world.HOST}/devices/nobody-here").application["status-code"], 401)
            wrong = device.token(key=world.other_key())
            self.assertEqual(requester.put_token(wrong, f"{world.HOST}/devices/{device.client_id}").application["status-code"], 401)
            # None of it ended the connection.
            self.assertEqual(requester.put_token(self.owner(), world.HOST).application["status-code"], 200)

    def test_A22_no_claim_no_link(self):
        device = world.device()
        with opened(self.hub) as client:
            for role, address in ((SENDER, C2D), (RECEIVER, "/messages/serviceBound/feedback"), (RECEIVER, "messages/events/$management"),
                                  (SENDER, f"/devices/{device.client_id}/messages/events"),
                                  (RECEIVER, "iothub-ehub-hub/ConsumerGroups/$Default/Partitions/0")):
                link = client.attach(role, address)
                self.assertIsNone(link.attached.field(5 if role == RECEIVER else 6), address)
                self.assertEqual(link.refused()[0], "amqp:unauthorized-access", address)

    def test_A22_a_policy_without_the_right(self):
        with opened(self.hub) as client:
            requester = client.cbs()
            token = world.policy_token(self.hub, "registryRead")
            self.assertEqual(requester.put_token(token, world.HOST).application["status-code"], 200)
            self.assertEqual(client.attach(SENDER, C2D).refused()[0], "amqp:unauthorized-access")

    def test_4_unknown_nodes_and_wrong_directions(self):
        with self.proven() as client:
            for role, address, condition in ((SENDER, "nothing/here/at/all", "amqp:not-found"), (SENDER, "", "amqp:not-found"),
                                             (RECEIVER, C2D, "amqp:not-allowed"), (SENDER, "/messages/servicebound/feedback", "amqp:not-allowed"),
                                             (SENDER, "iothub-ehub-hub", "amqp:not-allowed"), (SENDER, "iothub-ehub-hub/Partitions/0", "amqp:not-allowed"),
                                             (RECEIVER, "devices//messages/devicebound", "amqp:not-found"),
                                             (RECEIVER, "devices/%ff/messages/devicebound", "amqp:not-found")):
                self.assertEqual(client.attach(role, address).refused()[0], condition, address)

    def test_2_4_dynamic_nodes_are_refused(self):
        with self.proven() as client:
            source = wire.described(wire.SOURCE, [None, None, None, None, True])
            self.assertEqual(client.attach(RECEIVER, None, source=source).refused()[0], "amqp:not-implemented")


class Expiry(unittest.TestCase):
    """Tokens that end while their links are open; the clock is the hub's (amqp.md 3.4)."""

    def setUp(self):
        self.hub = world.test_control()
        self.addCleanup(self.shift, 0)

    def shift(self, seconds):
        self.assertEqual(world.rest(self.hub, "PUT", "/kyanite/v1/clock", {"shiftSeconds": seconds}).status, 200)

    def put(self, requester, device, ends_in):
        token = device.token(expiry=int(time.time()) + ends_in)
        self.assertEqual(requester.put_token(token, world.percent(device.resource)).application["status-code"], 200)

    def telemetry(self, client, device):
        link = client.attach(SENDER, f"/devices/{device.device_id}/messages/events")
        client.wait_for(FLOW)
        return link

    def is_taken(self, link):
        link.send(wire.message(data=b"still here"))
        return link.outcome()[0] == wire.ACCEPTED

    def test_A21_a_token_that_ends_takes_the_links_it_opened_and_no_other(self):
        first, second = world.device(self.hub), world.device(self.hub)
        with opened(self.hub) as client:
            requester = client.cbs()
            self.put(requester, first, 60)
            self.put(requester, second, 3600)
            owner = world.policy_token(self.hub, "service", expiry=int(time.time()) + 60)
            self.assertEqual(requester.put_token(owner, world.HOST).application["status-code"], 200)
            links = {link.handle: link for link in (self.telemetry(client, first), self.telemetry(client, second), client.attach(SENDER, C2D))}
            kept = list(links)[1]
            client.wait_for(FLOW)
            self.shift(200)  # ended, and forgiven for five minutes
            self.assertTrue(client.has_nothing())
            self.shift(400)
            ended = [client.wait_for(DETACH) for _ in range(2)]
            for detach in ended:
                self.assertIs(detach.field(1), True)
                condition, description, _ = detach.field(2).value
                self.assertEqual(condition, "amqp:unauthorized-access")
                self.assertIn("has expired", description)
            self.assertTrue(client.has_nothing())
            self.assertTrue(self.is_taken(links[kept]))
            # Nothing but a new token opens them again.
            self.assertEqual(client.attach(SENDER, f"/devices/{first.device_id}/messages/events").refused()[0], "amqp:unauthorized-access")
            self.put(requester, first, 3600)
            self.assertTrue(self.is_taken(self.telemetry(client, first)))

    def test_A21_a_renewal_in_time_keeps_the_links(self):
        device = world.device(self.hub)
        with opened(self.hub) as client:
            requester = client.cbs()
            self.put(requester, device, 60)
            link = self.telemetry(client, device)
            self.put(requester, device, 3600)
            self.shift(400)
            self.assertTrue(client.has_nothing())
            self.assertTrue(self.is_taken(link))


class Breaches(unittest.TestCase):
    """What is no AMQP, or breaks its rules: the hub says why and closes; it is there for the next one."""

    def setUp(self):
        self.hub = world.main()

    def closed_with(self, client, condition):
        frames = client.wait_closed()
        self.assertEqual(frames[-1].code, CLOSE, frames)
        error = frames[-1].field(0).value
        self.assertEqual((error[0], len(error)), (condition, 3))

    def test_no_amqp_at_all(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"AMQP\x00\x00\x09\x01", b"AMQP\x02\x01\x00\x00", b"\x00" * 64, b"\x10\x10\x00\x04MQTT\x04\x02"):
            with connect(self.hub) as client:
                client.send(data)
                self.assertEqual(client.read_bytes(8), wire.SASL_HEADER)
                with self.assertRaises(wire.Closed):
                    client.read_bytes(1)

    def test_frames_that_lie_about_their_size(self):
        for data in (b"\x00\x00\x00\x07\x02\x00\x00\x00", b"\xff\xff\xff\xff\x02\x00\x00\x00", b"\x00\x00\x00\x08\x01\x00\x00\x00", b"\x00\x00\x00\x10\xff\x00\x00\x00" + b"\0" * 8,
                     b"\x00\x00\x00\x08\x02\x07\x00\x00"):
            with opened(self.hub) as client:
                client.send(data)
                frames = client.wait_closed()
                self.assertEqual(frames[-1].code, CLOSE)

    def test_values_that_are_none(self):
        for body in (b"\x00\x53\x11", b"\x00\x53\x11\xd0\xff\xff\xff\xff\x00\x00\x00\x01", b"\xff", b"\x00\x00\x00\x00", b"\x00\x53\x99\xc0\x01\x00",
                     b"\x00\x53\x11\xc0\x02\x01\x45", b"\x00\x53\x12" + b"\xc0\x03\x01\xc0\x01" * 40, b"\x40"):
            with opened(self.hub) as client:
                client.send(wire.frame(body))
                frames = client.wait_closed()
                self.assertEqual(frames[-1].code, CLOSE, body)

    def test_frames_out_of_place(self):
        with connect(self.hub) as client:
            client.send(wire.AMQP_HEADER + performative(BEGIN, [None, Uint(0), Uint(9), Uint(9)]))
            client.read_bytes(8)
            self.closed_with(client, "amqp:connection:framing-error")
        for bad, condition in ((performative(OPEN, ["again"]), "amqp:not-allowed"), (performative(BEGIN, [None, Uint(0), Uint(9), Uint(9)]), "amqp:not-allowed"),
                               (performative(ATTACH, ["x", Uint(0), True], channel=9), "amqp:not-allowed"),
                               (performative(BEGIN, [None, Uint(0), Uint(9), Uint(9)], channel=60000), "amqp:connection:framing-error"),
                               (performative(wire.SASL_INIT, [Symbol("PLAIN")], kind=1), "amqp:connection:framing-error")):
            with opened(self.hub) as client:
                client.send(bad)
                self.closed_with(client, condition)

    def test_handles_that_have_no_link_end_the_session_only(self):
        with opened(self.hub) as client:
            for bad in (performative(TRANSFER, [Uint(9), Uint(0), b"t"]), performative(FLOW, [Uint(0), Uint(9), Uint(0), Uint(9), Uint(9)]), performative(DETACH, [Uint(9), True])):
                client.send(bad)
                ended = client.wait_for(END)
                self.assertEqual(ended.field(0).value[0], "amqp:session:unattached-handle")
                client.send(performative(END, []))
                client.begin()
            client.begin(channel=1)

    def test_a_handle_twice(self):
        with opened(self.hub) as client:
            client.attach(SENDER, "$cbs", handle=4)
            client.send(performative(ATTACH, ["again", Uint(4), SENDER, None, None, wire.described(wire.SOURCE, ["x"]), wire.described(wire.TARGET, ["$cbs"])]))
            self.assertEqual(client.wait_for(END).field(0).value[0], "amqp:session:handle-in-use")

    def test_a_small_frame_size_is_kept_and_a_tiny_one_refused(self):
        with connect(self.hub) as client:
            client.open(max_frame_size=512)
            client.begin()
            answer = client.cbs().put_token(world.policy_token(self.hub, "iothubowner"), world.HOST)
            self.assertEqual(answer.application["status-code"], 200)
        with connect(self.hub) as client:
            client.send(wire.AMQP_HEADER + performative(OPEN, ["x", "hub.test", Uint(100)]))
            client.read_bytes(8)
            client.expect(OPEN)
            self.closed_with(client, "amqp:connection:framing-error")

    def test_sessions_and_links_without_end(self):
        with connect(self.hub) as client:
            client.open()
            for channel in range(256):
                client.begin(channel=channel)
            for n in range(300):
                link = client.attach(SENDER, "$cbs", channel=n % 256, handle=n // 256)
                self.assertIsNotNone(link.attached.field(6))
            client.send(performative(BEGIN, [None, Uint(0), Uint(9), Uint(9)], channel=256))
            self.closed_with(client, "amqp:connection:framing-error")

    def test_receivers_of_answers_without_end(self):
        with connect(self.hub) as client:
            client.open()
            client.begin()
            for n in range(64):
                self.assertIsNotNone(client.attach(RECEIVER, "$cbs", handle=n).attached.field(5))
            link = client.attach(RECEIVER, "$cbs", handle=64)
            self.assertIsNone(link.attached.field(5))
            self.assertEqual(link.refused()[0], "amqp:resource-limit-exceeded")
            client.send(performative(DETACH, [Uint(0), True]))
            client.wait_for(DETACH)
            self.assertIsNotNone(client.attach(RECEIVER, "$cbs", handle=65).attached.field(5))

    def test_answers_that_nobody_takes_do_not_pile_up(self):
        with connect(self.hub) as client:
            client.open()
            client.begin()
            requester = client.cbs()
            requester.receiver.credit(0)
            for n in range(6):
                requester.sender.send(wire.message("x", {"message_id": f"{n}" * 30000, "reply_to": "cbs"}, {"operation": "put-token", "name": "x"}))
                client.wait_for(DISPOSITION)
            requester.receiver.credit(100)
            ids = [requester.receiver.receive()[1].property(5)[0] for _ in range(2)]
            self.assertEqual(ids, ["4", "5"], "the newest within the room")
            self.assertTrue(client.has_nothing())

    def test_many_tokens_are_held_at_once(self):
        device = world.device()
        with opened(self.hub) as client:
            requester = client.cbs()
            for n in range(50):
                requester.sender.send(wire.message(device.token(), {"message_id": str(n)}, {"operation": "put-token", "type": KIND, "name": f"{world.HOST}/devices/{device.client_id}"}))
            ids = {requester.receiver.receive()[1].property(5) for _ in range(50)}
            self.assertEqual(ids, {str(n) for n in range(50)})

    def test_a_peer_that_vanishes_in_each_state(self):
        steps = [wire.AMQP_HEADER, performative(OPEN, ["x", "hub.test"]), performative(BEGIN, [None, Uint(0), Uint(9), Uint(9)]),
                 performative(ATTACH, ["s", Uint(0), SENDER, None, None, wire.described(wire.SOURCE, ["x"]), wire.described(wire.TARGET, ["$cbs"]), None, None, Uint(0)]),
                 performative(TRANSFER, [Uint(0), Uint(0), b"t", Uint(0), False, True], b"half")]
        for count in range(len(steps) + 1):
            for cut in (0, 3):
                with connect(self.hub) as client:
                    sent = b"".join(steps[:count])
                    client.send(sent[:len(sent) - cut] if cut else sent + b"")
        with opened(self.hub):
            pass


def connect_websocket(hub, path, name):
    return Client(hub.info["ports"]["https"], hub.ca_file, websocket=path, subprotocol=name)


if __name__ == "__main__":
    unittest.main()
