"""The program as an operator meets it: reload, restart, and everything that must be refused in clear words."""
import json
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import mqtt_wire as wire
import world
from world import rest


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


FORMAT = re.compile(rb'"version":[0-9]')  # the store's


def crc32c(data):
    table, crc = crc32c_table(), 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def write_newer_format(log):
    """Rewrites the store's format number inside the write-ahead log's first record (CRC32C, masked, in front of it)."""
    data = bytearray(log.read_bytes())
    at = FORMAT.search(data).start()
    data[at:at + 11] = b'"version":9'
    start = 0
    while True:
        length = int.from_bytes(data[start + 4:start + 6], "little")
        if start <= at < start + 7 + length:
            break
        start += 7 + length
    crc = crc32c(data[start + 6:start + 7 + length])
    data[start:start + 4] = (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")
    log.write_bytes(data)


class Operation(unittest.TestCase):
    def hub(self, *arguments, settings=None, start=True):
        hub = world.new_hub("own", settings, arguments=arguments)
        self.addCleanup(hub.kill)
        return hub.start() if start else hub

    def serve(self, *arguments, user=None, environment=None):
        """Runs `serve` to its end; the answer has returncode, stdout, stderr."""
        return subprocess.run([world.program(), "serve", *map(str, arguments)], capture_output=True, text=True, timeout=60, user=user,
                              env={**os.environ, **(environment or {})}, cwd=world.folder("cwd"))

    def ports(self):
        return ["--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0", "--amqps", "127.0.0.1:0", "--admin", "127.0.0.1:0"]

    def assert_refused(self, result, *texts):
        self.assertNotEqual(result.returncode, 0)
        self.assertGreater(result.returncode, 0, result.stderr)  # not by a signal
        for text in texts:
            self.assertIn(text, result.stderr)

    def test_a_restart_keeps_everything(self):
        hub = self.hub()
        device, disabled = world.device(hub), world.device(hub, status="disabled", statusReason="why not")
        module = device.module("m1")
        answer = rest(hub, "PUT", "/kyanite/v1/ca-certificates/own", {"certificate": open(hub.ca_file).read()})
        self.assertEqual(answer.status, 200)
        device.send(b"\xff\x00before", bag="a=1&$.mid=m1")
        module.send("of the module")
        before = [d.show() for d in (device, disabled)], list(hub.events(timeout=1)), rest(hub, "GET", "/kyanite/v1/ca-certificates").json
        certificate, connection_string = open(hub.data / "pki" / "server.pem").read(), hub.info["serviceConnectionString"]
        for end in (hub.stop, hub.kill):
            end()
            hub.start()
            kept = "SharedAccessKey="
            self.assertEqual(hub.info["serviceConnectionString"].split(kept)[1], connection_string.split(kept)[1])
            self.assertEqual(open(hub.data / "pki" / "server.pem").read(), certificate)
            after = [d.show() for d in (device, disabled)], list(hub.events(timeout=1)), rest(hub, "GET", "/kyanite/v1/ca-certificates").json
            for documents in (before[0], after[0]):
                for document in documents:
                    for name in ("connectionState", "connectionStateUpdatedTime", "lastActivityTime"):
                        document.pop(name, None)  # what a live connection says
            self.assertEqual(after, before)
            self.assertEqual((device.connack(), module.connack(), disabled.connack()), (0, 0, 3))
        offset = max(event["offset"] for event in before[1] if event["deviceId"] == device.device_id)
        device.send("after")
        last = [event for event in hub.events(device.device_id, timeout=1)][-1]
        self.assertEqual((last["body"], last["offset"]), ("after", offset + 1))

    def test_sigterm_closes_connections_and_stores_what_was_acknowledged(self):
        hub = self.hub()
        device = world.device(hub)
        with device.session(will=(device.events, b"no failure of the device")) as client:
            client.publish(device.events, "last words")
            os.kill(hub.process.pid, signal.SIGTERM)
            client.expect_closed()
        self.assertEqual(hub.process.wait(120), 0)
        self.assertFalse((hub.data / "hub.json").exists())
        hub.start()
        self.assertEqual(next(iter(hub.events(device.device_id, timeout=1)))["body"], "last words")

    def test_sighup_brings_a_new_certificate_and_keeps_connections(self):
        hub = self.hub()
        device = world.device(hub)

        def served():
            with device.link() as link:
                return link.socket.getpeercert()["serialNumber"]

        before = served()
        with device.session() as client:
            (hub.data / "pki" / "server.pem").unlink()
            os.kill(hub.process.pid, signal.SIGHUP)
            world.wait_for(lambda: served() != before, "the new certificate")
            client.publish(device.events, "still here")

    def test_a_second_process_on_one_data_directory(self):
        hub = self.hub()
        self.assert_refused(self.serve("--data", hub.data, *self.ports()), "in use by another hub", str(hub.process.pid))
        world.device(hub).send("the first lives on")

    @unittest.skipUnless(os.geteuid() == 0, "needs another user to run as")
    def test_a_data_directory_that_cannot_be_written(self):
        place = world.folder("closed")
        for folder in (place, place.parent):
            os.chmod(folder, 0o755)
        self.assert_refused(self.serve("--data", place / "data", *self.ports(), user="nobody"), str(place / "data"))
        hub = self.hub()
        hub.stop()
        os.chmod(hub.data.parent, 0o755)
        result = self.serve("--data", hub.data, *self.ports(), user="nobody")
        self.assert_refused(result, str(hub.data))
        file = place / "file"
        file.write_text("not a directory")
        self.assert_refused(self.serve("--data", file, *self.ports()), str(file))

    def test_every_problem_of_the_configuration_at_once(self):
        place = world.folder("config")
        config = place / "kyanite.json"
        config.write_text("""{
          // a comment is fine
          "hub": {"hostNames": ["bad name!"], "shards": 1000},
          "listen": {"mqtts": "nowhere", "htps": "x"},
          "mqtt": {"keepAliveCapSeconds": "long"},
          "auth": {"sasGraceSeconds": -1},
          "storage": {"telemetryPartitions": 0, "durability": "maybe"},
          "nonsense": true
        }""")
        result = self.serve("--config", config, "--data", place / "data", environment={"KYANITE_LOG_LEVEL": "loud"})
        self.assert_refused(result, "hub.hostNames", "hub.shards", "listen.mqtts", "listen.htps", "mqtt.keepAliveCapSeconds", "auth.sasGraceSeconds",
                            "storage.telemetryPartitions", "storage.durability", "nonsense", "KYANITE_LOG_LEVEL")
        self.assertFalse((place / "data" / "hub.json").exists())

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            place = world.folder("ports")
            result = self.serve("--data", place / "data", "--mqtts", address, "--https", address, "--amqps", "off")
        self.assert_refused(result, address.split(":")[1])

    def test_a_store_of_a_newer_format(self):
        hub = self.hub()
        hub.kill()
        log, = [file for file in (hub.data / "store").glob("*.log") if FORMAT.search(file.read_bytes())]
        write_newer_format(log)
        result = self.serve("--data", hub.data, *self.ports())
        self.assert_refused(result, "format 9", "newer")
        self.assertFalse((hub.data / "pki" / "hub.json").exists())

    def test_another_number_of_partitions(self):
        hub = self.hub()
        hub.stop()
        self.assert_refused(self.serve("--data", hub.data, *self.ports(), environment={"KYANITE_STORAGE_TELEMETRY_PARTITIONS": "8"}),
                            "storage.telemetryPartitions", "4")

    def test_a_damaged_store_is_refused_in_words(self):
        hub = self.hub()
        hub.stop()
        (hub.data / "store" / "CURRENT").write_text("nonsense\n")
        self.assert_refused(self.serve("--data", hub.data, *self.ports()), "store")

    def test_a_full_stop_under_many_connections(self):
        hub = self.hub(settings={"drainTimeoutSeconds": 120})
        devices = [world.device(hub) for _ in range(10)]
        links = []
        try:
            for device in devices:
                client = device.link()
                links.append(client)
                self.assertEqual(client.connect()[0], 0)
            began = time.monotonic()
            self.assertEqual(hub.stop(timeout=100), 0)
            self.assertLess(time.monotonic() - began, 60)
            for client in links:
                client.expect_closed()
        finally:
            for client in links:
                client.cut()

    def test_the_log_holds_no_secret(self):
        hub = self.hub(settings={"log": {"level": "debug"}})
        device = world.device(hub)
        device.send("do not log this body", bag="secret=property")
        device.connack(password=device.token(key=world.other_key()))
        hub.stop()
        text = world.log_text(hub)
        self.assertIn('"level":"debug"', text)
        for secret in (device.primary, device.secondary, world.percent(device.primary), "do not log this body", "secret=property", "sig=", world.owner_key(hub)):
            self.assertNotIn(secret, text)
        for line in text.splitlines():
            if line.startswith("{"):
                json.loads(line)

    def test_a_refusal_is_in_the_log_with_its_reason(self):
        device = world.device()
        device.connack(password=device.token(key=world.other_key()))
        def refusals():
            lines = [json.loads(line) for line in world.log_lines(device.hub, '"connect_refused"')]
            return [line["reason"] for line in lines if line["device"] == device.device_id]

        world.wait_for(refusals, "the refusal in the log")
        self.assertEqual(refusals(), ["wrong signature"])
