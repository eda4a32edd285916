"""Listeners, CONNECT and its answers (B1, B2, B5 to B18), and what may come before and after."""
import os
import socket
import ssl
import time
import unittest

import mqtt_wire as wire
import world
from world import ALIAS, HOST, VERSION


def listening_ports(pid):
    """TCP ports on which the process listens."""
    inodes = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(entry.path)
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as rows:
            for row in list(rows)[1:]:
                columns = row.split()
                if columns[3] == "0A" and columns[9] in inodes:
                    ports.add(int(columns[1].rsplit(":", 1)[1], 16))
    return ports


class Listeners(unittest.TestCase):
    def test_B1_the_hub_listens_on_its_ports_only(self):
        hub = world.main()
        ports = listening_ports(hub.process.pid)
        self.assertEqual(ports, {port for port in hub.info["ports"].values() if port})
        self.assertNotIn(1883, ports)

    def test_B2_plain_mqtt_on_the_tls_port_gets_no_connack(self):
        device = world.device()
        ports = {**device.hub.info["ports"], "admin": 0}  # which speaks plain HTTP
        for port in filter(None, ports.values()):
            with socket.create_connection(("127.0.0.1", port), timeout=wire.TIMEOUT) as plain:
                plain.sendall(wire.connect(device.client_id, device.username(), device.token()))
                try:
                    self.assertEqual(plain.recv(100), b"")
                except ConnectionResetError:
                    pass  # closed with our bytes unread


class Usernames(unittest.TestCase):
    def setUp(self):
        self.device = world.device()

    def assert_accepted(self, tail, **options):
        self.assertEqual(self.device.connack(username=self.device.username(tail, **options)), 0, tail)

    def test_B5_question_mark_form(self):
        self.assert_accepted("/?api-version=2021-04-12")

    def test_B6_the_guides_form(self):
        self.assert_accepted("/api-version=2016-11-14")

    def test_B7_without_parameters(self):
        self.assert_accepted("")
        self.assert_accepted("/")

    def test_B8_client_type_before_and_after_with_and_without_question_mark(self):
        for mark in ("", "?"):
            self.assert_accepted(f"/{mark}DeviceClientType=azure-iot-device%2F1.18&api-version={VERSION}")
            self.assert_accepted(f"/{mark}api-version={VERSION}&DeviceClientType=azure-iot-device%2F1.18")

    def test_other_tolerated_forms(self):
        self.assert_accepted(f"?api-version={VERSION}")
        self.assert_accepted("/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003")
        self.assert_accepted(f"/?api-version={VERSION}&unknown=1&model-id=dtmi:com:example:Thermostat;1")
        self.assert_accepted(f"/?api-version={VERSION}", host=HOST.upper())
        self.assert_accepted(f"/?api-version={VERSION}", host=f"{HOST}:8883")
        for alias in (ALIAS, "localhost", "127.0.0.1"):
            self.assert_accepted(f"/?api-version={VERSION}", host=alias)

    def test_B9_client_id_and_username_must_agree(self):
        self.assertEqual(self.device.connack(client_id="d2-other"), 5)
        self.assertEqual(self.device.connack(client_id=self.device.client_id.upper(), username=self.device.username()), 5)
        self.assertEqual(self.device.connack(username=f"{HOST}/{self.device.client_id}/m1/?api-version={VERSION}"), 5)

    def test_B10_the_host_must_be_one_of_the_hubs(self):
        for host in ("other.test", "", "hub.test.evil.test"):
            self.assertEqual(self.device.connack(username=self.device.username(host=host)), 5, host)

    def test_missing_or_malformed_usernames_are_not_authorized(self):
        with self.device.link() as client:
            client.send(wire.connect(self.device.client_id))
            self.assertEqual(client.connack()[0], 5)
            client.expect_closed()
        for username in ("", "/", HOST, f"{HOST}/a/b/c/d/?api-version=1", self.device.username("/?nonsense")):
            self.assertEqual(self.device.connack(username=username), 5, username)


class Answers(unittest.TestCase):
    def test_B11_a_device_that_is_not_registered(self):
        known = world.device()
        unknown = world.Device(known.hub, {**known.document, "deviceId": world.new_id("never")})
        self.assertEqual(unknown.connack(), 5)
        owner = world.policy_token(known.hub, "iothubowner")
        self.assertEqual(unknown.connack(password=owner), 5)
        module = world.Module(known.hub, {**known.document, "moduleId": "never"})
        self.assertEqual(module.connack(), 5)

    def test_B12_wrong_key_foreign_token_and_expired_token(self):
        device, other = world.device(), world.device()
        self.assertEqual(device.connack(password=device.token(key=world.other_key())), 5)
        self.assertEqual(device.connack(password=other.token()), 5)
        self.assertEqual(device.connack(password=device.token(expiry=int(time.time()) - 310)), 5)
        for password in (None, "nonsense", "SharedAccessSignature ", "SharedAccessSignature sr=x", device.token() + "&se=1",
                         f"HostName={HOST};DeviceId={device.client_id};SharedAccessSignature={device.token()}", "\0", "x" * 60000):
            self.assertEqual(device.connack(password=password), 5, password)

    def test_B13_a_token_two_minutes_over_its_time(self):
        device = world.device()
        self.assertEqual(device.connack(password=device.token(expiry=int(time.time()) - 120)), 0)

    def test_B14_a_disabled_device_and_who_may_learn_of_it(self):
        device = world.device(status="disabled")
        self.assertEqual(device.connack(), 3)
        self.assertEqual(device.connack(password=device.token(key=world.other_key())), 5)
        device.update(status="enabled")
        self.assertEqual(device.connack(), 0)

    def test_B14_a_module_of_a_disabled_device(self):
        device = world.device()
        module = device.module("m1")
        device.update(status="disabled")
        self.assertEqual(module.connack(), 3)

    def test_B15_other_protocol_levels(self):
        device = world.device()
        for fields in ({"name": "MQIsdp", "level": 3}, {"level": 5}, {"level": 3}, {"level": 0}, {"level": 255}):
            self.assertEqual(device.connack(**fields), 1, fields)

    def test_B15_an_mqtt_5_connect_as_its_clients_send_it(self):
        device = world.device()
        with device.link() as client:
            body = wire.text("MQTT") + b"\x05\xc2\x00\x3c" + b"\x05\x11\x00\x00\x00\x0a" + wire.text(device.client_id)
            client.send(wire.packet(0x10, body + wire.text(device.username()) + wire.text(device.token())))
            self.assertEqual(client.connack()[0], 1)
            client.expect_closed()

    def test_B16_an_empty_client_id_with_either_clean_session(self):
        device = world.device()
        for clean in (False, True):
            self.assertEqual(device.connack(client_id="", clean=clean), 2)

    def test_B17_the_first_packet_must_be_connect(self):
        device = world.device()
        for first in (wire.publish(device.events), wire.PINGREQ, wire.subscribe(1, ("a", 0)), wire.DISCONNECT):
            with device.link() as client:
                client.send(first)
                client.expect_closed()

    def test_B17_a_second_connect_closes(self):
        device = world.device()
        with device.session() as client:
            client.send(wire.connect(device.client_id, device.username(), device.token()))
            client.expect_closed()

    def test_B18_a_module_has_a_connection_of_its_own(self):
        device = world.device()
        module = device.module("m1")
        with device.session() as first, module.session() as second:
            first.ping()
            second.ping()
        self.assertEqual(module.connack(password=module.token(key=device.primary)), 5)
        self.assertEqual(module.connack(password=device.token()), 5)
        self.assertEqual(device.connack(password=module.token()), 5)

    def test_packets_may_follow_connect_before_its_answer(self):
        device = world.device()
        with device.link() as client:
            client.send(wire.connect(device.client_id, device.username(), device.token()) +
                        wire.publish(device.events, "early", packet_id=7) + wire.PINGREQ)
            self.assertEqual(client.connack(), (0, 0))
            answers = [client.read(), client.read()]  # the PUBACK waits for the disk, the PINGRESP does not
            self.assertCountEqual(answers, [(0x40, b"\0\x07"), (0xD0, b"")])
        self.assertEqual([event["body"] for event in device.received()], ["early"])

    def test_bytes_may_come_one_at_a_time(self):
        device = world.device()
        with device.link() as client:
            for byte in wire.connect(device.client_id, device.username(), device.token()):
                client.send(bytes([byte]))
            self.assertEqual(client.connack()[0], 0)
            for byte in wire.publish(device.events + "a=1", "slowly", packet_id=9):
                client.send(bytes([byte]))
            self.assertEqual(client.read(), (0x40, b"\0\x09"))

    def test_ids_with_every_allowed_character_connect_and_publish(self):
        device = world.device(name="Az09-.%_*?!(),:=@$'" + world.new_id())
        self.assertEqual(device.connack(), 0)
        with device.session() as client:
            client.publish(device.events + "a=1", "odd id")
        self.assertEqual([event["properties"] for event in device.received()], [{"a": "1"}])

    def test_neither_clean_session_nor_keep_alive_nor_will_is_a_reason_to_refuse(self):
        device = world.device()
        for fields in ({"clean": True}, {"keep_alive": 0}, {"keep_alive": 65535}, {"will": ("x", b"", 2, True)}):
            self.assertEqual(device.connack(**fields), 0, fields)

    def test_session_present_is_0_where_there_is_no_session(self):
        device = world.device()
        with device.link() as client:
            self.assertEqual(client.connect(clean=False), (0, 0))


class Tls(unittest.TestCase):
    def test_versions_1_2_and_1_3_serve_and_older_ones_do_not(self):
        device = world.device()
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            with device.session(link={"version": version}) as client:
                self.assertEqual(client.socket.version(), name)
                client.publish(device.events, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", device.hub.mqtts_port), timeout=wire.TIMEOUT) as raw:
            with self.assertRaisesRegex((ssl.SSLError, ConnectionError), "(?i)version|alert|reset"):
                context.wrap_socket(raw)

    def test_a_session_is_resumed_in_both_versions(self):
        device = world.device()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with device.session(link={"version": version}) as client:
                client.ping()  # in 1.3 the tickets come with the first bytes
                kept = client.session()
            with device.session(link={"session": kept}) as client:
                self.assertTrue(client.socket.session_reused, version)
                client.publish(device.events, "resumed")

    def test_names_a_client_does_not_know_to_send_are_not_needed(self):
        device = world.device()
        context = ssl.create_default_context(cafile=device.hub.ca_file)
        context.check_hostname = False
        context.set_alpn_protocols(["nonsense"])
        with socket.create_connection(("127.0.0.1", device.hub.mqtts_port), timeout=wire.TIMEOUT) as raw:
            with context.wrap_socket(raw) as tls:
                tls.sendall(wire.connect(device.client_id, device.username(), device.token()))
                self.assertEqual(tls.recv(4), b"\x20\x02\x00\x00")


