"""MQTT 3.1.1 by hand: packets as bytes, and a client that sends any bytes over TLS and reads what comes back."""
import select
import socket
import ssl
import struct
import time

import websocket_wire

TIMEOUT = 60  # no answer takes so long, even on a busy machine
TCP, WEBSOCKET = "tcp", "websocket"
transport = TCP  # of connections that do not say: tests that run over both set it


def remaining_length(count):
    out = bytearray()
    while True:
        count, digit = divmod(count, 128)
        out.append(digit | (0x80 if count else 0))
        if not count:
            return bytes(out)


def packet(first, body=b""):
    return bytes([first]) + remaining_length(len(body)) + body


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">H", len(data)) + data


def connect(client_id, username=None, password=None, clean=False, keep_alive=60, will=None, name="MQTT", level=4, flags=None, extra=b""):
    """`will` is (topic, payload, qos, retain); `flags` goes over the flags that follow from the fields."""
    made = 0x02 if clean else 0
    payload = text(client_id)
    if will:
        topic, body, qos, retain = (*will, 0, False)[:4]
        made |= 0x04 | qos << 3 | (0x20 if retain else 0)
        payload += text(topic) + text(body)
    if username is not None:
        made |= 0x80
        payload += text(username)
    if password is not None:
        made |= 0x40
        payload += text(password)
    return packet(0x10, text(name) + bytes([level, made if flags is None else flags]) + struct.pack(">H", keep_alive) + payload + extra)


def publish(topic, payload=b"", qos=1, packet_id=1, retain=False, dup=False):
    body = text(topic) + (struct.pack(">H", packet_id) if qos else b"")
    return packet(0x30 | (8 if dup else 0) | qos << 1 | (1 if retain else 0), body + (payload if isinstance(payload, bytes) else payload.encode()))


def subscribe(packet_id, *filters):
    return packet(0x82, struct.pack(">H", packet_id) + b"".join(text(name) + bytes([qos]) for name, qos in filters))


def unsubscribe(packet_id, *filters):
    return packet(0xA2, struct.pack(">H", packet_id) + b"".join(text(name) for name in filters))


def puback(packet_id):
    return packet(0x40, struct.pack(">H", packet_id))


PINGREQ, PINGRESP, DISCONNECT = b"\xc0\x00", b"\xd0\x00", b"\xe0\x00"


class Wire:
    """A TLS connection to the hub's MQTT port, or a WebSocket to its HTTPS port.

    Reads give packets as (first byte, body), or None when it is closed.
    """

    def __init__(self, hub, certificate=None, version=None, session=None, server_hostname="127.0.0.1", over=None, **upgrade):
        context = ssl.create_default_context(cafile=hub.ca_file)
        if version:
            context.minimum_version = context.maximum_version = version
        if certificate:
            context.load_cert_chain(certificate.certificate, certificate.key)
        if session:
            context = session[0]  # a session belongs to its context
        over = over or transport
        port = hub.info["ports"]["https"] if over == WEBSOCKET else hub.mqtts_port
        raw = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.context = context
        self.socket = context.wrap_socket(raw, server_hostname=server_hostname, session=session[1] if session else None)
        self.received = b""
        if over == WEBSOCKET:
            self.socket = websocket_wire.WebSocket(self.socket)
            status = self.socket.upgrade(**upgrade)
            assert status == 101, f"upgrade refused: {status} {self.socket.body}"

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError):
            pass  # closed by the hub meanwhile: the next read shows it

    def send_reading(self, data):
        """Sends more than the hub takes before its answers are read, from one thread: Python's ssl is not made for two."""
        link, reader = self.socket, self
        if isinstance(link, websocket_wire.WebSocket):
            data = b"".join(websocket_wire.frame(websocket_wire.BINARY, data[at:at + 16384]) for at in range(0, len(data), 16384))
            link, reader = link.below, link
        rest = memoryview(data)
        until = time.monotonic() + TIMEOUT
        link.setblocking(False)
        while rest:
            assert time.monotonic() < until, "the hub takes and gives no more"
            try:
                rest = rest[link.send(rest[:16384]):]
                until = time.monotonic() + TIMEOUT
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                try:
                    reader.received += link.recv(65536)
                    until = time.monotonic() + TIMEOUT
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    select.select([link], [link], [], 1)

    def read(self, timeout=TIMEOUT):
        until = time.monotonic() + timeout
        while True:
            if taken := self._take():
                return taken
            self.socket.settimeout(max(until - time.monotonic(), 0.001))
            try:
                data = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
                return None
            if not data:
                return None
            self.received += data

    def _take(self):
        length, shift = 0, 0
        for index, digit in enumerate(self.received[1:5]):
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                start = index + 2
                if len(self.received) < start + length:
                    return None
                taken = self.received[0], self.received[start:start + length]
                self.received = self.received[start + length:]
                return taken
        return None

    def session(self):
        """What resumes this connection: pass it as `session`."""
        return self.context, self.socket.session

    def cut(self):
        """Ends the TCP connection without a word."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()


class Client(Wire):
    """A device's connection; `device` is a world.Device or world.Module."""

    def __init__(self, device, **options):
        super().__init__(device.hub, **options)
        self.device = device
        self.packet_id = 0

    def connect(self, client_id=None, username=None, password="", **fields):
        """Returns CONNACK's (return code, session present). Without fields the device's own; password None sends none."""
        client_id = self.device.client_id if client_id is None else client_id
        username = self.device.username() if username is None else username
        password = self.device.token() if password == "" else password
        self.send(connect(client_id, username, password, **fields))
        return self.connack()

    def connack(self):
        answer = self.read()
        if answer is None:
            raise AssertionError("closed without CONNACK")
        assert answer[0] == 0x20 and len(answer[1]) == 2, f"not a CONNACK: {answer}"
        return answer[1][1], answer[1][0]

    def publish(self, topic, payload=b"", qos=1, **fields):
        """Sends a message and waits for its PUBACK (QoS 1)."""
        self.packet_id = self.packet_id % 65535 + 1
        self.send(publish(topic, payload, qos, self.packet_id, **fields))
        if qos == 1:
            answer = self.read()
            assert answer == (0x40, struct.pack(">H", self.packet_id)), f"no PUBACK but {answer}"

    def ping(self):
        self.send(PINGREQ)
        answer = self.read()
        assert answer == (0xD0, b""), f"no PINGRESP but {answer}"

    def expect_closed(self, timeout=TIMEOUT):
        """The connection ends without any further packet."""
        answer = self.read(timeout)
        assert answer is None, f"not closed but {answer}"

    def disconnect(self):
        self.send(DISCONNECT)
        self.expect_closed()
        self.cut()
