import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

import device_certificates  # noqa: E402
from hub_process import Hub  # noqa: E402

# Short, so that a token's end can be seen; the SDKs renew theirs long before it.
SAS_GRACE_SECONDS = 3


@pytest.fixture(scope="session")
def hub():
    with tempfile.TemporaryDirectory(prefix="kyanite-compat-") as folder:
        running = Hub(
            os.environ["COMPAT_BINARY"],
            Path(folder) / "data",
            mqtts="127.0.0.1:8883",
            https="127.0.0.1:443",
            environment={"KYANITE_AUTH_SAS_GRACE_SECONDS": str(SAS_GRACE_SECONDS)},
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
