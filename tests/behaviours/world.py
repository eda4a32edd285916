"""What the tests share: the hubs, identities with their tokens, and what the service side sees.

One hub serves most tests; each test takes identities of its own, so that none sees another's messages.
"""
import base64
import contextlib
import datetime
import hashlib
import hmac
import http.client
import itertools
import json
import os
import ssl
import tempfile
import time
import urllib.parse
from pathlib import Path

from https_wire import request
import log_secrecy
from hub_process import API, Hub, parse_connection_string, quote
from mqtt_wire import Client

HOST, ALIAS = "hub.test", "alias.test"
VERSION = "2021-04-12"

_program = None
_folder = None
_hubs = {}
_numbers = itertools.count(1)


def begin(program):
    global _program, _folder
    _program = program
    _folder = tempfile.TemporaryDirectory(prefix="kyanite-behaviours-")


def end():
    """Stops the shared hubs in order; says what went wrong with them, and what no log may hold."""
    trouble = ""
    secrets = []
    for name, hub in _hubs.items():
        if hub.is_running() and name != "test-control":  # whose clock a test may have left elsewhere
            try:
                secrets += log_secrecy.collect(hub)
            except Exception as problem:  # is counted as a failure; the others are looked at all the same
                trouble += f"the keys of the {name} hub could not be read: {problem!r}\n"
    for name, hub in _hubs.items():
        if hub.is_running():
            status = hub.stop()
            if status != 0:
                trouble += f"the {name} hub ended with {status}: {hub.log_tail()}\n"
        else:
            trouble += f"the {name} hub died: {hub.log_tail(60)}\n"
        for line in hub.log_file.read_text(errors="replace").splitlines():
            if "ERROR: AddressSanitizer" in line or "runtime error:" in line or "LeakSanitizer" in line:
                trouble += f"{name} hub: {line}\n"
    for log in sorted(Path(_folder.name).rglob("*.log")):
        if log.stem.isdigit():  # no log of the hub but the store's write-ahead log, which holds what the store does
            continue
        for what, number, line in log_secrecy.leaks(log.read_text(errors="replace"), secrets)[:10]:
            trouble += f"{log.relative_to(_folder.name)}:{number}: {what} in the log: {line}\n"
    return trouble


def kill_all():
    for hub in _hubs.values():
        hub.kill()
    if _folder:
        _folder.cleanup()


def program():
    return _program


def folder(name):
    """A new empty folder."""
    made = Path(_folder.name) / f"{name}-{next(_numbers)}"
    made.mkdir()
    return made


def new_hub(name, settings=None, environment=None, arguments=()):
    """A hub that is not started yet, with its data in a new folder."""
    place = folder(name)
    config = place / "kyanite.json"
    config.write_text(json.dumps(settings or {}))
    names = ["--hostname", HOST, "--hostname", ALIAS, "--quiet"]
    talkative = {"KYANITE_LOG_LEVEL": "debug", **(environment or {})}
    return Hub(_program, place / "data", environment=talkative, arguments=["--config", str(config), *names, *arguments])


def _shared(name, settings):
    if name not in _hubs:
        _hubs[name] = new_hub(name, settings)
        _hubs[name].start()
    return _hubs[name]


def main():
    """The hub of most tests, with default settings."""
    return _shared("main", {})


def impatient():
    """A hub with a keep-alive of 10 s at most."""
    return _shared("impatient", {"mqtt": {"keepAliveCapSeconds": 10}})


def strict():
    """A hub without grace for tokens."""
    return _shared("strict", {"auth": {"sasGraceSeconds": 0}})


def hurried():
    """A hub with 5 s for a handshake and for CONNECT."""
    return _shared("hurried", {"tls": {"handshakeTimeoutSeconds": 5}, "mqtt": {"connectTimeoutSeconds": 5}})


def in_time(act):
    """Does something with a hurried hub, which may cut a slow machine off before it is done."""
    for _ in range(9):
        with contextlib.suppress(ConnectionError, ssl.SSLError, AssertionError):
            return act()
    return act()


def test_control():
    """A hub whose clock the tests shift."""
    return _shared("test-control", {"testControl": True})


# Tokens

def percent(value, case="upper"):
    encoded = urllib.parse.quote(value, safe="")
    return encoded.lower() if case == "lower" else encoded


def sign(key, resource, expiry):
    digest = hmac.new(base64.b64decode(key), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def token(resource, key, policy=None, expiry=None, order=("sr", "sig", "se", "skn")):
    """A token for `resource` exactly as it is written; `expiry` in unix seconds."""
    expiry = str(int(time.time()) + 3600 if expiry is None else expiry)
    fields = {"sr": resource, "sig": percent(sign(key, resource, expiry)), "se": expiry, "skn": policy}
    return "SharedAccessSignature " + "&".join(f"{name}={fields[name]}" for name in order if fields.get(name))


def other_key():
    return base64.b64encode(os.urandom(32)).decode()


def owner_key(hub):
    return parse_connection_string(hub.info["serviceConnectionString"])["SharedAccessKey"]


def policy_keys(hub, name):
    """(primary, secondary) of an access policy."""
    answer = rest(hub, "GET", "/kyanite/v1/policies")
    if answer.status != 200:
        raise AssertionError(f"policies: {answer.status} {answer.body}")
    for policy in answer.json["policies"]:
        if policy["name"] == name:
            return policy["primaryKey"], policy["secondaryKey"]
    raise AssertionError(f"no policy {name}: {answer.body}")


def policy_token(hub, name, resource=HOST, **options):
    key = owner_key(hub) if name == "iothubowner" else policy_keys(hub, name)[0]
    return token(percent(resource), key, name, **options)


# REST

def rest(hub, method, path, body=None, authorization="", headers=None, version=VERSION):
    """One request with the owner's token, unless another or none (None) is given; the path goes out as it is."""
    sent = dict(headers or {})
    if authorization is not None:
        sent["Authorization"] = authorization or policy_token(hub, "iothubowner")
    if version:
        path += ("&" if "?" in path else "?") + "api-version=" + version
    return request(hub, method, path, body, sent)


# Identities

class Identity:
    """A registered identity: knows its keys and what it sends in CONNECT."""

    def __init__(self, hub, document):
        self.hub = hub
        self.document = document
        keys = document["authentication"]["symmetricKey"]
        self.primary, self.secondary = keys["primaryKey"], keys["secondaryKey"]

    def username(self, tail=f"/?api-version={VERSION}", host=HOST):
        return f"{host}/{self.client_id}{tail}"

    def token(self, key=None, expiry=None, **options):
        return token(percent(self.resource), key or self.primary, expiry=expiry, **options)

    def link(self, **options):
        """A TLS connection without CONNECT."""
        return Client(self, **options)

    @contextlib.contextmanager
    def session(self, expect=0, link=None, **fields):
        """An accepted connection."""
        with self.link(**(link or {})) as client:
            code, _ = client.connect(**fields)
            assert code == expect, f"CONNACK {code}, expected {expect}"
            yield client

    def connack(self, link=None, **fields):
        """The return code of a CONNECT; a refused connection must be closed behind its CONNACK."""
        with self.link(**(link or {})) as client:
            code, _ = client.connect(**fields)
            if code:
                client.expect_closed()
            return code

    def send(self, payload, bag=""):
        """One message over a connection of its own, acknowledged."""
        with self.session(clean=True) as client:
            client.publish(self.events + bag, payload)
            client.disconnect()

    def received(self, until=b"fence"):
        """All of this identity's events so far, oldest first."""
        self.send(until)
        return self.events_until(until)

    def events_until(self, body):
        """Events up to the one with this body, which is left out."""
        found = []
        for event in self.hub.events(self.device_id, timeout=20):
            if (event["moduleId"] or "") != self.module_id:
                continue
            if event["body"] == body.decode():
                return found
            found.append(event)
        raise AssertionError(f"no event {body}; there are {found}")


class Device(Identity):
    def __init__(self, hub, document):
        super().__init__(hub, document)
        self.client_id = self.device_id = document["deviceId"]
        self.module_id = ""
        self.resource = f"{HOST}/devices/{self.device_id}"
        self.events = f"devices/{self.device_id}/messages/events/"

    def module(self, name):
        path = f"/devices/{quote(self.device_id)}/modules/{quote(name)}"
        answer = rest(self.hub, "PUT", path, {"deviceId": self.device_id, "moduleId": name})
        assert answer.status == 200, answer
        return Module(self.hub, answer.json)

    def update(self, **changes):
        answer = rest(self.hub, "GET", f"/devices/{quote(self.device_id)}")
        answer = rest(self.hub, "PUT", f"/devices/{quote(self.device_id)}", {**answer.json, **changes}, headers={"If-Match": "*"})
        assert answer.status == 200, answer
        return answer.json

    def show(self):
        return rest(self.hub, "GET", f"/devices/{quote(self.device_id)}").json

    def delete(self):
        assert rest(self.hub, "DELETE", f"/devices/{quote(self.device_id)}", headers={"If-Match": "*"}).status == 204


class Module(Identity):
    def __init__(self, hub, document):
        super().__init__(hub, document)
        self.device_id, self.module_id = document["deviceId"], document["moduleId"]
        self.client_id = f"{self.device_id}/{self.module_id}"
        self.resource = f"{HOST}/devices/{self.device_id}/modules/{self.module_id}"
        self.events = f"devices/{self.device_id}/modules/{self.module_id}/messages/events/"


def new_id(stem="d"):
    return f"{stem}-{next(_numbers)}"


def device(hub=None, name=None, **document):
    """A new registered device, by default with generated keys and a name of its own."""
    hub = hub or main()
    name = name or new_id()
    answer = rest(hub, "PUT", f"/devices/{quote(name)}", {"deviceId": name, **document})
    assert answer.status == 200, answer
    return Device(hub, answer.json)


def log_text(hub):
    return hub.log_file.read_text(errors="replace")


def log_lines(hub, text):
    """The lines of the log with this text in them; one that is still being written is none yet."""
    return [line for line in log_text(hub).splitlines(True) if text in line and line.endswith("\n")]


def iso_time(seconds_ahead):
    return datetime.datetime.fromtimestamp(time.time() + seconds_ahead, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def scrape(hub, timeout=30):
    """The text of /metrics."""
    link = http.client.HTTPConnection("127.0.0.1", hub.info["ports"]["admin"], timeout=timeout)
    try:
        link.request("GET", "/metrics")
        answer = link.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
        return text
    finally:
        link.close()


def skip_unless_fast(test, asked, began):
    """For a test over a rate of 100 a second that nothing was refused of: client and hub together may be too slow for it."""
    if asked / (time.monotonic() - began) < 150:
        test.skipTest("client and hub are too slow together to exceed 100 requests a second")


def wait_for(condition, what, timeout=60):
    """Bounded wait for something the hub does."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout} s: {what}")
