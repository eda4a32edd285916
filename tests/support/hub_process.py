"""A kyanite process for black-box tests: starts, kills and restarts it, and speaks its REST API.

Knows only hub.json, which the hub writes when it is ready, and the public interfaces. Everything is on the
loopback.

Where HUB_LOGS names a folder, hubs log there, everything there is to log, and leave beside the log what must not be in
it (log_secrecy.py) when they are stopped.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import signal
import ssl
import subprocess
import time
import urllib.parse
from pathlib import Path

import log_secrecy

API = "api-version=2021-04-12"


def make_sas(resource, key, policy=None, lifetime=3600, expiry=None):
    """A SharedAccessSignature as the SDKs make it; `expiry` in unix seconds goes over `lifetime`."""
    resource = urllib.parse.quote(resource, safe="")
    expiry = int(time.time()) + lifetime if expiry is None else int(expiry)
    digest = hmac.new(base64.b64decode(key), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    token = f"SharedAccessSignature sr={resource}&sig={urllib.parse.quote(base64.b64encode(digest), safe='')}&se={expiry}"
    return token + (f"&skn={policy}" if policy else "")


def parse_connection_string(text):
    return dict(part.split("=", 1) for part in text.split(";") if part)


class HubDidNotStart(Exception):
    """Carries what the hub printed."""


class Hub:
    """One hub on one data directory. `start` waits until it is ready; `kill` is SIGKILL; `stop` is SIGTERM."""

    def __init__(
        self,
        binary,
        data,
        mqtts="127.0.0.1:0",
        https="127.0.0.1:0",
        amqps="127.0.0.1:0",
        admin="127.0.0.1:0",
        environment=None,
        arguments=(),
    ):
        self.data = Path(data)
        self.log_file = self.data.with_name(self.data.name + ".log")
        self.kept_logs = os.environ.get("HUB_LOGS")
        if self.kept_logs:
            self.log_file = Path(self.kept_logs) / f"{self.data.parent.name}-{self.data.name}.log"
        self.command = [
            str(binary),
            "serve",
            "--data",
            str(self.data),
            "--mqtts",
            mqtts,
            "--https",
            https,
            "--amqps",
            amqps,
            "--admin",
            admin,
            *arguments,
        ]
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("KYANITE_")}
        if self.kept_logs:
            self.environment["KYANITE_LOG_LEVEL"] = "debug"
        self.environment.update(environment or {})
        self.process = None
        self.before = None  # runs in the child before the program
        self.info = {}
        self.seconds_to_ready = None

    def start(self, timeout=120):
        hub_file = self.data / "hub.json"
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            hub_file.unlink()
        began = time.monotonic()
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self.before
            )
        while time.monotonic() - began < timeout:
            if self.process.poll() is not None:
                raise HubDidNotStart(f"exit status {self.process.returncode}: {self.log_tail()}")
            try:
                self.info = json.loads(hub_file.read_text())
                if self.info["pid"] == self.process.pid:
                    self.seconds_to_ready = time.monotonic() - began
                    return self
            except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, KeyError):
                pass
            time.sleep(0.002)
        self.kill()
        raise HubDidNotStart(f"not ready after {timeout} s: {self.log_tail()}")

    # In a `with`, the hub starts at the beginning and whatever still runs at the end is killed.

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, timeout=120):
        """SIGTERM; returns the exit status. A hub that does not end is killed, which shows as -9."""
        if self.process.poll() is None:
            if self.kept_logs:
                self._keep_secrets()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def _keep_secrets(self):
        beside = self.log_file.with_name(self.log_file.name + ".secrets.json")
        before = json.loads(beside.read_text()) if beside.exists() else []
        beside.write_text(json.dumps(before + log_secrecy.collect(self)))

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log_tail(self, lines=20):
        try:
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"

    def resident_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    # What hub.json says.

    @property
    def host_name(self):
        return self.info["hostName"]

    @property
    def mqtts_port(self):
        return self.info["ports"]["mqtts"]

    @property
    def ca_file(self):
        return self.info["caFile"]

    # The service REST API.

    def _connection(self, timeout):
        context = ssl.create_default_context(cafile=self.ca_file)
        address, port = self.info["httpsConnect"].rsplit(":", 1)
        return http.client.HTTPSConnection(address.strip("[]"), int(port), context=context, timeout=timeout)

    def _authorization(self):
        login = parse_connection_string(self.info["serviceConnectionString"])
        return make_sas(login["HostName"], login["SharedAccessKey"], login["SharedAccessKeyName"])

    def rest(self, method, path, body=None, headers=None, timeout=60):
        """Returns (status, body): parsed when it is JSON, else bytes."""
        return self.exchange(method, path, body, headers, timeout)[:2]

    def exchange(self, method, path, body=None, headers=None, timeout=60):
        """As `rest`, with the answer's headers: names in lower case."""
        connection = self._connection(timeout)
        try:
            send = {"Authorization": self._authorization(), **(headers or {})}
            if body is not None:
                send["Content-Type"] = "application/json; charset=utf-8"
                body = json.dumps(body)
            connection.request(method, path, body=body, headers=send)
            answer = connection.getresponse()
            content = answer.read()
            names = {name.lower(): value for name, value in answer.getheaders()}
            is_json = "json" in names.get("content-type", "")
            return answer.status, json.loads(content) if is_json and content else content, names
        finally:
            connection.close()

    def _expect(self, wanted, method, path, body=None, headers=None):
        status, answer = self.rest(method, path, body, headers)
        assert status in wanted, f"{method} {path}: {status} {answer}"
        return answer

    def create_device(self, device_id, thumbprint=None, ca_signed=False, status="enabled"):
        document = {
            "deviceId": device_id,
            "status": status,
            "authentication": _authentication(thumbprint, ca_signed),
        }
        return self._expect((200, 201), "PUT", f"/devices/{quote(device_id)}?{API}", document)

    def create_module(self, device_id, module_id):
        document = {
            "deviceId": device_id,
            "moduleId": module_id,
            "authentication": _authentication(None, False),
        }
        return self._expect(
            (200, 201), "PUT", f"/devices/{quote(device_id)}/modules/{quote(module_id)}?{API}", document
        )

    def update_device(self, device_id, **changes):
        device = self._expect((200,), "GET", f"/devices/{quote(device_id)}?{API}")
        device.update(changes)
        return self._expect((200,), "PUT", f"/devices/{quote(device_id)}?{API}", device, {"If-Match": '"*"'})

    def add_ca_certificate(self, name, pem):
        return self._expect((200, 201), "PUT", f"/kyanite/v1/ca-certificates/{name}", {"certificate": pem, "isVerified": True})

    # Telemetry.

    def events(self, device=None, start="start", count=None, timeout=1):
        """Stored events, oldest first in each partition. Ends after `count`, or after `timeout` idle seconds."""
        query = {"from": start, "timeout": timeout}
        if device:
            query["device"] = device
        if count:
            query["count"] = count
        connection = self._connection(timeout=60)
        try:
            connection.request(
                "GET",
                "/kyanite/v1/events?" + urllib.parse.urlencode(query),
                headers={"Authorization": self._authorization()},
            )
            answer = connection.getresponse()
            if answer.status != 200:
                raise AssertionError(f"events: {answer.status} {answer.read()}")
            while line := answer.readline():
                if line.strip():
                    yield json.loads(line)
        finally:
            connection.close()

    def expect_events(self, device, count, timeout=60):
        found = list(self.events(device, count=count, timeout=timeout))
        assert len(found) == count, f"{len(found)} events of {device}, expected {count}"
        return found


def quote(identifier):
    return urllib.parse.quote(identifier, safe="")


def _authentication(thumbprint, ca_signed):
    if thumbprint:
        return {
            "type": "selfSigned",
            "x509Thumbprint": {"primaryThumbprint": thumbprint, "secondaryThumbprint": thumbprint},
        }
    if ca_signed:
        return {"type": "certificateAuthority"}
    return {"type": "sas"}
