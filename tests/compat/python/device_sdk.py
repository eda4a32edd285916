"""What the tests of the official Python device SDK share: clients, an application that uses everything, the back end."""

import time
from pathlib import Path

from azure.iot.device import X509, IoTHubDeviceClient, IoTHubModuleClient, MethodResponse

from hub_process import API, quote

WAIT = 60
# Seconds of a token whose end is waited for: the longer ones where the machine was too slow for the one before.
LIFETIMES = (10, 40, 160)
TRANSPORT = {"websockets": False}  # options of every client that the running test makes; see the transport fixture


def trust(hub):
    return Path(hub.ca_file).read_text()


def connection_string(device, key=None):
    key = key or device["authentication"]["symmetricKey"]["primaryKey"]
    text = f"HostName={device['hostName']};DeviceId={device['deviceId']};"
    if device.get("moduleId"):
        text += f"ModuleId={device['moduleId']};"
    return text + f"SharedAccessKey={key}"


def make_client(hub, device, key=None, **options):
    kind = IoTHubModuleClient if device.get("moduleId") else IoTHubDeviceClient
    return kind.create_from_connection_string(
        connection_string(device, key), server_verification_cert=trust(hub), **TRANSPORT, **options
    )


def make_certified_client(hub, device_id, made, **options):
    return IoTHubDeviceClient.create_from_x509_certificate(
        X509(str(made.certificate), str(made.key)),
        hub.host_name,
        device_id,
        server_verification_cert=trust(hub),
        **TRANSPORT,
        **options,
    )


def wait_until(condition, timeout=WAIT):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


# The back end's side.


def twin_path(identity):
    path = f"/twins/{quote(identity['deviceId'])}"
    return f"{path}/modules/{quote(identity['moduleId'])}" if identity.get("moduleId") else path


def twin(hub, identity, method="GET", body=None):
    status, document = hub.rest(method, f"{twin_path(identity)}?{API}", body)
    assert status == 200, document
    return document


def change_desired(hub, identity, patch):
    return twin(hub, identity, "PATCH", {"properties": {"desired": patch}})


def invoke(hub, identity, name, connect_timeout=WAIT, **fields):
    """Calls a direct method: (HTTP status, answer)."""
    body = {"methodName": name, "responseTimeoutInSeconds": WAIT, "connectTimeoutInSeconds": connect_timeout, **fields}
    return hub.rest("POST", f"{twin_path(identity)}/methods?{API}", body, timeout=2 * WAIT + 5)


def send_to_device(hub, device, body, **headers):
    """Sends a cloud-to-device message; `headers` are those of the REST contract with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/devices/{quote(device['deviceId'])}/messages/deviceBound?{API}"
    status, answer = hub.rest("POST", path, body, named)
    assert status == 204, answer


def waiting_messages(hub, device):
    return hub.rest("GET", f"/devices/{quote(device['deviceId'])}?{API}")[1]["cloudToDeviceMessageCount"]


def feedback(hub, message_ids):
    """Takes feedback from the hub until there is some of each message: all that came, as statuses by message id."""
    found = {}

    def complete():
        status, records, headers = hub.exchange("GET", f"/messages/serviceBound/feedback?{API}")
        if status == 200:
            lock = headers["etag"].strip('"')
            assert hub.rest("DELETE", f"/messages/serviceBound/feedback/{lock}?{API}")[0] == 204
            for record in records:
                found.setdefault(record["originalMessageId"], []).append(record["statusCode"])
        return set(message_ids) <= set(found)

    assert wait_until(complete), found
    return found


def expect_disconnected(hub, identity):
    """Waits until the hub has seen the end of the connection: it may be later than the client's."""
    path = f"/devices/{quote(identity['deviceId'])}?{API}"
    assert wait_until(lambda: hub.rest("GET", path)[1]["connectionState"] == "Disconnected")


class Application:
    """A device application (or a module's, which has no cloud-to-device messages) that uses every feature at once.

    The SDK subscribes here, once; after a reconnect it never does again, so what works then is the stored session.
    """

    def __init__(self, hub, identity, client):
        self.hub, self.identity, self.client = hub, identity, client
        self.messages, self.patches, self.calls, self.states = [], [], [], []
        client.on_connection_state_change = lambda: self.states.append(client.connected)
        client.connect()
        client.on_method_request_received = self._answer
        client.on_twin_desired_properties_patch_received = self.patches.append
        if not identity.get("moduleId"):
            client.on_message_received = self.messages.append

    def _answer(self, request):
        self.calls.append((request.name, request.payload))
        self.client.send_method_response(
            MethodResponse.create_from_method_request(request, 200, {"saw": request.payload})
        )

    @property
    def connects(self):
        return self.states.count(True)

    def expect_reconnect(self, before):
        """Waits for a connection later than the first `before` ones."""
        back = wait_until(lambda: self.connects > before and self.client.connected)
        assert back, f"the SDK did not come back: {self.states}"

    def expect_working(self, mark):
        """Telemetry, a method, twin reads, both kinds of patches and a message, each seen at its other end."""
        hub, identity, client = self.hub, self.identity, self.client
        client.send_message(f"telemetry {mark}")
        assert invoke(hub, identity, "echo", payload=mark) == (200, {"status": 200, "payload": {"saw": mark}})
        client.patch_twin_reported_properties({"mark": mark})
        assert twin(hub, identity)["properties"]["reported"]["mark"] == mark
        change_desired(hub, identity, {"mark": mark})
        assert wait_until(lambda: mark in [patch.get("mark") for patch in self.patches]), self.patches
        assert client.get_twin()["desired"]["mark"] == mark
        if not identity.get("moduleId"):
            send_to_device(hub, identity, mark)
            self.expect_message(mark)
        events = hub.events(identity["deviceId"], timeout=5)
        assert any(event["body"] == f"telemetry {mark}" for event in events)

    def expect_working_at_last(self, mark):
        """The same for a client that may connect anew by itself at any time: what a new connection came into begins again."""
        for attempt in range(5):
            before = len(self.states)
            try:
                return self.expect_working(f"{mark} {attempt}")
            except Exception:
                if attempt == 4 or not wait_until(lambda: len(self.states) > before):
                    raise
                assert wait_until(lambda: self.client.connected), self.states

    def expect_message(self, body):
        assert wait_until(lambda: f'"{body}"'.encode() in [message.data for message in self.messages]), self.messages
        assert wait_until(lambda: waiting_messages(self.hub, self.identity) == 0)
