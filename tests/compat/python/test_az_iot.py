"""What `az iot` does over AMQP, with the libraries it does it with (A32, A54): `hub monitor-events` finds the event hub by the redirect
and reads every partition, `hub monitor-feedback` and `device c2d-message send` use SASL PLAIN. The extension itself is in no package
registry; its releases up to 0.25 find the event hub with uamqp and PLAIN, later ones with the AMQP library of azure-eventhub and $cbs.

Each runs in a process of its own, whose certifi names the hub's CA (`uamqp_environment`)."""

import json
import subprocess
import sys
import time

import pytest
from hub_process import make_sas, parse_connection_string

COMMON = '''
import json
import sys
import time
import urllib.parse

import uamqp

order = json.loads(sys.argv[1])
host, policy, key, token = order["host"], order["policy"], order["key"], order["token"]
quoted = urllib.parse.quote
plain = f"amqps://{quoted(policy + '@sas.root.' + host.split('.')[0])}:{quoted(token)}@{host}"


def say(**what):
    print(json.dumps(what), flush=True)


def text(value):
    return value.decode() if isinstance(value, bytes) else value
'''

REDIRECT_BY_UAMQP = '''
import asyncio

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


async def redirect():
    client = uamqp.ReceiveClientAsync(uamqp.address.Source(plain + "/messages/events/$management"), timeout=30000, prefetch=1)
    try:
        await client.open_async()
        await client.receive_message_batch_async(max_batch_size=1)
    except uamqp.errors.LinkRedirect as found:
        return text(found.hostname), text(found.address)
    finally:
        await client.close_async()


def events_token(events_host, path):
    return uamqp.authentication.SASTokenAsync.from_shared_access_key(f"sb://{events_host}/{path}", policy, key, timeout=60)


async def partitions(address, events_host, path):
    client = uamqp.ReceiveClientAsync(uamqp.address.Source(address), auth=events_token(events_host, path), timeout=30000)
    try:
        await client.open_async()
        answer = await client.mgmt_request_async(
            uamqp.Message(application_properties={"name": path}), b"READ", op_type=b"com.microsoft:eventhub",
            status_code_field=b"status-code", description_fields=b"status-description", timeout=30000)
        return int(answer.get_data()[b"partition_count"])
    finally:
        await client.close_async()


async def read(events_host, path, partition):
    source = uamqp.address.Source(f"amqps://{events_host}/{path}/ConsumerGroups/$Default/Partitions/{partition}")
    source.set_filter(f"amqp.annotation.x-opt-enqueuedtimeutc > {order['since']}".encode())
    client = uamqp.ReceiveClientAsync(source, auth=events_token(events_host, path), timeout=20000, prefetch=0)
    try:
        async for message in client.receive_messages_iter_async():
            say(device=text(message.annotations[b"iothub-connection-device-id"]), body=text(next(message.get_data())))
    finally:
        await client.close_async()


async def monitor():
    events_host, address = await redirect()
    path = address.replace("amqps://", "").split("/")[1]
    count = await partitions(address, events_host, path)
    say(path=path, partitions=count)
    await asyncio.gather(*[read(events_host, path, partition) for partition in range(count)])


loop.run_until_complete(monitor())
'''

REDIRECT_BY_CBS = '''
from collections import namedtuple
from datetime import datetime, timezone
import threading

from azure.eventhub import EventHubConsumerClient
from azure.eventhub._pyamqp import ReceiveClient
from azure.eventhub._pyamqp.authentication import _CBSAuth
from azure.eventhub._pyamqp.error import AMQPLinkRedirect

AccessToken = namedtuple("AccessToken", ["token", "expires_on"])
source = f"amqps://{host}/messages/events/$management"
auth = _CBSAuth(uri=source, audience=host, token_type=b"servicebus.windows.net:sastoken", expires_in=360,
                get_token=lambda: AccessToken(token, time.time() + 360))
client = ReceiveClient(hostname=host, source=source, auth=auth, network_trace=False, timeout=30000, prefetch=1)
try:
    client.open()
    client.receive_message_batch(max_batch_size=1, timeout=5000)
except AMQPLinkRedirect as found:
    info = {text(name): text(value) for name, value in found.info.items()}
finally:
    client.close()
path = info["address"].replace("amqps://", "").split("/", 1)[1].replace("/$management", "")
reader = EventHubConsumerClient.from_connection_string(
    f"Endpoint=sb://{info['hostname']}/;SharedAccessKeyName={policy};SharedAccessKey={key};EntityPath={path}", consumer_group="$Default")
say(path=path, partitions=len(reader.get_partition_ids()))


own = 0


def close_after(seconds):
    timer = threading.Timer(seconds, reader.close)
    timer.daemon = True
    timer.start()


def on_event(context, event):
    global own
    device = text(event.system_properties[b"iothub-connection-device-id"])
    say(device=device, body=event.body_as_str())
    own += device == order["device"]
    if own == 3:
        close_after(1)  # one too many would be seen


close_after(60)
reader.receive(on_event=on_event, starting_position=datetime.fromtimestamp(order["since"] / 1000, tz=timezone.utc))
'''

MESSAGES = '''
def send(device, body, message_id):
    properties = uamqp.message.MessageProperties(message_id=message_id, to=f"/devices/{device}/messages/devicebound", content_encoding="utf-8")
    message = uamqp.Message(body=body.encode(), properties=properties, application_properties={"iothub-ack": "full"})
    client = uamqp.SendClient(target=plain + "/messages/devicebound", client_name="az", debug=False)
    client.queue_message(message)
    return [state.name for state in client.send_all_messages()]


for device, body, message_id in order.get("messages", []):
    say(outcome=send(device, body, message_id))
if "feedback" in order:
    client = uamqp.ReceiveClient(source=plain + "/messages/servicebound/feedback", client_name="az", debug=False)
    for message in client.receive_messages_iter():
        lines = json.loads(next(message.get_data()))
        say(feedback=[[line["originalMessageId"], line["statusCode"]] for line in lines])
        message.accept()
        if any(line["originalMessageId"] == order["feedback"] for line in lines):
            break
    client.close()
'''


@pytest.fixture
def az(hub, uamqp_environment):
    """Runs a program as a back end with the service connection string; gives what it said, line by line."""
    parts = parse_connection_string(hub.info["serviceConnectionString"])
    host, policy, key = parts["HostName"], parts["SharedAccessKeyName"], parts["SharedAccessKey"]

    def run(program, **order):
        order = {"host": host, "policy": policy, "key": key, "token": make_sas(host, key, policy), **order}
        done = subprocess.run([sys.executable, "-c", COMMON + program, json.dumps(order)], env=uamqp_environment, capture_output=True,
                              text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return run


@pytest.mark.parametrize("way", [REDIRECT_BY_UAMQP, REDIRECT_BY_CBS], ids=["uamqp", "cbs"])
def test_monitor_events_finds_the_event_hub_and_reads_what_is_newer(hub, device, az, way):
    since = int(time.time() * 1000) - 1
    for number in range(3):
        status, _ = hub.rest("POST", f"/devices/{device['deviceId']}/messages/events?api-version=2021-04-12", {"number": number},
                             headers={"Authorization": make_sas(f"{hub.host_name}/devices/{device['deviceId']}",
                                                                device["authentication"]["symmetricKey"]["primaryKey"])})
        assert status == 204
    found, *events = az(way, since=since, device=device["deviceId"])
    entity = parse_connection_string(hub.info["eventsConnectionString"])["EntityPath"]
    assert found == {"path": entity, "partitions": 4}
    own = [json.loads(event["body"]) for event in events if event["device"] == device["deviceId"]]
    assert own == [{"number": 0}, {"number": 1}, {"number": 2}]


def test_messages_and_their_feedback_over_plain(hub, device, az):
    device_id = device["deviceId"]
    outcomes = az(MESSAGES, messages=[[device_id, "hello", f"{device_id}-1"], ["nobody-here", "lost", "x"]])
    assert outcomes == [{"outcome": ["SendComplete"]}, {"outcome": ["SendFailed"]}]
    status, _ = hub.rest("DELETE", f"/devices/{device_id}/commands?api-version=2021-04-12")
    assert status == 200
    said = az(MESSAGES, feedback=f"{device_id}-1")
    assert [f"{device_id}-1", "Purged"] in [line for batch in said for line in batch["feedback"]]
