"""The dashboard's files over HTTPS and over the admin port, and the journal of connections behind it."""
import contextlib
import gzip
import http.client
import json
import re
import socket
import ssl
import subprocess
import time
import unittest
import warnings

import websocket_wire
import world
from https_wire import connection, exchange, request
from test_device_https import post_event
from world import rest

POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
          "frame-ancestors 'none'; base-uri 'none'; form-action 'none'")


class Files(unittest.TestCase):
    def setUp(self):
        self.hub = world.main()

    def get(self, path, headers=None, method="GET", body=None):
        return request(self.hub, method, path, body, headers)

    def test_the_first_page_and_all_it_names_come_without_a_credential(self):
        page = self.get("/")
        self.assertEqual(page.status, 200)
        self.assertEqual(page.headers["content-type"], "text/html; charset=utf-8")
        named = re.findall(r'(?:src|href)="(/[^"]+)"', page.body.decode())
        self.assertGreaterEqual(len(named), 5)
        for path in named:
            answer = self.get(path)
            self.assertEqual(answer.status, 200, path)
            self.assertEqual(answer.headers["content-security-policy"], POLICY)
            for module in re.findall(r"from '\./([^']+)'", answer.body.decode()):
                self.assertEqual(self.get(f"/dashboard/{module}").status, 200, module)

    def test_headers_forbid_framing_guessing_and_telling(self):
        headers = self.get("/").headers
        self.assertEqual(headers["content-security-policy"], POLICY)
        self.assertEqual(headers["x-content-type-options"], "nosniff")
        self.assertEqual(headers["referrer-policy"], "no-referrer")
        self.assertEqual(headers["cache-control"], "no-cache")
        self.assertTrue(headers["x-ms-request-id"])

    def test_compressed_files_are_the_same_files(self):
        plain = self.get("/dashboard/app.js")
        small = self.get("/dashboard/app.js", {"Accept-Encoding": "gzip, deflate, br"})
        self.assertEqual(small.headers["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(small.body), plain.body)
        self.assertLess(len(small.body), len(plain.body) / 2)
        self.assertNotIn("content-encoding", plain.headers)

    def test_a_file_that_is_known_is_not_sent_again(self):
        etag = self.get("/").headers["etag"]
        with contextlib.closing(connection(self.hub)) as link:  # also on one connection: a 304 ends where it says
            for _ in range(2):
                again = exchange(link, "GET", "/", headers={"If-None-Match": etag})
                self.assertEqual((again.status, again.body), (304, b""))
            self.assertEqual(exchange(link, "GET", "/dashboard/style.css").status, 200)
            head = exchange(link, "HEAD", "/")
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(int(head.headers["content-length"]), len(exchange(link, "GET", "/").body))

    def test_other_paths_and_verbs_belong_to_the_api(self):
        self.assertEqual(self.get("/dashboard/none.js").status, 404)
        self.assertEqual(self.get("/dashboard/%2e%2e/hub.json").status, 404)
        self.assertEqual(self.get("/dashboard/..%2f..%2fetc%2fpasswd").status, 404)
        self.assertEqual(self.get("/devices?api-version=2021-04-12").status, 401)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            self.assertIn(self.get("/", method=method).status, (404, 405), method)

    def test_a_body_beside_the_question_is_not_read(self):
        answer = self.get("/", body="x" * 100_000)
        self.assertEqual(answer.status, 200)
        self.assertIn(b"<!doctype html>", answer.body)

    def test_the_admin_port_has_the_same_pages(self):
        link = http.client.HTTPConnection("127.0.0.1", self.hub.info["ports"]["admin"], timeout=60)
        self.addCleanup(link.close)
        answer = exchange(link, "GET", "/dashboard/app.js")
        self.assertEqual((answer.status, answer.body), (200, self.get("/dashboard/app.js").body))

    def test_it_can_be_switched_off(self):
        hub = world.new_hub("no-dashboard", {"dashboard": {"enabled": False}})
        self.addCleanup(hub.kill)
        hub.start()
        for path in ("/", "/dashboard/app.js"):
            self.assertEqual(request(hub, "GET", path).status, 404)


class Connections(unittest.TestCase):
    def setUp(self):
        self.hub = world.main()

    def entries(self, query):
        answer = rest(self.hub, "GET", f"/kyanite/v1/connections?{query}", version=None)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["connections"]

    def test_a_device_leaves_its_connects_ends_and_refusals(self):
        device = world.device(self.hub)
        with device.session() as client:
            client.disconnect()
        world.wait_for(lambda: self.entries(f"device={device.device_id}&event=disconnected"), "the end in the journal")
        self.assertEqual(device.connack(password=device.token(key=world.other_key())), 5)
        self.assertEqual(device.connack(password=device.token(key=world.other_key())), 5)
        events = [(entry["event"], entry["reason"]) for entry in self.entries(f"device={device.device_id}")]
        self.assertIn(("connected", None), events)
        self.assertIn(("disconnected", "device_disconnected"), events)
        refused = self.entries(f"device={device.device_id}&event=refused")
        self.assertEqual(sum(entry["count"] for entry in refused), 2)
        for entry in refused:
            self.assertEqual((entry["reason"], entry["detail"], entry["code"]), ("IotHubUnauthorized", "wrong signature", 401003))
            self.assertEqual((entry["address"], entry["protocol"], entry["authType"]), ("127.0.0.1", "Mqtt", "sas"))
            self.assertTrue(entry["explanation"])
        self.assertNotIn(device.primary, json.dumps(refused))

    def test_an_unknown_device_is_told_under_the_id_it_claimed(self):
        device = world.device(self.hub)
        device.delete()
        self.assertEqual(device.connack(), 5)
        self.assertEqual(self.entries(f"device={device.device_id}&event=refused")[0]["reason"], "DeviceNotFound")

    def test_a_client_that_does_not_trust_the_hub_is_told(self):
        context = ssl.create_default_context()  # the system's CAs
        for minimum in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.minimum_version = context.maximum_version = minimum
            with self.assertRaises(ssl.SSLCertVerificationError):
                with socket.create_connection(("127.0.0.1", self.hub.mqtts_port), timeout=60) as raw:
                    context.wrap_socket(raw, server_hostname="hub.test").close()

        def told():
            return [entry for entry in self.entries("event=refused&limit=1000") if entry["reason"] == "TlsHandshakeFailed"]

        world.wait_for(lambda: any("unknown ca" in entry["detail"] for entry in told()), "the alert in the journal")
        self.assertIn("kyanite ca", told()[0]["explanation"])

    def test_a_client_that_leaves_after_tls_without_a_word_is_told(self):
        def left(protocol):
            return sum(entry["count"] for entry in self.entries("event=refused&limit=1000")
                       if entry["reason"] == "LeftAfterTls" and entry["protocol"] == protocol)

        context = ssl.create_default_context(cafile=self.hub.ca_file)
        for port, protocol in (("mqtts", "Mqtt"), ("amqps", "Amqp")):
            before = left(protocol)
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context.minimum_version = context.maximum_version = version
                with socket.create_connection(("127.0.0.1", self.hub.info["ports"][port]), timeout=60) as raw:
                    context.wrap_socket(raw, server_hostname="hub.test").close()
            world.wait_for(lambda: left(protocol) == before + 2, f"both in the journal of {protocol}")
        # A browser opens connections to 443 that it may never use.
        with socket.create_connection(("127.0.0.1", self.hub.info["ports"]["https"]), timeout=60) as raw:
            context.wrap_socket(raw, server_hostname="hub.test").close()
        # Whoever said something wrong did not leave silently.
        before = left("Mqtt")
        with socket.create_connection(("127.0.0.1", self.hub.mqtts_port), timeout=60) as raw:
            with context.wrap_socket(raw, server_hostname="hub.test") as client:
                client.sendall(b"\x10")
        # One that is told, after those that are not.
        after = left("Amqp") + 1
        with socket.create_connection(("127.0.0.1", self.hub.info["ports"]["amqps"]), timeout=60) as raw:
            context.wrap_socket(raw, server_hostname="hub.test").close()
        world.wait_for(lambda: left("Amqp") == after, "the last one in the journal")
        self.assertEqual((left("Mqtt"), left("Https")), (before, 0))

    def refused_of(self, device_id):
        return self.entries(f"device={device_id}&event=refused")

    def test_a_device_refused_over_https_stands_under_its_id(self):
        device = world.device(self.hub)
        wrong = device.token(key=world.other_key())
        for _ in range(3):
            self.assertEqual(post_event(device, authorization=wrong).status, 401)
        refused = self.refused_of(device.device_id)
        self.assertEqual(sum(entry["count"] for entry in refused), 3)
        for entry in refused:
            self.assertEqual((entry["protocol"], entry["transport"], entry["reason"], entry["detail"], entry["code"], entry["authType"]),
                             ("Https", "tcp", "IotHubUnauthorized", "wrong signature", 401003, "sas"))
            self.assertEqual(entry["address"], "127.0.0.1")
            self.assertIn("key", entry["explanation"])
        signature = wrong.split("sig=")[1].split("&")[0]
        self.assertNotIn(signature, json.dumps(refused))
        self.assertEqual(post_event(device, authorization=device.token(expiry=int(time.time()) - 90_000)).status, 401)
        self.assertIn("token expired", [entry["detail"] for entry in self.refused_of(device.device_id)])
        self.assertEqual(post_event(device, authorization=None).status, 401)
        self.assertIn("no Authorization and no client certificate", [entry["detail"] for entry in self.refused_of(device.device_id)])

    def test_disabled_and_unknown_devices_over_https(self):
        device = world.device(self.hub, status="disabled")
        self.assertEqual(post_event(device).status, 401)
        entry = self.refused_of(device.device_id)[0]
        self.assertEqual((entry["protocol"], entry["reason"]), ("Https", "DeviceDisabled"))
        self.assertIn("Enable it", entry["explanation"])
        device.delete()
        self.assertEqual(post_event(device).status, 401)
        entry = self.refused_of(device.device_id)[0]
        self.assertEqual(entry["detail"], "the identity is not registered")
        self.assertIn("Create it", entry["explanation"])

    def test_a_body_over_the_unproven_size_is_told_once(self):
        device = world.device(self.hub)
        self.assertEqual(post_event(device, b"x" * 100_000, authorization=device.token(key=world.other_key())).status, 401)
        self.assertEqual([entry["count"] for entry in self.refused_of(device.device_id)], [1])

    def test_a_back_ends_bad_token_is_one_entry_without_the_path(self):
        hub = world.new_hub("back-end-refused")
        self.addCleanup(hub.kill)
        hub.start()
        self.hub = hub
        for number in range(5):
            self.assertEqual(rest(hub, "GET", f"/devices/made-up-{number}", authorization=None).status, 401)
        self.assertEqual(rest(hub, "GET", "/devices", authorization=world.policy_token(hub, "device")).status, 401)
        refused = self.entries("event=refused")
        found = {entry["detail"]: entry["count"] for entry in refused}
        self.assertEqual(sum(entry["count"] for entry in refused if entry["detail"] == "REST request: no Authorization"), 5)
        self.assertIn("REST request: policy without the right needed", found)
        self.assertTrue(all(entry["deviceId"] is None and entry["protocol"] == "Https" for entry in refused), refused)
        self.assertNotIn("made-up", json.dumps(refused))

    def test_a_websocket_that_was_refused_is_told(self):
        hub = world.new_hub("upgrade-refused")
        self.addCleanup(hub.kill)
        hub.start()
        self.hub = hub
        head = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": websocket_wire.KEY}
        self.assertEqual(request(hub, "GET", "/$iothub/websocket", headers={**head, "Sec-WebSocket-Protocol": "made-up"}).status, 400)
        self.assertEqual(request(hub, "GET", "/$iothub/websocket").status, 426)
        self.assertEqual(request(hub, "GET", "/$servicebus/websocket", headers=head).status, 400)
        refused = self.entries("event=refused")
        self.assertEqual({(entry["reason"], entry["transport"]) for entry in refused}, {("WebSocketRefused", "websocket")})
        self.assertEqual({entry["protocol"] for entry in refused}, {"Mqtt", "Amqp"})
        self.assertNotIn("made-up", json.dumps(refused))
        self.assertIn("No sub-protocol of this hub among those offered", [entry["detail"] for entry in refused])

    def tls_failures(self, protocol):
        return [entry for entry in self.entries("event=refused&limit=1000")
                if entry["reason"] == "TlsHandshakeFailed" and entry["protocol"] == protocol]

    def test_tls_that_fails_is_told_on_every_port(self):
        for port, protocol in (("mqtts", "Mqtt"), ("https", "Https"), ("amqps", "Amqp")):
            number = self.hub.info["ports"][port]
            untrusting = ssl.create_default_context()  # the system's CAs
            with self.assertRaises(ssl.SSLCertVerificationError), socket.create_connection(("127.0.0.1", number), timeout=60) as raw:
                untrusting.wrap_socket(raw, server_hostname="hub.test")
            old = ssl.create_default_context(cafile=self.hub.ca_file)
            old.set_ciphers("DEFAULT@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
            with self.assertRaises((ssl.SSLError, ConnectionError)), socket.create_connection(("127.0.0.1", number), timeout=60) as raw:
                old.wrap_socket(raw, server_hostname="hub.test")
            with socket.create_connection(("127.0.0.1", number), timeout=60) as raw:
                raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(raw.recv(100), b"")
            with socket.create_connection(("127.0.0.1", number), timeout=60) as raw:
                raw.sendall(b"\x16\x03\x01\x01")  # and no more
            for detail, remedy in (("unknown ca", "kyanite ca"), ("unsupported protocol", "TLS 1.1"),
                                   ("without TLS", "Switch TLS on"), ("left in the middle", "kyanite ca")):
                entry = world.wait_for(lambda: next((e for e in self.tls_failures(protocol) if detail in e["detail"]), None),
                                       f"{detail} on {port}")
                self.assertIn(remedy, entry["explanation"])
                self.assertIsNone(entry["deviceId"])

    def test_who_may_ask(self):
        for policy, status in (("service", 200), ("registryRead", 200), ("device", 401)):
            answer = rest(self.hub, "GET", "/kyanite/v1/connections", authorization=world.policy_token(self.hub, policy), version=None)
            self.assertEqual(answer.status, status, policy)
        self.assertEqual(rest(self.hub, "GET", "/kyanite/v1/connections", authorization=None, version=None).status, 401)
        for query in ("limit=0", "event=x", "since=x", "device=a%20b"):
            self.assertEqual(rest(self.hub, "GET", f"/kyanite/v1/connections?{query}", version=None).error, "ArgumentInvalid", query)


class CommandLine(unittest.TestCase):
    def test_connections_are_printed_for_people_and_as_json(self):
        hub = world.main()
        device = world.device(hub)
        device.connack(password=device.token(key=world.other_key()))

        def run(*arguments):
            return subprocess.run([world.program(), "connections", "--data", str(hub.data), *arguments], capture_output=True, text=True, timeout=120)

        printed = run("--device", device.device_id, "--refused")
        self.assertEqual(printed.returncode, 0, printed.stderr)
        self.assertIn("wrong signature", printed.stdout)
        self.assertIn(device.device_id, printed.stdout)
        found = json.loads(run("--device", device.device_id, "--json").stdout)["connections"]
        self.assertEqual(found[0]["event"], "refused")
        self.assertEqual(run("--limit", "0").returncode, 2)
        self.assertEqual(run("--since", "yesterday").returncode, 1)


if __name__ == "__main__":
    unittest.main()
