import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

pytest.register_assert_rewrite("device_sdk")  # a failed assert there shows its values too

import device_certificates  # noqa: E402
import device_sdk  # noqa: E402
from hub_process import Hub  # noqa: E402
from relay import HUB, RELAY, Relay  # noqa: E402

# Short, so that a token's end can be seen; the SDKs renew theirs long before it.
SAS_GRACE_SECONDS = 3


@pytest.fixture(scope="session")
def hub():
    with tempfile.TemporaryDirectory(prefix="kyanite-compat-") as folder:
        running = Hub(
            os.environ["COMPAT_BINARY"],
            Path(folder) / "data",
            mqtts="127.0.0.1:8883",
            amqps="127.0.0.1:5671",
            https="127.0.0.1:443",
            environment={
                "KYANITE_AUTH_SAS_GRACE_SECONDS": str(SAS_GRACE_SECONDS),
                "KYANITE_HUB_HOST_NAMES": f"{HUB},{RELAY}",
            },
        )
        running.start()
        yield running
        status = running.stop()
        assert status == 0, f"the hub ended with {status}: {running.log_tail()}"


@pytest.fixture
def device_id(request):
    """A device id of the test's own."""
    return request.node.name.replace("[", "-").replace("]", "")[:128]


@pytest.fixture
def device(hub, device_id):
    """A registered SAS device: its REST document with hostName added."""
    return {**hub.create_device(device_id), "hostName": hub.host_name}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="session")
def plant_ca(hub, certificates):
    """A CA the hub knows; devices of type certificateAuthority may chain to it."""
    ca = device_certificates.authority(certificates, "plant-ca")
    hub.add_ca_certificate("plant", ca.certificate.read_text())
    return ca


@pytest.fixture(params=["mqtt", "websocket"])
def transport(request):
    """Runs the test over each transport of the SDK."""
    device_sdk.TRANSPORT["websockets"] = request.param == "websocket"
    return request.param


@pytest.fixture
def relay():
    """A network that can fail; only devices whose hostName is relay.RELAY go through it."""
    made = Relay([8883, 443])
    yield made
    made.close()


CERTIFI = '''
import os


def where():
    return os.environ["COMPAT_CA"]
'''


@pytest.fixture
def uamqp_environment(hub, tmp_path):
    """The environment of a process in which uamqp trusts the hub: it knows only the file that `certifi.where()` names."""
    package = tmp_path / "certifi"
    package.mkdir()
    (package / "__init__.py").write_text(CERTIFI)
    trusted = {name: hub.ca_file for name in ("COMPAT_CA", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}
    return {**os.environ, "PYTHONPATH": str(tmp_path), **trusted}
