"""Broken, odd and hostile bytes on both ports: the peer is closed, the hub lives on."""
import contextlib
import random
import socket
import ssl
import struct
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import mqtt_wire as wire
import world
from mqtt_wire import packet, text

SEED = 20260105
NUMBER = struct.pack(">H", 1)


def read_to_end(plain, timeout=wire.TIMEOUT):
    """What a plain socket gets until it is closed."""
    plain.settimeout(timeout)
    data = b""
    try:
        while piece := plain.recv(4096):
            data += piece
    except ConnectionError:
        pass
    return data


def end_sending(plain):
    with contextlib.suppress(OSError):  # the hub may have closed already
        plain.shutdown(socket.SHUT_WR)


def client_hello():
    """The first bytes a TLS client sends."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="hub.test")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Malformed(unittest.TestCase):
    def test_malformed_packets_close_the_connection(self):
        device = world.device()
        topic = device.events
        cases = {
            "type 0": packet(0x00),
            "type 15": packet(0xF0),
            "AUTH of MQTT 5": packet(0xF0, b"\0"),
            "CONNACK": packet(0x20, b"\0\0"),
            "SUBACK": packet(0x90, NUMBER + b"\0"),
            "UNSUBACK": packet(0xB0, NUMBER),
            "PINGRESP": packet(0xD0),
            "PUBREC": packet(0x50, NUMBER),
            "PUBREL": packet(0x62, NUMBER),
            "PUBCOMP": packet(0x70, NUMBER),
            "PUBLISH with QoS 3": packet(0x36, text(topic) + NUMBER),
            "PUBLISH with QoS 0 and DUP": packet(0x38, text(topic)),
            "PUBLISH with packet id 0": packet(0x32, text(topic) + b"\0\0"),
            "PUBLISH without packet id": packet(0x32, text(topic)),
            "PUBLISH with an empty topic": packet(0x30, text("")),
            "PUBLISH with nothing": packet(0x30),
            "PUBLISH with a topic longer than the packet": packet(0x30, b"\0\xff" + topic.encode()),
            "PUBLISH to a wildcard +": packet(0x30, text(topic + "a=+")),
            "PUBLISH to a wildcard #": packet(0x30, text(topic + "#")),
            "PUBLISH to NUL": packet(0x30, text(topic + "\0")),
            "PUBLISH to overlong UTF-8": packet(0x30, text(topic.encode() + b"\xc0\x80")),
            "PUBLISH to a surrogate": packet(0x30, text(topic.encode() + b"\xed\xa0\x80")),
            "PUBLISH to cut UTF-8": packet(0x30, text(topic.encode() + b"\xe2\x82")),
            "PUBLISH beyond Unicode": packet(0x30, text(topic.encode() + b"\xf4\x90\x80\x80")),
            "PUBACK with flags": packet(0x41, NUMBER),
            "PUBACK with packet id 0": packet(0x40, b"\0\0"),
            "PUBACK of one byte": packet(0x40, b"\0"),
            "PUBACK of three bytes": packet(0x40, NUMBER + b"\0"),
            "SUBSCRIBE without its flags": packet(0x80, NUMBER + text("a") + b"\0"),
            "SUBSCRIBE without filters": packet(0x82, NUMBER),
            "SUBSCRIBE with packet id 0": packet(0x82, b"\0\0" + text("$iothub/twin/res/#") + b"\0"),
            "SUBSCRIBE with QoS 3": packet(0x82, NUMBER + text("$iothub/twin/res/#") + b"\3"),
            "SUBSCRIBE with reserved bits": packet(0x82, NUMBER + text("$iothub/twin/res/#") + b"\x80"),
            "SUBSCRIBE without QoS": packet(0x82, NUMBER + text("$iothub/twin/res/#")),
            "SUBSCRIBE with an empty filter": packet(0x82, NUMBER + text("") + b"\0"),
            "SUBSCRIBE with a cut filter": packet(0x82, NUMBER + b"\0\x40abc"),
            "UNSUBSCRIBE without its flags": packet(0xA0, NUMBER + text("a")),
            "UNSUBSCRIBE without filters": packet(0xA2, NUMBER),
            "UNSUBSCRIBE with packet id 0": packet(0xA2, b"\0\0" + text("a")),
            "UNSUBSCRIBE with an empty filter": packet(0xA2, NUMBER + text("")),
            "PINGREQ with flags": packet(0xC1),
            "PINGREQ with a body": packet(0xC0, b"\0"),
            "DISCONNECT with flags": packet(0xE1),
            "DISCONNECT with a body": packet(0xE0, b"\0"),
            "a length of five bytes": b"\x30\xff\xff\xff\xff\x01",
            "the longest length": b"\x30\xff\xff\xff\x7f",
        }
        for name, data in cases.items():
            with self.subTest(name), device.session(clean=True) as client:
                client.send(data)
                client.expect_closed()
        self.assertEqual(device.received(), [])

    def test_malformed_connects_are_closed_without_an_answer(self):
        device = world.device()
        name, password = device.username(), device.token()
        head, will = text("MQTT") + b"\x04", text(device.events) + text("x")
        good = text(device.client_id) + text(name) + text(password)
        tail = text(name) + text(password)
        cases = {
            "the reserved flag": head + b"\xc3\0\x3c" + good,
            "will QoS 3": head + b"\xdc\0\x3c" + text(device.client_id) + will + tail,
            "will QoS without a will": head + b"\xc8\0\x3c" + good,
            "will retain without a will": head + b"\xe0\0\x3c" + good,
            "a password without a user name": head + b"\x40\0\x3c" + text(device.client_id) + text(password),
            "bytes behind the last field": head + b"\xc0\0\x3c" + good + b"\0",
            "a field cut off": head + b"\xc0\0\x3c" + good[:-1],
            "no payload": head + b"\xc0\0\x3c",
            "a will without its topic": head + b"\xc4\0\x3c" + text(device.client_id),
            "a client id that is not UTF-8": head + b"\xc0\0\x3c" + text(b"\xff\xfe") + tail,
            "a user name with NUL": head + b"\xc0\0\x3c" + text(device.client_id) + text(name + "\0") + text(password),
            "another protocol": text("MQTX") + b"\x04\xc0\0\x3c" + good,
            "an empty protocol name": text("") + b"\x04\xc0\0\x3c" + good,
            "nothing": b"",
            "flags in the fixed header": None,
        }
        for case, body in cases.items():
            with self.subTest(case), device.link() as client:
                client.send(packet(0x11, head + b"\xc0\0\x3c" + good) if body is None else packet(0x10, body))
                client.expect_closed()
        with device.link() as client:
            client.send(b"\x10" + wire.remaining_length(10_000_000))
            client.expect_closed()


class Noise(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.hub = world.main()
        self.device = world.device()

    def tearDown(self):
        self.assertTrue(self.hub.is_running())
        self.device.send("still there")

    def plain(self, port):
        return socket.create_connection(("127.0.0.1", self.hub.info["ports"][port]), timeout=wire.TIMEOUT)

    def noise(self, largest):
        return self.random.randbytes(self.random.randint(1, largest))

    def test_random_bytes_instead_of_tls(self):
        for port in ("mqtts", "https") * 20:
            with self.plain(port) as plain:
                plain.sendall(b"\x16\x03\x01" + self.noise(600) if self.random.random() < 0.3 else b"\xff" + self.noise(600))
                end_sending(plain)
                answer = read_to_end(plain)
                # At most an alert of TLS, never anything of MQTT or HTTP.
                self.assertTrue(answer == b"" or answer[0] == 0x15, answer)

    def test_a_handshake_cut_at_any_byte(self):
        hello = client_hello()
        for port in ("mqtts", "https"):
            for length in (0, 1, 4, 5, 9, len(hello) // 2, len(hello) - 1, len(hello)):
                with self.plain(port) as plain:
                    plain.sendall(hello[:length])

    def test_a_handshake_with_broken_bytes(self):
        hello = client_hello()
        for _ in range(40):
            broken = bytearray(hello)
            for _ in range(self.random.randint(1, 8)):
                broken[self.random.randrange(len(broken))] = self.random.randrange(256)
            with self.plain("mqtts") as plain:
                plain.sendall(broken)
                end_sending(plain)
                read_to_end(plain)

    def test_plain_http_on_the_https_port_gets_no_http_answer(self):
        with self.plain("https") as plain:
            plain.sendall(b"GET /devices HTTP/1.1\r\nHost: hub.test\r\n\r\n")
            self.assertFalse(read_to_end(plain).startswith(b"HTTP"))

    def test_random_bytes_inside_tls_before_connect(self):
        for _ in range(30):
            with self.device.link() as client:
                client.send(bytes([self.random.choice([0x00, 0x20, 0x30, 0x82, 0xC0, 0xF0])]) + self.noise(200))
                client.expect_closed()

    def test_random_bytes_after_connect(self):
        for _ in range(30):
            with self.device.session(clean=True) as client:
                # What looks like the beginning of a long packet leaves the hub waiting: the end of the link ends it.
                client.send(self.noise(300))

    def test_a_connect_cut_at_any_byte(self):
        whole = wire.connect(self.device.client_id, self.device.username(), self.device.token(), will=(self.device.events, b"never"))
        for length in (1, 2, 3, 9, 10, 14, 20, len(whole) // 2, len(whole) - 1):
            with self.device.link() as client:
                client.send(whole[:length])
        self.assertEqual(self.device.received(), [])

    def test_a_connect_with_broken_bytes(self):
        whole = wire.connect(self.device.client_id, self.device.username(), self.device.token())
        for _ in range(60):
            broken = bytearray(whole)  # all but the packet's length
            broken[self.random.randrange(3, len(broken))] ^= 1 << self.random.randrange(8)
            with self.device.link() as client:
                client.send(broken)
                answer = client.read()
                if answer is not None:
                    self.assertEqual((answer[0], len(answer[1])), (0x20, 2))
                    self.assertIn(answer[1][1], (0, 1, 2, 5), broken)

    def test_a_publish_cut_off_is_no_message(self):
        whole = wire.publish(self.device.events, b"cut" * 100)
        for length in (1, 5, 40, len(whole) - 1):
            with self.device.session(clean=True) as client:
                client.send(whole[:length])
        self.assertEqual(self.device.received(), [])

    def test_random_bytes_instead_of_http(self):
        from https_wire import RawHttps
        for data in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"G E T / HTTP/1.1\r\n\r\n", self.noise(300) + b"\r\n\r\n",
                     b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
                     b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                     b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: b\r\n" * 20_000 + b"\r\n"):
            with self.subTest(data[:60]), RawHttps(self.hub) as raw:
                raw.send(data)
                raw.socket.settimeout(wire.TIMEOUT)
                answer = raw.read_until(b"\r\n")
                self.assertRegex(answer.decode("latin-1"), r"^(HTTP/1\.1 4\d\d .*|)")
                self.assertNotIn(b" 500 ", answer)


class SlowPeers(unittest.TestCase):
    """The hurried hub gives 5 s for a handshake and 5 s for CONNECT."""

    def test_a_handshake_and_a_connect_that_do_not_come_are_cut(self):
        hub = world.hurried()
        device = world.in_time(lambda: world.device(hub))
        acts = [lambda: self.silent(hub, "mqtts"), lambda: self.silent(hub, "https"), lambda: self.dripping_hello(hub),
                lambda: self.no_connect(device), lambda: self.dripping_connect(device)]
        with ThreadPoolExecutor() as pool:
            for took in pool.map(lambda act: act(), acts):
                self.assertGreaterEqual(took, 4.5)
                self.assertLess(took, 55)
        world.in_time(lambda: device.send("still there"))

    def silent(self, hub, port):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", hub.info["ports"][port])) as plain:
            self.assertEqual(read_to_end(plain), b"")
        return time.monotonic() - began

    def dripping_hello(self, hub):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", hub.mqtts_port)) as plain:
            return self.drip(plain, client_hello(), plain, began)

    def no_connect(self, device):
        began, link = self.opened(device)
        with link as client:
            client.expect_closed()
        return time.monotonic() - began

    def dripping_connect(self, device):
        began, link = self.opened(device)
        with link as client:
            return self.drip(client.socket, wire.connect(device.client_id, device.username(), device.token()), client.socket, began)

    def opened(self, device):
        return world.in_time(lambda: (time.monotonic(), device.link()))

    def drip(self, link, data, reader, began):
        """One byte each 0.1 s until the hub closes."""
        reader.settimeout(0.1)
        for index in range(600):
            try:
                link.sendall(data[index:index + 1])
                if reader.recv(1) == b"":
                    return time.monotonic() - began
            except TimeoutError:
                continue
            except (ConnectionError, ssl.SSLError):
                return time.monotonic() - began
        raise AssertionError("never closed")

    def test_silent_peers_do_not_keep_the_others_out(self):
        hub = world.new_hub("crowded", {"tls": {"concurrentHandshakes": 8, "handshakeTimeoutSeconds": 300}, "hub": {"shards": 2}})
        self.addCleanup(hub.kill)
        device = world.device(hub.start())
        for port in ("mqtts", "https"):
            silent = [socket.create_connection(("127.0.0.1", hub.info["ports"][port])) for _ in range(64)]
            began = time.monotonic()
            self.assertEqual(device.connack() if port == "mqtts" else world.rest(hub, "GET", "/devices").status, 0 if port == "mqtts" else 200)
            self.assertLess(time.monotonic() - began, 100)  # a handshake may take 300 s
            for plain in silent:
                plain.close()
