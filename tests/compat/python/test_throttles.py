"""The official Python device SDK against the service's rate limits: what is over the rate is late, and the SDK comes back
when a used-up quota is forgiven."""

import datetime
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.iot.device import exceptions
from hub_process import API, Hub

from device_sdk import WAIT, make_client

RATE = 100  # messages a second of F1; as many may come at once
QUOTA = 8000  # messages of half a kilobyte a day
LARGE = "x" * (64 * 1024 - 100)


@pytest.fixture(scope="module")
def limited(hub, tmp_path_factory):
    """Another hub on the same ports, with the limits of a small tier."""
    assert hub.stop() == 0
    other = Hub(
        os.environ["COMPAT_BINARY"],
        tmp_path_factory.mktemp("limited") / "data",
        mqtts="127.0.0.1:8883",
        https="127.0.0.1:443",
        environment={"KYANITE_LIMITS_TIER": "F1", "KYANITE_TEST_CONTROL": "true"},
    )
    other.start()
    yield other
    status = other.stop()
    hub.start()
    assert status == 0, other.log_tail()


def make_device(hub, device_id):
    return {**hub.create_device(device_id), "hostName": hub.host_name}


def set_clock(hub, **body):
    status, answer = hub.rest("PUT", "/kyanite/v1/clock", body)
    assert status == 200, answer


def test_telemetry_over_the_rate_is_delivered_late_and_complete(limited, transport, device_id):
    client = make_client(limited, make_device(limited, device_id))
    client.connect()
    count = 3 * RATE
    began = time.monotonic()
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(client.send_message, (f"m{i}" for i in range(count))))
    assert time.monotonic() - began > 1.5, "not shaped"
    client.shutdown()
    bodies = [event["body"] for event in limited.expect_events(device_id, count)]
    assert sorted(bodies) == sorted(f"m{i}" for i in range(count))


def test_a_used_up_quota_refuses_and_the_sdk_comes_back_the_next_day(limited, device_id):
    # A little before midnight of yesterday, so that the SDK's tokens are good on both days.
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    set_clock(limited, now=yesterday.strftime("%Y-%m-%dT23:50:00Z"))
    device = make_device(limited, device_id)
    spender = make_client(limited, device, connection_retry=False)
    spender.connect()
    with pytest.raises(Exception):  # the hub ends the connection of what comes next
        for _ in range(QUOTA // 128 + 2):
            spender.send_message(LARGE)
            assert spender.connected
    spender.shutdown()
    status, answer = limited.rest("GET", f"/twins/{device_id}?{API}")
    assert status == 403, answer
    refused = make_client(limited, device, connection_retry=False)
    with pytest.raises(exceptions.ConnectionFailedError):
        refused.connect()
    refused.shutdown()

    client = make_client(limited, device, connection_retry_interval=1)
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(client.connect)
        time.sleep(2)  # some refusals
        set_clock(limited, advanceSeconds=1200)
        try:
            connecting.result(2 * WAIT)
        except exceptions.ConnectionFailedError:
            client.connect()  # the SDK gives its first attempt back to the application
    client.send_message("a new day")
    client.shutdown()
    assert [event["body"] for event in limited.events(device_id, timeout=2)][-1] == "a new day"
