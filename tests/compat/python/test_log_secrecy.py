"""What devices and back ends say is in no log: the sentinel goes every way a client has; the whole suite's logs are looked
through at its end (tests/support/log_secrecy.py), this test makes sure that there is something to find."""

import json

import pytest
from azure.iot.device import Message, MethodResponse

from device_sdk import invoke, make_client, wait_until
from hub_process import API, quote
from log_secrecy import SENTINEL

pytestmark = pytest.mark.usefixtures("transport")


def test_the_sentinel_goes_every_way_a_client_has(hub, device, device_id):
    client = make_client(hub, device)
    received, desired = [], []

    def answer(request):
        client.send_method_response(
            MethodResponse.create_from_method_request(request, 200, {"answer": f"{SENTINEL}-answer"})
        )

    client.on_method_request_received = answer
    client.on_message_received = lambda message: received.append(message.data)
    client.on_twin_desired_properties_patch_received = desired.append
    client.connect()
    message = Message(f"{SENTINEL}-telemetry")
    message.custom_properties["property"] = f"{SENTINEL}-property"
    message.correlation_id = f"{SENTINEL}-correlation"
    client.send_message(message)
    client.patch_twin_reported_properties({"reported": f"{SENTINEL}-reported"})
    status, _ = hub.rest(
        "PATCH", f"/twins/{quote(device_id)}?{API}", {"properties": {"desired": {"wanted": f"{SENTINEL}-desired"}}}
    )
    assert status == 200
    status, _ = hub.rest("POST", f"/devices/{quote(device_id)}/messages/devicebound?{API}", f"{SENTINEL}-c2d")
    assert status == 204
    assert invoke(hub, device, "ask", payload={"question": f"{SENTINEL}-question"})[0] == 200
    assert wait_until(lambda: received and desired)
    # Refused, with the reason in the log.
    with pytest.raises(Exception):
        client.patch_twin_reported_properties({f"{SENTINEL}.bad": 1})
    client.shutdown()
    assert SENTINEL in json.dumps(hub.expect_events(device_id, 1)[0])
