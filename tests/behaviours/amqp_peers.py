"""Back ends and devices over AMQP: connections that have proven who they are, and the links they use."""
import contextlib
import json
import uuid

import amqp_wire as wire
import world
from amqp_wire import ACCEPTED, RECEIVER, REJECTED, SENDER, Symbol
from world import HOST, percent, policy_token

OUTCOMES = {ACCEPTED: "accepted", REJECTED: "rejected", wire.RELEASED: "released", wire.MODIFIED: "modified"}
CHANNEL = "com.microsoft:channel-correlation-id"


def connect(hub, **options):
    """An open connection with a session; nothing proven yet."""
    client = wire.Client(hub.info["ports"]["amqps"], **options)
    client.open()
    client.begin()
    return client


def put_token(client, token, audience):
    if not hasattr(client, "requester"):
        client.requester = client.cbs()
    status = client.requester.put_token(token, audience).application["status-code"]
    return status


@contextlib.contextmanager
def back_end(hub, policy="service", **options):
    with connect(hub, **options) as client:
        assert put_token(client, policy_token(hub, policy), HOST) == 200
        yield client


@contextlib.contextmanager
def device(*identities, **options):
    """A connection with the claims of these devices and modules."""
    with connect(identities[0].hub, **options) as client:
        for identity in identities:
            assert put_token(client, identity.token(), percent(identity.resource)) == 200
        yield client


def address(identity, node):
    return f"/{identity.resource.split('/', 1)[1]}/{node}"


def send(link, payload, piece=60000, **options):
    """Sends in as many transfers as it takes; gives (outcome, condition or None, description)."""
    pieces = [payload[at:at + piece] for at in range(0, len(payload), piece)]
    number = link.send(pieces[0], more=len(pieces) > 1, **options)
    for index, part in enumerate(pieces[1:], 2):
        link.send(part, more=index < len(pieces), delivery=number, **options)
    code, fields, _, _, settled = link.outcome()
    assert settled is True, "an outcome without settlement"
    if code != REJECTED:
        return OUTCOMES[code], None, None
    condition, description, info = fields[0].value
    assert isinstance(condition, Symbol) and description and isinstance(info, dict) and info, fields
    return OUTCOMES[code], str(condition), description


def c2d_to(device):
    return f"/devices/{percent(device.device_id)}/messages/devicebound"


def c2d(to, data=b"hello", ack=None, application=None, **properties):
    """A message of a back end to a device: its `to`, or the device."""
    if not isinstance(to, str):
        to = c2d_to(to)
    application = dict(application or {})
    if ack:
        application["iothub-ack"] = ack
    return wire.message(properties={"to": to, **properties}, application=application or None, data=data)


class Twin:
    """A pair of links to a twin; pre-settled, as most SDKs have it."""

    def __init__(self, client, identity, channel=None, settled=True, with_channel=True, session=0):
        self.channel = channel or f"twin:{uuid.uuid4()}"
        self.settled = settled
        properties = {Symbol(CHANNEL): self.channel} if with_channel else None
        mode = 1 if settled else 0
        self.sender = client.attach(SENDER, address(identity, "twin"), properties=properties, snd_mode=mode, channel=session)
        self.receiver = client.attach(RECEIVER, address(identity, "twin"), properties=properties, snd_mode=mode, channel=session)
        self.receiver.credit(100)

    def ask(self, operation, resource=None, body=None, version=None, correlation_id="c"):
        annotations = {"operation": operation, "resource": resource, "version": version}
        self.sender.send(wire.message(properties={"correlation_id": correlation_id}, annotations=annotations,
                                      data=b" " if body is None else json.dumps(body).encode()), settled=self.settled)
        if not self.settled:
            assert OUTCOMES[self.sender.outcome()[0]] == "accepted"
        return self.answer()

    def answer(self):
        transfer, message = self.receiver.receive()
        assert transfer.field(4) is True, "an answer that is not settled"
        return message


class Methods:
    """A pair of links for direct methods."""

    def __init__(self, client, identity, settled=True):
        properties = {Symbol(CHANNEL): f"methods:{uuid.uuid4()}"}
        mode = 1 if settled else 0
        self.sender = client.attach(SENDER, address(identity, "methods/devicebound"), properties=properties, snd_mode=mode)
        self.receiver = client.attach(RECEIVER, address(identity, "methods/devicebound"), properties=properties, snd_mode=mode)
        self.receiver.credit(100)

    def call(self):
        return self.receiver.receive()[1]

    def answer(self, correlation_id, status, body, settled=True):
        self.sender.send(wire.message(properties={"correlation_id": correlation_id}, application={"IoThub-status": wire.Int(status)},
                                      data=json.dumps(body).encode()), settled=settled)
