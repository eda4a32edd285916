"""What a started hub does, the same for a process and a container, with unmodified device, service and Event Hubs SDKs."""
import base64
import datetime
import json
import threading
import urllib.request

import pytest
from azure.eventhub import EventHubConsumerClient
from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse
from azure.iot.hub import IoTHubRegistryManager

from kyanite_testcontainers import KyaniteError, KyaniteTimeoutError, MethodResult

WAIT = 60


def connect(hub, connection_string):
    client = IoTHubDeviceClient.create_from_connection_string(connection_string, server_verification_cert=hub.ca_certificate)
    client.connect()
    return client


class Box:
    """A value that comes on another thread."""

    def __init__(self):
        self._there = threading.Event()

    def put(self, value):
        self.value = value
        self._there.set()

    def get(self):
        assert self._there.wait(WAIT), "nothing came"
        return self.value


def test_telemetry_of_a_device_sdk_comes_as_events(hub):
    device = connect(hub, hub.create_device("sender"))
    message = Message(json.dumps({"t": 21.5}))
    message.custom_properties["alarm"] = "true"
    device.send_message(message)
    hub.wait_until_connected("sender")
    (event,) = hub.events("sender", count=1, timeout=WAIT)
    assert (event.json(), event.properties["alarm"], event.device_id) == ({"t": 21.5}, "true", "sender")
    assert hub.wait_for_event("sender", lambda one: one.properties.get("alarm") == "true") == event
    an_hour_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    assert list(hub.events("sender", start=an_hour_ago, count=1, timeout=WAIT)) == [event]
    device.shutdown()
    hub.wait_until_disconnected("sender")


def test_bytes_that_are_no_text_stay_what_they_are(hub):
    device = connect(hub, hub.create_device("binary"))
    device.send_message(Message(b"\xff\x00\xfe"))
    assert hub.wait_for_event("binary").body == b"\xff\x00\xfe"
    device.shutdown()


def test_methods_twins_and_messages(hub):
    device = connect(hub, hub.create_device("worker", tags={"hall": 3}, desired={"interval": 30}))
    received, desired = Box(), Box()
    device.on_message_received = received.put
    device.on_twin_desired_properties_patch_received = desired.put

    def answer(request):
        device.send_method_response(MethodResponse.create_from_method_request(request, 200, {"got": request.payload}))

    device.on_method_request_received = answer
    assert device.get_twin()["desired"]["interval"] == 30
    assert hub.patch_twin("worker", desired={"mode": "night"})["tags"]["hall"] == 3
    assert desired.get()["mode"] == "night"
    device.patch_twin_reported_properties({"mode": "night"})
    assert hub.wait_for_twin("worker", "properties.reported.mode", "night") == "night"
    assert hub.invoke_method("worker", "reboot", {"delay": 1}, connect_timeout=WAIT) == MethodResult(200, {"got": {"delay": 1}})
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
    hub.send_cloud_to_device("worker", "hello", message_id="c1", expiry=later, properties={"kind": "grüße"})
    message = received.get()
    assert (message.data, message.message_id, message.custom_properties["kind"]) == (b"hello", "c1", "grüße")
    hub.wait_until_delivered("worker")
    assert hub.wait_for_event("worker", source="twinChangeEvents").system_properties
    device.shutdown()


def test_the_start_file_and_queries(hub):
    assert hub.query("SELECT deviceId FROM devices WHERE tags.site = 'north'") == [{"deviceId": "seeded"}]
    assert ";DeviceId=seeded;SharedAccessKey=" in hub.get_device_connection_string("seeded")
    assert hub.get_device("seeded")["status"] == "enabled"


def test_devices_of_every_kind(hub):
    key = base64.b64encode(bytes(32)).decode()
    assert hub.create_device("keyed", primary_key=key, secondary_key=key, edge=True).endswith(f";SharedAccessKey={key}")
    assert hub.create_device("printed", thumbprints=["A" * 40]).endswith(";DeviceId=printed;x509=true")
    assert hub.create_device("chained", certificate_authority=True).endswith(";x509=true")
    module = hub.create_module("keyed", "filter", desired={"level": 2})
    assert hub.get_device_connection_string("keyed", "filter") == module
    assert hub.get_twin("keyed", "filter")["properties"]["desired"]["level"] == 2
    with pytest.raises(ValueError, match="go together"):
        hub.create_device("x", primary_key=key)
    with pytest.raises(ValueError, match="only one"):
        hub.create_device("x", certificate_authority=True, thumbprints=["A" * 40])
    hub.delete_device("keyed")
    with pytest.raises(KyaniteError) as refused:
        hub.get_device("keyed")
    assert (refused.value.status, refused.value.code) == (404, "DeviceNotFound")
    assert refused.value.tracking_id


def test_what_is_refused_and_what_does_not_come(hub):
    with pytest.raises(KyaniteError, match="404"):
        hub.invoke_method("seeded", "reboot")
    with pytest.raises(ValueError, match="control characters"):
        hub.send_cloud_to_device("seeded", "x", properties={"a": "b\r\nx: y"})
    with pytest.raises(ValueError, match="time zone"):
        list(hub.events(start=datetime.datetime.now(), count=1))
    with pytest.raises(KyaniteTimeoutError, match='"seeded" in 0.3 s; 0 others'):
        hub.wait_for_event("seeded", timeout=0.3)
    with pytest.raises(KyaniteTimeoutError, match="tags.site did not come"):
        hub.wait_for_twin("seeded", "tags.site", "south", timeout=0.2)
    for refused in (lambda: hub.add_fault("explode"), lambda: hub.query("SELEC"), lambda: list(hub.events(partition=99))):
        with pytest.raises(KyaniteError, match="400"):
            refused()


def test_faults(hub):
    fault = hub.add_fault("httpError", status=503, routes=["GET /twins/*"])
    assert [one["id"] for one in hub.list_faults()] == [fault["id"]]
    with pytest.raises(KyaniteError, match="503"):
        hub.get_twin("seeded")
    hub.clear_faults(fault["id"])
    hub.get_twin("seeded")
    assert hub.add_fault("drop", on="connect", device="seeded", after_seconds=60)["scope"] == {"device": "seeded"}
    hub.clear_faults()
    assert hub.list_faults() == []


def test_the_clock(hub):
    assert hub.shift_clock(7 * 86400).shift_seconds > 6 * 86400
    hub.get_twin("seeded")  # with a token of that time
    assert hub.advance_clock(60).shift_seconds > 7 * 86400
    hub.wait_until_disconnected("seeded")
    assert hub.reset_clock().shift_seconds == 0
    hub.get_twin("seeded")
    assert hub.get_clock().shift_seconds == 0


def test_snapshots_and_reset(hub):
    hub.create_device("kept")
    hub.take_snapshot("one")
    hub.delete_device("kept")
    hub.create_device("new")
    hub.restore_snapshot("one")
    hub.get_device("kept")
    with pytest.raises(KyaniteError, match="404"):
        hub.get_device("new")
    assert hub.list_snapshots() == ["one"]
    hub.delete_snapshot("one")
    hub.reset()
    assert hub.query("SELECT deviceId FROM devices") == [{"deviceId": "seeded"}]


def test_the_service_sdk(hub, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", hub.ca_file)
    registry = IoTHubRegistryManager.from_connection_string(hub.get_service_connection_string("registryReadWrite"))
    registry.create_device_with_sas("by-sdk", "", "", "enabled")
    assert hub.get_device("by-sdk")["deviceId"] == "by-sdk"


@pytest.mark.parametrize("emulator", [True, False])
def test_the_event_hubs_sdk(hub, emulator):
    device = connect(hub, hub.create_device(f"streamed-{emulator}"))
    device.send_message("one")
    device.shutdown()
    found = Box()
    reader = EventHubConsumerClient.from_connection_string(
        hub.get_event_hubs_connection_string(emulator), consumer_group="$Default", **({} if emulator else {"connection_verify": hub.ca_file})
    )

    def take(_, event):
        if event and event.system_properties.get(b"iothub-connection-device-id") == f"streamed-{emulator}".encode():
            found.put(event.body_as_str())

    thread = threading.Thread(target=lambda: reader.receive(take, starting_position="-1"), daemon=True)
    thread.start()
    assert found.get() == "one"
    reader.close()
    thread.join(WAIT)


def test_a_restart_keeps_what_there_was(hub):
    hub.create_device("lasting")
    hub.restart(kill=True)
    hub.get_device("lasting")
    hub.restart()
    assert "version" in hub.get_status()
    with urllib.request.urlopen(f"{hub.admin_url}/readyz", timeout=WAIT) as answer:
        assert answer.status == 200
