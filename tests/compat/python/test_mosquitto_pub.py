"""mosquitto_pub, the program people reach for first."""

import shutil
import subprocess

import pytest

import device_certificates
from hub_process import make_sas

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="mosquitto_pub is not installed"
)


def publish(hub, device_id, body, password=None, certificate=None, topic=None, qos=1):
    command = [
        "mosquitto_pub",
        "-h",
        "127.0.0.1",
        "-p",
        str(hub.mqtts_port),
        "--cafile",
        hub.ca_file,
        "-V",
        "mqttv311",
        "-i",
        device_id,
        "-u",
        f"{hub.host_name}/{device_id}/?api-version=2021-04-12",
        "-t",
        topic or f"devices/{device_id}/messages/events/",
        "-m",
        body,
        "-q",
        str(qos),
    ]
    if password:
        command += ["-P", password]
    if certificate:
        command += ["--cert", str(certificate.certificate), "--key", str(certificate.key)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def token(hub, device):
    return make_sas(
        f"{hub.host_name}/devices/{device['deviceId']}",
        device["authentication"]["symmetricKey"]["primaryKey"],
    )


@pytest.mark.parametrize("qos", [0, 1])
def test_with_a_token(hub, device, device_id, qos):
    sent = publish(hub, device_id, "hello", password=token(hub, device), qos=qos)
    assert sent.returncode == 0, sent.stderr
    assert hub.expect_events(device_id, 1)[0]["body"] == "hello"


def test_with_properties(hub, device, device_id):
    sent = publish(
        hub,
        device_id,
        '{"t":1}',
        password=token(hub, device),
        topic=f"devices/{device_id}/messages/events/room=a%2Fb&$.ce=utf-8",
    )
    assert sent.returncode == 0, sent.stderr
    event = hub.expect_events(device_id, 1)[0]
    assert event["properties"] == {"room": "a/b"}
    assert event["systemProperties"]["content-encoding"] == "utf-8"


def test_with_a_self_signed_certificate(hub, device_id, certificates):
    made = device_certificates.self_signed(certificates, device_id)
    hub.create_device(device_id, thumbprint=made.thumbprint())
    sent = publish(hub, device_id, "sent under a certificate", certificate=made)
    assert sent.returncode == 0, sent.stderr
    assert hub.expect_events(device_id, 1)[0]["body"] == "sent under a certificate"


def test_with_a_certificate_of_a_known_authority(hub, device_id, certificates, plant_ca):
    made = device_certificates.signed_by(plant_ca, certificates, device_id)
    hub.create_device(device_id, ca_signed=True)
    sent = publish(hub, device_id, "signed", certificate=made)
    assert sent.returncode == 0, sent.stderr
    assert hub.expect_events(device_id, 1)[0]["body"] == "signed"


def test_a_certificate_of_an_unknown_authority_is_refused(hub, device_id, certificates):
    stranger = device_certificates.authority(certificates, "stranger-ca")
    made = device_certificates.signed_by(stranger, certificates, device_id)
    hub.create_device(device_id, ca_signed=True)
    sent = publish(hub, device_id, "no", certificate=made)
    assert sent.returncode == 5
    assert "not authorised" in sent.stderr


def test_a_wrong_key_is_not_authorised(hub, device, device_id):
    wrong = make_sas(f"{hub.host_name}/devices/{device_id}", "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3I=")
    sent = publish(hub, device_id, "no", password=wrong)
    assert sent.returncode == 5
    assert "not authorised" in sent.stderr
