"""Reading events over AMQP (spec amqp.md 6 and behaviours 32 to 45): redirect, $management, partition receivers."""
import base64
import hashlib
import hmac
import json
import time
import unittest
import urllib.parse

import amqp_wire as amqp
import world
from amqp_wire import RECEIVER, SENDER, Described, Int, Long, Symbol, Timestamp, Ubyte, Uint, Ulong
from world import HOST, device, main, policy_keys, rest

ENTITY = "iothub-ehub-hub"
SELECTOR = Symbol("apache.org:selector-filter:string")
METRIC = Symbol("com.microsoft:enable-receiver-runtime-metric")
UNKNOWN = "could not be found."


def entity_token(hub, policy="service", resource=f"sb://{HOST}/{ENTITY}"):
    """As Event Hubs clients sign: with the text of the key, not what it decodes to."""
    key = policy_keys(hub, policy)[0]
    scope, expiry = urllib.parse.quote(resource, safe=""), int(time.time()) + 3600
    signature = base64.b64encode(hmac.new(key.encode(), f"{scope}\n{expiry}".encode(), hashlib.sha256).digest()).decode()
    return f"SharedAccessSignature sr={scope}&sig={urllib.parse.quote(signature, safe='')}&se={expiry}&skn={policy}"


def connect(hub=None, channel=0, everything=False, **begin):
    """A connection that may read events, with one session; with `everything` by a token for the whole hub."""
    hub = hub or main()
    client = amqp.Client(hub.info["ports"]["amqps"])
    client.open()
    client.begin(channel, **begin)
    tokens = client.cbs(channel)
    answer = tokens.put_token(entity_token(hub), f"sb://{HOST}/{ENTITY}")
    assert answer.application["status-code"] == 200, answer.application
    if everything:
        answer = tokens.put_token(world.policy_token(hub, "service"), HOST)
        assert answer.application["status-code"] == 200, answer.application
    return client


def address(partition, group="$Default", entity=ENTITY):
    return f"{entity}/ConsumerGroups/{group}/Partitions/{partition}"


def selector(text, descriptor=Ulong(0x0000468C00000004)):
    return {SELECTOR: Described(descriptor, text) if descriptor is not None else text}


def reader(client, partition, where=None, epoch=None, group="$Default", **options):
    if where is not None:
        options["filters"] = where if isinstance(where, dict) else selector(where)
    if epoch is not None:
        options["properties"] = {Symbol("com.microsoft:epoch"): epoch}
    return client.attach(RECEIVER, options.pop("at", address(partition, group)), **options)


def is_accepted(link):
    return link.attached.field(5 if link.role == RECEIVER else 6) is not None


def sequence(message):
    return message.annotations[Symbol("x-opt-sequence-number")]


def of(name, message):
    return message.annotations.get(Symbol(f"iothub-connection-{name}"))


class Stream:
    """A device with `count` messages in the log: their partition and events as REST shows them."""

    def __init__(self, count, hub=None):
        self.device = device(hub or main())
        with self.device.session() as client:
            for number in range(count):
                client.publish(self.device.events, f"e{number}")
                time.sleep(0.003)  # so that enqueued times differ
        self.events = list((hub or main()).events(self.device.device_id, count=count, timeout=20))
        self.partition = self.events[0]["partition"]
        self.offsets = [event["offset"] for event in self.events]

    def bodies(self, link, count):
        """The next events of the device on a link; others of the partition are passed over."""
        found = []
        passed_over = 0
        while len(found) < count:
            message = link.receive()[1]
            passed_over += of("device-id", message) != self.device.device_id
            if passed_over and passed_over % 20 == 0:
                link.credit(50)  # the partition is everybody's
            if of("device-id", message) == self.device.device_id:
                found.append(message.data.decode())
        return found


class Redirect(unittest.TestCase):
    def test_A32_whoever_asks_the_hub_for_events_is_sent_to_the_event_hub(self):
        for asked, rest_of_it in (("messages/events/$management", "/$management"), ("messages/events/", "/"), ("messages/events", ""),
                                  (f"amqps://{HOST}/messages/events/ConsumerGroups/$Default/Partitions/0", "/ConsumerGroups/$Default/Partitions/0"),
                                  (f"amqps://{HOST}:5671/Messages/Events/$management", "/$management")):
            with self.subTest(asked), amqp.Client(main().info["ports"]["amqps"]) as client:
                client.open()
                client.begin()
                self.assertEqual(client.cbs().put_token(world.policy_token(main(), "service"), HOST).application["status-code"], 200)
                link = client.attach(RECEIVER, asked)
                self.assertTrue(is_accepted(link))
                self.assertEqual(client.buffer, b"", "33: the end does not come in the same read as the attach")
                condition, _, info = link.refused()
                self.assertEqual(condition, "amqp:link:redirect")
                self.assertEqual(info, {"hostname": HOST, "network-host": HOST, "port": 5671, "address": f"amqps://{HOST}:5671/{ENTITY}{rest_of_it}"})
                self.assertTrue(all(isinstance(key, Symbol) for key in info))
                self.assertIsInstance(info[Symbol("port")], Int)

    def test_it_needs_a_token(self):
        with amqp.Client(main().info["ports"]["amqps"]) as client:
            client.open()
            client.begin()
            link = client.attach(RECEIVER, "messages/events/$management")
            self.assertEqual(link.refused()[0], "amqp:unauthorized-access")

    def test_a_sender_for_management_is_sent_there_at_once(self):
        with connect(everything=True) as client:
            for asked in ("/messages/events/$management", "messages/events/$Management"):
                link = client.attach(SENDER, asked)
                self.assertFalse(is_accepted(link), "Event Hubs clients of 2019 take the reason only of a link that does not open")
                condition, _, info = link.refused()
                self.assertEqual(condition, "amqp:link:redirect")
                self.assertEqual(info["address"], f"amqps://{HOST}:5671/{ENTITY}/{asked.split('/')[-1]}")
                self.assertEqual(info["hostname"], HOST)
            for asked in ("messages/events/", "messages/events", "messages/events/x/$managements"):
                self.assertEqual(client.attach(SENDER, asked).refused()[0], "amqp:not-allowed")
        with amqp.Client(main().info["ports"]["amqps"]) as client:
            client.open()
            client.begin()
            self.assertEqual(client.attach(SENDER, "messages/events/$management").refused()[0], "amqp:unauthorized-access")

    def test_a_peer_that_leaves_in_the_gap(self):
        for _ in range(3):
            with connect() as client:
                client.attach(RECEIVER, "messages/events/$management")
        time.sleep(0.1)
        self.assertTrue(main().is_running())


class Management(unittest.TestCase):
    def setUp(self):
        self.client = connect()
        self.addCleanup(self.client.close)
        self.node = amqp.Requester(self.client, "$management")

    def ask(self, node=None, **application):
        names = {"kind": "type"}
        fields = {names.get(name, name): value for name, value in {"operation": "READ", "name": ENTITY, **application}.items() if value is not None}
        return (node or self.node).request(fields)

    def test_A34_the_event_hub(self):
        answer = self.ask(kind="com.microsoft:eventhub")
        self.assertEqual(answer.application["status-code"], 200)
        self.assertIsInstance(answer.application["status-code"], Int)
        self.assertIsInstance(answer.application["status-description"], str)
        body = answer.value
        self.assertEqual(list(body), ["name", "type", "created_at", "partition_count", "partition_ids", "georeplication_factor"])
        self.assertFalse(any(isinstance(key, Symbol) for key in body), "string keys")
        self.assertEqual((body["name"], body["type"]), (ENTITY, "com.microsoft:eventhub"))
        self.assertIsInstance(body["created_at"], Timestamp)
        self.assertLess(abs(body["created_at"] / 1000 - time.time()), 3600)
        self.assertEqual((type(body["partition_count"]), body["partition_count"]), (Int, 4))
        self.assertEqual((type(body["partition_ids"]), body["partition_ids"]), (amqp.Array, ["0", "1", "2", "3"]))
        self.assertEqual((type(body["georeplication_factor"]), body["georeplication_factor"]), (Int, 1))

    def test_A34_the_age_of_the_event_hub_does_not_change(self):
        first = self.ask(kind="com.microsoft:eventhub").value["created_at"]
        self.assertEqual(self.ask(kind="com.microsoft:eventhub").value["created_at"], first)

    def test_A35_a_partition(self):
        with world.new_hub("own-log") as hub, connect(hub) as client:  # in everybody's log, wills of earlier tests may still come
            stream = Stream(2, hub)
            body = self.ask(amqp.Requester(client, "$management"), kind="com.microsoft:partition", partition=str(stream.partition)).value
        self.assertEqual(list(body), ["name", "type", "partition", "begin_sequence_number", "last_enqueued_sequence_number", "last_enqueued_offset",
                                      "last_enqueued_time_utc", "is_partition_empty", "runtime_info_retrieval_time_utc"])
        self.assertEqual((body["name"], body["type"], body["partition"]), (ENTITY, "com.microsoft:partition", str(stream.partition)))
        self.assertEqual((type(body["begin_sequence_number"]), body["begin_sequence_number"]), (Long, 0))
        self.assertEqual((type(body["last_enqueued_sequence_number"]), body["last_enqueued_sequence_number"]), (Long, stream.offsets[-1]))
        self.assertEqual(body["last_enqueued_offset"], str(stream.offsets[-1]))
        self.assertIsInstance(body["last_enqueued_time_utc"], Timestamp)
        self.assertIs(body["is_partition_empty"], False)
        self.assertLess(abs(body["runtime_info_retrieval_time_utc"] / 1000 - time.time()), 60)

    def test_A35_an_empty_partition(self):
        hub = world.new_hub("empty-log")
        with hub, connect(hub) as client:
            body = self.ask(amqp.Requester(client, "$management"), kind="com.microsoft:partition", partition="3").value
            self.assertEqual((type(body["last_enqueued_sequence_number"]), body["last_enqueued_sequence_number"]), (Long, -1))
            self.assertEqual((body["begin_sequence_number"], body["last_enqueued_offset"], body["last_enqueued_time_utc"]), (0, "-1", 0))
            self.assertIs(body["is_partition_empty"], True)

    def test_A36_what_is_not_there(self):
        for application in ({"kind": "com.microsoft:eventhub", "name": "other"}, {"kind": "com.microsoft:partition", "name": "other", "partition": "0"},
                            {"kind": "com.microsoft:partition", "partition": "4"}, {"kind": "com.microsoft:partition", "partition": "x"}):
            answer = self.ask(**application)
            self.assertEqual(answer.application["status-code"], 404, application)
            self.assertEqual(answer.application["error-condition"], Symbol("amqp:not-found"))
            self.assertIsInstance(answer.application["error-condition"], Symbol)
            self.assertRegex(answer.application["status-description"], r"^The messaging entity '.*' could not be found\.")

    def test_requests_that_make_no_sense(self):
        for application in ({"operation": None, "kind": "com.microsoft:eventhub"}, {"operation": "DELETE", "kind": "com.microsoft:eventhub"},
                            {"kind": None}, {"kind": "other"}, {"name": None, "kind": "com.microsoft:eventhub"},
                            {"kind": "com.microsoft:partition"}):
            answer = self.ask(**application)
            self.assertEqual(answer.application["status-code"], 400, application)
            self.assertEqual(answer.application["error-condition"], "com.microsoft:argument-error")

    def test_a_request_without_end_is_rejected_and_the_link_stays(self):
        import amqp_peers
        large = amqp.message(application={"operation": "READ", "name": "x" * 70_000, "type": "com.microsoft:eventhub"})
        outcome, condition, _ = amqp_peers.send(self.node.sender, large)
        self.assertEqual((outcome, condition), ("rejected", "amqp:link:message-size-exceeded"))
        self.assertEqual(self.ask(kind="com.microsoft:eventhub").application["status-code"], 200)

    def test_A14_ids_come_back_in_their_type(self):
        import uuid
        for message_id in ("text", Ulong(7), uuid.uuid4()):
            answer = self.node.request({"operation": "READ", "name": ENTITY, "type": "com.microsoft:eventhub"}, message_id=message_id)
            self.assertEqual((type(answer.property(5)), answer.property(5)), (type(message_id), message_id))

    def test_A15_the_request_is_settled_before_its_answer(self):
        self.client.skipped.clear()
        self.ask(kind="com.microsoft:eventhub")
        self.assertEqual([frame.code for frame in self.client.skipped if frame.code == amqp.DISPOSITION], [amqp.DISPOSITION])

    def test_A16_an_answer_waits_for_credit(self):
        with connect() as client:
            node = amqp.Requester(client, f"{ENTITY}/$management", credit=0)
            node.sender.send(amqp.message(None, {"message_id": "m"}, {"operation": "READ", "name": ENTITY, "type": "com.microsoft:eventhub"}))
            self.assertEqual(node.sender.outcome()[0], amqp.ACCEPTED)
            self.assertTrue(client.has_nothing())
            node.receiver.credit(1)
            self.assertEqual(node.receiver.receive()[1].property(5), "m")

    def test_it_is_opened_before_a_token_and_asked_with_one(self):
        # The Java client attaches its links while the token is on its way.
        with amqp.Client(main().info["ports"]["amqps"]) as client:
            client.open()
            client.begin()
            node = amqp.Requester(client, "$management")
            answer = self.ask(node, kind="com.microsoft:eventhub")
            self.assertEqual((answer.application["status-code"], answer.application["error-condition"]), (401, "amqp:unauthorized-access"))
            own = self.ask(node, kind="com.microsoft:eventhub", security_token=world.policy_token(main(), "service"))
            self.assertEqual(own.application["status-code"], 200)
            for token in (world.policy_token(main(), "device"), "nonsense", ""):
                self.assertEqual(self.ask(node, kind="com.microsoft:eventhub", security_token=token).application["status-code"], 401)
            self.assertEqual(client.cbs().put_token(world.policy_token(main(), "service"), HOST).application["status-code"], 200)
            self.assertEqual(self.ask(node, kind="com.microsoft:eventhub").application["status-code"], 200)

    def test_a_node_of_another_entity(self):
        client = connect(everything=True)
        self.addCleanup(client.close)
        link = client.attach(RECEIVER, "other/$management")
        self.assertFalse(is_accepted(link))
        condition, description, _ = link.refused()
        self.assertEqual(condition, "amqp:not-found")
        self.assertTrue(description.endswith(UNKNOWN), description)


class Positions(unittest.TestCase):
    """In a log of their own: in everybody's, wills of earlier tests may still come."""

    @classmethod
    def setUpClass(cls):
        cls.hub = world.new_hub("positions")
        cls.addClassCleanup(cls.hub.kill)
        cls.stream = Stream(6, cls.hub.start())

    @classmethod
    def tearDownClass(cls):
        status = cls.hub.stop()
        assert status == 0, cls.hub.log_tail()

    def setUp(self):
        self.client = connect(self.hub)
        self.addCleanup(self.client.close)

    def next_from(self, where, count=1):
        link = reader(self.client, self.stream.partition, where)
        self.assertTrue(is_accepted(link))
        link.credit(50)
        found = self.stream.bodies(link, count)
        link.detach()
        # What was under way is not for the link that follows.
        self.client.wait_for(amqp.DETACH)
        dropped = [frame for frame in self.client.skipped if frame.code == amqp.TRANSFER]
        self.client.incoming[0] = self.client.incoming.get(0, 0) + len(dropped)
        self.client.skipped.clear()
        return found

    def test_A37_offset_and_sequence_number(self):
        third = self.stream.offsets[3]
        for field in ("x-opt-offset", "x-opt-sequence-number"):
            for value in (f"'{third}'", str(third)):
                self.assertEqual(self.next_from(f"amqp.annotation.{field} > {value}"), ["e4"])
                self.assertEqual(self.next_from(f"amqp.annotation.{field} >= {value}"), ["e3"])
                self.assertEqual(self.next_from(f"amqp.annotation.{field}>={value}"), ["e3"])
            self.assertEqual(self.next_from(f"amqp.annotation.{field} > '-1'"), ["e0"])

    def test_A37_both_times(self):
        at = amqp_ms(self.stream.events[3])
        for field in ("x-opt-enqueued-time", "x-opt-enqueuedtimeutc"):
            self.assertEqual(self.next_from(f"amqp.annotation.{field} > '{at}'"), ["e4"])
            self.assertEqual(self.next_from(f"amqp.annotation.{field} >= {at}"), ["e3"])
            self.assertEqual(self.next_from(f"amqp.annotation.{field} > '-1'"), ["e0"])

    def test_A37_descriptors_and_none(self):
        text = f"amqp.annotation.x-opt-offset > '{self.stream.offsets[1]}'"
        for descriptor in (Ulong(0x0000468C00000004), Ulong(0x13700000A), SELECTOR, None):
            self.assertEqual(self.next_from(selector(text, descriptor)), ["e2"])
        self.assertEqual(self.next_from(None), ["e0"])

    def test_A39_after_the_last_offset_comes_the_next_event_once(self):
        seen, where = [], "amqp.annotation.x-opt-offset > '-1'"
        while len(seen) < 6:
            link = reader(self.client, self.stream.partition, where)
            link.credit(1)
            message = link.receive()[1]
            if of("device-id", message) == self.stream.device.device_id:
                seen.append(message.data.decode())
            where = f"amqp.annotation.x-opt-offset > '{message.annotations[Symbol('x-opt-offset')]}'"
            link.detach()
            self.client.wait_for(amqp.DETACH)
        self.assertEqual(seen, [f"e{number}" for number in range(6)])

    def test_A38_the_latest_never_replays(self):
        link = reader(self.client, self.stream.partition, "amqp.annotation.x-opt-offset > '@latest'")
        link.credit(100)
        self.assertTrue(self.client.has_nothing())
        self.stream.device.send("news")
        self.assertEqual(self.stream.bodies(link, 1), ["news"])
        type(self).stream = Stream(6, self.hub)  # the others count on its events alone

    def test_what_is_enqueued_between_the_attach_and_the_credit_is_not_lost(self):
        stream = Stream(1, self.hub)
        link = reader(self.client, stream.partition, "amqp.annotation.x-opt-offset > '@latest'")
        stream.device.send("between")
        link.credit(100)
        self.assertEqual(stream.bodies(link, 1), ["between"])

    def test_beyond_the_end_a_reader_waits(self):
        stream = Stream(2, self.hub)
        link = reader(self.client, stream.partition, f"amqp.annotation.x-opt-offset > '{stream.offsets[-1] + 1}'")
        link.credit(100)
        stream.device.send("too early")
        self.assertTrue(self.client.has_nothing())
        stream.device.send("wanted")
        self.assertEqual(stream.bodies(link, 1), ["wanted"])

    def test_A37_a_time_that_is_still_to_come(self):
        stream = Stream(1, self.hub)
        for ahead in (2, 10, 60):  # a slow machine may take longer until the early one is sent
            with connect(self.hub) as client, stream.device.session() as sender:
                at = time.time() + ahead
                link = reader(client, stream.partition, f"amqp.annotation.x-opt-enqueued-time > '{int(at * 1000)}'")
                link.credit(100)
                sender.publish(stream.device.events, "too early")
                early = time.time() < at
                world.wait_for(lambda: time.time() > at + 0.1, "that time", ahead + 60)
                sender.publish(stream.device.events, "wanted")
                if early:
                    return self.assertEqual(stream.bodies(link, 1), ["wanted"])
        self.fail("the early one was not sent early enough")

    def test_a_selector_that_cannot_be_read(self):
        for text in ("", "x", "amqp.annotation.x-opt-offset < '1'", "amqp.annotation.x-opt-offset > 'x'", "amqp.annotation.other > '1'",
                     "amqp.annotation.x-opt-offset > '1' AND 1"):
            link = reader(self.client, 0, text)
            self.assertFalse(is_accepted(link), text)
            condition, description, info = link.refused()
            self.assertEqual(condition, "com.microsoft:argument-error", text)
            self.assertTrue(description)
            self.assertRegex(info[Symbol("com.microsoft:tracking-id")], "^[0-9a-f-]{36}$")


def amqp_ms(event):
    import datetime
    text = event["enqueuedTime"]
    whole = datetime.datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return int(whole.timestamp()) * 1000 + int(text[20:23])


class Attaching(unittest.TestCase):
    def setUp(self):
        self.client = connect()
        self.addCleanup(self.client.close)

    def refused(self, link):
        self.assertFalse(is_accepted(link))
        return link.refused()

    def test_A13_every_form_of_the_address(self):
        for at in (address(0), "/" + address(0), f"amqps://{HOST}/{address(0)}", f"amqps://{HOST}:5671/{address(0)}",
                   f"sb://user:pw@{HOST}/{address(0)}", address(0, "$default", ENTITY.upper()).replace("ConsumerGroups", "consumergroups"),
                   f"{ENTITY}/ConsumerGroups/%24Default/Partitions/0"):
            link = reader(self.client, 0, at=at)
            self.assertTrue(is_accepted(link), at)
            link.detach()
            self.client.wait_for(amqp.DETACH)

    def test_what_is_not_there(self):
        self.client = connect(everything=True)
        self.addCleanup(self.client.close)
        for at in (address(0, entity="other"), address(0, group="missing")):
            condition, description, _ = self.refused(reader(self.client, 0, at=at))
            self.assertEqual(condition, "amqp:not-found", at)
            self.assertTrue(description.startswith("The messaging entity '") and description.endswith(UNKNOWN), description)
        for partition in ("4", "-1", "x", "00000000000000000000"):
            link = reader(self.client, partition)
            if partition.strip("0"):
                self.assertEqual(self.refused(link)[0], "com.microsoft:argument-out-of-range", partition)

    def test_A22_without_a_token(self):
        with amqp.Client(main().info["ports"]["amqps"]) as client:
            client.open()
            client.begin()
            self.assertEqual(self.refused(reader(client, 0))[0], "amqp:unauthorized-access")

    def test_a_policy_without_the_right_to_read(self):
        with amqp.Client(main().info["ports"]["amqps"]) as client:
            client.open()
            client.begin()
            client.cbs().put_token(entity_token(main(), "device"), f"sb://{HOST}/{ENTITY}")
            self.assertEqual(self.refused(reader(client, 0))[0], "amqp:unauthorized-access")

    def test_nobody_sends_events(self):
        for at in (ENTITY, f"{ENTITY}/Partitions/0", address(0)):
            condition, _, _ = self.refused(self.client.attach(SENDER, at))
            self.assertEqual(condition, "amqp:not-allowed", at)

    def test_a_level_that_is_none(self):
        for epoch in ("1", Long(-1), 1.5):
            self.assertEqual(self.refused(reader(self.client, 0, epoch=epoch))[0], "com.microsoft:argument-error")

    def test_A8_A45_the_attach_announces_settled_transfers(self):
        stream = Stream(1)
        for mode in (None, 0, 1, 2):
            link = reader(self.client, stream.partition, f"amqp.annotation.x-opt-offset >= {stream.offsets[0]}", snd_mode=mode)
            self.assertEqual(link.attached.field(3), 1)
            self.assertEqual(link.attached.field(9), 0)
            self.assertIsNotNone(link.attached.field(6))
            link.credit(1)
            transfer, _ = link.receive()
            self.assertIs(transfer.field(4), True)
            self.assertTrue(transfer.field(2))
            link.detach()
            self.client.wait_for(amqp.DETACH)


class Levels(unittest.TestCase):
    """One partition of a consumer group of the test's own, with a connection for each reader."""

    def setUp(self):
        self.group = f"levels-{self._testMethodName[-20:].strip('_')}"
        self.assertEqual(rest(main(), "PUT", f"/kyanite/v1/consumer-groups/{self.group}").status, 200)

    def attach(self, epoch=None, client=None):
        client = client or connect()
        self.addCleanup(client.close)
        return reader(client, 1, epoch=epoch, group=self.group)

    def assert_stolen(self, link):
        self.assertEqual(link.refused()[0], "amqp:link:stolen")

    def test_A40_a_higher_level_takes_the_partition(self):
        plain, low = self.attach(), None
        self.assertTrue(is_accepted(plain))
        low = self.attach(Long(0))
        self.assertTrue(is_accepted(low))
        self.assert_stolen(plain)
        high = self.attach(Int(7))
        self.assertTrue(is_accepted(high))
        self.assert_stolen(low)
        for epoch in (None, Long(6)):
            refused = self.attach(epoch)
            self.assertFalse(is_accepted(refused))
            self.assert_stolen(refused)
        self.assertTrue(high.client.has_nothing(0.1))
        equal = self.attach(Ulong(7))
        self.assertTrue(is_accepted(equal))
        self.assert_stolen(high)

    def test_A40_five_readers_without_a_level(self):
        links = [self.attach() for _ in range(5)]
        self.assertTrue(all(is_accepted(link) for link in links))
        sixth = self.attach()
        self.assertFalse(is_accepted(sixth))
        self.assertEqual(sixth.refused()[0], "amqp:resource-limit-exceeded")
        links[0].client.close()
        self.assertTrue(self.eventually_accepted(lambda: self.attach()))

    def eventually_accepted(self, attach):
        for _ in range(100):
            link = attach()
            if is_accepted(link):
                return True
            link.refused()
            time.sleep(0.02)
        return False

    def test_A40_a_level_ends_with_its_reader(self):
        for end in (lambda link: link.detach(), lambda link: link.client.close(),
                    lambda link: link.client.send(amqp.performative(amqp.END, [None])),
                    lambda link: link.client.send(amqp.performative(amqp.CLOSE, [None]))):
            owner = self.attach(Long(9))
            self.assertTrue(is_accepted(owner))
            end(owner)
            self.assertTrue(self.eventually_accepted(lambda: self.attach()))
            # The readers without a level are gone before the next turn.
            self.doCleanups()

    def test_other_groups_and_partitions_are_apart(self):
        client = connect()
        self.addCleanup(client.close)
        self.assertTrue(is_accepted(reader(client, 1, epoch=Long(9), group=self.group)))
        self.assertTrue(is_accepted(reader(client, 1)))
        self.assertTrue(is_accepted(reader(client, 2, group=self.group)))

    def test_a_deleted_group_puts_its_readers_out(self):
        link = self.attach()
        readers = [group["readers"] for group in rest(main(), "GET", "/kyanite/v1/consumer-groups").json["consumerGroups"] if group["name"] == self.group]
        self.assertEqual(readers, [1])
        self.assertEqual(rest(main(), "DELETE", f"/kyanite/v1/consumer-groups/{self.group}").status, 204)
        self.assertEqual(link.refused()[0], "amqp:not-found")


class Flow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stream = Stream(40)
        cls.where = f"amqp.annotation.x-opt-offset >= '{cls.stream.offsets[0]}'"

    def expect_transfers(self, client, count):
        """So many come, and no more."""
        for _ in range(count):
            client.wait_for(amqp.TRANSFER)
        with self.assertRaises(TimeoutError):
            client.wait_for(amqp.TRANSFER, 0.4)

    def test_A41_the_window_of_the_session_bounds_what_is_under_way(self):
        with connect(incoming_window=1000) as client:
            link = reader(client, self.stream.partition, self.where)
            before = client.incoming.get(0, 0)
            link.credit(100_000, incoming_window=10)
            self.expect_transfers(client, 10)
            link.credit(100_000, incoming_window=10, next_incoming_id=before + 10, delivery_count=10)
            self.expect_transfers(client, 10)
            link.credit(100_000, incoming_window=0, next_incoming_id=before + 20, delivery_count=20)
            self.expect_transfers(client, 0)

    def test_credit_bounds_it_too(self):
        with connect() as client:
            link = reader(client, self.stream.partition, self.where)
            self.assertTrue(client.has_nothing(0.2), "nothing without credit")
            link.credit(3)
            self.expect_transfers(client, 3)

    def test_A42_drain_gives_the_credit_back(self):
        with connect() as client:
            link = reader(client, self.stream.partition, f"amqp.annotation.x-opt-offset > '{self.stream.offsets[-3]}'")
            link.credit(100, drain=True)
            flow = client.wait_for(amqp.FLOW)
            # It is the partition's end, where other tests may have put events.
            delivered = len([frame for frame in client.skipped if frame.code == amqp.TRANSFER])
            self.assertGreaterEqual(delivered, 2)
            self.assertEqual((flow.field(5), flow.field(6), flow.field(8)), (100, 0, True))

    def test_A42_drain_at_the_end_of_the_log(self):
        for where in ("amqp.annotation.x-opt-offset > '@latest'", f"amqp.annotation.x-opt-enqueued-time > '{int(time.time() * 1000) + 3_600_000}'"):
            with connect() as client:
                link = reader(client, self.stream.partition, where)
                link.credit(10, drain=True)
                flow = client.wait_for(amqp.FLOW)
                self.assertEqual((flow.field(5), flow.field(6), flow.field(8)), (10, 0, True))

    def test_echo(self):
        with connect() as client:
            link = reader(client, self.stream.partition, "amqp.annotation.x-opt-offset > '@latest'")
            link.credit(10, echo=True)
            self.assertEqual(client.wait_for(amqp.FLOW).field(6), 10)

    def test_a_slow_reader_hurts_nobody(self):
        stream = Stream(1)
        with connect() as slow, connect() as quick:
            idle = reader(slow, stream.partition, f"amqp.annotation.x-opt-offset >= '{stream.offsets[0]}'")
            idle.credit(1)
            with stream.device.session() as sender:
                for number in range(300):
                    sender.publish(stream.device.events, f"{number:04}" + "x" * 4000)
            link = reader(quick, stream.partition, f"amqp.annotation.x-opt-offset > '{stream.offsets[0]}'")
            link.credit(1000)
            self.assertEqual([body[:4] for body in stream.bodies(link, 300)], [f"{number:04}" for number in range(300)])
            idle.credit(301, delivery_count=1, next_incoming_id=slow.incoming.get(0, 0) + 1)
            self.assertEqual([body[:4] for body in stream.bodies(idle, 301)][1:], [f"{number:04}" for number in range(300)])

    def test_readers_of_one_connection_take_turns(self):
        stream = Stream(1)
        with stream.device.session() as sender:
            for _ in range(60):
                sender.publish(stream.device.events, "x" * 60_000)
        with connect() as client:
            client.begin(1)
            where = f"amqp.annotation.x-opt-offset > '{stream.offsets[0]}'"
            links = [reader(client, stream.partition, where, channel=channel) for channel in (0, 1)]
            with client.in_one_write():
                for link in links:
                    link.credit(1000)
            count = {0: 0, 1: 0}
            while max(count.values()) < 60:
                count[client.wait_for(amqp.TRANSFER).channel] += 1
            self.assertGreater(min(count.values()), 5)

    def test_several_readers_get_the_same(self):
        with connect() as client:
            client.begin(1)
            links = [reader(client, self.stream.partition, self.where, channel=channel) for channel in (0, 1)]
            for link in links:
                link.credit(40)
            got = {0: [], 1: []}
            while min(len(each) for each in got.values()) < 40:
                frame = client.wait_for(amqp.TRANSFER)
                got[frame.channel].append(frame.payload)
            self.assertEqual(got[0], got[1])


class Events(unittest.TestCase):
    def last(self, stream_device, hub=None, **options):
        """The newest event of a device, over AMQP; and as REST shows it."""
        hub = hub or main()
        event = list(hub.events(stream_device.device_id, timeout=2))[-1]
        client = connect(hub)
        self.addCleanup(client.close)
        link = reader(client, event["partition"], f"amqp.annotation.x-opt-offset >= '{event['offset']}'", **options)
        link.credit(1)
        return link.receive()[1], event

    def test_A43_annotations(self):
        made = device()
        made.send("hello")
        message, event = self.last(made)
        notes = message.annotations
        self.assertTrue(all(isinstance(key, Symbol) for key in notes))
        self.assertEqual((type(notes["x-opt-sequence-number"]), notes["x-opt-sequence-number"]), (Long, event["sequenceNumber"]))
        self.assertEqual(notes["x-opt-offset"], str(event["offset"]))
        self.assertNotIsInstance(notes["x-opt-offset"], Symbol)
        for name in ("x-opt-enqueued-time", "iothub-enqueuedtime"):
            self.assertEqual((type(notes[name]), notes[name]), (Timestamp, amqp_ms(event)))
        self.assertEqual(notes["iothub-connection-device-id"], made.device_id)
        self.assertEqual(notes["iothub-connection-auth-method"], event["systemProperties"]["iothub-connection-auth-method"])
        self.assertEqual(json.loads(notes["iothub-connection-auth-method"]),
                         {"scope": "device", "type": "sas", "issuer": "iothub", "acceptingIpFilterRule": None})
        self.assertEqual(notes["iothub-connection-auth-generation-id"], made.document["generationId"])
        self.assertEqual(notes["iothub-message-source"], "Telemetry")
        self.assertNotIn("iothub-connection-module-id", notes)
        self.assertEqual(message.order, [amqp.MESSAGE_ANNOTATIONS, amqp.PROPERTIES, amqp.DATA])

    def test_A43_properties(self):
        made = device()
        bag = urllib.parse.quote("$.mid") + "=m%2D1&$.cid=c1&$.uid=u1&$.ct=application%2Fjson&$.ce=utf-8&$.exp=2030-01-01T00%3A00%3A00Z&plain=v%20w&none"
        made.send(b'{"t":1}', bag)
        message, _ = self.last(made)
        self.assertEqual([message.property(index) for index in (0, 1, 5, 6, 7)], ["m-1", b"u1", "c1", "application/json", "utf-8"])
        self.assertIsInstance(message.property(6), Symbol)
        self.assertIsInstance(message.property(7), Symbol)
        self.assertEqual((type(message.property(8)), message.property(8)), (Timestamp, 1893456000000))
        self.assertEqual(message.application, {"plain": "v w", "none": ""})
        self.assertEqual(message.data, b'{"t":1}')

    def test_A43_modules(self):
        made = device()
        made.module("m1").send("of a module")
        message, _ = self.last(made)
        self.assertEqual((of("device-id", message), of("module-id", message)), (made.device_id, "m1"))

    def test_A43_the_body_is_what_was_sent_over_mqtt_and_https(self):
        body = bytes(range(256)) * 20
        made = device()
        made.send(body)
        self.assertEqual(self.last(made)[0].data, body)
        answer = world.request(main(), "POST", f"/devices/{made.device_id}/messages/events?api-version=2021-04-12", body, {"Authorization": made.token()})
        self.assertEqual(answer.status, 204)
        message, event = self.last(made)
        self.assertEqual(message.data, body)
        self.assertEqual(message.annotations["x-opt-sequence-number"], event["sequenceNumber"])

    def test_A43_a_message_of_many_frames(self):
        body = bytes(range(256)) * 1000
        made = device()
        made.send(body)
        message, _ = self.last(made)
        self.assertEqual(message.data, body)

    def test_A44_the_metric_of_the_partition(self):
        made = device()
        for body in ("a", "b"):
            made.send(body)
        message, event = self.last(made, desired=METRIC)
        notes = message.delivery_annotations
        self.assertEqual(set(notes), {"last_enqueued_sequence_number", "last_enqueued_offset", "last_enqueued_time_utc", "runtime_info_retrieval_time_utc"})
        self.assertTrue(all(isinstance(key, Symbol) for key in notes))
        self.assertIsInstance(notes["last_enqueued_sequence_number"], Long)
        self.assertGreaterEqual(notes["last_enqueued_sequence_number"], event["sequenceNumber"])
        self.assertEqual(notes["last_enqueued_offset"], str(int(notes["last_enqueued_sequence_number"])))
        self.assertIsInstance(notes["last_enqueued_time_utc"], Timestamp)
        self.assertIsInstance(notes["runtime_info_retrieval_time_utc"], Timestamp)
        self.assertEqual(message.order[:2], [amqp.DELIVERY_ANNOTATIONS, amqp.MESSAGE_ANNOTATIONS])
        for others in (None, Symbol("com.microsoft:georeplication")):
            self.assertNotIn(amqp.DELIVERY_ANNOTATIONS, self.last(made, desired=others)[0].order)
        self.assertIn(amqp.DELIVERY_ANNOTATIONS, self.last(made, desired=amqp.Array([Symbol("com.microsoft:georeplication"), METRIC]))[0].order)

    def test_readers_outlive_no_restart_but_their_places_do(self):
        hub = world.new_hub("restarted-log")
        with hub:
            made = device(hub)
            made.send("before")
            event = list(hub.events(made.device_id, count=1, timeout=20))[0]
            with connect(hub) as client:
                link = reader(client, event["partition"])
                link.credit(10)
                self.assertEqual(link.receive()[1].data, b"before")
                self.assertEqual(hub.stop(), 0)
                codes = [frame.code for frame in client.wait_closed()]
                self.assertIn(amqp.CLOSE, codes)
            hub.start()
            made.send("after")
            with connect(hub) as client:
                link = reader(client, event["partition"], f"amqp.annotation.x-opt-offset > '{event['offset']}'")
                link.credit(10)
                self.assertEqual(link.receive()[1].data, b"after")


class Strings(unittest.TestCase):
    """Where readers find the event hub (spec amqp.md 6.1)."""

    def kyanite(self, *arguments, code=0, hub=None):
        import subprocess
        result = subprocess.run([world.program(), *map(str, arguments), "--data", (hub or main()).data], capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return (result.stdout or result.stderr).strip()

    def expected(self, hub, policy, secondary=False):
        port = hub.info["ports"]["amqps"]
        return (f"Endpoint=sb://{HOST}:{port}/;SharedAccessKeyName={policy};SharedAccessKey={policy_keys(hub, policy)[1 if secondary else 0]};"
                f"EntityPath={ENTITY}")

    def test_hub_json_and_the_command_line_have_the_string(self):
        self.assertEqual(main().info["eventsConnectionString"], self.expected(main(), "iothubowner"))
        self.assertEqual((main().info["eventsHostName"], main().info["eventsEntity"]), (HOST, ENTITY))
        self.assertEqual(self.kyanite("policy", "events-connection-string", "service"), self.expected(main(), "service"))
        self.assertEqual(self.kyanite("policy", "events-connection-string", "service", "--secondary"), self.expected(main(), "service", True))
        self.assertIn("--amqp", self.kyanite("policy", "events-connection-string", "service", "--emulator", code=1))
        self.assertIn(f"event hub {ENTITY} at {HOST}", self.kyanite("status"))
        self.assertEqual(rest(main(), "GET", "/kyanite/v1/status").json["events"], {"hostName": HOST, "entity": ENTITY})

    def test_names_of_its_own_and_no_tls(self):
        hub = world.new_hub("named-events", {"events": {"hostname": "readers.test", "entity": "stream"}, "listen": {"amqp": "127.0.0.1:0"}})
        with hub:
            port = hub.info["ports"]["amqp"]
            key = policy_keys(hub, "service")[0]
            text = f"Endpoint=sb://readers.test:{port}/;SharedAccessKeyName=service;SharedAccessKey={key};EntityPath=stream;UseDevelopmentEmulator=true"
            self.assertEqual(self.kyanite("policy", "events-connection-string", "service", "--emulator", hub=hub), text)
            made = device(hub)
            made.send("hello")
            event = list(hub.events(made.device_id, count=1, timeout=20))[0]
            # The certificate has the name of the endpoint.
            for options in ({"port": hub.info["ports"]["amqps"], "ca_file": hub.ca_file, "server_name": "readers.test"}, {"port": port, "tls": False}):
                with amqp.Client(**options) as client:
                    client.open(hostname="readers.test")
                    client.begin()
                    audience = "sb://readers.test/stream"
                    answer = client.cbs().put_token(entity_token(hub, resource=audience), audience)
                    self.assertEqual(answer.application["status-code"], 200, options)
                    link = client.attach(RECEIVER, address(event["partition"], entity="Stream"))
                    link.credit(1)
                    self.assertEqual(link.receive()[1].data, b"hello")
            with amqp.Client(hub.info["ports"]["amqps"]) as client:
                client.open()
                client.begin()
                client.cbs().put_token(world.policy_token(hub, "service"), HOST)
                _, _, info = client.attach(RECEIVER, "messages/events/$management").refused()
                self.assertEqual((info["hostname"], info["address"]), ("readers.test", "amqps://readers.test:5671/stream/$management"))

    def test_names_that_cannot_be(self):
        hub = world.new_hub("bad-events", {"events": {"hostname": "a b", "entity": "messages"}})
        with self.assertRaises(Exception) as problem:
            hub.start()
        self.assertIn("events.hostname", str(problem.exception))
