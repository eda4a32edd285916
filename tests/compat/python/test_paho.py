"""Paho as the guide uses it: user name, token, topic and body are those of its sample."""

import ssl
import threading
import time

import paho.mqtt.client as mqtt
import pytest

import device_certificates
from conftest import SAS_GRACE_SECONDS
from device_sdk import LIFETIMES
from hub_process import make_sas

WAIT = 60


class Paho:
    """One connection; what happened to it is kept for the test to look at."""

    def __init__(
        self,
        hub,
        client_id,
        username,
        password=None,
        certificate=None,
        will=None,
        clean_session=False,
        transport="tcp",
    ):
        self.client = mqtt.Client(
            client_id=client_id, clean_session=clean_session, protocol=mqtt.MQTTv311, transport=transport
        )
        port = hub.mqtts_port
        if transport == "websockets":
            self.client.ws_set_options(path="/$iothub/websocket")
            port = hub.info["ports"]["https"]
        self.client.username_pw_set(username, password)
        self.client.tls_set(
            ca_certs=hub.ca_file,
            certfile=str(certificate.certificate) if certificate else None,
            keyfile=str(certificate.key) if certificate else None,
            tls_version=ssl.PROTOCOL_TLS_CLIENT,
        )
        if will:
            self.client.will_set(*will)
        self.connack = None
        self.answered, self.closed = threading.Event(), threading.Event()
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *_: self.closed.set()
        self.client.connect("127.0.0.1", port, keepalive=60)
        self.client.loop_start()
        assert self.answered.wait(WAIT) or self.closed.is_set()

    def _on_connect(self, _client, _userdata, _flags, code):
        self.connack = code
        self.answered.set()

    def publish(self, topic, body, qos=1, retain=False):
        """True when it was acknowledged."""
        info = self.client.publish(topic, body, qos=qos, retain=retain)
        info.wait_for_publish(WAIT)
        return info.is_published()

    def disconnect(self):
        self.client.disconnect()
        self.client.loop_stop()

    def drop(self):
        """Closes the socket without DISCONNECT."""
        self.client.loop_stop()
        self.client._sock_close()


def token(hub, device, **options):
    return make_sas(
        f"{hub.host_name}/devices/{device['deviceId']}",
        device["authentication"]["symmetricKey"]["primaryKey"],
        **options,
    )


def user_names(hub, device_id):
    return {
        "the guide's": f"{hub.host_name}/{device_id}/api-version=2016-11-14",
        "without version": f"{hub.host_name}/{device_id}",
        "of today": f"{hub.host_name}/{device_id}/?api-version=2021-04-12",
    }


@pytest.mark.parametrize("form", ["the guide's", "without version", "of today"])
def test_the_guides_publish_call(hub, form):
    device_id = "paho-guide-" + form.replace(" ", "-").replace("'", "")
    device = hub.create_device(device_id)
    paho = Paho(hub, device_id, user_names(hub, device_id)[form], token(hub, device))
    assert paho.connack == 0
    assert paho.publish(f"devices/{device_id}/messages/events/", "{id=123}")
    paho.disconnect()
    event = hub.expect_events(device_id, 1)[0]
    assert event["body"] == "{id=123}"
    assert event["properties"] == {}


def test_the_guides_publish_call_over_websocket(hub, device, device_id):
    user_name = user_names(hub, device_id)["of today"]
    paho = Paho(hub, device_id, user_name, token(hub, device), transport="websockets")
    assert paho.connack == 0
    for i in range(50):
        assert paho.publish(f"devices/{device_id}/messages/events/", str(i))
    paho.disconnect()
    assert [event["body"] for event in hub.expect_events(device_id, 50)] == [str(i) for i in range(50)]


def test_properties_in_the_topic(hub, device, device_id):
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device))
    assert paho.publish(
        f"devices/{device_id}/messages/events/a=1&b=x%20y&$.mid=m1&$.ct=application%2Fjson", "{}"
    )
    paho.disconnect()
    event = hub.expect_events(device_id, 1)[0]
    assert event["properties"] == {"a": "1", "b": "x y"}
    assert event["systemProperties"]["message-id"] == "m1"
    assert event["systemProperties"]["content-type"] == "application/json"


def test_qos_0_arrives(hub, device, device_id):
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device))
    paho.publish(f"devices/{device_id}/messages/events/", "zero", qos=0)
    assert hub.expect_events(device_id, 1)[0]["body"] == "zero"
    paho.disconnect()


def test_qos_2_closes_the_connection(hub, device, device_id):
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device))
    paho.client.publish(f"devices/{device_id}/messages/events/", "two", qos=2)
    assert paho.closed.wait(WAIT)
    paho.client.loop_stop()


def test_retain_becomes_two_properties(hub, device, device_id):
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device))
    assert paho.publish(f"devices/{device_id}/messages/events/", "kept?", retain=True)
    paho.disconnect()
    assert hub.expect_events(device_id, 1)[0]["properties"] == {"x-opt-retain": "true", "mqtt-retain": "true"}


def test_a_will_arrives_when_the_link_drops(hub, device, device_id):
    will = (f"devices/{device_id}/messages/events/reason=lost", "bye", 1, False)
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device), will=will)
    paho.drop()
    event = hub.expect_events(device_id, 1)[0]
    assert event["body"] == "bye"
    assert event["properties"] == {"reason": "lost", "iothub-MessageType": "Will"}


def test_a_will_is_discarded_by_disconnect(hub, device, device_id):
    will = (f"devices/{device_id}/messages/events/", "bye", 1, False)
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device), will=will)
    assert paho.publish(f"devices/{device_id}/messages/events/", "alive")
    paho.disconnect()
    assert [event["body"] for event in hub.events(device_id, timeout=2)] == ["alive"]


def test_another_devices_topic_closes_the_connection(hub, device, device_id):
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device))
    paho.client.publish("devices/somebody-else/messages/events/", "x", qos=1)
    assert paho.closed.wait(WAIT)
    paho.client.loop_stop()


def test_a_token_that_ended_is_refused_with_code_5(hub, device, device_id):
    expired = token(hub, device, expiry=time.time() - SAS_GRACE_SECONDS - 400)
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", expired)
    assert paho.connack == 5
    paho.client.loop_stop()


def test_the_end_of_the_token_closes_the_connection(hub, device, device_id):
    for lifetime in LIFETIMES:
        expiry = int(time.time()) + lifetime
        paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device, expiry=expiry))
        connack = paho.connack
        if connack == 0 or time.time() < expiry:
            break
        paho.client.loop_stop()
    assert connack == 0
    assert paho.closed.wait(lifetime + WAIT)
    paho.client.loop_stop()


def test_a_disabled_device_is_refused_with_code_3(hub, device_id):
    device = hub.create_device(device_id, status="disabled")
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device))
    assert paho.connack == 3
    paho.client.loop_stop()


def test_a_policy_token_opens_for_a_registered_device(hub, device, device_id):
    login = dict(part.split("=", 1) for part in hub.info["serviceConnectionString"].split(";"))
    policy = make_sas(
        f"{hub.host_name}/devices/{device_id}", login["SharedAccessKey"], login["SharedAccessKeyName"]
    )
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}", policy)
    assert paho.connack == 0
    assert paho.publish(f"devices/{device_id}/messages/events/", "by policy")
    paho.disconnect()
    assert hub.expect_events(device_id, 1)[0]["body"] == "by policy"


def test_a_certificate_without_password(hub, device_id, certificates):
    made = device_certificates.self_signed(certificates, device_id)
    hub.create_device(device_id, thumbprint=made.thumbprint())
    paho = Paho(hub, device_id, f"{hub.host_name}/{device_id}/?api-version=2021-04-12", certificate=made)
    assert paho.connack == 0
    assert paho.publish(f"devices/{device_id}/messages/events/", "sent under a certificate")
    paho.disconnect()
    assert hub.expect_events(device_id, 1)[0]["body"] == "sent under a certificate"


def test_takeover_closes_the_older_connection_and_sends_its_will(hub, device, device_id):
    will = (f"devices/{device_id}/messages/events/", "taken over", 1, False)
    first = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device), will=will)
    first.client.reconnect_delay_set(60, 60)
    second = Paho(hub, device_id, f"{hub.host_name}/{device_id}", token(hub, device))
    assert second.connack == 0
    assert first.closed.wait(WAIT)
    first.client.loop_stop()
    second.disconnect()
    assert hub.expect_events(device_id, 1)[0]["body"] == "taken over"
