"""The official Python service SDK over AMQP, unmodified (amqp.md, A54): messages to devices, on 5671 and over WebSocket.

It runs in a process of its own, whose certifi names the hub's CA (`uamqp_environment`)."""

import json
import subprocess
import sys

import pytest

PROGRAM = '''
import json
import sys

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.iothub_amqp_client import uamqp

connection_string, transport, messages = json.loads(sys.argv[1])
manager = IoTHubRegistryManager.from_connection_string(connection_string, transport_type=getattr(uamqp.TransportType, transport))
for device, body, properties in messages:
    try:
        manager.send_c2d_message(device, body, properties)
        print("sent", flush=True)
    except Exception as refused:
        print(f"refused: {refused}", flush=True)
'''


@pytest.fixture
def send(hub, uamqp_environment):
    """Sends messages as (device, body, properties) in one process; gives what became of each."""

    def run(transport, *messages):
        order = json.dumps([hub.info["serviceConnectionString"], transport, messages])
        done = subprocess.run([sys.executable, "-c", PROGRAM, order], env=uamqp_environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run


def waiting(hub, device_id):
    return hub.rest("GET", f"/devices/{device_id}?api-version=2021-04-12")[1]["cloudToDeviceMessageCount"]


@pytest.mark.parametrize("way", ["Amqp", "AmqpOverWebsocket"])
def test_messages_are_sent_and_refused(hub, device, send, way):
    properties = {"messageId": "m-1", "correlationId": "c-1", "contentType": "text/plain", "contentEncoding": "utf-8", "level": "high"}
    outcomes = send(way, [device["deviceId"], "hello", properties], ["nobody-here", "lost", {}], [device["deviceId"], "again", {}])
    assert outcomes == ["sent", "refused: C2D message send failure", "sent"]
    assert waiting(hub, device["deviceId"]) == 2
