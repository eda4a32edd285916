"""Devices and modules over AMQP: telemetry, messages, twins, methods, and one connection among all protocols (A46 to A53)."""
import json
import unittest
import uuid

import amqp_peers
import amqp_wire as wire
import device_certificates as certificates
import mqtt_wire
import test_amqp_service as service
import world
from amqp_peers import Methods, Twin, address, device as connected
from amqp_wire import RECEIVER, SENDER, Symbol
from test_methods import Call
from world import rest

UNAUTHORIZED, STOLEN = "amqp:unauthorized-access", "amqp:link:stolen"
BATCH = 0x80013700


def telemetry(client, identity, **options):
    link = client.attach(SENDER, address(identity, "messages/events"), **options)
    client.wait_for(wire.FLOW)
    return link


def messages(client, identity, credit=10, **options):
    link = client.attach(RECEIVER, address(identity, "messages/devicebound"), **options)
    if credit:
        link.credit(credit)
    return link


def condition_of(detach):
    assert detach.field(1) is True, "a detach that does not close"
    return str(detach.field(2).value[0])


def refusal(link):
    return str(link.refused()[0])


def bodies(device, count):
    return [event["body"] for event in device.hub.events(device.device_id, count=count, timeout=50)]


def queued(device):
    return device.show()["cloudToDeviceMessageCount"]


def is_connected(device):
    return device.show()["connectionState"] == "Connected"


class Telemetry(unittest.TestCase):
    def test_A46_single_and_batched_messages_are_the_same_events(self):
        device = world.device()
        content = wire.message(
            properties={"message_id": "m-1", "correlation_id": "c-1", "user_id": b"u", "content_type": Symbol("application/json"),
                        "content_encoding": Symbol("utf-8"), "to": f"/devices/{device.device_id}/messages/events"},
            application={"a": "1", "n": wire.Int(2), "iothub-creation-time-utc": "2026-01-05T10:00:00Z"},
            annotations={"iothub-interface-id": "urn:if", "dt-subject": "part"}, data=b'{"t":1}')
        with connected(device) as client:
            link = telemetry(client, device)
            self.assertEqual(link.attached.field(10), 262144)
            self.assertEqual(amqp_peers.send(link, content)[0], "accepted")
            batch = wire.message(data=[content, content])
            self.assertEqual(amqp_peers.send(link, batch, message_format=BATCH)[0], "accepted")
            link.send(content, settled=True)
        events = list(device.hub.events(device.device_id, count=4, timeout=50))
        self.assertEqual(len(events), 4)
        for event in events:
            self.assertEqual(json.loads(event["body"]), {"t": 1})
            self.assertEqual(event["properties"], {"a": "1", "n": "2"})
            system = event["systemProperties"]
            for name, value in [("message-id", "m-1"), ("correlation-id", "c-1"), ("user-id", "u"), ("content-type", "application/json"),
                                ("content-encoding", "utf-8"), ("iothub-creation-time-utc", "2026-01-05T10:00:00Z"),
                                ("iothub-interface-id", "urn:if"), ("dt-subject", "part"), ("iothub-connection-device-id", device.device_id),
                                ("iothub-connection-auth-generation-id", device.document["generationId"])]:
                self.assertEqual(system[name], value, name)
            self.assertEqual(json.loads(system["iothub-connection-auth-method"])["scope"], "device")

    def test_A43_bodies_are_kept_byte_by_byte(self):
        device = world.device()
        with connected(device) as client:
            link = telemetry(client, device)
            for payload in (wire.message(data=b"data"), wire.message(data=[b"da", b"ta"]), wire.message("data"), wire.message(b"data")):
                self.assertEqual(amqp_peers.send(link, payload)[0], "accepted")
        self.assertEqual(bodies(device, 4), ["data"] * 4)

    def test_A47_too_large_is_rejected_and_several_transfers_are_one_message(self):
        device = world.device()
        with connected(device) as client:
            link = telemetry(client, device)
            for payload, options in ((wire.message(data=b"x" * 262145), {}),
                                     (wire.message(data=[wire.message(data=b"x" * 140000)] * 2), {"message_format": BATCH})):
                outcome = amqp_peers.send(link, payload, **options)
                self.assertEqual(outcome[:2], ("rejected", "amqp:link:message-size-exceeded"))
            whole = wire.message(data=b"y" * 262144)
            self.assertEqual(amqp_peers.send(link, whole, 50000)[0], "accepted")
            self.assertEqual(amqp_peers.send(link, wire.message(data=b"small"), 3)[0], "accepted")
        got = bodies(device, 2)
        self.assertEqual(got, ["y" * 262144, "small"])

    def test_what_is_no_message_is_rejected_and_the_link_stays(self):
        device = world.device()
        with connected(device) as client:
            link = telemetry(client, device)
            for payload, options in ((b"\x00\x01", {}), (wire.message(data=b"no message"), {"message_format": BATCH}),
                                     (wire.message(wire.Int(5)), {})):
                outcome = amqp_peers.send(link, payload, **options)
                self.assertEqual(outcome[:2], ("rejected", "com.microsoft:argument-error"))
            self.assertEqual(amqp_peers.send(link, wire.message(data=b"good"))[0], "accepted")
        self.assertEqual(bodies(device, 1), ["good"])

    def test_accepted_messages_survive_a_killed_hub(self):
        hub = world.new_hub("killed")
        hub.start()
        try:
            device = world.device(hub)
            accepted = 0
            with connected(device) as client:
                link = telemetry(client, device)
                for number in range(200):
                    link.send(wire.message(data=str(number).encode()))
                while accepted < 150:
                    _, _, first, last, _ = link.outcome()
                    accepted = (first if last is None else last) - client.requester.sender.client.next_delivery + 201
                hub.kill()
            hub.start()
            stored = [event["body"] for event in hub.events(device.device_id)]
            self.assertEqual(stored[:accepted], [str(number) for number in range(accepted)])
            self.assertEqual(hub.stop(), 0)
        finally:
            hub.kill()

    def test_a_module_sends_as_itself(self):
        module = world.device().module("m1")
        with connected(module) as client:
            self.assertEqual(amqp_peers.send(telemetry(client, module), wire.message(data=b"module"))[0], "accepted")
            silent = client.attach(RECEIVER, address(module, "messages/events"))  # its inputs
            silent.credit(5)
            c2d = messages(client, module)
            self.assertFalse(silent.attached.field(5) is None or c2d.attached.field(5) is None)
            self.assertTrue(client.has_nothing())
        event, = module.hub.events(module.device_id, count=1, timeout=50)
        self.assertEqual((event["moduleId"], event["body"]), ("m1", "module"))


class Links(unittest.TestCase):
    def test_A48_each_device_of_a_connection_has_its_own_links(self):
        one, two, third = world.device(), world.device(), world.device()
        with connected(one, two) as client:
            first, second = telemetry(client, one), telemetry(client, two)
            self.assertEqual(refusal(client.attach(SENDER, address(third, "messages/events"))), UNAUTHORIZED)
            self.assertEqual(amqp_peers.send(first, wire.message(data=b"1"))[0], "accepted")
            one.delete()
            detach = client.wait_for(wire.DETACH)
            self.assertEqual((detach.field(0), condition_of(detach)), (first.handle, "amqp:not-found"))
            self.assertEqual(amqp_peers.send(second, wire.message(data=b"2"))[0], "accepted")
            two.update(status="disabled")
            detach = client.wait_for(wire.DETACH)
            self.assertEqual((detach.field(0), condition_of(detach)), (second.handle, UNAUTHORIZED))

    def test_who_may_not_attach_is_told_why(self):
        device = world.device()
        disabled = world.device(status="disabled")
        with amqp_peers.connect(device.hub) as client:
            amqp_peers.put_token(client, world.policy_token(device.hub, "iothubowner"), world.HOST)
            for target, condition in [("/devices/nobody/messages/events", "amqp:not-found"),
                                      (f"/devices/{device.device_id}/modules/nobody/messages/events", "amqp:not-found"),
                                      (address(disabled, "messages/events"), UNAUTHORIZED)]:
                self.assertEqual(refusal(client.attach(SENDER, target)), condition, target)
            self.assertEqual(amqp_peers.send(telemetry(client, device), wire.message(data=b"x"))[0], "accepted")
            event, = device.hub.events(device.device_id, count=1, timeout=50)
            self.assertEqual(json.loads(event["systemProperties"]["iothub-connection-auth-method"])["scope"], "hub")
        with connected(device) as client:
            self.assertEqual(refusal(client.attach(RECEIVER, address(device, "messages/events"))), "amqp:not-allowed")
            self.assertEqual(refusal(client.attach(SENDER, address(device, "messages/devicebound"))), "amqp:not-allowed")

    def test_A49_a_certificate_opens_its_own_device_without_a_token(self):
        folder = world.folder("amqp-certificates")
        own = certificates.self_signed(folder, "amqp-own")
        prints = {"primaryThumbprint": own.thumbprint()}
        hub = world.main()
        name = world.new_id()
        assert rest(hub, "PUT", f"/devices/{name}", {"deviceId": name, "authentication": {
            "type": "selfSigned", "x509Thumbprint": prints}}).status == 200
        other = world.device()
        with amqp_peers.connect(hub, certificate=(str(own.certificate), str(own.key))) as client:
            link = client.attach(SENDER, f"/devices/{name}/messages/events")
            client.wait_for(wire.FLOW)
            self.assertEqual(amqp_peers.send(link, wire.message(data=b"certified"))[0], "accepted")
            self.assertEqual(refusal(client.attach(SENDER, address(other, "messages/events"))), UNAUTHORIZED)
        event, = hub.events(name, count=1, timeout=50)
        self.assertEqual(json.loads(event["systemProperties"]["iothub-connection-auth-method"])["type"], "x509")

    def test_one_connection_among_all_protocols(self):
        device = world.device()
        with connected(device) as first:
            telemetry(first, device)
            self.assertTrue(is_connected(device))
            with connected(device) as second:
                link = telemetry(second, device)
                self.assertEqual(condition_of(first.wait_for(wire.DETACH)), STOLEN)
                self.assertEqual(amqp_peers.send(link, wire.message(data=b"second"))[0], "accepted")
                with device.session(clean=True) as mqtt:
                    self.assertEqual(condition_of(second.wait_for(wire.DETACH)), STOLEN)
                    mqtt.publish(device.events, b"mqtt")
                    # And back: the MQTT connection is taken over.
                    again = telemetry(second, device)
                    mqtt.expect_closed()
                    self.assertEqual(amqp_peers.send(again, wire.message(data=b"again"))[0], "accepted")
            world.wait_for(lambda: not is_connected(device), "the end of the connection")
        self.assertEqual(bodies(device, 3), ["second", "mqtt", "again"])

    def test_the_device_is_connected_while_it_has_a_link(self):
        device = world.device()
        with connected(device) as client:
            self.assertFalse(is_connected(device))
            first, second = telemetry(client, device), Twin(client, device)
            self.assertTrue(is_connected(device))
            first.detach()
            client.wait_for(wire.DETACH)
            self.assertEqual(second.ask("GET").annotations["status"], 200)
            second.sender.detach()
            second.receiver.detach()
            world.wait_for(lambda: not is_connected(device), "the end of the last link")
            telemetry(client, device)
            self.assertTrue(is_connected(device))

    def test_a_session_of_MQTT_is_left_as_it_was(self):
        device = world.device()
        filter_ = f"devices/{device.device_id}/messages/devicebound/#"
        with device.session() as mqtt:
            mqtt.send(mqtt_wire.subscribe(1, (filter_, 1)))
            self.assertEqual(mqtt.read()[0], 0x90)
            mqtt.disconnect()
        with connected(device) as client:  # no link for messages: none is delivered
            telemetry(client, device)
            with service.sender(device.hub) as link:
                self.assertEqual(amqp_peers.send(link, amqp_peers.c2d(device, b"kept"))[0], "accepted")
            self.assertTrue(client.has_nothing())
        world.wait_for(lambda: not is_connected(device), "the end of the connection")
        with device.link() as mqtt:
            code, present = mqtt.connect()
            self.assertEqual((code, present), (0, True))
            first, body = mqtt.read()
            self.assertIn(b"kept", body)

    def test_a_link_attached_again_takes_the_place_of_the_older(self):
        device = world.device()
        with connected(device) as client:
            first = messages(client, device)
            client.begin(1)
            second = client.attach(RECEIVER, address(device, "messages/devicebound"), channel=1)
            detach = client.wait_for(wire.DETACH) if not any(f.code == wire.DETACH for f in client.skipped) else next(
                f for f in client.skipped if f.code == wire.DETACH)
            self.assertEqual((detach.field(0), condition_of(detach)), (first.handle, STOLEN))
            second.credit(5)
            with service.sender(device.hub) as link:
                amqp_peers.send(link, amqp_peers.c2d(device, b"x"))
            transfer, message = second.receive()
            self.assertEqual(message.data, b"x")
            second.settle(transfer.field(1))
            world.wait_for(lambda: queued(device) == 0, "the message is complete")


class CloudToDevice(unittest.TestCase):
    def send(self, device, *payloads, **options):
        with service.sender(device.hub) as link:
            for payload in payloads:
                self.assertEqual(amqp_peers.send(link, amqp_peers.c2d(device, payload, **options))[0], "accepted")

    def test_A52_what_the_device_gets(self):
        device = world.device()
        self.send(device, b"before")  # a link is no subscription: what is queued comes
        with connected(device) as client:
            link = messages(client, device)
            transfer, message = link.receive()
            self.assertEqual(message.data, b"before")
            link.settle(transfer.field(1))
            self.send(device, b"body", ack="full", message_id="m-1", correlation_id="c-1", user_id=b"u", application={"p": "1"},
                      content_type=Symbol("text/plain"), absolute_expiry_time=service.now_ms(600))
            transfer, message = link.receive()
            self.assertEqual(len(transfer.field(2)), 16)
            self.assertIsNot(transfer.field(4), True)
            self.assertEqual(message.order.count(wire.DATA), 1)
            self.assertEqual(message.data, b"body")
            annotations = message.annotations
            self.assertEqual({name: type(value) for name, value in annotations.items()}, {
                "x-opt-sequence-number": wire.Ulong, "iothub-enqueuedtime": wire.Timestamp, "iothub-deliverycount": wire.Ubyte})
            self.assertEqual(annotations["iothub-deliverycount"], 0)
            self.assertEqual([message.property(index) for index in (0, 1, 2, 5, 6)],
                             ["m-1", b"u", f"/devices/{device.device_id}/messages/devicebound", "c-1", "text/plain"])
            self.assertIsInstance(message.property(8), wire.Timestamp)
            self.assertEqual(message.application, {"p": "1", "iothub-ack": "full"})
            link.settle(transfer.field(1))
            world.wait_for(lambda: queued(device) == 0, "the message is complete")

    def test_A52_outcomes_and_the_tenth_abandon(self):
        with service.own_hub() as hub:
            device = world.device(hub)
            self.send(device, b"complete", ack="full", message_id="complete")
            self.send(device, b"reject", ack="full", message_id="reject")
            self.send(device, b"abandon", ack="negative", message_id="abandon")
            with connected(device) as client:
                link = messages(client, device, credit=30)
                seen = []
                for _ in range(12):
                    transfer, message = link.receive()
                    seen.append((message.property(0), int(message.annotations["iothub-deliverycount"])))
                    state, fields = {"complete": (wire.ACCEPTED, ()), "reject": (wire.REJECTED, (None,))}.get(
                        message.property(0), (wire.RELEASED, ()) if len(seen) % 2 else (wire.MODIFIED, (True, False, None)))
                    link.settle(transfer.field(1), state, fields=fields)
                self.assertEqual(seen[:2], [("complete", 0), ("reject", 0)])
                self.assertEqual(seen[2:], [("abandon", count) for count in range(10)])
                self.assertTrue(client.has_nothing())
            world.wait_for(lambda: queued(device) == 0, "all are settled")
            with amqp_peers.back_end(hub) as client:
                receiver = client.attach(RECEIVER, service.FEEDBACK)
                receiver.credit(3)
                records = {}
                while len(records) < 3:  # in one batch most likely
                    records.update(service.records_of(receiver.receive(timeout=60)[1]))
                self.assertEqual(records, {"complete": "Success", "reject": "Rejected", "abandon": "DeliveryCountExceeded"})

    def test_as_many_come_as_there_is_credit(self):
        device = world.device()
        self.send(device, b"1", b"2", b"3")
        with connected(device) as client:
            link = messages(client, device, credit=0)
            self.assertTrue(client.has_nothing())
            link.credit(2)
            self.assertEqual([link.receive()[1].data for _ in range(2)], [b"1", b"2"])
            self.assertTrue(client.has_nothing())
            # The third is with nobody: another protocol may take it.
            self.assertEqual(service.poll(device).body, b"3")

    def test_as_many_come_as_the_session_has_room_for(self):
        device = world.device()
        self.send(device, b"1", b"2", b"3", b"4")
        with connected(device) as client:
            client.begin(channel=1, incoming_window=2)
            link = client.attach(RECEIVER, address(device, "messages/devicebound"), channel=1)
            link.credit(10, incoming_window=2)
            self.assertEqual([link.receive()[1].data for _ in range(2)], [b"1", b"2"])
            self.assertTrue(client.has_nothing())
            # What the window has no room for is with nobody: its lock does not end unseen.
            self.assertEqual(service.poll(device).body, b"3")
            link.credit(10, incoming_window=2)
            self.assertEqual(link.receive()[1].data, b"4")

    def test_A42_a_drain_takes_what_is_there_and_gives_back_the_rest(self):
        device = world.device()
        self.send(device, b"1")
        with connected(device) as client:
            link = messages(client, device, credit=0)
            link.credit(5, drain=True)
            self.assertEqual(link.receive()[1].data, b"1")
            flow = client.wait_for(wire.FLOW)
            self.assertEqual((flow.field(5), flow.field(6), flow.field(8)), (5, 0, True))
            self.send(device, b"2")
            self.assertTrue(client.has_nothing())
            link.delivery_count = 5
            link.credit(1)
            self.assertEqual(link.receive()[1].data, b"2")

    def test_A53_a_lost_connection_gives_the_messages_back(self):
        device = world.device()
        self.send(device, b"1", b"2")
        with connected(device) as client:
            link = messages(client, device)
            link.receive()
            link.receive()
        world.wait_for(lambda: not is_connected(device), "the end of the connection")
        with connected(device) as client:
            link = messages(client, device)
            for body in (b"1", b"2"):
                transfer, message = link.receive()
                self.assertEqual((message.data, int(message.annotations["iothub-deliverycount"])), (body, 0))
                link.settle(transfer.field(1))
            world.wait_for(lambda: queued(device) == 0, "both are complete")

    def test_A31_mode_second_and_a_lock_that_ended(self):
        with service.own_hub({"testControl": True, "c2d": {"lockTimeoutSeconds": 300}}) as hub:
            device = world.device(hub)
            self.send(device, b"1")
            with connected(device) as client:
                link = messages(client, device, rcv_mode=1)
                late, _ = link.receive()
                self.assertEqual(rest(hub, "PUT", "/kyanite/v1/clock", {"shiftSeconds": 301}).status, 200)
                again, message = link.receive()
                self.assertEqual((message.data, int(message.annotations["iothub-deliverycount"])), (b"1", 0))
                link.settle(late.field(1), wire.ACCEPTED, settled=False)
                got = client.wait_for(wire.DISPOSITION)
                self.assertEqual((got.field(0), got.field(1), got.field(3)), (SENDER, late.field(1), True))
                self.assertEqual(got.field(4).value[0].value[0], "com.microsoft:message-lock-lost")
                link.settle(again.field(1), wire.ACCEPTED, settled=False)
                got = client.wait_for(wire.DISPOSITION)
                self.assertEqual((got.field(1), got.field(3), int(got.field(4).descriptor)), (again.field(1), True, wire.ACCEPTED))
                self.assertEqual(queued(device), 0)

    def test_a_disposition_may_be_of_many(self):
        device = world.device()
        self.send(device, *[str(number).encode() for number in range(10)])
        with connected(device) as client:
            link = messages(client, device, credit=20)
            deliveries = [link.receive()[0].field(1) for _ in range(10)]
            link.settle(deliveries[0], last=deliveries[-1])
            world.wait_for(lambda: queued(device) == 0, "all are complete")

    def test_a_purge_takes_the_messages_away(self):
        device = world.device()
        self.send(device, b"1")
        with connected(device) as client:
            link = messages(client, device, rcv_mode=1)
            transfer, _ = link.receive()
            service.purge(device)
            link.settle(transfer.field(1), wire.ACCEPTED, settled=False)
            got = client.wait_for(wire.DISPOSITION)
            self.assertEqual(got.field(4).value[0].value[0], "com.microsoft:message-lock-lost")


class Twins(unittest.TestCase):
    def change(self, device, desired):
        answer = rest(device.hub, "PATCH", f"/twins/{device.resource.split('/devices/')[1]}", {"properties": {"desired": desired}})
        assert answer.status == 200, answer
        return answer.json["properties"]["desired"]["$version"]

    def test_A50_the_four_requests_and_notifications(self):
        device = world.device()
        for identity in (device, device.module("m1")):
            with connected(identity) as client:
                twin = Twin(client, identity)
                for correlation in ("text", wire.Ulong(7), uuid.uuid4(), b"bytes"):
                    answer = twin.ask("GET", correlation_id=correlation)
                    self.assertEqual(type(answer.property(5)), type(correlation))
                    self.assertEqual(answer.property(5), correlation)
                    self.assertIsInstance(answer.annotations["status"], wire.Int)
                    self.assertEqual(answer.annotations["status"], 200)
                    self.assertEqual(set(json.loads(answer.data)), {"desired", "reported"})
                answer = twin.ask("PATCH", "/properties/reported", {"a": {"b": 1}})
                self.assertIn(answer.annotations["status"], range(200, 300))
                self.assertIsInstance(answer.annotations["version"], wire.Long)
                self.assertEqual(answer.annotations["version"], 2)
                self.assertEqual(json.loads(twin.ask("GET").data)["reported"], {"a": {"b": 1}, "$version": 2})
                self.change(identity, {"x": 1})
                self.assertTrue(client.has_nothing())  # not asked for yet
                resource = "/notifications/twin/properties/desired"
                self.assertEqual(twin.ask("PUT", resource).annotations["status"], 200)
                version = self.change(identity, {"x": 2})
                told = twin.answer()
                self.assertIsNone(told.property(5))
                self.assertEqual(told.annotations["resource"], "/properties/desired")
                self.assertEqual((type(told.annotations["version"]), int(told.annotations["version"])), (wire.Long, version))
                self.assertEqual(json.loads(told.data), {"x": 2, "$version": version})
                self.assertIn(twin.ask("DELETE", resource).annotations["status"], (200, 204))
                self.change(identity, {"x": 3})
                self.assertTrue(client.has_nothing())

    def test_A50_errors_have_a_status_and_a_body(self):
        device = world.device()
        with connected(device) as client:
            twin = Twin(client, device)
            for operation, resource, body, version, status in [
                    ("POST", None, None, None, 400), ("PATCH", "/properties/desired", {}, None, 400),
                    ("PATCH", "/properties/reported", [1], None, 400), ("PATCH", "/properties/reported", {"a.b": 1}, None, 400),
                    ("PATCH", "/properties/reported", {"a": 1}, wire.Long(9), 412)]:
                answer = twin.ask(operation, resource, body, version, correlation_id="e")
                self.assertEqual((int(answer.annotations["status"]), answer.property(5)), (status, "e"))
                self.assertIn("errorCode", json.loads(answer.data))
            answer = twin.ask("PATCH", "/properties/reported", {"a": 1}, wire.Long(1))
            self.assertEqual(answer.annotations["status"], 204)

    def test_pairs_are_told_apart_by_channel_and_else_by_session(self):
        device, other = world.device(), world.device()
        with connected(device, other) as client:
            client.begin(1)
            twins = [Twin(client, device), Twin(client, other), Twin(client, device, settled=False, with_channel=False, session=1)]
            for twin in twins:
                twin.ask("GET")
        with connected(device) as client:
            lonely = client.attach(SENDER, address(device, "twin"))
            client.wait_for(wire.FLOW)
            self.assertEqual(amqp_peers.send(lonely, wire.message(annotations={"operation": "GET"}, data=b" "))[:2],
                             ("rejected", "amqp:not-allowed"))

    def test_A50_one_pair_may_end_while_another_subscribes(self):
        resource = "/notifications/twin/properties/desired"
        put = wire.message(properties={"correlation_id": "put"}, annotations={"operation": "PUT", "resource": resource}, data=b" ")
        delete = wire.message(properties={"correlation_id": "delete"}, annotations={"operation": "DELETE", "resource": resource}, data=b" ")
        for ending in ("detach", "DELETE"):
            device = world.device()
            with self.subTest(ending), connected(device) as client:
                older, newer = Twin(client, device), Twin(client, device)
                self.assertEqual(older.ask("PUT", resource).annotations["status"], 200)
                with client.in_one_write():
                    newer.sender.send(put, settled=True)
                    if ending == "detach":
                        older.receiver.detach()
                    else:
                        older.sender.send(delete, settled=True)
                if ending == "detach":
                    client.wait_for(wire.DETACH)
                else:
                    self.assertEqual(older.answer().annotations["status"], 200)
                self.assertEqual(newer.answer().annotations["status"], 200)
                version = self.change(device, {"x": 1})
                self.assertEqual(newer.answer().annotations["version"], version)
                self.assertEqual(newer.ask("DELETE", resource).annotations["status"], 200)

    def test_A50_a_wish_taken_back_at_once_is_none(self):
        device = world.device()
        with connected(device) as client:
            twin = Twin(client, device)
            with client.in_one_write():
                for number, operation in enumerate(("PUT", "DELETE", "PUT", "DELETE")):
                    twin.sender.send(wire.message(properties={"correlation_id": str(number)}, data=b" ", annotations={
                        "operation": operation, "resource": "/notifications/twin/properties/desired"}), settled=True)
            answers = [twin.answer() for _ in range(4)]
            self.assertEqual(sorted(answer.property(5) for answer in answers), list("0123"))
            self.assertEqual([answer.annotations["status"] for answer in answers], [200] * 4)
            self.change(device, {"x": 1})
            self.assertEqual(twin.ask("GET", correlation_id="last").property(5), "last")

    def test_a_model_id_of_a_link_is_the_twin_s(self):
        device = world.device()
        with connected(device) as client:
            telemetry(client, device, properties={Symbol("com.microsoft:model-id"): "dtmi:com:example:thermostat;1"})
            world.wait_for(lambda: rest(device.hub, "GET", f"/twins/{device.device_id}").json.get("modelId") ==
                           "dtmi:com:example:thermostat;1", "the model id")


class DirectMethods(unittest.TestCase):
    def test_A51_calls_and_answers(self):
        device = world.device()
        for identity in (device, device.module("m1")):
            for settled in (True, False):
                with connected(identity) as client:
                    methods = Methods(client, identity, settled)
                    for as_text in (False, True):
                        call = Call(identity, "reboot", payload={"in": 1})
                        got = methods.call()
                        correlation = got.property(5)
                        self.assertIsInstance(correlation, uuid.UUID)
                        self.assertEqual((correlation.version, correlation.variant), (4, uuid.RFC_4122))
                        self.assertEqual(got.application, {"IoThub-methodname": "reboot"})
                        self.assertEqual(json.loads(got.data), {"in": 1})
                        methods.answer(str(correlation).upper() if as_text else correlation, 207, {"out": 2}, settled)
                        answer = call.result()
                        self.assertEqual((answer.status, answer.json), (200, {"status": 207, "payload": {"out": 2}}))

    def test_A51_a_device_is_online_while_its_link_is(self):
        device = world.device()
        with connected(device) as client:
            telemetry(client, device)
            self.assertEqual(Call(device).result().status, 404)
            waiting = Call(device, connectTimeoutInSeconds=100)
            methods = Methods(client, device)
            methods.answer(methods.call().property(5), 200, {})
            self.assertEqual(waiting.result().status, 200)
            lost = Call(device)
            methods.call()
            methods.receiver.detach()
            self.assertEqual(lost.result().status, 504)
            self.assertEqual(Call(device).result().status, 404)

    def test_A51_a_call_that_waits_finds_the_receiver_that_was_attached_last(self):
        for between in (None, "detach"):
            device = world.device()
            with self.subTest(between), connected(device) as client:
                telemetry(client, device)
                waiting = Call(device, connectTimeoutInSeconds=60)
                world.wait_for(lambda: "\nkyanite_method_calls_under_way 1\n" in world.scrape(device.hub), "the call")
                with client.in_one_write():
                    older = client.attach(RECEIVER, address(device, "methods/devicebound"), wait=False)
                    if between:
                        older.detach()
                    newer = client.attach(RECEIVER, address(device, "methods/devicebound"), wait=False)
                while client.wait_for(wire.ATTACH).field(0) != newer.name:
                    pass  # the older one's, with what refuses it
                newer.credit(10)
                correlation = newer.receive()[1].property(5)
                sender = client.attach(SENDER, address(device, "methods/devicebound"))
                client.wait_for(wire.FLOW)
                sender.send(wire.message(properties={"correlation_id": correlation}, application={"IoThub-status": wire.Int(200)}, data=b"{}"),
                            settled=True)
                self.assertEqual(waiting.result().status, 200)

    def test_A51_many_calls_at_once_and_answers_to_none(self):
        device = world.device()
        with connected(device) as client:
            methods = Methods(client, device, settled=False)
            calls = [Call(device, payload=number) for number in range(20)]
            methods.answer(uuid.uuid4(), 200, "to nobody", settled=False)
            requests = [methods.call() for _ in range(20)]
            for request in reversed(requests):
                methods.answer(request.property(5), 200, json.loads(request.data), settled=False)
            self.assertEqual([call.result().json["payload"] for call in calls], list(range(20)))
            methods.sender.send(wire.message(properties={"correlation_id": "x"}, data=b"{}"))
            self.assertIn("rejected", self.outcomes_until(methods.sender, "rejected"))

    def outcomes_until(self, link, wanted):
        seen = []
        while wanted not in seen:
            seen.append(amqp_peers.OUTCOMES[link.outcome()[0]])
        return seen


class Faults(unittest.TestCase):
    FAULTS = "/kyanite/v1/faults"

    def setUp(self):
        self.hub = world.test_control()
        self.addCleanup(lambda: rest(self.hub, "DELETE", self.FAULTS))
        self.device = world.device(self.hub)

    def add(self, kind, **rule):
        answer = rest(self.hub, "POST", self.FAULTS, {"kind": kind, "scope": {"device": self.device.device_id}, **rule})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def test_a_lost_acknowledgement_is_of_a_stored_message(self):
        with connected(self.device) as client:
            link = telemetry(client, self.device)
            self.add("losePuback", count=1)
            link.send(wire.message(data=b"1"))
            self.assertEqual(amqp_peers.send(link, wire.message(data=b"2"))[0], "accepted")
            self.assertTrue(client.has_nothing())
        self.assertEqual(bodies(self.device, 2), ["1", "2"])

    def test_held_acknowledgements_come_when_the_rule_ends(self):
        rule = self.add("holdPubacks")
        with connected(self.device) as client:
            link = telemetry(client, self.device)
            link.send(wire.message(data=b"1"))
            self.assertEqual(bodies(self.device, 1), ["1"])
            self.assertTrue(client.has_nothing())
            self.assertEqual(rest(self.hub, "DELETE", f"{self.FAULTS}/{rule['id']}").status, 204)
            self.assertEqual(amqp_peers.OUTCOMES[link.outcome()[0]], "accepted")

    def test_a_drop_ends_the_connection_and_a_connect_is_refused(self):
        with connected(self.device) as client:
            telemetry(client, self.device)
            self.add("drop")
            client.wait_closed()
        self.add("refuseConnect", code=5, count=1)
        with connected(self.device) as client:
            self.assertEqual(refusal(client.attach(SENDER, address(self.device, "messages/events"))), UNAUTHORIZED)
            self.assertEqual(amqp_peers.send(telemetry(client, self.device), wire.message(data=b"x"))[0], "accepted")


if __name__ == "__main__":
    unittest.main()
