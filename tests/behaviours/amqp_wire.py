"""AMQP 1.0 by hand: values and frames as bytes, and a client that sends any of them and reads what comes back.

Values that are not plain Python have a class that says their type: Symbol, Ulong, Uint, Ushort, Ubyte, Int, Long, Timestamp,
Described, Typed (any constructor with its bytes). What comes back has the same classes, so that a test can ask for
exact types.
"""
import contextlib
import socket
import ssl
import struct
import time
import uuid

import websocket_wire

TIMEOUT = 60  # no answer takes so long, even on a busy machine
AMQP_HEADER, SASL_HEADER = b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00"

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
SASL_MECHANISMS, SASL_INIT, SASL_CHALLENGE, SASL_RESPONSE, SASL_OUTCOME = range(0x40, 0x45)
SOURCE, TARGET, ERROR = 0x28, 0x29, 0x1D
RECEIVED, ACCEPTED, REJECTED, RELEASED, MODIFIED = range(0x23, 0x28)
HEADER, DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, PROPERTIES, APPLICATION_PROPERTIES, DATA, SEQUENCE, VALUE, FOOTER = range(0x70, 0x79)
SENDER, RECEIVER = False, True  # roles


class Symbol(str):
    """A symbol."""


class _Number(int):
    def __repr__(self):
        return f"{type(self).__name__}({int(self)})"


class Ulong(_Number):
    pass


class Uint(_Number):
    pass


class Ushort(_Number):
    pass


class Ubyte(_Number):
    pass


class Byte(_Number):
    pass


class Short(_Number):
    pass


class Int(_Number):
    pass


class Long(_Number):
    pass


class Timestamp(_Number):
    pass


class Array(list):
    """Items of one type."""


class Described:
    def __init__(self, descriptor, value):
        self.descriptor, self.value = descriptor, value

    def __repr__(self):
        return f"Described({self.descriptor!r}, {self.value!r})"

    def __eq__(self, other):
        return isinstance(other, Described) and (self.descriptor, self.value) == (other.descriptor, other.value)


class Typed:
    """A constructor and its bytes, as they shall stand on the wire."""

    def __init__(self, data):
        self.data = data


def _sized(small, large, data):
    return bytes([small, len(data)]) + data if len(data) < 256 else bytes([large]) + struct.pack(">I", len(data)) + data


def _compound(large, items):
    body = b"".join(items)
    return bytes([large]) + struct.pack(">II", len(body) + 4, len(items)) + body


def encode(value):
    if value is None:
        return b"\x40"
    if isinstance(value, Typed):
        return value.data
    if isinstance(value, bool):
        return b"\x41" if value else b"\x42"
    fixed = {Ulong: (0x80, ">Q"), Uint: (0x70, ">I"), Ushort: (0x60, ">H"), Ubyte: (0x50, ">B"), Byte: (0x51, ">b"), Short: (0x61, ">h"),
             Int: (0x71, ">i"), Long: (0x81, ">q"), Timestamp: (0x83, ">q")}
    if type(value) in fixed:
        code, layout = fixed[type(value)]
        return bytes([code]) + struct.pack(layout, value)
    if isinstance(value, int):
        return b"\x81" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\x82" + struct.pack(">d", value)
    if isinstance(value, Symbol):
        return _sized(0xA3, 0xB3, value.encode("ascii"))
    if isinstance(value, str):
        return _sized(0xA1, 0xB1, value.encode())
    if isinstance(value, (bytes, bytearray)):
        return _sized(0xA0, 0xB0, bytes(value))
    if isinstance(value, uuid.UUID):
        return b"\x98" + value.bytes
    if isinstance(value, Described):
        return b"\x00" + encode(value.descriptor) + encode(value.value)
    if isinstance(value, Array):
        items = [encode(item) for item in value]
        body = items[0][:1].replace(b"\xa3", b"\xb3").replace(b"\xa1", b"\xb1") + b"".join(struct.pack(">I", len(item) - 2) + item[2:] for item in items)
        return b"\xf0" + struct.pack(">II", len(body) + 4, len(items)) + body
    if isinstance(value, list):
        return _compound(0xD0, [encode(item) for item in value])
    if isinstance(value, dict):
        return _compound(0xD1, [encode(part) for pair in value.items() for part in pair])
    raise TypeError(f"no AMQP type for {value!r}")


def described(code, fields):
    return Described(Ulong(code), fields)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        piece = self.data[self.at : self.at + count]
        if len(piece) < count:
            raise ValueError("an encoded value ends early")
        self.at += count
        return piece

    def number(self, layout):
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def value(self):
        return self._typed(self.take(1)[0])

    def _typed(self, code):
        if code == 0x00:
            descriptor = self.value()
            return Described(descriptor, self.value())
        constant = {0x40: None, 0x41: True, 0x42: False, 0x43: Uint(0), 0x44: Ulong(0)}
        if code in constant:
            return constant[code]
        if code == 0x45:
            return []
        if code == 0x56:
            return self.take(1) == b"\x01"
        fixed = {0x50: (Ubyte, ">B"), 0x51: (Byte, ">b"), 0x52: (Uint, ">B"), 0x53: (Ulong, ">B"), 0x54: (Int, ">b"), 0x55: (Long, ">b"),
                 0x60: (Ushort, ">H"), 0x61: (Short, ">h"), 0x70: (Uint, ">I"), 0x71: (Int, ">i"), 0x72: (float, ">f"), 0x80: (Ulong, ">Q"),
                 0x81: (Long, ">q"), 0x82: (float, ">d"), 0x83: (Timestamp, ">q")}
        if code in fixed:
            kind, layout = fixed[code]
            return kind(self.number(layout))
        if code == 0x98:
            return uuid.UUID(bytes=self.take(16))
        if code in (0xA0, 0xB0):
            return self.take(self.number(">B" if code == 0xA0 else ">I"))
        if code in (0xA1, 0xB1):
            return self.take(self.number(">B" if code == 0xA1 else ">I")).decode()
        if code in (0xA3, 0xB3):
            return Symbol(self.take(self.number(">B" if code == 0xA3 else ">I")).decode("ascii"))
        if code in (0xC0, 0xD0, 0xC1, 0xD1):
            layout = ">B" if code < 0xD0 else ">I"
            self.number(layout)
            count = self.number(layout)
            if code in (0xC0, 0xD0):
                return [self.value() for _ in range(count)]
            return {self.value(): self.value() for _ in range(count // 2)}
        if code in (0xE0, 0xF0):
            layout = ">B" if code == 0xE0 else ">I"
            self.number(layout)
            count = self.number(layout)
            item = self.take(1)[0]
            return Array(self._typed(item) for _ in range(count))
        raise ValueError(f"unknown constructor {code:#04x}")


def frame(body, channel=0, kind=0):
    return struct.pack(">IBBH", len(body) + 8, 2, kind, channel) + body


def performative(code, fields, payload=b"", channel=0, kind=0):
    return frame(encode(described(code, fields)) + payload, channel, kind)


class Frame:
    """One frame of the hub: `code` of the performative, `fields`, and what stands behind it. A heartbeat has code None."""

    def __init__(self, data):
        _, offset, self.kind, self.channel = struct.unpack(">IBBH", data[:8])
        self.raw = data[4 * offset :]
        self.code, self.fields, self.payload = None, [], b""
        if self.raw:
            reader = Reader(self.raw)
            value = reader.value()
            self.code, self.fields = int(value.descriptor), value.value
            self.payload = self.raw[reader.at :]

    def __repr__(self):
        return f"Frame({self.code and hex(self.code)}, {self.fields!r})"

    def field(self, index):
        return self.fields[index] if index < len(self.fields) else None


def message(body=None, properties=None, application=None, annotations=None, data=None, header=None):
    """Sections of a message. `properties` is a dict by field name; `data` bytes or a list of them; `body` an amqp-value."""
    out = b""
    if header is not None:
        out += encode(described(HEADER, header))
    if annotations is not None:
        out += encode(described(MESSAGE_ANNOTATIONS, {Symbol(k): v for k, v in annotations.items()}))
    if properties is not None:
        names = ["message_id", "user_id", "to", "subject", "reply_to", "correlation_id", "content_type", "content_encoding", "absolute_expiry_time",
                 "creation_time"]
        out += encode(described(PROPERTIES, [properties.get(name) for name in names]))
    if application is not None:
        out += encode(described(APPLICATION_PROPERTIES, application))
    for piece in [data] if isinstance(data, bytes) else data or []:
        out += encode(described(DATA, piece))
    if data is None:
        out += encode(described(VALUE, body))
    return out


class Message:
    """The sections of a message that came: each as its value, `data` joined; `order` the codes as they stood."""

    def __init__(self, payload):
        reader = Reader(payload)
        self.order, self.sections, self.pieces = [], {}, []
        while reader.at < len(payload):
            section = reader.value()
            code = int(section.descriptor)
            self.order.append(code)
            if code == DATA:
                self.pieces.append(section.value)
            else:
                self.sections[code] = section.value
        self.data = b"".join(self.pieces) if self.pieces else None
        self.value = self.sections.get(VALUE)
        self.annotations = self.sections.get(MESSAGE_ANNOTATIONS, {})
        self.delivery_annotations = self.sections.get(DELIVERY_ANNOTATIONS, {})
        self.application = self.sections.get(APPLICATION_PROPERTIES, {})

    def property(self, index):
        fields = self.sections.get(PROPERTIES, [])
        return fields[index] if index < len(fields) else None


class Closed(Exception):
    """The hub closed the connection."""


class Client:
    """A connection to port 5671 (TLS), 5672 (plain) or over WebSocket, with full control of each frame.

    `read()` gives the next frame that is no heartbeat; `expect(code)` the next one, which must be it; `wait_for(code)`
    skips others, which stay in `skipped`.
    """

    def __init__(self, port, ca_file=None, host="127.0.0.1", server_name=None, certificate=None, tls=True, websocket=None, subprotocol="AMQPWSB10"):
        raw = socket.create_connection((host, port), timeout=TIMEOUT)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context(cafile=ca_file) if ca_file else ssl._create_unverified_context()
            context.check_hostname = bool(ca_file and server_name)
            if certificate:
                context.load_cert_chain(*certificate)
            raw = context.wrap_socket(raw, server_hostname=server_name)
        self.socket = raw
        self.buffer = b""
        self.skipped = []
        self.held = None
        self.incoming = {}  # transfers received, by channel
        self.next_delivery = 0
        self.next_handle = {}
        self.upgrade = None
        if websocket:
            self.socket = self.upgrade = websocket_wire.WebSocket(raw)
            self.upgrade.upgrade(path=websocket, protocol=subprotocol)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Bytes

    def send(self, data):
        if self.held is None:
            self.socket.sendall(data)
        else:
            self.held += data

    @contextlib.contextmanager
    def in_one_write(self):
        """What is sent meanwhile leaves at its end, all together."""
        self.held = b""
        try:
            yield
        except BaseException:
            self.held = None
            raise
        held, self.held = self.held, None
        self.send(held)

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self.socket.settimeout(left)
        try:
            piece = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError) as gone:
            raise Closed() from gone
        except TimeoutError as late:
            raise TimeoutError("nothing came in time") from late
        if not piece:
            raise Closed()
        self.buffer += piece

    def read_bytes(self, count, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while len(self.buffer) < count:
            self._fill(deadline)
        piece, self.buffer = self.buffer[:count], self.buffer[count:]
        return piece

    def read_raw(self, timeout=TIMEOUT):
        """The next frame, heartbeats too."""
        deadline = time.monotonic() + timeout
        while len(self.buffer) < 4 or len(self.buffer) < struct.unpack(">I", self.buffer[:4])[0]:
            self._fill(deadline)
        size = struct.unpack(">I", self.buffer[:4])[0]
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return Frame(data)

    def read(self, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while True:
            got = self.read_raw(max(0.001, deadline - time.monotonic()))
            if got.code is not None:
                return got

    def has_nothing(self, seconds=0.3):
        """True when no frame but heartbeats comes for so long."""
        try:
            self.skipped.append(self.read(seconds))
            return False
        except TimeoutError:
            return True

    def expect(self, code, timeout=TIMEOUT):
        got = self.read(timeout)
        assert got.code == code, f"expected {code:#x}, got {got}"
        return got

    def wait_for(self, code, timeout=TIMEOUT, channel=None):
        deadline = time.monotonic() + timeout
        while True:
            got = self.read(max(0.001, deadline - time.monotonic()))
            if got.code == code and channel in (None, got.channel):
                return got
            self.skipped.append(got)

    def wait_closed(self, timeout=TIMEOUT):
        """Reads until the hub closes the stream; gives the frames that came before."""
        frames = []
        deadline = time.monotonic() + timeout
        try:
            while True:
                frames.append(self.read(max(0.001, deadline - time.monotonic())))
        except Closed:
            return frames

    # Conversations

    def sasl(self, mechanism="ANONYMOUS", response=b""):
        """Gives the mechanisms offered and the outcome frame."""
        self.send(SASL_HEADER)
        assert self.read_bytes(8) == SASL_HEADER
        offered = self.read().fields[0]
        self.send(performative(SASL_INIT, [Symbol(mechanism), response, "hub.test"], kind=1))
        return [str(name) for name in (offered if isinstance(offered, list) else [offered])], self.expect(SASL_OUTCOME)

    def open(self, container="test", hostname="hub.test", **fields):
        """Header and open; gives the hub's open."""
        self.send(AMQP_HEADER)
        assert self.read_bytes(8) == AMQP_HEADER
        names = ["max_frame_size", "channel_max", "idle_time_out"]
        kinds = [Uint, Ushort, Uint]
        rest = [kind(fields[name]) if name in fields else None for name, kind in zip(names, kinds)]
        self.send(performative(OPEN, [container, hostname, *rest]))
        return self.expect(OPEN)

    def begin(self, channel=0, incoming_window=5000, outgoing_window=5000):
        self.send(performative(BEGIN, [None, Uint(0), Uint(incoming_window), Uint(outgoing_window), Uint(1023)], channel=channel))
        return self.wait_for(BEGIN, channel=channel)

    def attach(self, role, address, name=None, channel=0, source=None, target=None, properties=None, snd_mode=None, rcv_mode=None, desired=None,
               handle=None, filters=None, reply_to=None, wait=True):
        """Sends attach; gives the Link. Its `attached` is the hub's attach, which may be a refusal: see refused()."""
        if handle is None:
            handle = self.next_handle.get(channel, 0)
            self.next_handle[channel] = handle + 1
        if source is None:
            fields = [address if role == RECEIVER else name]
            if filters is not None:
                fields += [None] * 6 + [filters]
            source = described(SOURCE, fields)
        if target is None:
            target = described(TARGET, [reply_to if role == RECEIVER else address])
        link = Link(self, channel, handle, role, name or f"link-{channel}-{handle}")
        self.send(performative(ATTACH, [
            link.name, Uint(handle), role, None if snd_mode is None else Ubyte(snd_mode), None if rcv_mode is None else Ubyte(rcv_mode), source, target,
            None, None, None if role == RECEIVER else Uint(0), None, None, desired, properties], channel=channel))
        if wait:
            link.attached = self.wait_for(ATTACH, channel=channel)
        return link

    def cbs(self, channel=0):
        """The pair of links to $cbs, with credit; gives a Requester."""
        return Requester(self, "$cbs", channel)


class Link:
    """One link of a Client. For a sender: send(); for a receiver: credit() and receive()."""

    def __init__(self, client, channel, handle, role, name):
        self.client, self.channel, self.handle, self.role, self.name = client, channel, handle, role, name
        self.attached = None
        self.delivery_count = 0

    def refused(self, timeout=TIMEOUT):
        """The condition of the detach that must follow; its error list: condition, description, info."""
        detach = self.client.wait_for(DETACH, timeout, self.channel)
        assert detach.field(1) is True, "a refusal closes the link"
        return detach.field(2).value

    def detach(self, closed=True):
        self.client.send(performative(DETACH, [Uint(self.handle), closed], channel=self.channel))

    def credit(self, count, drain=False, echo=False, delivery_count=None, incoming_window=5000, next_incoming_id=None):
        seen = self.client.incoming.get(self.channel, 0) if next_incoming_id is None else next_incoming_id
        self.client.send(performative(FLOW, [
            Uint(seen), Uint(incoming_window), Uint(self.client.next_delivery), Uint(5000), Uint(self.handle),
            Uint(self.delivery_count if delivery_count is None else delivery_count), Uint(count), None, drain, echo], channel=self.channel))

    def send(self, payload, settled=False, message_format=0, more=False, tag=None, delivery=None):
        """Gives the delivery id."""
        number = self.client.next_delivery if delivery is None else delivery
        if delivery is None:
            self.client.next_delivery += 1
        self.client.send(performative(TRANSFER, [
            Uint(self.handle), Uint(number), tag or struct.pack(">I", number), Uint(message_format), settled, more], payload, channel=self.channel))
        return number

    def outcome(self, timeout=TIMEOUT):
        """The state of the next disposition: (code, fields, first, last, settled)."""
        got = self.client.wait_for(DISPOSITION, timeout, self.channel)
        state = got.field(4)
        return int(state.descriptor), state.value, got.field(1), got.field(2), got.field(3)

    def receive(self, timeout=TIMEOUT):
        """The next message on this link: (Transfer frame, Message)."""
        payload = b""
        while True:
            got = self.client.wait_for(TRANSFER, timeout, self.channel)
            self.client.incoming[self.channel] = self.client.incoming.get(self.channel, 0) + 1
            assert got.fields[0] == self.handle, f"a transfer for handle {got.fields[0]}"
            payload += got.payload
            if not got.field(5):
                self.delivery_count += 1
                return got, Message(payload)

    def settle(self, first, state=ACCEPTED, last=None, settled=True, fields=()):
        self.client.send(performative(DISPOSITION, [
            RECEIVER, Uint(first), Uint(first if last is None else last), settled, described(state, list(fields))], channel=self.channel))


class Requester:
    """Requests and answers over a pair of links: $cbs, $management."""

    def __init__(self, client, node, channel=0, credit=100):
        self.client = client
        self.sender = client.attach(SENDER, node, channel=channel)
        self.receiver = client.attach(RECEIVER, node, channel=channel, reply_to="cbs")
        if credit:
            self.receiver.credit(credit)

    def request(self, application, body=None, message_id="m1", reply_to="cbs", timeout=TIMEOUT, **properties):
        self.sender.send(message(body, {"message_id": message_id, "reply_to": reply_to, **properties}, application))
        return self.receiver.receive(timeout)[1]

    def put_token(self, token, audience, kind="servicebus.windows.net:sastoken", **more):
        """Gives the answer as a Message; its application["status-code"] says how it went."""
        return self.request({"operation": "put-token", "type": kind, "name": audience}, token, **more)

