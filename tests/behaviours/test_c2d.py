"""Cloud-to-device messages from a POST to the device and back as feedback (B50 to B60, R93, R94, R98, R99)."""
import contextlib
import datetime
import struct
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import mqtt_wire as wire
import world
from https_wire import connection, exchange
from world import VERSION, percent, policy_token, rest

SHORT_LOCK = 5  # seconds, the least there is


def filter_of(device):
    return f"devices/{device.device_id}/messages/devicebound/#"


def send(device, body=b"hello", code=204, **headers):
    """One message; headers as message_id="1" for iothub-messageid, app={"a": "b"} for properties."""
    sent = {"iothub-app-" + name: value for name, value in headers.pop("app", {}).items()}
    sent.update({"iothub-" + name.replace("_", ""): value for name, value in headers.items()})
    answer = rest(device.hub, "POST", f"/devices/{percent(device.device_id)}/messages/deviceBound", body, headers=sent)
    assert answer.status == code, answer
    return answer


def send_many(device, bodies):
    """The same over one connection."""
    with contextlib.closing(connection(device.hub)) as link:
        headers = {"Authorization": policy_token(device.hub, "iothubowner")}
        for body in bodies:
            path = f"/devices/{percent(device.device_id)}/messages/deviceBound?api-version={VERSION}"
            answer = exchange(link, "POST", path, body, headers)
            assert answer.status == 204, answer


def in_seconds(count):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=count)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Delivery:
    """A PUBLISH to the device, taken apart."""

    def __init__(self, packet):
        assert packet is not None, "closed instead of a message"
        first, body = packet
        assert first & 0xF0 == 0x30, f"no PUBLISH but {packet}"
        self.dup, self.qos, self.retain = bool(first & 8), first >> 1 & 3, bool(first & 1)
        size = struct.unpack(">H", body[:2])[0]
        self.topic, rest_of_it = body[2:2 + size].decode(), body[2 + size:]
        self.packet_id = None
        if self.qos:
            self.packet_id, rest_of_it = struct.unpack(">H", rest_of_it[:2])[0], rest_of_it[2:]
        self.body = rest_of_it


def receive(client, acknowledge=True, timeout=wire.TIMEOUT):
    delivery = Delivery(client.read(timeout))
    if acknowledge and delivery.qos:
        client.send(wire.puback(delivery.packet_id))
    return delivery


def subscribe(client, qos=1):
    """The granted QoS."""
    client.send(wire.subscribe(1, (filter_of(client.device), qos)))
    answer = client.read()
    assert answer is not None and answer[0] == 0x90, f"no SUBACK but {answer}"
    return answer[1][2]


def waiting(device):
    return device.show()["cloudToDeviceMessageCount"]


def wait_empty(device):
    world.wait_for(lambda: waiting(device) == 0, f"an empty queue of {device.device_id}")


def all_feedback(hub, enough, timeout=90):
    """Completed feedback as (message id, status) until `enough` says so of the list."""
    found = []
    until = time.monotonic() + timeout
    while not enough(found):
        assert time.monotonic() < until, f"too little feedback: {found}"
        answer = rest(hub, "GET", "/messages/serviceBound/feedback")
        if answer.status == 204:
            time.sleep(0.05)
            continue
        assert answer.status == 200, answer
        found += [(record["originalMessageId"], record["statusCode"]) for record in answer.json]
        lock = answer.headers["etag"].strip('"')
        done = rest(hub, "DELETE", f"/messages/serviceBound/feedback/{lock}")
        assert done.status == 204, done
    return found


def feedback_of(hub, message_id):
    return dict(all_feedback(hub, lambda found: message_id in dict(found)))[message_id]


class Delivered(unittest.TestCase):
    def test_B50_the_topic_carries_the_properties(self):
        device = world.device()
        with device.session() as client:
            self.assertEqual(subscribe(client), 1)
            send(device, b"body", message_id="m-1", correlation_id="c-7", app={"a_b": "c/d e"}, ack="full",
                 contenttype="application/json", contentencoding="utf-8")
            got = receive(client)
            start = f"devices/{device.device_id}/messages/devicebound/%24.mid=m-1&"
            self.assertTrue(got.topic.startswith(start), got.topic)
            self.assertIn(f"&%24.to=%2Fdevices%2F{device.device_id}%2Fmessages%2F", got.topic)
            self.assertIn("&%24.cid=c-7&", got.topic)
            self.assertIn("&%24.ct=application%2Fjson&%24.ce=utf-8&iothub-ack=full&", got.topic)
            self.assertTrue(got.topic.endswith("&a_b=c%2Fd%20e"), got.topic)
            self.assertNotIn("%24.exp", got.topic)
            self.assertEqual((got.qos, got.retain, got.dup, got.body), (1, False, False, b"body"))

    def test_B50_an_explicit_expiry_has_seven_fraction_digits(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            send(device, expiry="2099-01-02T03:04:05Z")
            self.assertIn("%24.exp=2099-01-02T03%3A04%3A05.0000000Z", receive(client).topic)

    def test_B51_a_message_without_properties(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            send(device, b"")
            got = receive(client)
            self.assertRegex(got.topic, r"/devicebound/%24\.to=")
            self.assertEqual(got.body, b"")

    def test_B52_a_device_that_is_not_subscribed(self):
        device = world.device()
        with device.session() as client:
            send(device)
            client.ping()
            self.assertEqual(waiting(device), 1)

    def test_B53_only_messages_sent_since_the_subscription(self):
        device = world.device()
        send(device, b"A", message_id="b53", ack="negative")
        with device.session() as client:
            subscribe(client)
            send(device, b"B")
            self.assertEqual(receive(client).body, b"B")
            client.ping()
        self.assertEqual(feedback_of(device.hub, "b53"), "Purged")

    def test_B53_deliver_gives_both(self):
        with world.new_hub("deliver", {"c2d": {"preSubscription": "deliver"}}) as hub:
            device = world.device(hub)
            send(device, b"A")
            with device.session() as client:
                subscribe(client)
                send(device, b"B")
                self.assertEqual([receive(client).body, receive(client).body], [b"A", b"B"])

    def test_B54_queued_messages_come_right_after_connack(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            client.disconnect()
        send(device, b"A")
        with device.link() as client:
            self.assertEqual(client.connect(), (0, 1))
            self.assertEqual(receive(client).body, b"A")

    def test_B55_a_clean_session_starts_anew(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            client.disconnect()
        send(device, b"A")
        with device.session(clean=True) as client:
            client.ping()
            subscribe(client)
            send(device, b"B")
            self.assertEqual(receive(client).body, b"B")

    def test_B56_qos_2_is_granted_as_1(self):
        device = world.device()
        with device.session() as client:
            self.assertEqual(subscribe(client, 2), 1)
            send(device)
            self.assertEqual(receive(client).qos, 1)

    def test_B57_an_unacknowledged_message_comes_again(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            send(device, b"A", message_id="b57", ack="full")
            self.assertFalse(receive(client, acknowledge=False).dup)
            client.cut()
        with device.session() as client:
            again = receive(client)
            self.assertTrue(again.dup)
            self.assertEqual(again.body, b"A")
            client.ping()
            wait_empty(device)
        with device.session() as client:
            client.ping()
        self.assertEqual(feedback_of(device.hub, "b57"), "Success")

    def test_B57_a_takeover_moves_what_is_unacknowledged(self):
        device = world.device()
        with device.session() as first:
            subscribe(first)
            send(device, b"A")
            receive(first, acknowledge=False)
            with device.session() as second:
                self.assertTrue(receive(second).dup)
                first.expect_closed()
                wait_empty(device)

    def test_B58_the_51st_message(self):
        device = world.device()
        send_many(device, [str(i) for i in range(50)])
        self.assertEqual(send(device, code=403).error, "DeviceMaximumQueueDepthExceeded")
        self.assertEqual(waiting(device), 50)

    def test_B59_an_expired_message(self):
        hub = world.test_control()
        device = world.device(hub)
        with device.session() as client:
            subscribe(client)
            client.disconnect()
        send(device, b"late", message_id="b59", ack="negative", expiry=in_seconds(300))
        self.addCleanup(rest, hub, "DELETE", "/kyanite/v1/clock")
        self.assertEqual(rest(hub, "PUT", "/kyanite/v1/clock", {"shiftSeconds": 301}).status, 200)
        self.assertEqual(feedback_of(hub, "b59"), "Expired")
        with device.session() as client:
            client.ping()

    def test_B60_qos_0_completes_at_once(self):
        device = world.device()
        with device.session() as client:
            self.assertEqual(subscribe(client, 0), 0)
            send(device, b"A", message_id="b60", ack="positive")
            got = receive(client)
            self.assertEqual((got.qos, got.body), (0, b"A"))
        self.assertEqual(feedback_of(device.hub, "b60"), "Success")

    def test_unsubscribe_returns_what_is_unacknowledged(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            send(device, b"A")
            first = receive(client, acknowledge=False)
            client.send(wire.unsubscribe(2, filter_of(device)))
            self.assertEqual(client.read()[0], 0xB0)
            client.send(wire.puback(first.packet_id))  # too late to count
            client.ping()
            self.assertEqual(waiting(device), 1)

    def test_an_acknowledgement_of_what_never_came_is_ignored(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            send(device, b"A")
            got = receive(client, acknowledge=False)
            client.send(wire.puback(got.packet_id + 7) + wire.puback(got.packet_id) + wire.puback(got.packet_id))
            client.ping()
            wait_empty(device)

    def test_large_messages_flow_through_a_bounded_window(self):
        device = world.device()
        bodies = [bytes([65 + i]) * 65000 for i in range(20)]
        with device.session() as client:
            subscribe(client)
            client.disconnect()
        send_many(device, bodies)
        with device.session() as client:
            self.assertEqual([receive(client).body for _ in bodies], bodies)
            wait_empty(device)

    def test_messages_for_a_deleted_device_are_gone(self):
        device = world.device()
        send(device)
        device.delete()
        send(device, code=404)
        again = world.device(name=device.device_id)
        self.assertEqual(waiting(again), 0)

    def test_a_disabled_device_takes_no_message(self):
        device = world.device()
        send(device)
        device.update(status="disabled")
        self.assertEqual(send(device, code=404).error, "DeviceNotFound")
        device.update(status="enabled")
        self.assertEqual(waiting(device), 1)


class Locks(unittest.TestCase):
    def test_a_device_that_never_acknowledges_gets_it_again_with_the_same_packet_id(self):
        with world.new_hub("locks", {"c2d": {"lockTimeoutSeconds": SHORT_LOCK, "countLockExpiry": True, "maxDeliveryCount": 2}}) as hub:
            device = world.device(hub)
            with device.session() as client:
                subscribe(client)
                send(device, b"A", message_id="lock", ack="full")
                first = receive(client, acknowledge=False)
                again = receive(client, acknowledge=False)
                self.assertEqual((again.packet_id, again.dup, again.body), (first.packet_id, True, b"A"))
                self.assertEqual(feedback_of(hub, "lock"), "DeliveryCountExceeded")
                client.send(wire.puback(again.packet_id))
                client.ping()


class Restart(unittest.TestCase):
    def test_a_full_queue_survives_a_killed_hub(self):
        with world.new_hub("full-queue") as hub:
            device = world.device(hub)
            with device.session() as client:
                subscribe(client)
                client.disconnect()
            bodies = [str(i).encode() for i in range(50)]
            send_many(device, bodies)
            with device.session() as client:
                for expected in bodies[:20]:
                    self.assertEqual(receive(client).body, expected)
                world.wait_for(lambda: waiting(device) == 30, "20 completed messages")
            # Completions are not waited for: they are on disk when two writes one after the other, sent later, are.
            for number in range(2):
                self.assertEqual(rest(hub, "PATCH", f"/twins/{device.device_id}", {"tags": {"number": number}}).status, 200)
            hub.kill()
            hub.start()
            with device.session() as client:
                self.assertEqual([receive(client).body for _ in range(30)], bodies[20:])
                wait_empty(device)
                client.ping()

    def test_a_restart_keeps_the_mark_of_a_repetition(self):
        with world.new_hub("dup") as hub:
            device = world.device(hub)
            with device.session() as client:
                subscribe(client)
                send(device, b"A")
                receive(client, acknowledge=False)
                self.assertEqual(hub.stop(), 0)
            hub.start()
            with device.session() as client:
                self.assertTrue(receive(client).dup)

    def test_200_devices_with_full_queues_drain_after_a_restart(self):
        with world.new_hub("drain", {"storage": {"durability": "os"}}) as hub, ThreadPoolExecutor(16) as pool:
            devices = [world.device(hub) for _ in range(200)]
            bodies = [str(i).encode() for i in range(50)]

            def fill(device):
                with device.session() as client:
                    subscribe(client)
                    client.disconnect()
                send_many(device, bodies)

            def drain(device):
                with device.session() as client:
                    got = [receive(client).body for _ in bodies]
                    wait_empty(device)
                    client.ping()
                return got

            list(pool.map(fill, devices))
            self.assertEqual(hub.stop(), 0)
            hub.start()
            for got in pool.map(drain, devices):
                self.assertEqual(got, bodies)


class Rest(unittest.TestCase):
    def test_R93_an_explorer_style_post(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            path = f"/devices/{device.device_id}/messages/deviceBound"
            headers = {"iothub-app-k": "v", "Content-Type": "application/json", "Content-Encoding": "utf-8"}
            answer = rest(device.hub, "POST", path, b'{"a":1}', headers=headers)
            self.assertEqual((answer.status, answer.body), (204, b""))
            got = receive(client)
            self.assertEqual(got.body, b'{"a":1}')
            self.assertTrue(got.topic.endswith("&%24.ct=application%2Fjson&%24.ce=utf-8&k=v"), got.topic)

    def test_R93_names_keep_their_case_and_values_are_not_decoded(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            send(device, app={"MyName": "a%20b"})
            self.assertTrue(receive(client).topic.endswith("&MyName=a%2520b"))

    def test_R94_a_full_queue(self):
        device = world.device()
        send_many(device, [b"x"] * 50)
        self.assertEqual(send(device, code=403).error, "DeviceMaximumQueueDepthExceeded")

    def test_R98_a_purge(self):
        device = world.device()
        for number in range(3):
            send(device, message_id=f"r98-{device.device_id}-{number}", ack="full")
        answer = rest(device.hub, "DELETE", f"/devices/{device.device_id}/commands")
        self.assertEqual((answer.status, answer.json), (200, {"deviceId": device.device_id, "moduleId": None, "totalMessagesPurged": 3}))
        self.assertEqual(rest(device.hub, "DELETE", f"/devices/{device.device_id}/commands").json["totalMessagesPurged"], 0)
        self.assertEqual(feedback_of(device.hub, f"r98-{device.device_id}-2"), "Purged")

    def test_the_list_tells_what_waits_and_what_became_of_messages(self):
        device = world.device()

        def listed():
            answer = rest(device.hub, "GET", f"/kyanite/v1/messages?device={percent(device.device_id)}")
            self.assertEqual(answer.status, 200, answer)
            return answer.json

        one = f"list-{device.device_id}"
        send(device, b"secret body", message_id=one, ack="full")
        self.assertEqual([(m["messageId"], m["state"], m["ack"]) for m in listed()["queued"]], [(one, "queued", "full")])
        with device.session() as client:
            subscribe(client)
            send(device, b"next", message_id="next")
            first = receive(client, acknowledge=False)
            self.assertEqual([m["state"] for m in listed()["queued"] if m["messageId"] == "next"], ["withDevice"])
            client.send(wire.puback(first.packet_id))
            world.wait_for(lambda: [m for m in listed()["ended"] if m["messageId"] == "next"], "the end of the message")
        ended = {m["messageId"]: m["statusCode"] for m in listed()["ended"]}
        self.assertEqual(ended, {one: "Purged", "next": "Success"})  # older than the subscription: dropped
        self.assertEqual(listed()["queued"], [])
        self.assertNotIn("secret", str(listed()))
        self.assertEqual(feedback_of(device.hub, one), "Purged")  # nobody took it
        self.assertEqual(rest(device.hub, "GET", "/kyanite/v1/messages?device=nobody").status, 404)
        self.assertEqual(rest(device.hub, "GET", "/kyanite/v1/messages").status, 400)

    def test_a_value_in_utf8_is_percent_encoded_in_the_topic(self):
        device = world.device()
        with device.session() as client:
            subscribe(client)
            send(device, app={"place": "Größe ☂".encode().decode("latin-1")})
            self.assertTrue(receive(client).topic.endswith("&place=Gr%C3%B6%C3%9Fe%20%E2%98%82"))

    def test_R99_feedback_is_completed_once(self):
        with world.new_hub("feedback") as hub:
            device = world.device(hub)
            self.assertEqual(rest(hub, "GET", "/messages/serviceBound/feedback").status, 204)
            with device.session() as client:
                subscribe(client)
                send(device, message_id="m1", ack="full")
                receive(client)
                wait_empty(device)
            batch = world.wait_for(lambda: (a := rest(hub, "GET", "/messages/serviceBound/feedback")).status == 200 and a, "feedback")
            self.assertEqual(batch.headers["content-type"], "application/vnd.microsoft.iothub.feedback.json")
            self.assertRegex(batch.headers["etag"], r'^"[0-9a-f-]{36}"$')
            [record] = batch.json
            self.assertEqual((record["originalMessageId"], record["statusCode"], record["description"]), ("m1", "Success", "Success"))
            self.assertEqual((record["deviceId"], record["deviceGenerationId"]), (device.device_id, device.show()["generationId"]))
            self.assertRegex(record["enqueuedTimeUtc"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$")
            path = "/messages/serviceBound/feedback/" + batch.headers["etag"].strip('"')
            self.assertEqual(rest(hub, "GET", "/messages/serviceBound/feedback").status, 204)
            self.assertEqual(rest(hub, "POST", path + "/abandon").status, 204)
            lost = rest(hub, "DELETE", path)
            self.assertEqual((lost.status, lost.error), (412, "DeviceMessageLockLost"))
            again = rest(hub, "GET", "/messages/SERVICEBOUND/feedback")
            self.assertEqual(again.json, batch.json)
            path = "/messages/serviceBound/feedback/" + again.headers["etag"].strip('"')
            done = rest(hub, "DELETE", path)
            self.assertEqual((done.status, done.body), (204, b""))
            self.assertEqual(rest(hub, "GET", "/messages/serviceBound/feedback").status, 204)

    def test_refusals(self):
        device = world.device()
        self.assertEqual(send(device, b"x" * 65537, code=413).error, "MessageTooLarge")
        self.assertEqual(send(device, expiry="tomorrow", code=400).error, "ArgumentInvalid")
        self.assertEqual(send(device, expiry="2020-01-01T00:00:00Z", code=403).error, "InvalidMessageExpiryTime")
        self.assertEqual(send(device, ack="maybe", code=400).error, "ArgumentInvalid")
        self.assertEqual(send(device, message_id="a b", code=400).error, "ArgumentInvalid")
        self.assertEqual(send(device, app={"iothub-messageid": "x"}, code=400).error, "ArgumentInvalid")
        path = f"/devices/{device.device_id}/messages/deviceBound"
        self.assertEqual(rest(device.hub, "POST", "/devices/nobody/messages/deviceBound", b"x").error, "DeviceNotFound")
        self.assertEqual(rest(device.hub, "POST", path, b"x", authorization=device.token()).status, 401)
        weak = policy_token(device.hub, "registryReadWrite")
        self.assertEqual(rest(device.hub, "POST", path, b"x", authorization=weak).status, 401)
        self.assertEqual(waiting(device), 0)
