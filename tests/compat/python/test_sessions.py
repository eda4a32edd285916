"""Sessions with the official Python device SDK, which never subscribes again after a reconnect."""

import pytest

import device_certificates
from device_sdk import Application, make_certified_client, make_client, wait_until

pytestmark = pytest.mark.usefixtures("transport")


@pytest.fixture
def application(hub, device):
    client = make_client(hub, device, connection_retry_interval=1)
    yield Application(hub, device, client)
    client.shutdown()


def test_every_feature_works_together(application):
    application.expect_working("first")
    application.expect_working("second")


def test_everything_survives_an_orderly_restart_of_the_hub(hub, application):
    application.expect_working("before")
    before = application.connects
    assert hub.stop() == 0
    hub.start()
    application.expect_reconnect(before)
    application.expect_working("after")


def test_everything_survives_kill_9(hub, application):
    application.expect_working("before")
    before = application.connects
    hub.kill()
    hub.start()
    application.expect_reconnect(before)
    application.expect_working("after")


def test_everything_survives_a_disconnect(application):
    application.expect_working("before")
    application.client.disconnect()
    application.client.connect()
    application.expect_working("after")


def test_everything_survives_the_renewal_of_the_token(hub, device):
    client = make_client(hub, device, sastoken_ttl=135)  # renewed 120 s before its end: after 15 seconds
    application = Application(hub, device, client)
    before = application.connects
    application.expect_reconnect(before)
    application.expect_working_at_last("renewed")
    client.shutdown()


def test_a_module_has_everything_but_messages_after_a_restart(hub, device, device_id):
    module = {**hub.create_module(device_id, "camera"), "hostName": hub.host_name}
    client = make_client(hub, module, connection_retry_interval=1)
    application = Application(hub, module, client)
    application.expect_working("before")
    before = application.connects
    assert hub.stop() == 0
    hub.start()
    application.expect_reconnect(before)
    application.expect_working("after")
    client.shutdown()


def test_a_certified_device_has_everything(hub, device_id, certificates):
    made = device_certificates.self_signed(certificates, device_id)
    device = hub.create_device(device_id, thumbprint=made.thumbprint())
    client = make_certified_client(hub, device_id, made)
    application = Application(hub, device, client)
    application.expect_working("certified")
    client.disconnect()
    client.connect()
    application.expect_working("again")
    client.shutdown()


def test_a_takeover_inherits_the_session(hub, device):
    first = make_client(hub, device, connection_retry=False)
    Application(hub, device, first).expect_working("first")
    second = make_client(hub, device, connection_retry=False)
    application = Application(hub, device, second)
    assert wait_until(lambda: not first.connected)
    application.expect_working("second")
    assert not first.connected and second.connected
    first.shutdown()
    second.shutdown()
