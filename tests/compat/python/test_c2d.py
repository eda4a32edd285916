"""Cloud-to-device messages with the official Python device SDK: properties, acknowledgement, queueing, redelivery."""

import pytest

from device_sdk import Application, feedback, make_client, send_to_device, wait_until, waiting_messages
from relay import RELAY


@pytest.fixture
def application(hub, device, transport):
    client = make_client(hub, device)
    yield Application(hub, device, client)
    client.shutdown()


def test_messages_arrive_with_their_properties(hub, device, application):
    send_to_device(
        hub,
        device,
        {"a": 1},
        iothub_messageid="m-1",
        iothub_correlationid="c-1",
        iothub_userid="back end",
        iothub_contenttype="application/json",
        iothub_contentencoding="utf-8",
        iothub_app_colour="deep blue/green",
    )
    assert wait_until(lambda: application.messages)
    message = application.messages[0]
    assert (message.data, message.message_id, message.correlation_id) == (b'{"a": 1}', "m-1", "c-1")
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    assert message.user_id == "back end"
    assert message.custom_properties["colour"] == "deep blue/green"
    assert wait_until(lambda: waiting_messages(hub, device) == 0)


def test_messages_wait_for_an_offline_device(hub, device, application):
    application.client.disconnect()
    for number in range(50):
        send_to_device(hub, device, str(number))
    assert waiting_messages(hub, device) == 50
    application.client.connect()
    assert wait_until(lambda: len(application.messages) >= 50), len(application.messages)
    assert [message.data for message in application.messages] == [f'"{number}"'.encode() for number in range(50)]
    assert wait_until(lambda: waiting_messages(hub, device) == 0)


def test_a_message_whose_acknowledgement_is_lost_comes_again(hub, device, transport, relay):
    client = make_client(hub, {**device, "hostName": RELAY}, connection_retry_interval=1)
    application = Application(hub, device, client)
    application.expect_working("before")
    application.messages.clear()
    before = application.connects
    relay.silence_device()
    message_id = f"{device['deviceId']}-again"
    send_to_device(hub, device, "again", iothub_messageid=message_id, iothub_ack="full")
    assert wait_until(lambda: len(application.messages) == 1)
    assert waiting_messages(hub, device) == 1
    relay.cut()
    application.expect_reconnect(before)
    assert wait_until(lambda: len(application.messages) == 2), application.messages
    assert {message.message_id for message in application.messages} == {message_id}
    assert wait_until(lambda: waiting_messages(hub, device) == 0)
    assert feedback(hub, [message_id])[message_id] == ["Success"]
    client.shutdown()


def test_feedback_tells_of_success_to_those_who_asked(hub, device, application):
    names = {ack: f"{device['deviceId']}-{ack}" for ack in ("none", "negative", "positive", "full")}
    for ack, name in names.items():
        send_to_device(hub, device, ack, iothub_messageid=name, iothub_ack=ack)
        application.expect_message(ack)
    found = feedback(hub, [names["positive"], names["full"]])
    assert [found.get(name) for name in names.values()] == [None, None, ["Success"], ["Success"]]
