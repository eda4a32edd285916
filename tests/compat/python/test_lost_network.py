"""The official Python device SDK on a network that fails: all that it subscribed to is back without a SUBSCRIBE."""

import pytest

from device_sdk import Application, invoke, make_client, send_to_device
from relay import RELAY


@pytest.fixture
def application(hub, device, transport, relay):
    client = make_client(hub, {**device, "hostName": RELAY}, keep_alive=2, connection_retry_interval=1)
    yield Application(hub, device, client)
    client.shutdown()


def test_everything_survives_a_cut_connection(relay, application):
    for mark in ("first", "second"):
        application.expect_working(mark)
        before = application.connects
        relay.cut()
        application.expect_reconnect(before)
    application.expect_working("third")


def test_everything_survives_a_silent_network(hub, device, relay, application):
    application.expect_working("before")
    before = application.connects
    relay.silence()
    send_to_device(hub, device, "sent into the silence")
    application.expect_reconnect(before)
    application.expect_message("sent into the silence")
    application.expect_working("after")


def test_a_method_called_into_the_silence_fails_and_the_next_is_answered(hub, device, relay, application):
    application.expect_working("before")
    before = application.connects
    relay.silence()
    status, answer = invoke(hub, device, "lost", connect_timeout=0)
    assert status in (404, 504), answer
    application.expect_reconnect(before)
    application.expect_working("after")
    assert "lost" not in [name for name, _ in application.calls]
