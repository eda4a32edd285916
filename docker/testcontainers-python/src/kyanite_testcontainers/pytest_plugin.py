"""Fixtures for pytest: `kyanite_hub` is an empty hub for each test, one process or container for the whole session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, Iterator, Union

import pytest

if TYPE_CHECKING:
    from .container import KyaniteContainer
    from .process import KyaniteProcess

    Hub = Union[KyaniteContainer, KyaniteProcess]


@pytest.fixture(scope="session")
def kyanite_factory() -> Callable[[], Hub]:
    """Makes the hub of the session, not yet started. Override it to choose image, name, start file or settings."""

    def make() -> Hub:  # imported here: pytest loads this file for every project of the environment
        if os.environ.get("KYANITE_BINARY"):
            from .process import KyaniteProcess

            return KyaniteProcess()
        from .container import KyaniteContainer

        return KyaniteContainer()

    return make


@pytest.fixture(scope="session")
def kyanite_session_hub(kyanite_factory: Callable[[], Hub]) -> Iterator[Hub]:
    """The hub of the session, with whatever the tests before left in it."""
    with kyanite_factory() as hub:
        yield hub


@pytest.fixture
def kyanite_hub(kyanite_session_hub: Hub) -> Hub:
    """The hub of the session, reset: nothing but its start file, no faults, the real clock."""
    kyanite_session_hub.reset()
    return kyanite_session_hub
