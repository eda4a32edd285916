"""What a hub does for a test: its public REST API, and test control where the hub runs with it."""

from __future__ import annotations

import datetime
import json
import re
import socket
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from .errors import KyaniteError, KyaniteTimeoutError
from .events import HubEvent, Start, event_of, event_query
from .transport import ANSWER_SECONDS, Transport

API = "api-version=2021-04-12"
WAIT_SECONDS = 30.0  # as the hub's own default
STREAM_SILENCE_SECONDS = 60.0  # the hub sends an empty line every 15 s

JsonObject = Dict[str, Any]


@dataclass(frozen=True)
class MethodResult:
    """A device's answer to a direct method."""

    status: int
    payload: Any


@dataclass(frozen=True)
class HubClock:
    """The hub's clock, and how many seconds it is ahead of the real one."""

    now: str
    shift_seconds: float


class HubOperations:
    """Operations of a hub that runs."""

    @property
    def _api(self) -> Transport:
        raise NotImplementedError

    # Identities.

    def create_device(
        self,
        device_id: str,
        *,
        primary_key: Optional[str] = None,
        secondary_key: Optional[str] = None,
        thumbprints: Optional[Sequence[str]] = None,
        certificate_authority: bool = False,
        status: str = "enabled",
        status_reason: Optional[str] = None,
        edge: bool = False,
        tags: Optional[JsonObject] = None,
        desired: Optional[JsonObject] = None,
    ) -> str:
        """Registers a device and gives its connection string.

        It has keys (base64 of 16 to 64 bytes, both or none; the hub makes them without), or one or two `thumbprints` of
        certificates of its own, or one certificate that chains to a CA the hub knows.
        """
        document: JsonObject = {
            "deviceId": device_id,
            "status": status,
            "authentication": _authentication(primary_key, secondary_key, thumbprints, certificate_authority),
        }
        if status_reason is not None:
            document["statusReason"] = status_reason
        if edge:
            document["capabilities"] = {"iotEdge": True}
        device = self._api.json("PUT", f"/devices/{_id(device_id)}?{API}", document)
        self._write_twin(_id(device_id), tags, desired)
        return self._connection_string_of(device)

    def create_module(
        self,
        device_id: str,
        module_id: str,
        *,
        primary_key: Optional[str] = None,
        secondary_key: Optional[str] = None,
        tags: Optional[JsonObject] = None,
        desired: Optional[JsonObject] = None,
    ) -> str:
        """Registers a module of a device and gives its connection string."""
        document = {"deviceId": device_id, "moduleId": module_id, "authentication": _authentication(primary_key, secondary_key, None, False)}
        module = self._api.json("PUT", f"/devices/{_id(device_id)}/modules/{_id(module_id)}?{API}", document)
        self._write_twin(_identity(device_id, module_id), tags, desired)
        return self._connection_string_of(module)

    def get_device(self, device_id: str) -> JsonObject:
        """The registry's document of a device."""
        device: JsonObject = self._api.json("GET", f"/devices/{_id(device_id)}?{API}")
        return device

    def get_device_connection_string(self, device_id: str, module_id: Optional[str] = None) -> str:
        """The connection string of a device, or of one of its modules."""
        return self._connection_string_of(self._api.json("GET", f"/devices/{_identity(device_id, module_id)}?{API}"))

    def delete_device(self, device_id: str) -> None:
        """Removes a device with its modules. One that is not there is an error."""
        self._api.call("DELETE", f"/devices/{_id(device_id)}?{API}", headers={"If-Match": "*"})

    def query(self, text: str) -> List[JsonObject]:
        """All rows of a query in the service's language."""
        rows: List[JsonObject] = []
        continuation: Optional[str] = ""
        while continuation is not None:
            headers = {"x-ms-continuation": continuation} if continuation else {}
            page, answered = self._api.json_with_headers("POST", f"/devices/query?{API}", {"query": text}, headers)
            rows += page
            continuation = answered.get("x-ms-continuation") or None
        return rows

    # Twins, methods, messages.

    def get_twin(self, device_id: str, module_id: Optional[str] = None) -> JsonObject:
        """The twin of a device, or of one of its modules."""
        twin: JsonObject = self._api.json("GET", f"/twins/{_identity(device_id, module_id)}?{API}")
        return twin

    def patch_twin(
        self, device_id: str, *, tags: Optional[JsonObject] = None, desired: Optional[JsonObject] = None, module_id: Optional[str] = None
    ) -> JsonObject:
        """Merges tags and desired properties into a twin; a value of None removes."""
        return self._write_twin(_identity(device_id, module_id), tags, desired) or self.get_twin(device_id, module_id)

    def invoke_method(
        self,
        device_id: str,
        method: str,
        payload: Any = None,
        *,
        module_id: Optional[str] = None,
        response_timeout: Optional[int] = None,
        connect_timeout: int = 0,
    ) -> MethodResult:
        """Calls a direct method. A device that is not connected, or does not answer in time, is an error.

        The device has 30 seconds to answer unless told otherwise, or `connect_timeout` if that is longer.
        """
        if response_timeout is None:
            response_timeout = max(30, connect_timeout)
        body = {
            "methodName": method,
            "payload": payload,
            "responseTimeoutInSeconds": response_timeout,
            "connectTimeoutInSeconds": connect_timeout,
        }
        path = f"/twins/{_identity(device_id, module_id)}/methods?{API}"
        answer = self._api.json("POST", path, body, timeout=ANSWER_SECONDS + response_timeout + connect_timeout)
        return MethodResult(answer["status"], answer["payload"])

    def send_cloud_to_device(
        self,
        device_id: str,
        body: Union[str, bytes],
        *,
        message_id: Optional[str] = None,
        correlation_id: Optional[str] = None,
        user_id: Optional[str] = None,
        content_type: Optional[str] = None,
        content_encoding: Optional[str] = None,
        ack: Optional[str] = None,
        expiry: Optional[datetime.datetime] = None,
        properties: Optional[Mapping[str, str]] = None,
    ) -> None:
        """Queues a message for a device. `ack` is none, positive, negative or full."""
        if expiry is not None and expiry.tzinfo is None:
            raise ValueError("the expiry needs a time zone, as datetime.now(timezone.utc) has one")
        given: Dict[str, Optional[str]] = {
            "messageid": message_id,
            "correlationid": correlation_id,
            "userid": user_id,
            "contenttype": content_type,
            "contentencoding": content_encoding,
            "ack": ack,
            "expiry": None if expiry is None else expiry.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            **{f"app-{name}": value for name, value in (properties or {}).items()},
        }
        headers = {}
        for name, value in given.items():
            if value is None:
                continue
            if re.search(r"[\x00-\x1f\x7f]", value):
                raise ValueError(f"{name}: control characters cannot be sent")
            headers[f"iothub-{name}"] = value
        self._api.call("POST", f"/devices/{_id(device_id)}/messages/deviceBound?{API}", body, headers)

    # Events.

    def events(
        self,
        device: Optional[str] = None,
        *,
        module: Optional[str] = None,
        partition: Optional[int] = None,
        source: Union[None, str, Sequence[str]] = None,
        start: Start = "start",
        count: Optional[int] = None,
        timeout: Optional[int] = None,
    ) -> Iterator[HubEvent]:
        """Events of the hub as they come, oldest first in each partition.

        `start` is "start" (nothing sent before the call is missed), "now", a sequence number or a time with its zone. The
        iteration ends after `count` events, or when none came for `timeout` whole seconds; with neither it goes on for ever.
        """
        query = event_query(device, module, partition, source, start, count, timeout)
        with self._api.open("GET", f"/kyanite/v1/events?{query}", timeout=STREAM_SILENCE_SECONDS) as answer:
            for line in answer:
                if line.strip():  # an empty one only shows that the hub is there
                    yield event_of(line)

    def wait_for_event(
        self,
        device: Optional[str] = None,
        wanted: Callable[[HubEvent], bool] = lambda event: True,
        *,
        module: Optional[str] = None,
        source: Union[None, str, Sequence[str]] = None,
        start: Start = "start",
        timeout: float = WAIT_SECONDS,
    ) -> HubEvent:
        """The first event that `wanted` accepts; raises KyaniteTimeoutError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        query = event_query(device, module, None, source, start, None, None)
        seen = 0
        with self._api.stream("GET", f"/kyanite/v1/events?{query}", timeout=ANSWER_SECONDS) as (answer, set_timeout):
            try:
                while True:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    set_timeout(left)
                    line = answer.readline()
                    if not line:
                        break
                    if line.strip():
                        event = event_of(line)
                        if wanted(event):
                            return event
                        seen += 1
            except (TimeoutError, socket.timeout):  # the second is another class before Python 3.10
                pass
        of = f' of device "{device}"' if device else ""
        raise KyaniteTimeoutError(f"no such event{of} in {timeout:g} s; {seen} others came")

    # Test control: routes that are there only when the hub runs with it.

    def wait_until_connected(self, device_id: str, *, module_id: Optional[str] = None, timeout: float = WAIT_SECONDS) -> None:
        self._wait("connected", device_id, module_id, timeout)

    def wait_until_disconnected(self, device_id: str, *, module_id: Optional[str] = None, timeout: float = WAIT_SECONDS) -> None:
        self._wait("disconnected", device_id, module_id, timeout)

    def wait_until_delivered(self, device_id: str, *, timeout: float = WAIT_SECONDS) -> None:
        """Waits until no message is queued for the device or on its way."""
        self._wait("c2dEmpty", device_id, None, timeout)

    def wait_for_twin(
        self, device_id: str, path: str, value: Any = ..., *, module_id: Optional[str] = None, timeout: float = WAIT_SECONDS
    ) -> Any:
        """Waits until the twin has `value` (any without it) at `path`, as `properties.reported.temperature`."""
        more = {"path": path} if value is ... else {"path": path, "value": json.dumps(value)}
        return self._wait("twin", device_id, module_id, timeout, more).get("value")

    def add_fault(self, kind: str, **rule: Any) -> JsonObject:
        """Makes the hub fail; it is in force when this returns.

        `device=`, `module=`, `share_percent=` and `seed=` make the scope; the other words are the members of the hub's
        reference with underscores: `delay_seconds=2` for `delaySeconds`.
        """
        body: JsonObject = {"kind": kind}
        scope: JsonObject = {}
        for name, value in rule.items():
            member = re.sub(r"_([a-z])", lambda found: found.group(1).upper(), name)
            (scope if member in ("device", "module", "sharePercent", "seed") else body)[member] = value
        if scope:
            if "scope" in body:
                raise ValueError("scope= and device=, module=, share_percent= or seed= exclude each other")
            body["scope"] = scope
        fault: JsonObject = self._api.json("POST", "/kyanite/v1/faults", body)
        return fault

    def list_faults(self) -> List[JsonObject]:
        faults: List[JsonObject] = self._api.json("GET", "/kyanite/v1/faults")["faults"]
        return faults

    def clear_faults(self, fault_id: Optional[str] = None) -> None:
        """Removes one rule, or all."""
        self._api.call("DELETE", "/kyanite/v1/faults" + ("" if fault_id is None else f"/{_id(fault_id)}"))

    def get_clock(self) -> HubClock:
        return self._clock("GET")

    def shift_clock(self, seconds: float) -> HubClock:
        """Sets the hub's clock so many seconds ahead of the real one; tokens, locks and messages end by it at once."""
        return self._clock("PUT", {"shiftSeconds": seconds})

    def advance_clock(self, seconds: float) -> HubClock:
        """Moves the hub's clock on from where it stands."""
        return self._clock("PUT", {"advanceSeconds": seconds})

    def reset_clock(self) -> HubClock:
        """The real clock again."""
        return self._clock("DELETE")

    def reset(self) -> None:
        """Empties the hub (a start file is read again), ends its connections, faults and shift of the clock; keeps policies and CA."""
        self._api.call("POST", "/kyanite/v1/reset")
        self._api.clock_shift = 0.0

    def take_snapshot(self, name: str) -> None:
        """Keeps the whole store as it is now, under a name of letters, digits, `-` and `_`."""
        self._api.call("PUT", f"/kyanite/v1/snapshots/{_id(name)}")

    def restore_snapshot(self, name: str) -> None:
        """The store as it was then."""
        self._api.call("POST", f"/kyanite/v1/snapshots/{_id(name)}/restore")
        self._api.clock_shift = 0.0

    def list_snapshots(self) -> List[str]:
        return [snapshot["name"] for snapshot in self._api.json("GET", "/kyanite/v1/snapshots")["snapshots"]]

    def delete_snapshot(self, name: str) -> None:
        self._api.call("DELETE", f"/kyanite/v1/snapshots/{_id(name)}")

    # The hub.

    def get_status(self) -> JsonObject:
        """What the hub says about itself."""
        status: JsonObject = self._api.json("GET", "/kyanite/v1/status")
        return status

    def get_service_connection_string(self, policy: str = "iothubowner") -> str:
        """What a back end pastes; of the policy with every right unless another is named."""
        return str(self._api.json("GET", f"/kyanite/v1/policies/{_id(policy)}")["connectionString"])

    def request(self, method: str, path: str, body: Union[None, str, bytes] = None, headers: Optional[Mapping[str, str]] = None) -> bytes:
        """One authorised request, for what has no method here; raises a KyaniteError when it is refused."""
        return self._api.call(method, path, body, headers)

    def _clock(self, method: str, body: Optional[JsonObject] = None) -> HubClock:
        clock = self._api.clock(method, body)
        return HubClock(clock["now"], float(clock["shiftSeconds"]))

    def _wait(
        self, condition: str, device_id: str, module_id: Optional[str], timeout: float, more: Optional[Mapping[str, str]] = None
    ) -> JsonObject:
        query = {"condition": condition, "device": device_id, "timeout": f"{timeout:g}", **(more or {})}
        if module_id is not None:
            query["module"] = module_id
        path = "/kyanite/v1/wait?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote, safe="")
        try:
            answer: JsonObject = self._api.json("GET", path, timeout=ANSWER_SECONDS + timeout)
            return answer
        except KyaniteError as refusal:
            if refusal.status != 408:
                raise
        what = " ".join(filter(None, (condition, (more or {}).get("path"))))
        raise KyaniteTimeoutError(f'device "{device_id}": {what} did not come within {timeout:g} s')

    def _write_twin(self, twin: str, tags: Optional[JsonObject], desired: Optional[JsonObject]) -> Optional[JsonObject]:
        if tags is None and desired is None:
            return None
        patch: JsonObject = {}
        if tags is not None:
            patch["tags"] = tags
        if desired is not None:
            patch["properties"] = {"desired": desired}
        written: JsonObject = self._api.json("PATCH", f"/twins/{twin}?{API}", patch, {"If-Match": '"*"'})
        return written

    def _connection_string_of(self, identity: JsonObject) -> str:
        module = f";ModuleId={identity['moduleId']}" if identity.get("moduleId") else ""
        authentication = identity["authentication"]
        key = (authentication.get("symmetricKey") or {}).get("primaryKey")
        proof = f"SharedAccessKey={key}" if authentication["type"] == "sas" and key else "x509=true"
        return f"HostName={self._api.host_name};DeviceId={identity['deviceId']}{module};{proof}"


class KyaniteClient(HubOperations):
    """Drives a hub that somebody else started, by the connection string of a policy and the PEM of its CA."""

    def __init__(self, connection_string: str, ca: str) -> None:
        self._transport = Transport(connection_string, ca)

    @property
    def _api(self) -> Transport:
        return self._transport


def _id(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _identity(device_id: str, module_id: Optional[str] = None) -> str:
    return _id(device_id) if module_id is None else f"{_id(device_id)}/modules/{_id(module_id)}"


def _authentication(
    primary_key: Optional[str], secondary_key: Optional[str], thumbprints: Optional[Sequence[str]], certificate_authority: bool
) -> JsonObject:
    if (primary_key is None) != (secondary_key is None):
        raise ValueError("primary_key and secondary_key go together")
    if sum((primary_key is not None, thumbprints is not None, certificate_authority)) > 1:
        raise ValueError("a device has keys, thumbprints or a certificate authority: only one of them")
    if thumbprints is not None:
        if isinstance(thumbprints, str) or not 1 <= len(thumbprints) <= 2:
            raise ValueError("thumbprints is a list of one or two")
        primary, secondary = (list(thumbprints) + [""])[:2]
        return {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": primary, "secondaryThumbprint": secondary}}
    if certificate_authority:
        return {"type": "certificateAuthority"}
    if primary_key is None:
        return {"type": "sas"}
    return {"type": "sas", "symmetricKey": {"primaryKey": primary_key, "secondaryKey": secondary_key}}
