"""Direct methods with the official Python device SDK: who is there to answer, and until when."""

import threading

import pytest
from azure.iot.device import MethodResponse

from device_sdk import WAIT, Application, expect_disconnected, invoke, make_client

pytestmark = pytest.mark.usefixtures("transport")


@pytest.fixture
def client(hub, device):
    made = make_client(hub, device)
    yield made
    made.shutdown()


@pytest.mark.parametrize("kind", ["device", "module"])
def test_direct_methods_are_answered(hub, device, device_id, kind):
    identity = {**hub.create_module(device_id, "camera"), "hostName": hub.host_name} if kind == "module" else device
    client = make_client(hub, identity)
    calls = []

    def handle(request):
        calls.append((request.name, request.payload))
        status = 500 if request.name == "fail" else 200
        client.send_method_response(
            MethodResponse.create_from_method_request(request, status, {"saw": request.payload})
        )

    client.on_method_request_received = handle
    client.connect()
    for name, status, payload in (("echo", 200, {"a": [1, "ü"]}), ("fail", 500, "text"), ("echo", 200, None)):
        answer = invoke(hub, identity, name, payload=payload)
        assert answer == (200, {"status": status, "payload": {"saw": payload}})
    assert [name for name, _ in calls] == ["echo", "fail", "echo"]
    client.shutdown()


def test_a_method_of_an_absent_device_is_not_found(hub, device, client):
    assert invoke(hub, device, "echo", connect_timeout=0)[0] == 404
    client.connect()
    assert invoke(hub, device, "echo", connect_timeout=0)[0] == 404  # connected, and without a handler
    Application(hub, device, client).expect_working("now")
    client.disconnect()
    expect_disconnected(hub, device)
    assert invoke(hub, device, "echo", connect_timeout=0)[0] == 404


def test_a_method_waits_for_the_device_to_connect(hub, device, client):
    application = Application(hub, device, client)
    client.disconnect()
    expect_disconnected(hub, device)
    answers = []
    caller = threading.Thread(target=lambda: answers.append(invoke(hub, device, "echo", payload=[1])))
    caller.start()
    client.connect()
    caller.join(2 * WAIT + 20)
    assert answers == [(200, {"status": 200, "payload": {"saw": [1]}})]
    assert application.calls == [("echo", [1])]


def test_an_answer_without_a_payload_is_null(hub, device, client):
    client.on_method_request_received = lambda request: client.send_method_response(
        MethodResponse.create_from_method_request(request, 500)
    )
    assert invoke(hub, device, "fail") == (200, {"status": 500, "payload": None})


def test_methods_called_at_once_are_each_answered(hub, device, client):
    Application(hub, device, client)
    assert invoke(hub, device, "echo", payload=-1)[0] == 200
    answers = {}
    callers = [
        threading.Thread(target=lambda i=i: answers.update({i: invoke(hub, device, "echo", payload=i)}))
        for i in range(8)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(2 * WAIT + 20)
    assert answers == {i: (200, {"status": 200, "payload": {"saw": i}}) for i in range(8)}
