"""What /metrics says after things happened, and that alerts, dashboard and scrape configuration fit it."""
import contextlib
import json
import re
import socket
import ssl
import subprocess
import threading
import time
import unittest
from pathlib import Path

import amqp_peers
import amqp_wire
import mqtt_wire as wire
import test_c2d
import test_methods
import world
from amqp_wire import SENDER
from test_twins import twin_client
from world import percent, rest

ROOT = Path(__file__).resolve().parents[2]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLE = re.compile(r'^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$')


def samples(text):
    """{(name, ((label, value), ...)): number}"""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        found[name, tuple(sorted(re.findall(r'([a-z0-9]+)="([^"]*)"', labels or "")))] = float(value)
    return found


class Metrics:
    """The numbers of a hub before and after."""

    def __init__(self, hub):
        self.hub = hub
        self.before = samples(world.scrape(hub))

    def grown(self, name, **labels):
        key = name, tuple(sorted(labels.items()))
        now = samples(world.scrape(self.hub))
        assert key in now, f"{key} is not there"
        return now[key] - self.before[key]

    def expect(self, amount, name, **labels):
        """Bounded wait: what a device does reaches its owner's counters a moment later."""
        world.wait_for(lambda: self.grown(name, **labels) == amount, f"{name} {labels} grown by {amount}")
        assert self.grown(name, **labels) == amount, f"{name} {labels}: {self.grown(name, **labels)}, not {amount}"


class Counted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = world.new_hub("metered", arguments=("--log-level", "debug"))
        cls.hub.start()

    @classmethod
    def tearDownClass(cls):
        status = cls.hub.stop()
        assert status == 0, cls.hub.log_tail()

    def setUp(self):
        self.device = world.device(self.hub)
        self.metrics = Metrics(self.hub)

    def test_connections_telemetry_and_their_ends(self):
        expect = self.metrics.expect
        with self.device.session(clean=True) as client:
            expect(1, "kyanite_connects_total", protocol="mqtt", result="accepted")
            expect(1, "kyanite_connections", protocol="mqtt")
            expect(1, "kyanite_devices", state="connected")
            for _ in range(5):
                client.publish(self.device.events, b"x" * 100)
            expect(5, "kyanite_telemetry_messages_total", protocol="mqtt", result="accepted")
            expect(500, "kyanite_telemetry_bytes_total", protocol="mqtt")
            expect(5, "kyanite_telemetry_ack_seconds_count")
            self.assertGreater(self.metrics.grown("kyanite_commit_seconds_count"), 0)
            with self.device.session(clean=True) as second:
                expect(1, "kyanite_takeovers_total")
                expect(1, "kyanite_disconnects_total", protocol="mqtt", reason="takeover")
                second.disconnect()
            expect(1, "kyanite_disconnects_total", protocol="mqtt", reason="device_disconnected")
        expect(0, "kyanite_connections", protocol="mqtt")
        expect(0, "kyanite_devices", state="connected")
        with self.device.session(clean=True) as client:
            client.send(wire.publish(self.device.events, b"x" * 262_145, 1, 1))
            client.expect_closed()
        expect(1, "kyanite_telemetry_messages_total", protocol="mqtt", result="refused")
        expect(1, "kyanite_disconnects_total", protocol="mqtt", reason="message_too_large")

    def test_refusals_by_reason(self):
        self.assertEqual(self.device.connack(password=self.device.token(key=world.other_key())), 5)
        self.metrics.expect(1, "kyanite_auth_refusals_total", protocol="mqtt", reason="wrong_key")
        self.assertEqual(self.device.connack(password=self.device.token(expiry=int(time.time()) - 90_000)), 5)
        self.metrics.expect(1, "kyanite_auth_refusals_total", protocol="mqtt", reason="expired")
        self.device.update(status="disabled")
        self.assertNotEqual(self.device.connack(), 0)
        self.metrics.expect(1, "kyanite_auth_refusals_total", protocol="mqtt", reason="disabled")
        self.metrics.expect(3, "kyanite_connects_total", protocol="mqtt", result="refused")
        self.assertEqual(rest(self.hub, "GET", "/devices", authorization=None).status, 401)
        self.metrics.expect(1, "kyanite_auth_refusals_total", protocol="https", reason="no_credential")
        with amqp_peers.connect(self.hub) as client:
            wrong = self.device.token(key=world.other_key())
            self.assertNotEqual(amqp_peers.put_token(client, wrong, percent(self.device.resource)), 200)
        self.metrics.expect(1, "kyanite_auth_refusals_total", protocol="amqp", reason="wrong_key")

    def test_tls_failures_by_what_was_wrong(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            with socket.create_connection(("127.0.0.1", self.hub.mqtts_port), timeout=60) as raw:
                ssl.create_default_context().wrap_socket(raw, server_hostname="hub.test")
        self.metrics.expect(1, "kyanite_tls_handshakes_total", listener="mqtts", result="untrusted")
        with socket.create_connection(("127.0.0.1", self.hub.info["ports"]["https"]), timeout=60) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(raw.recv(100), b"")
        self.metrics.expect(1, "kyanite_tls_handshakes_total", listener="https", result="plain_text")

    def test_cloud_to_device_messages(self):
        expect = self.metrics.expect
        for body in (b"one", b"two", b"three"):
            test_c2d.send(self.device, body)
        expect(3, "kyanite_c2d_total", outcome="enqueued")
        expect(3, "kyanite_c2d_queued")
        with self.device.session() as client:
            test_c2d.subscribe(client)
        with self.device.session() as client:  # has the filter already: nothing is dropped
            test_c2d.subscribe(client)
            test_c2d.send(self.device, b"four")
            test_c2d.receive(client)
            expect(1, "kyanite_c2d_total", outcome="delivered")
            expect(1, "kyanite_c2d_total", outcome="completed")
        expect(3, "kyanite_c2d_total", outcome="purged")  # older than the subscription
        expect(0, "kyanite_c2d_queued")

    def test_methods_with_their_time_and_trace(self):
        with self.device.session(clean=True) as client:
            test_methods.listen(client)
            call = test_methods.Call(self.device, "reboot")
            _, _, rid, _ = test_methods.called(client)
            test_methods.answer(client, rid, 200, b"{}")
            self.assertEqual(call.result().status, 200)
        self.metrics.expect(1, "kyanite_method_calls_total", result="answered")
        self.metrics.expect(1, "kyanite_method_seconds_count")
        path = f"/twins/{self.device.device_id}/methods"
        answer = rest(self.hub, "POST", path, {"methodName": "m", "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 0},
                      headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "vendor=1"})
        self.assertEqual(answer.status, 404)
        self.metrics.expect(1, "kyanite_method_calls_total", result="not_online")
        self.assertTraced("method_call", self.device.device_id)

    def assertTraced(self, event, device):
        def lines():
            found = [json.loads(line) for line in world.log_lines(self.hub, TRACE)]
            names = {line["event"] for line in found if line.get("device", device) == device}
            return found if {"request", event} <= names else None

        for line in world.wait_for(lines, f"{event} and request with the trace"):
            self.assertEqual(line["trace_id"], TRACE)

    def test_a_traced_message_and_one_with_a_bad_trace(self):
        path = f"/devices/{self.device.device_id}/messages/deviceBound"
        good = rest(self.hub, "POST", path, b"secret-body", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"})
        self.assertEqual(good.status, 204)
        self.assertTraced("c2d_send", self.device.device_id)
        for bad in (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", 'nonsense","event":"forged', f"00-{'0' * 32}-00f067aa0ba902b7-01"):
            self.assertEqual(rest(self.hub, "POST", path, b"x", headers={"traceparent": bad}).status, 204)
        text = world.log_text(self.hub)
        for never in (TRACE.upper(), "forged", "secret-body"):
            self.assertNotIn(never, text)

    def test_twins(self):
        with twin_client(self.device) as client:
            client.get()
            client.patch({"a": 1})
            client.patch({"a": 2}, version=77)
        for operation, result, amount in (("get", "ok", 1), ("update", "ok", 1), ("update", "refused", 1)):
            self.metrics.expect(amount, "kyanite_twin_operations_total", op=operation, origin="device", result=result)
        path = f"/twins/{self.device.device_id}"
        self.assertEqual(rest(self.hub, "PATCH", path, {"tags": {"x": 1}}).status, 200)
        self.assertEqual(rest(self.hub, "PUT", path, {"tags": {"x": 2}}).status, 200)
        self.assertEqual(rest(self.hub, "PATCH", path, {"tags": {}}, headers={"If-Match": '"no"'}).status, 412)
        for operation, result, amount in (("update", "ok", 1), ("replace", "ok", 1), ("update", "refused", 1)):
            self.metrics.expect(amount, "kyanite_twin_operations_total", op=operation, origin="service", result=result)

    def test_amqp_and_https_telemetry(self):
        with amqp_peers.device(self.device) as client:
            link = client.attach(SENDER, amqp_peers.address(self.device, "messages/events"))
            client.wait_for(amqp_wire.FLOW)
            self.metrics.expect(1, "kyanite_connections", protocol="amqp")
            self.assertEqual(amqp_peers.send(link, amqp_wire.message(data=b"12345"))[0], "accepted")
            self.metrics.expect(1, "kyanite_connects_total", protocol="amqp", result="accepted")
        self.metrics.expect(1, "kyanite_telemetry_messages_total", protocol="amqp", result="accepted")
        self.metrics.expect(5, "kyanite_telemetry_bytes_total", protocol="amqp")
        path = f"/devices/{self.device.device_id}/messages/events"
        self.assertEqual(rest(self.hub, "POST", path, b"1234567", authorization=self.device.token()).status, 204)
        self.metrics.expect(1, "kyanite_telemetry_messages_total", protocol="https", result="accepted")
        self.metrics.expect(7, "kyanite_telemetry_bytes_total", protocol="https")

    def test_devices_requests_and_handshakes(self):
        world.device(self.hub, status="disabled")
        self.metrics.expect(1, "kyanite_devices", state="disabled")
        self.metrics.expect(0, "kyanite_devices", state="enabled")
        self.assertEqual(rest(self.hub, "GET", "/devices/nobody").status, 404)
        self.metrics.expect(1, "kyanite_rest_requests_total", code="4xx")
        self.assertGreater(self.metrics.grown("kyanite_rest_request_seconds_count"), 1)
        self.assertGreater(self.metrics.grown("kyanite_tls_handshakes_total", listener="https", result="ok"), 1)
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.hub.mqtts_port), timeout=60) as plain:
                plain.sendall(b"plain text")
                plain.recv(1)
        self.metrics.expect(1, "kyanite_tls_handshakes_total", listener="mqtts", result="plain_text")

    def test_many_scrapes_at_once_are_all_answered(self):
        texts, errors = [], []

        def ask():
            try:
                texts.append(world.scrape(self.hub))
            except Exception as problem:
                errors.append(problem)

        threads = [threading.Thread(target=ask) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(errors, [])
        self.assertEqual(len(texts), 40)
        for text in texts:
            samples(text)


class Fit(unittest.TestCase):
    """Files of docker/ against what a hub that has seen traffic says."""

    @classmethod
    def setUpClass(cls):
        cls.hub = world.new_hub("scraped")
        cls.hub.start()
        cls.devices = [world.device(cls.hub, name=world.new_id("very-recognisable-device")) for _ in range(3)]
        for device in cls.devices:
            device.send(b"very-recognisable-payload", bag="very-recognisable=property")
            device.connack(password=device.token(key=world.other_key()))
        test_c2d.send(cls.devices[0], b"x", message_id="very-recognisable-message")
        rest(cls.hub, "GET", f"/devices/{cls.devices[0].device_id}")
        cls.text = world.scrape(cls.hub)
        cls.names = {name for name, _ in samples(cls.text)}

    @classmethod
    def tearDownClass(cls):
        status = cls.hub.stop()
        assert status == 0, cls.hub.log_tail()

    def promtool(self, *arguments, **options):
        found = subprocess.run([ROOT / "scripts" / "promtool.sh"], capture_output=True, text=True, timeout=300)
        if found.returncode != 0:
            self.skipTest(f"no promtool: {found.stderr.strip()}")
        return subprocess.run([found.stdout.strip(), *arguments], capture_output=True, text=True, timeout=60, **options)

    def assert_known(self, expression, where):
        names = set(re.findall(r"\b(?:kyanite|process)_[a-z0-9_]+", expression))
        self.assertTrue(names, f"{where} names no metric: {expression}")
        self.assertLessEqual(names, self.names, where)

    def test_no_identity_and_no_content_is_told(self):
        for never in ("recognisable", world.HOST, self.devices[0].primary, "127.0.0.1"):
            self.assertNotIn(never, self.text)

    def test_every_value_is_a_number_that_makes_sense(self):
        found = samples(self.text)
        for (name, labels), value in found.items():
            self.assertEqual(value, value, f"{name} is no number")
            if name != "kyanite_certificate_expiry_seconds":
                self.assertGreaterEqual(value, 0, f"{name} {labels}")
        for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds",
                     "kyanite_store_free_bytes", "kyanite_ready", "kyanite_store_writable"):
            self.assertGreater(found[name, ()], 0, name)
        self.assertLess(abs(found["process_start_time_seconds", ()] - time.time()), 600)
        days = found["kyanite_certificate_expiry_seconds", ()] / 86400
        self.assertTrue(300 < days < 400, days)

    def test_promtool_finds_nothing_to_say_about_the_metrics(self):
        done = self.promtool("check", "metrics", input=self.text)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_promtool_accepts_configuration_and_rules(self):
        place = ROOT / "docker" / "prometheus"
        done = self.promtool("check", "config", str(place / "prometheus.yml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("SUCCESS", done.stdout)
        done = self.promtool("test", "rules", "alerts_test.yml", cwd=place)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_metric_of_the_alerts_is_there(self):
        text = (ROOT / "docker" / "prometheus" / "alerts.yml").read_text()
        expressions = re.findall(r"^ +expr: (.*)$", text, re.MULTILINE)
        self.assertEqual(len(expressions), text.count("- alert:"))
        for expression in expressions:
            if not expression.startswith("up{"):
                self.assert_known(expression, "alerts.yml")

    def test_every_metric_of_the_dashboard_is_there_and_all_are_shown(self):
        dashboard = json.loads((ROOT / "docker" / "grafana" / "dashboards" / "kyanite.json").read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        self.assertGreater(len(expressions), 30)
        for expression in expressions:
            self.assert_known(expression, "kyanite.json")
        shown = set(re.findall(r"\bkyanite_[a-z0-9_]+", json.dumps(dashboard)))
        families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in self.names if name.startswith("kyanite_")}
        shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
        self.assertEqual(families - shown, set())

    def test_the_reference_names_every_metric(self):
        text = (ROOT / "config" / "reference.md").read_text()
        families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in self.names}
        missing = {name for name in families if f"`{name}" not in text}
        self.assertEqual(missing, set())
