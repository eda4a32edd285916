"""WebSocket by hand (RFC 6455): frames as bytes, the upgrade, and a socket that carries a stream in binary messages."""
import os
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PATH = "/$iothub/websocket"
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the pair of RFC 6455, 1.3


def frame(opcode, payload=b"", fin=True, masked=True):
    head = bytes([(0x80 if fin else 0) | opcode])
    bit, size = 0x80 if masked else 0, len(payload)
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    repeated = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ repeated).to_bytes(size, "big")


def close_frame(code):
    return frame(CLOSE, struct.pack(">H", code))


def upgrade_head(path=PATH, protocol="mqtt", method="GET", version="13", key=KEY, drop=(), extra=None):
    """The head of an upgrade; `drop` names headers to leave out."""
    fields = {"Host": "hub.test", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": version,
              "Sec-WebSocket-Key": key, "Sec-WebSocket-Protocol": protocol, **(extra or {})}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None and name not in drop]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


class WebSocket:
    """A connected socket's WebSocket. Looks like a socket that carries MQTT: sendall, recv, settimeout, close.

    `recv` gives the payloads of binary messages, answers pings, and ends (b"") with the server's close frame, whose
    code is then in `close_code`.
    """

    def __init__(self, below):
        self.below = below
        self.received = b""
        self.frames = []  # control frames and codes seen, newest last
        self.close_code = None
        self.answer = None  # status and headers of the upgrade's answer
        self.body = b""  # of an answer that is no 101

    def upgrade(self, **head):
        """Sends the upgrade; the answer's status. With `follow`, those bytes go out in the same write."""
        follow = head.pop("follow", b"")
        self.below.sendall(upgrade_head(**head) + follow)
        while b"\r\n\r\n" not in self.received:
            data = self.below.recv(65536)
            if not data:
                raise ConnectionError("closed without an answer to the upgrade")
            self.received += data
        text, self.received = self.received.split(b"\r\n\r\n", 1)
        first, *lines = text.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        self.headers = {name.lower(): value for name, value in fields.items()}
        self.status = int(first.split()[1])
        if self.status != 101:
            while len(self.received) < int(self.headers.get("content-length", 0)):
                self.received += self.below.recv(65536)
            self.body, self.received = self.received, b""
        return self.status

    def frame(self):
        """The next whole frame as (opcode, payload), None at the end of the stream."""
        while True:
            if (taken := self._take()) is not None:
                return taken
            data = self.below.recv(65536)
            if not data:
                return None
            self.received += data

    def _take(self):
        if len(self.received) < 2:
            return None
        opcode, size, start = self.received[0] & 0x0F, self.received[1] & 0x7F, 2
        assert not self.received[1] & 0x80, "a server must not mask"
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(self.received) < start:
                return None
            size = int.from_bytes(self.received[2:start], "big")
        if len(self.received) < start + size:
            return None
        taken = opcode, self.received[start:start + size]
        self.received = self.received[start + size:]
        return taken

    def sendall(self, data):
        self.below.sendall(frame(BINARY, data))

    def recv(self, _):
        while True:
            taken = self.frame()
            if taken is None:
                return b""
            opcode, payload = taken
            if opcode in (BINARY, CONTINUATION) and payload:
                return payload
            self.frames.append(taken)
            if opcode == PING:
                self.below.sendall(frame(PONG, payload))
            if opcode == CLOSE:
                self.close_code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
                self.below.sendall(frame(CLOSE, payload[:2]))
                return b""

    def __getattr__(self, name):
        return getattr(self.below, name)  # settimeout, close, and what TLS knows: version(), session, ...
