"""Devices over HTTPS: credentials, telemetry, and messages by polling (R22, R23, R95 to R97, R100, R101)."""
import base64
import contextlib
import json
import time
import unittest

import device_certificates as certificates
import test_c2d as c2d
import world
from https_wire import RawHttps, connection, exchange, request
from test_x509 import chained
from world import HOST, VERSION, percent, policy_token, rest, token

BATCH = "application/vnd.microsoft.iothub.json"


def path_of(identity):
    path = f"/devices/{percent(identity.device_id)}"
    return path + (f"/modules/{percent(identity.module_id)}" if identity.module_id else "")


def ask(identity, method, tail, body=None, authorization="", headers=None):
    """A request on the identity's own route, with its own token unless another or none (None) is given."""
    own = identity.token() if authorization == "" else authorization
    return rest(identity.hub, method, path_of(identity) + tail, body, own, headers)


def post_event(identity, body=b"hello", authorization="", **headers):
    return ask(identity, "POST", "/messages/events", body, authorization, headers)


def poll(device, **headers):
    return ask(device, "GET", "/messages/devicebound", headers=headers)


def lock_of(answer):
    assert answer.status == 200, answer
    assert answer.headers["etag"].startswith('"'), answer
    return answer.headers["etag"].strip('"')


def settle(device, lock, how="complete"):
    tail = f"/messages/devicebound/{lock}"
    if how == "abandon":
        return ask(device, "POST", tail + "/abandon")
    return ask(device, "DELETE", tail + ("?" + how if how != "complete" else ""))


class Credentials(unittest.TestCase):
    def test_R23_a_devices_token_opens_its_own_routes_only(self):
        device, other = world.device(), world.device()
        self.assertEqual(poll(device).status, 204)
        self.assertEqual(ask(device, "GET", "").status, 401)
        self.assertEqual(ask(other, "GET", "/messages/devicebound", authorization=device.token()).status, 401)
        self.assertEqual(rest(device.hub, "POST", path_of(device) + "/messages/devicebound", b"x", device.token()).status, 401)

    def test_R22_a_policys_token_scoped_to_a_device(self):
        device = world.device(name="dev1-https")
        longer = world.device(name="dev1-https0")
        scoped = policy_token(device.hub, "iothubowner", f"{HOST}/devices/dev1-https")
        self.assertEqual(post_event(device, authorization=scoped).status, 204)
        self.assertEqual(post_event(longer, authorization=scoped).status, 401)

    def test_a_policy_needs_device_connect(self):
        device = world.device()
        for scope in (HOST, f"{HOST}/devices"):
            self.assertEqual(post_event(device, authorization=policy_token(device.hub, "device", scope)).status, 204)
            self.assertEqual(post_event(device, authorization=policy_token(device.hub, "service", scope)).status, 401)

    def test_a_token_whose_id_is_encoded_twice(self):
        device = world.device(name="a+b@c")
        twice = token(percent(f"{HOST}/devices/{percent(device.device_id)}"), device.primary)
        self.assertEqual(post_event(device, authorization=twice).status, 204)

    def test_unknown_and_disabled_devices(self):
        device = world.device(status="disabled")
        self.assertEqual(post_event(device).status, 401)
        self.assertEqual(post_event(device, authorization=policy_token(device.hub, "device")).status, 401)
        device.delete()
        self.assertEqual(post_event(device).error, "IotHubUnauthorizedAccess")
        self.assertEqual(post_event(device, authorization=policy_token(device.hub, "device")).error, "DeviceNotFound")

    def test_the_secondary_key_and_wrong_ones(self):
        device = world.device()
        self.assertEqual(post_event(device, authorization=device.token(device.secondary)).status, 204)
        self.assertEqual(post_event(device, authorization=device.token(world.other_key())).status, 401)
        self.assertEqual(post_event(device, authorization=device.token(expiry=int(time.time()) - 900)).status, 401)
        self.assertEqual(post_event(device, authorization=None).status, 401)

    def test_a_module_and_its_device_have_routes_of_their_own(self):
        device = world.device()
        module = device.module("m")
        self.assertEqual(post_event(module).status, 204)
        self.assertEqual(post_event(device, authorization=module.token()).status, 401)
        double_slash = f"/devices/{percent(device.device_id)}//modules/m/messages/events"
        self.assertEqual(rest(device.hub, "POST", double_slash, b"x", module.token()).status, 204)

    def test_a_large_body_is_read_only_for_who_proved_itself(self):
        device = world.device()
        head = (f"POST {path_of(device)}/messages/events?api-version={VERSION} HTTP/1.1\r\nHost: {HOST}\r\n"
                f"Content-Length: 200000\r\nExpect: 100-continue\r\nAuthorization: ")
        with RawHttps(device.hub) as link:
            link.send((head + device.token(world.other_key()) + "\r\n\r\n").encode())
            self.assertIn(b" 401 ", link.read_until(b"\r\n\r\n"))
        with RawHttps(device.hub) as link:
            link.send((head + device.token() + "\r\n\r\n").encode())
            self.assertIn(b" 100 ", link.read_until(b"\r\n\r\n"))
            link.send(bytes(200000))
            self.assertIn(b" 204 ", link.read_until(b"\r\n\r\n"))

    def test_a_request_is_activity_and_no_connection(self):
        device = world.device()
        self.assertTrue(device.show()["lastActivityTime"].startswith("0001"))
        self.assertEqual(poll(device).status, 204)
        self.assertTrue(device.show()["lastActivityTime"].startswith("20"))
        self.assertEqual(device.show()["connectionState"], "Disconnected")


class Certificates(unittest.TestCase):
    def test_thumbprints_and_chains(self):
        hub, folder = world.main(), world.folder("https-certificates")
        own, other = certificates.self_signed(folder, "own"), certificates.self_signed(folder, "other")
        pinned = world.device(authentication={"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": own.thumbprint()}})
        send = lambda device, certificate: request(
            hub, "POST", f"{path_of(device)}/messages/events?api-version={VERSION}", b"x", certificate=certificate).status
        self.assertEqual(send(pinned, own), 204)
        self.assertEqual(send(pinned, other), 401)
        self.assertEqual(send(pinned, None), 401)
        authority = certificates.authority(folder, "https plant CA")
        hub.add_ca_certificate("https-plant", authority.certificate.read_text())
        device = world.device(authentication={"type": "certificateAuthority"})
        self.assertEqual(send(device, chained(folder, authority, device.device_id)), 204)
        self.assertEqual(send(device, chained(folder, authority, "somebody-else")), 401)
        self.assertEqual(send(device, own), 401)
        # A policy's token opens what it opens over MQTT: nothing that has a certificate of its own (B19).
        for name in (pinned, device):
            self.assertEqual(post_event(name, authorization=policy_token(hub, "iothubowner")).status, 401)

    def test_without_local_auth_no_token_opens_a_device_but_policies_open_the_service(self):
        hub = world.new_hub("https-no-local-auth", {"auth": {"disableLocalAuth": True}})
        with hub:
            device = world.device(hub)
            self.assertEqual(post_event(device).status, 401)
            self.assertEqual(post_event(device, authorization=policy_token(hub, "iothubowner")).status, 401)
            self.assertEqual(hub.stop(), 0)

    def test_a_service_client_may_show_a_certificate_too(self):
        certificate = certificates.self_signed(world.folder("https-service"), "c")
        device = world.device()
        answer = request(device.hub, "GET", f"{path_of(device)}?api-version={VERSION}",
                         headers={"Authorization": policy_token(device.hub, "iothubowner")}, certificate=certificate)
        self.assertEqual(answer.status, 200)
        answer = request(device.hub, "GET", f"{path_of(device)}?api-version={VERSION}", certificate=certificate)
        self.assertEqual(answer.status, 401)


class Telemetry(unittest.TestCase):
    def test_properties_and_the_order_of_mqtt_and_https(self):
        device = world.device()
        device.send(b"first")
        answer = post_event(device, b'{"t":1}', **{
            "iothub-app-k": "v 1", "iothub-messageid": "m", "iothub-correlationid": "c",
            "iothub-contenttype": "application/json", "iothub-contentencoding": "utf-8", "Content-Encoding": "utf-8"})
        self.assertEqual((answer.status, answer.body), (204, b""))
        first, event = device.received()
        self.assertEqual(first["body"], "first")
        self.assertEqual(event["properties"], {"k": "v 1"})
        self.assertEqual(json.loads(event["body"]) if isinstance(event["body"], str) else event["body"], {"t": 1})
        system = event["systemProperties"]
        self.assertEqual(system["message-id"], "m")
        self.assertEqual(system["correlation-id"], "c")
        self.assertEqual(system["content-type"], "application/json")
        self.assertEqual(system["iothub-connection-device-id"], device.device_id)
        self.assertIn('"type":"sas"', system["iothub-connection-auth-method"])

    def test_R100_a_batch_of_three(self):
        device = world.device()
        items = [{"body": base64.b64encode(b"one").decode(), "base64Encoded": True, "properties": {"iothub-app-n": "1"}},
                 {"body": "two", "base64Encoded": False}, {"body": base64.b64encode(b"three").decode()}]
        answer = post_event(device, json.dumps(items), **{"Content-Type": BATCH})
        self.assertEqual(answer.status, 204)
        events = device.received()
        self.assertEqual([event["body"] for event in events], ["one", "two", "three"])
        self.assertEqual(events[0]["properties"], {"n": "1"})

    def test_a_batch_with_one_bad_message_is_refused_as_a_whole(self):
        device = world.device()
        items = [{"body": "b25l"}, {"body": "no base64!"}]
        self.assertEqual(post_event(device, json.dumps(items), **{"Content-Type": BATCH}).error, "ArgumentInvalid")
        self.assertEqual(post_event(device, "[{", **{"Content-Type": BATCH}).status, 400)
        self.assertEqual(device.received(), [])

    def test_R101_a_message_of_257_kb(self):
        device = world.device()
        answer = post_event(device, bytes(257 * 1024))
        self.assertEqual((answer.status, answer.error), (413, "MessageTooLarge"))
        self.assertEqual(post_event(device, bytes(256 * 1024)).status, 204)

    def test_what_was_answered_survives_a_kill(self):
        hub = world.new_hub("https-kill")
        hub.start()
        device = world.device(hub)
        for count in range(20):
            self.assertEqual(post_event(device, str(count)).status, 204)
        hub.kill()
        hub.start()
        self.assertEqual([event["body"] for event in device.received()], [str(count) for count in range(20)])
        self.assertEqual(hub.stop(), 0)

    def test_with_a_tier_telemetry_within_the_rate_passes(self):
        hub = world.new_hub("https-tier", {"limits": {"tier": "F1"}})
        hub.start()
        device = world.device(hub)
        headers = {"Authorization": device.token()}
        statuses = []
        with contextlib.closing(connection(hub)) as link:
            for _ in range(3):
                statuses.append(exchange(link, "POST", f"{path_of(device)}/messages/events?api-version={VERSION}", b"x", headers).status)
        self.assertEqual(statuses, [204, 204, 204])
        self.assertEqual(hub.stop(), 0)


class Polling(unittest.TestCase):
    def test_R95_a_message_with_its_properties_and_an_empty_queue(self):
        device = world.device()
        c2d.send(device, b"body", message_id="m-1", correlation_id="c-7", app={"k": "v"}, ack="full",
                 contenttype="application/json", contentencoding="utf-8")
        answer = poll(device)
        self.assertEqual((answer.status, answer.body), (200, b"body"))
        self.assertRegex(answer.headers["etag"], r'^"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"$')
        expected = {"iothub-messageid": "m-1", "iothub-correlationid": "c-7", "iothub-app-k": "v", "iothub-ack": "full",
                    "contenttype": "application/json", "iothub-contenttype": "application/json", "content-type": "application/json",
                    "contentencoding": "utf-8", "iothub-contentencoding": "utf-8", "iothub-deliverycount": "0"}
        self.assertEqual({name: answer.headers.get(name) for name in expected}, expected)
        self.assertNotIn("content-encoding", answer.headers)
        began = time.monotonic()
        self.assertEqual(poll(device).status, 204)
        self.assertLess(time.monotonic() - began, 60)

    def test_R96_every_spelling_of_reject_and_the_feedback(self):
        device = world.device()
        for number, spelling in enumerate(("reject", "reject=", "reject=true", "%3Freject=true")):
            message_id = f"{device.device_id}-{number}"
            c2d.send(device, message_id=message_id, ack="full")
            self.assertEqual(settle(device, lock_of(poll(device)), spelling).status, 204)
            self.assertEqual(c2d.feedback_of(device.hub, message_id), "Rejected")
        self.assertEqual(c2d.waiting(device), 0)

    def test_R97_locks(self):
        device = world.device()
        message_id = device.device_id + "-m"
        c2d.send(device, message_id=message_id, ack="full")
        lock = lock_of(poll(device))
        self.assertEqual(settle(device, lock, "abandon").status, 204)
        self.assertEqual(settle(device, lock).error, "DeviceMessageLockLost")
        again = poll(device)
        self.assertEqual(again.headers["iothub-deliverycount"], "1")
        self.assertEqual(settle(device, lock_of(again)).status, 204)
        self.assertEqual(c2d.feedback_of(device.hub, message_id), "Success")
        self.assertEqual(settle(device, "11111111-1111-1111-1111-111111111111").status, 412)

    def test_R97_a_lock_ends_by_time(self):
        hub = world.test_control()
        device = world.device(hub)
        c2d.send(device)
        answer = ask(device, "GET", "/messages/devicebound", headers={"IotHub-MessageLockTimeout": "300"})
        lock = lock_of(answer)
        try:
            rest(hub, "PUT", "/kyanite/v1/clock", {"advanceSeconds": 301}, version=None)
            self.assertEqual(settle(device, lock).status, 412)
            self.assertEqual(poll(device).headers["iothub-deliverycount"], "1")
        finally:
            rest(hub, "DELETE", "/kyanite/v1/clock", version=None)

    def test_a_lock_time_that_is_out_of_range(self):
        device = world.device()
        for seconds in ("4", "301", "x"):
            self.assertEqual(poll(device, **{"IotHub-MessageLockTimeout": seconds}).error, "ArgumentInvalid")
        self.assertEqual(ask(device, "GET", "/messages/devicebound?iothub-messagelocktimeout=5").status, 204)

    def test_a_message_is_with_one_reader_only(self):
        device = world.device()
        c2d.send(device, b"a")
        lock = lock_of(poll(device))
        with device.session() as client:
            c2d.subscribe(client)
            c2d.send(device, b"b")
            self.assertEqual(c2d.receive(client).body, b"b")
            world.wait_for(lambda: c2d.waiting(device) == 1, "the acknowledged message gone")
            self.assertEqual(poll(device).status, 204)
            self.assertEqual(settle(device, lock, "abandon").status, 204)
            delivery = c2d.receive(client)
            self.assertEqual((delivery.body, delivery.dup), (b"a", True))
        c2d.wait_empty(device)

    def test_a_purge_and_a_deletion_end_the_lock(self):
        device = world.device()
        c2d.send(device)
        lock = lock_of(poll(device))
        self.assertEqual(rest(device.hub, "DELETE", f"{path_of(device)}/commands").json["totalMessagesPurged"], 1)
        self.assertEqual(settle(device, lock).status, 412)
        c2d.send(device)
        lock = lock_of(poll(device))
        device.delete()
        self.assertEqual(settle(device, lock).status, 401)

    def test_the_last_delivery_allowed_ends_the_message(self):
        device = world.device()
        message_id = device.device_id + "-m"
        c2d.send(device, message_id=message_id, ack="full")
        for _ in range(10):
            self.assertEqual(settle(device, lock_of(poll(device)), "abandon").status, 204)
        self.assertEqual(poll(device).status, 204)
        self.assertEqual(c2d.feedback_of(device.hub, message_id), "DeliveryCountExceeded")

    def test_what_was_completed_stays_so_after_a_kill(self):
        hub = world.new_hub("https-poll-kill")
        hub.start()
        device = world.device(hub)
        for body in (b"a", b"b"):
            c2d.send(device, body)
        self.assertEqual(settle(device, lock_of(poll(device))).status, 204)
        hub.kill()
        hub.start()
        self.assertEqual(poll(device).body, b"b")
        self.assertEqual(hub.stop(), 0)
