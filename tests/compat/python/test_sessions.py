"""Sessions with the official Python device SDK, which never subscribes again after a reconnect."""

import pytest

from test_azure_iot_device import make_client, wait_until
from test_twins import Listener, change_desired


@pytest.fixture
def client(hub, device):
    made = make_client(hub, device, connection_retry_interval=1)
    yield made
    made.shutdown()


def expect_twins_work(hub, device, client, listener, version):
    """A read and a notification without a new SUBSCRIBE."""
    assert client.get_twin()["desired"]["$version"] == version - 1
    change_desired(hub, device, {"n": version})
    assert wait_until(lambda: {"n": version, "$version": version} in listener.patches), listener.patches


def test_subscriptions_survive_an_orderly_restart_of_the_hub(hub, device, client):
    listener = Listener(client)
    expect_twins_work(hub, device, client, listener, 2)
    assert hub.stop() == 0
    hub.start()
    assert wait_until(lambda: client.connected), "the SDK did not come back"
    expect_twins_work(hub, device, client, listener, 3)


def test_subscriptions_survive_a_disconnect(hub, device, client):
    listener = Listener(client)
    expect_twins_work(hub, device, client, listener, 2)
    client.disconnect()
    client.connect()
    expect_twins_work(hub, device, client, listener, 3)


def test_subscriptions_survive_the_renewal_of_the_token(hub, device):
    client = make_client(hub, device, sastoken_ttl=122)  # renewed 120 s before its end: after two seconds
    listener = Listener(client)
    connections = []
    client.on_connection_state_change = lambda: connections.append(client.connected)
    expect_twins_work(hub, device, client, listener, 2)
    assert wait_until(lambda: connections.count(True) >= 2 and client.connected), connections
    expect_twins_work(hub, device, client, listener, 3)
    client.shutdown()


def test_a_takeover_inherits_the_session(hub, device):
    first = make_client(hub, device, connection_retry=False)
    expect_twins_work(hub, device, first, Listener(first), 2)
    second = make_client(hub, device, connection_retry=False)
    second.connect()
    assert wait_until(lambda: not first.connected)
    assert second.get_twin()["desired"]["$version"] == 2
    first.shutdown()
    second.shutdown()
