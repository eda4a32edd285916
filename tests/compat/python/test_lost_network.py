"""The official Python device SDK on a network that fails: all that it subscribed to is back without a SUBSCRIBE."""

import pytest

from device_sdk import Application, invoke, make_client, send_to_device
from relay import RELAY


@pytest.fixture
def application(hub, device, transport, relay):
    client = make_client(hub, {**device, "hostName": RELAY}, connection_retry_interval=1)
    yield Application(hub, device, client)
    client.shutdown()


@pytest.fixture
def pinging(hub, device, transport, relay):
    """One that notices silence soon; where the machine is slow, so may a connection end on which nothing is wrong."""
    client = make_client(hub, {**device, "hostName": RELAY}, keep_alive=5, connection_retry_interval=1)
    yield Application(hub, device, client)
    client.shutdown()


def test_everything_survives_a_cut_connection(relay, application):
    for mark in ("first", "second"):
        application.expect_working(mark)
        before = application.connects
        relay.cut()
        application.expect_reconnect(before)
    application.expect_working("third")


def test_everything_survives_a_silent_network(hub, device, relay, pinging):
    pinging.expect_working_at_last("before")
    before = pinging.connects
    relay.silence()
    send_to_device(hub, device, "sent into the silence")
    pinging.expect_reconnect(before)
    pinging.expect_message("sent into the silence")
    pinging.expect_working_at_last("after")


def test_a_method_called_into_the_silence_fails_and_the_next_is_answered(hub, device, relay, pinging):
    pinging.expect_working_at_last("before")
    before = pinging.connects
    relay.silence()
    status, answer = invoke(hub, device, "lost", connect_timeout=0, responseTimeoutInSeconds=20)
    assert status in (404, 504), answer
    pinging.expect_reconnect(before)
    pinging.expect_working_at_last("after")
    assert "lost" not in [name for name, _ in pinging.calls]
