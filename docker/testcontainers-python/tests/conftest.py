import os

import pytest

from kyanite_testcontainers import KyaniteContainer, KyaniteProcess

ENGINE = os.environ.get("KYANITE_TEST_ENGINE", "none")  # what runs containers here
needs_engine = pytest.mark.skipif(ENGINE == "none", reason="no container engine here")
SEED = [{"id": "seeded", "tags": {"site": "north"}}]


@pytest.fixture(scope="module", params=["process", pytest.param("container", marks=needs_engine)])
def hub(request):
    """A hub of each kind for the tests of a file."""
    made = KyaniteProcess() if request.param == "process" else KyaniteContainer()
    with made.with_seed(SEED).with_settings({"events.twinChanges": True}) as running:
        yield running
