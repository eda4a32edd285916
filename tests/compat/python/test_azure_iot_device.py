"""The official Python device SDK, unmodified: each test over MQTT on 8883 and over WebSocket on 443."""

import datetime
import json
import threading
import time
import uuid

import pytest
from azure.iot.device import IoTHubDeviceClient, Message
from azure.iot.device.exceptions import (
    ConnectionDroppedError,
    ConnectionFailedError,
    CredentialError,
    NoConnectionError,
)

import device_certificates
from device_sdk import LIFETIMES, TRANSPORT, WAIT, connection_string, make_certified_client, make_client, trust, wait_until
from hub_process import make_sas

pytestmark = pytest.mark.usefixtures("transport")


@pytest.fixture
def client(hub, device):
    made = make_client(hub, device)
    yield made
    made.shutdown()


def test_text_telemetry_arrives(hub, device_id, client):
    client.send_message("hello")
    assert hub.expect_events(device_id, 1)[0]["body"] == "hello"


def test_secondary_key_opens_too(hub, device, device_id):
    client = make_client(hub, device, device["authentication"]["symmetricKey"]["secondaryKey"])
    client.send_message("second")
    client.shutdown()
    assert hub.expect_events(device_id, 1)[0]["body"] == "second"


def test_properties_arrive_exactly(hub, device_id, client):
    message = Message("{}")
    message.custom_properties = {"plain": "value", "blank and + & = / ?": "ü%20 +&=?#", "empty": ""}
    client.send_message(message)
    assert hub.expect_events(device_id, 1)[0]["properties"] == message.custom_properties


def test_system_properties_arrive(hub, device_id, client):
    message = Message(json.dumps({"t": 21.5}), content_encoding="utf-8", content_type="application/json")
    message.message_id = str(uuid.uuid4())
    message.correlation_id = "correlation 1"
    message.user_id = "user"
    message.set_as_security_message()
    client.send_message(message)
    event = hub.expect_events(device_id, 1)[0]
    system = event["systemProperties"]
    assert json.loads(event["body"]) == {"t": 21.5}
    assert system["message-id"] == message.message_id
    assert system["correlation-id"] == "correlation 1"
    assert system["user-id"] == "user"
    assert system["content-type"] == "application/json"
    assert system["content-encoding"] == "utf-8"
    assert system["iothub-interface-id"] == "urn:azureiot:Security:SecurityAgent:1"


def test_the_hub_stamps_its_own_system_properties(hub, device, device_id, client):
    client.send_message("x")
    event = hub.expect_events(device_id, 1)[0]
    system = event["systemProperties"]
    assert event["deviceId"] == device_id
    assert system["iothub-connection-device-id"] == device_id
    assert system["iothub-connection-auth-generation-id"] == device["generationId"]
    assert json.loads(system["iothub-connection-auth-method"])["type"] == "sas"
    assert system["iothub-message-source"] == "Telemetry"
    enqueued = datetime.datetime.fromisoformat(system["iothub-enqueuedtime"].split(".")[0].rstrip("Z"))
    assert abs((datetime.datetime.utcnow() - enqueued).total_seconds()) < 60


def test_binary_bodies_arrive(hub, device_id, client):
    import base64

    body = bytes(range(256))
    client.send_message(Message(body))
    event = hub.expect_events(device_id, 1)[0]
    assert event["bodyEncoding"] == "base64"
    assert base64.b64decode(event["body"]) == body


def test_a_message_of_255_KB_arrives(hub, device_id, client):
    body = "x" * (255 * 1024)
    client.send_message(body)
    assert hub.expect_events(device_id, 1)[0]["body"] == body


def test_messages_keep_their_order(hub, device_id, client):
    for i in range(50):
        client.send_message(str(i))
    assert [event["body"] for event in hub.expect_events(device_id, 50)] == [str(i) for i in range(50)]


def test_messages_sent_from_many_threads_arrive_once(hub, device_id, client):
    client.connect()
    threads = [threading.Thread(target=client.send_message, args=(str(i),)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert sorted(int(event["body"]) for event in hub.expect_events(device_id, 40)) == list(range(40))


def test_self_signed_certificate_by_thumbprint(hub, device_id, certificates):
    made = device_certificates.self_signed(certificates, device_id)
    hub.create_device(device_id, thumbprint=made.thumbprint())
    client = make_certified_client(hub, device_id, made)
    client.send_message("by thumbprint")
    client.shutdown()
    event = hub.expect_events(device_id, 1)[0]
    assert event["body"] == "by thumbprint"
    assert json.loads(event["systemProperties"]["iothub-connection-auth-method"])["type"] == "x509"


def test_self_signed_certificate_by_sha256_thumbprint(hub, device_id, certificates):
    made = device_certificates.self_signed(certificates, device_id)
    hub.create_device(device_id, thumbprint=made.thumbprint("sha256"))
    client = make_certified_client(hub, device_id, made)
    client.send_message("by thumbprint")
    client.shutdown()
    assert hub.expect_events(device_id, 1)[0]["body"] == "by thumbprint"


def test_certificate_of_a_known_authority(hub, device_id, certificates, plant_ca):
    made = device_certificates.signed_by(plant_ca, certificates, device_id)
    hub.create_device(device_id, ca_signed=True)
    client = make_certified_client(hub, device_id, made)
    client.send_message("by authority")
    client.shutdown()
    assert hub.expect_events(device_id, 1)[0]["body"] == "by authority"


def test_another_certificate_is_refused(hub, device_id, certificates):
    right = device_certificates.self_signed(certificates, device_id)
    wrong = device_certificates.self_signed(certificates, device_id + "-other")
    hub.create_device(device_id, thumbprint=right.thumbprint())
    client = make_certified_client(hub, device_id, wrong)
    with pytest.raises(CredentialError):
        client.connect()
    client.shutdown()


def test_module_identity(hub, device, device_id):
    module = {**hub.create_module(device_id, "camera"), "hostName": hub.host_name}
    client = make_client(hub, module)
    client.send_message("from a module")
    client.shutdown()
    event = hub.expect_events(device_id, 1)[0]
    assert event["body"] == "from a module"
    assert event["moduleId"] == "camera"
    assert event["systemProperties"]["iothub-connection-module-id"] == "camera"


def test_device_and_module_are_connected_together(hub, device, device_id):
    module = {**hub.create_module(device_id, "m1"), "hostName": hub.host_name}
    first, second = make_client(hub, device), make_client(hub, module)
    first.connect()
    second.connect()
    first.send_message("device")
    second.send_message("module")
    assert first.connected and second.connected
    first.shutdown()
    second.shutdown()
    assert sorted(event["body"] for event in hub.expect_events(device_id, 2)) == ["device", "module"]


def test_a_second_connection_takes_over(hub, device, device_id):
    first = make_client(hub, device, connection_retry=False)
    second = make_client(hub, device, connection_retry=False)
    first.connect()
    second.connect()
    assert wait_until(lambda: not first.connected)
    second.send_message("mine")
    assert second.connected
    first.shutdown()
    second.shutdown()
    assert hub.expect_events(device_id, 1)[0]["body"] == "mine"


def test_a_wrong_key_is_a_credential_error(hub, device):
    import base64

    client = make_client(hub, device, base64.b64encode(b"w" * 32).decode())
    with pytest.raises(CredentialError):
        client.connect()
    client.shutdown()


def test_an_unknown_device_is_a_credential_error(hub, device):
    client = make_client(hub, {**device, "deviceId": "nobody"})
    with pytest.raises(CredentialError):
        client.connect()
    client.shutdown()


def test_another_devices_key_is_a_credential_error(hub, device, device_id):
    other = hub.create_device(device_id + "-other")
    client = make_client(hub, device, other["authentication"]["symmetricKey"]["primaryKey"])
    with pytest.raises(CredentialError):
        client.connect()
    client.shutdown()


def test_a_server_that_is_not_trusted_is_refused_by_the_sdk(device):
    client = IoTHubDeviceClient.create_from_connection_string(
        connection_string(device), connection_retry=False, **TRANSPORT
    )
    with pytest.raises(Exception) as refusal:
        client.connect()
    assert "certificate verify failed" in repr(refusal.value.__cause__) or "TLS" in repr(refusal.value)
    client.shutdown()


def test_a_disabled_device_is_refused_and_enabled_again_accepted(hub, device, device_id):
    hub.update_device(device_id, status="disabled")
    client = make_client(hub, device, connection_retry=False)
    with pytest.raises(ConnectionFailedError):
        client.connect()
    hub.update_device(device_id, status="enabled")
    client.send_message("back")
    client.shutdown()
    assert hub.expect_events(device_id, 1)[0]["body"] == "back"


def test_disabling_closes_the_live_connection(hub, device, device_id):
    client = make_client(hub, device, connection_retry=False)
    client.connect()
    hub.update_device(device_id, status="disabled")
    assert wait_until(lambda: not client.connected)
    client.shutdown()


def test_deleting_closes_the_live_connection(hub, device, device_id):
    client = make_client(hub, device, connection_retry=False)
    client.connect()
    status, _ = hub.rest("DELETE", f"/devices/{device_id}?api-version=2021-04-12", headers={"If-Match": "*"})
    assert status == 204
    assert wait_until(lambda: not client.connected)
    client.shutdown()


def test_a_given_token_opens_and_its_end_closes(hub, device, device_id):
    key = device["authentication"]["symmetricKey"]["primaryKey"]
    for lifetime in LIFETIMES:
        expiry = int(time.time()) + lifetime
        token = make_sas(f"{hub.host_name}/devices/{device_id}", key, expiry=expiry)
        client = None
        try:
            client = IoTHubDeviceClient.create_from_sastoken(
                token, server_verification_cert=trust(hub), connection_retry=False, **TRANSPORT
            )
            client.send_message("in time")
            break
        except Exception:
            if client:
                client.shutdown()
            if lifetime == LIFETIMES[-1] or time.time() < expiry:
                raise
    assert wait_until(lambda: not client.connected, lifetime + WAIT)
    client.shutdown()
    assert hub.expect_events(device_id, 1)[0]["body"] == "in time"


def test_the_sdk_renews_its_token_without_losing_messages(hub, device, device_id):
    client = make_client(hub, device, sastoken_ttl=122)  # renewed 120 s before its end: after two seconds
    connections = []
    client.on_connection_state_change = lambda: connections.append(client.connected)
    client.connect()
    sent = 0
    end = time.monotonic() + WAIT
    while connections.count(True) < 2 and time.monotonic() < end:
        client.send_message(str(sent))
        sent += 1
        time.sleep(0.05)
    assert connections.count(True) >= 2
    client.send_message(str(sent))
    client.shutdown()
    bodies = [event["body"] for event in hub.events(device_id)]
    assert set(bodies) >= {str(i) for i in range(sent + 1)}


def test_every_confirmed_message_survives_kill_9(hub, device, device_id):
    client = make_client(hub, device, connection_retry_interval=1)
    client.connect()
    confirmed, stop = [], threading.Event()

    def send():
        number = 0
        while not stop.is_set():
            try:
                client.send_message(str(number))
                confirmed.append(str(number))
            except (ConnectionDroppedError, ConnectionFailedError, NoConnectionError):
                time.sleep(0.1)
            number += 1

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for _ in range(3):
        before = len(confirmed)
        assert wait_until(lambda: len(confirmed) > before + 20), "the SDK did not come back"
        hub.kill()
        hub.start()
    before = len(confirmed)
    assert wait_until(lambda: len(confirmed) > before + 20), "the SDK did not come back"
    stop.set()
    sender.join(WAIT)
    client.shutdown()
    stored = [event["body"] for event in hub.events(device_id)]
    missing = [number for number in confirmed if number not in set(stored)]
    assert not missing
    firsts = list(dict.fromkeys(stored))  # a message that the SDK sent again may stand twice
    assert firsts == sorted(firsts, key=int)
