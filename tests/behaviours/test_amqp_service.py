"""Back ends over AMQP: cloud-to-device messages, feedback and notifications of files (A23 to A31)."""
import contextlib
import datetime
import json
import time
import unittest
import uuid

import amqp_peers
import amqp_wire as wire
import test_device_https
import test_file_upload
import world
from amqp_peers import back_end, c2d, c2d_to
from amqp_wire import RECEIVER, SENDER
from https_wire import request
from world import percent, quote, rest

NOT_FOUND, ARGUMENT = "amqp:not-found", "com.microsoft:argument-error"
FEEDBACK, FILES = "/messages/serviceBound/feedback", "/messages/serviceBound/filenotifications"


def poll(device):
    """The next message of the device, as one that polls over HTTPS gets it; completed."""
    path = f"/devices/{quote(device.device_id)}/messages/deviceBound"
    answer = rest(device.hub, "GET", path, authorization=device.token())
    if answer.status == 204:
        return None
    lock = answer.headers["etag"].strip('"')
    assert rest(device.hub, "DELETE", f"{path}/{lock}", authorization=device.token()).status == 204
    return answer


def reject(device):
    path = f"/devices/{quote(device.device_id)}/messages/deviceBound"
    lock = rest(device.hub, "GET", path, authorization=device.token()).headers["etag"].strip('"')
    assert rest(device.hub, "DELETE", f"{path}/{lock}?reject", authorization=device.token()).status == 204


def purge(device):
    assert rest(device.hub, "DELETE", f"/devices/{quote(device.device_id)}/commands").status == 200


@contextlib.contextmanager
def sender(hub, address="/messages/devicebound", **options):
    with back_end(hub, **options) as client:
        link = client.attach(SENDER, address)
        client.wait_for(wire.FLOW)
        yield link


@contextlib.contextmanager
def own_hub(settings=None):
    """A hub whose feedback nobody else takes."""
    hub = world.new_hub("feedback", settings)
    hub.start()
    try:
        yield hub
        assert hub.stop() == 0
    finally:
        hub.kill()


def now_ms(ahead=0):
    return wire.Timestamp(int((time.time() + ahead) * 1000))


class Sending(unittest.TestCase):
    def test_A24_the_device_is_found_by_its_id_encoded_or_not(self):
        hub = world.main()
        tricky = world.device(name=f"{world.new_id()}%41+#$x")
        plain = world.device(name=tricky.device_id.replace("%41", "A"))
        with sender(hub) as link:
            for to, wanted in [
                    (f"/devices/{percent(tricky.device_id)}/messages/devicebound", tricky),
                    (f"/devices/{percent(tricky.device_id)}/messages/deviceBound", tricky),
                    (f"devices/{percent(tricky.device_id)}/messages/devicebound", tricky),
                    (f"/devices/{tricky.device_id}/messages/devicebound", plain)]:  # decoded it is another's
                self.assertEqual(amqp_peers.send(link, c2d(to, b"x"))[0], "accepted", to)
                answer = poll(wanted)
                self.assertEqual(answer.body, b"x", to)
                self.assertEqual(answer.headers["iothub-to"], to)
            plain.delete()
            raw = f"/devices/{tricky.device_id}/messages/devicebound"
            self.assertEqual(amqp_peers.send(link, c2d(raw, b"raw"))[0], "accepted")
            self.assertEqual(poll(tricky).body, b"raw")

    def test_A24_addresses_of_the_link_in_all_spellings(self):
        device = world.device()
        for address in ("messages/devicebound", "/messages/deviceBound", "amqps://hub.test:5671/messages/devicebound"):
            with sender(device.hub, address) as link:
                self.assertEqual(amqp_peers.send(link, c2d(device))[0], "accepted", address)

    def test_A23_what_was_sent_is_what_the_device_gets(self):
        device = world.device()
        with sender(device.hub) as link:
            ahead = now_ms(600)
            outcome = amqp_peers.send(link, c2d(
                device, b"\x00body\xff", "Full", {"p": "1", "number": wire.Int(-2), "flag": True}, message_id="m-1", correlation_id="c-1",
                user_id=b"user", content_type=wire.Symbol("application/json"), content_encoding=wire.Symbol("utf-8"),
                absolute_expiry_time=ahead))
            self.assertEqual(outcome[0], "accepted")
            got = poll(device)
            self.assertEqual(got.body, b"\x00body\xff")
            for name, value in [("messageid", "m-1"), ("correlationid", "c-1"), ("userid", "user"), ("contenttype", "application/json"),
                                ("contentencoding", "utf-8"), ("ack", "full"), ("app-p", "1"), ("app-number", "-2"), ("app-flag", "true")]:
                self.assertEqual(got.headers["iothub-" + name], value, name)
            expiry = datetime.datetime.fromtimestamp(int(ahead) / 1000, datetime.timezone.utc)
            self.assertEqual(got.headers["iothub-expiry"][:23], expiry.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23])
            for payload in (wire.message("text", {"to": f"/devices/{device.device_id}/messages/devicebound"}),
                            wire.message(b"text", {"to": f"/devices/{device.device_id}/messages/devicebound"}),
                            c2d(device, [b"te", b"xt"])):
                self.assertEqual(amqp_peers.send(link, payload)[0], "accepted")
                self.assertEqual(poll(device).body, b"text")

    def test_A25_unknown_devices_and_modules_are_not_found_and_the_link_stays(self):
        device = world.device()
        module = device.module("m1")
        disabled = world.device(status="disabled")
        with sender(device.hub) as link:
            for to in ("/devices/nobody/messages/devicebound", f"/devices/{device.device_id}/modules/{module.module_id}/messages/devicebound",
                       f"/devices/{device.device_id}/modules/nobody/messages/devicebound", f"/devices/{disabled.device_id}/messages/devicebound"):
                self.assertEqual(amqp_peers.send(link, c2d(to))[:2], ("rejected", NOT_FOUND), to)
            self.assertEqual(amqp_peers.send(link, c2d(device))[0], "accepted")

    def test_A26_the_51st_message_finds_no_room(self):
        device = world.device()
        with sender(device.hub) as link:
            for _ in range(50):
                self.assertEqual(amqp_peers.send(link, c2d(device))[0], "accepted")
            self.assertEqual(amqp_peers.send(link, c2d(device))[:2], ("rejected", "amqp:resource-limit-exceeded"))
            poll(device)
            self.assertEqual(amqp_peers.send(link, c2d(device))[0], "accepted")

    def test_A27_what_is_wrong_is_rejected_and_nothing_else(self):
        device = world.device()
        to = f"/devices/{device.device_id}/messages/devicebound"
        large = "amqp:link:message-size-exceeded"
        with sender(device.hub) as link:
            for what, payload, condition in [
                    ("no to", wire.message(properties={}, data=b"x"), ARGUMENT),
                    ("no properties at all", wire.message(data=b"x"), ARGUMENT),
                    ("another to", c2d("/devices/d/messages/events"), ARGUMENT),
                    ("another ack", c2d(device, ack="both"), ARGUMENT),
                    ("an expiry that is over", c2d(device, absolute_expiry_time=now_ms(-1)), ARGUMENT),
                    ("an expiry after two days", c2d(device, absolute_expiry_time=now_ms(2 * 86400 + 60)), ARGUMENT),
                    ("a bad message id", c2d(device, message_id="two words"), ARGUMENT),
                    ("a property without value", c2d(device, application={"p": None}), ARGUMENT),
                    ("a reserved property", c2d(device, application={"iothub-messageid": "x"}), ARGUMENT),
                    ("a body that is a number", wire.message(wire.Int(1), {"to": to}), ARGUMENT),
                    ("a body over 64 KiB", c2d(device, b"x" * 65537), large),
                    ("properties over 64 KiB", c2d(device, b"x", application={"p": "y" * 65536}), large),
                    ("no message", b"\x00\x01\x02", ARGUMENT)]:
                with self.subTest(what):
                    self.assertEqual(amqp_peers.send(link, payload)[:2], ("rejected", condition))
            largest = 65536 - len(c2d_to(device))  # properties count
            self.assertEqual(amqp_peers.send(link, c2d(device, b"x" * largest))[0], "accepted")
            self.assertEqual(len(poll(device).body), largest)
            self.assertEqual(amqp_peers.send(link, c2d(device, b"x" * (largest + 1)))[:2], ("rejected", large))

    def test_many_sends_are_under_way_at_once_and_each_is_answered(self):
        device = world.device()
        with sender(device.hub) as link:
            first = link.client.next_delivery
            for _ in range(60):
                link.send(c2d(device))
            outcomes = {}
            while len(outcomes) < 60:
                code, _, low, high, settled = link.outcome()
                self.assertTrue(settled)
                for delivery in range(low, (low if high is None else high) + 1):
                    self.assertNotIn(delivery, outcomes)
                    outcomes[delivery] = amqp_peers.OUTCOMES[code]
            self.assertEqual(sorted(outcomes), list(range(first, first + 60)))
            self.assertEqual(sorted(outcomes.values()), ["accepted"] * 50 + ["rejected"] * 10)

    def test_accepted_messages_survive_a_killed_hub(self):
        hub = world.new_hub("c2d-killed")
        hub.start()
        try:
            device = world.device(hub)
            with sender(hub) as link:
                for number in range(40):
                    self.assertEqual(amqp_peers.send(link, c2d(device, str(number).encode()))[0], "accepted")
                hub.kill()
            hub.start()
            self.assertEqual([poll(device).body for _ in range(40)], [str(number).encode() for number in range(40)])
            self.assertEqual(hub.stop(), 0)
        finally:
            hub.kill()

    def test_over_websocket(self):
        device = world.device()
        with wire.Client(device.hub.info["ports"]["https"], websocket="/$iothub/websocket") as client:
            client.open()
            client.begin()
            self.assertEqual(amqp_peers.put_token(client, world.policy_token(device.hub, "service"), world.HOST), 200)
            link = client.attach(SENDER, "/messages/devicebound")
            client.wait_for(wire.FLOW)
            self.assertEqual(amqp_peers.send(link, c2d(device, b"websocket"))[0], "accepted")
        self.assertEqual(poll(device).body, b"websocket")


def records_of(message):
    return {record["originalMessageId"]: record["statusCode"] for record in json.loads(message.data)}


class Feedback(unittest.TestCase):
    def receiver(self, client, **options):
        link = client.attach(RECEIVER, FEEDBACK, **options)
        link.credit(10)
        return link

    def test_A28_A23_which_ends_are_told_to_whom(self):
        with own_hub() as hub:
            completed, rejected, purged = (world.device(hub) for _ in range(3))
            named = uuid.uuid4()
            with sender(hub) as link:
                for ack in (None, "none", "positive", "negative", "full"):
                    for device, end in ((completed, "completed"), (rejected, "rejected"), (purged, "purged")):
                        outcome = amqp_peers.send(link, c2d(device, ack=ack, message_id=f"{end}-{ack}"))
                        self.assertEqual(outcome[0], "accepted")
                self.assertEqual(amqp_peers.send(link, c2d(completed, ack="full", message_id=named))[0], "accepted")
                self.assertEqual(amqp_peers.send(link, c2d(completed, ack="full"))[0], "accepted")
            for _ in range(5):
                reject(rejected)
            while poll(completed):
                pass
            purge(purged)
            with back_end(hub) as client:
                found = records_of(self.receiver(client).receive()[1])
            unnamed = [name for name in found if "-" in name and name not in (str(named),) and name.count("-") == 4]
            self.assertEqual(len(unnamed), 1, found)
            self.assertEqual(found.pop(unnamed[0]), "Success")
            self.assertEqual(found, {
                "completed-positive": "Success", "completed-full": "Success", str(named): "Success", "rejected-negative": "Rejected",
                "rejected-full": "Rejected", "purged-negative": "Purged", "purged-full": "Purged"})

    def test_A29_A30_the_shape_of_a_batch_and_its_settlement(self):
        with own_hub() as hub:
            device = world.device(hub)
            with back_end(hub) as client, back_end(hub) as other:
                first, second = self.receiver(client), self.receiver(other)
                with sender(hub) as link:
                    amqp_peers.send(link, c2d(device, ack="full", message_id="m-1"))
                before = time.time()
                poll(device)
                # They compete, and the hub may hear of the second one first.
                taker, transfer, message = self.next_of(first, second)
                self.assertTrue((second if taker is first else first).client.has_nothing())
                self.assertEqual(len(transfer.field(2)), 16)
                self.assertIsNot(transfer.field(4), True)
                self.assertEqual(message.order.count(wire.DATA), 1)
                self.assertEqual(message.property(6), wire.Symbol("application/vnd.microsoft.iothub.feedback.json"))
                self.assertIsInstance(message.property(6), wire.Symbol)
                self.assertEqual(message.property(1), b"hub")
                enqueued = message.annotations["iothub-enqueuedtime"]
                self.assertIsInstance(enqueued, wire.Timestamp)
                self.assertLess(abs(int(enqueued) / 1000 - before), 30)
                record, = json.loads(message.data.decode("ascii"))
                self.assertRegex(record.pop("enqueuedTimeUtc"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,7}Z$")
                self.assertEqual(record, {
                    "originalMessageId": "m-1", "description": "Success", "statusCode": "Success", "deviceId": device.device_id,
                    "deviceGenerationId": device.document["generationId"]})
                # Given back it goes to whoever waits, counted from the start of the queue: the other one.
                taker.settle(transfer.field(1), wire.RELEASED)
                _, _, message = self.next_of(first, second)
                self.assertEqual(records_of(message), {"m-1": "Success"})

    def next_of(self, *links):
        """The next message on one of them: (link, Transfer frame, Message)."""
        def look():
            for link in links:
                with contextlib.suppress(TimeoutError):
                    return link, *link.receive(timeout=0.5)

        return world.wait_for(look, "a message on one of the links")

    def test_A30_released_comes_again_and_accepted_is_gone(self):
        with own_hub() as hub:
            device = world.device(hub)
            with sender(hub) as link:
                amqp_peers.send(link, c2d(device, ack="full", message_id="m-1"))
            poll(device)
            with back_end(hub) as client:
                receiver = self.receiver(client)
                for state, fields in ((wire.RELEASED, ()), (wire.MODIFIED, (True, False, None)), (wire.RELEASED, ())):
                    transfer, message = receiver.receive()
                    self.assertEqual(records_of(message), {"m-1": "Success"})
                    receiver.settle(transfer.field(1), state, fields=fields)
                transfer, _ = receiver.receive()
            # The link is lost with its batch: it comes again.
            with back_end(hub) as client:
                receiver = self.receiver(client)
                transfer, _ = receiver.receive()
                receiver.settle(transfer.field(1), wire.ACCEPTED)
                self.assertTrue(client.has_nothing(0.5))
            self.assertEqual(rest(hub, "GET", FEEDBACK).status, 204)

    def test_A30_rejected_is_gone_and_REST_competes(self):
        with own_hub() as hub:
            device = world.device(hub)
            with back_end(hub) as client, sender(hub) as link:
                receiver = self.receiver(client)
                amqp_peers.send(link, c2d(device, ack="full", message_id="m-1"))
                poll(device)
                transfer, _ = receiver.receive()
                self.assertEqual(rest(hub, "GET", FEEDBACK).status, 204)  # it is locked
                receiver.settle(transfer.field(1), wire.REJECTED, fields=(None,))
                receiver.credit(0, echo=True)  # or it would compete as soon as its next batch has filled
                while client.wait_for(wire.FLOW).field(6) != 0:
                    pass
                amqp_peers.send(link, c2d(device, ack="full", message_id="m-2"))
                poll(device)
                answer = world.wait_for(lambda: (lambda got: got if got.status == 200 else None)(rest(hub, "GET", FEEDBACK)), "feedback")
                self.assertEqual([record["originalMessageId"] for record in answer.json], ["m-2"])

    def test_A31_mode_second_is_answered_and_a_late_outcome_has_lost_its_lock(self):
        with own_hub({"testControl": True, "c2d": {"feedbackLockTimeoutSeconds": 300}}) as hub:
            device = world.device(hub)
            with sender(hub) as link:
                amqp_peers.send(link, c2d(device, ack="full", message_id="m-1"))
            poll(device)
            with back_end(hub) as client:
                receiver = self.receiver(client, rcv_mode=1)
                late, _ = receiver.receive()
                self.assertEqual(rest(hub, "PUT", "/kyanite/v1/clock", {"shiftSeconds": 301}).status, 200)
                again, message = receiver.receive()  # its lock ended
                self.assertEqual(records_of(message), {"m-1": "Success"})
                receiver.settle(late.field(1), wire.ACCEPTED, settled=False)
                self.answer(client, late.field(1), wire.REJECTED, "com.microsoft:message-lock-lost")
                receiver.settle(again.field(1), wire.ACCEPTED, settled=False)
                self.answer(client, again.field(1), wire.ACCEPTED)
            self.assertEqual(rest(hub, "GET", FEEDBACK).status, 204)

    def answer(self, client, delivery, code, condition=None):
        got = client.wait_for(wire.DISPOSITION)
        self.assertEqual(got.fields[:4], [SENDER, delivery, delivery if got.field(2) is not None else None, True])
        self.assertEqual(int(got.field(4).descriptor), code)
        if condition:
            self.assertEqual(got.field(4).value[0].value[0], condition)

    def test_A42_a_drain_gives_the_credit_back(self):
        with back_end(world.main()) as client:
            receiver = client.attach(RECEIVER, FILES)
            receiver.credit(5, drain=True)
            flow = client.wait_for(wire.FLOW)
            self.assertEqual((flow.field(5), flow.field(6), flow.field(8)), (5, 0, True))


class FileNotifications(unittest.TestCase):
    def upload(self, device, name="a.txt"):
        ticket = test_file_upload.begin(device, name)
        answer = test_file_upload.blob(device, ticket, "PUT", body=b"content")
        self.assertEqual(answer.status, 201)
        self.assertIn(test_file_upload.finish(device, ticket).status, (200, 204))

    def test_A29_A30_a_finished_upload_is_told_and_settled(self):
        with own_hub() as hub:
            device = world.device(hub)
            with back_end(hub) as client:
                receiver = client.attach(RECEIVER, FILES)
                receiver.credit(10)
                self.upload(device, "ä/b.txt")
                transfer, message = receiver.receive()
                self.assertEqual(len(transfer.field(2)), 16)
                self.assertEqual(message.property(6), "application/vnd.microsoft.iothub.filenotification.json")
                self.assertEqual(message.order.count(wire.DATA), 1)
                told = json.loads(message.data.decode("ascii"))
                self.assertEqual(told["deviceId"], device.device_id)
                self.assertEqual(told["blobName"], f"{device.device_id}/ä/b.txt")
                self.assertEqual(told["blobSizeInBytes"], 7)
                self.assertRegex(told["lastUpdatedTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
                self.assertRegex(told["enqueuedTimeUtc"], r"Z$")
                self.assertIn(device.device_id, told["blobUri"])
                receiver.settle(transfer.field(1), wire.RELEASED)
                again, message = receiver.receive()
                self.assertEqual(json.loads(message.data)["blobName"], told["blobName"])
                receiver.settle(again.field(1), wire.ACCEPTED)
                world.wait_for(lambda: test_file_upload.notifications(hub) == [], "the notification goes")
                self.upload(device, "second.txt")
                receiver.receive()
            with back_end(hub) as client:  # given back with the link
                receiver = client.attach(RECEIVER, FILES)
                receiver.credit(10)
                self.assertIn("second.txt", json.loads(receiver.receive()[1].data)["blobName"])


if __name__ == "__main__":
    unittest.main()
