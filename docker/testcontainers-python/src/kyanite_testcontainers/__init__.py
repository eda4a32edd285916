"""A Kyanite hub for tests of Azure IoT Hub devices and back ends, in a container or as a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import KyaniteError, KyaniteStartError, KyaniteTimeoutError
from .events import HubEvent
from .operations import HubClock, HubOperations, KyaniteClient, MethodResult
from .process import KyaniteProcess

if TYPE_CHECKING:
    from .container import KyaniteContainer

__all__ = [
    "HubClock",
    "HubEvent",
    "HubOperations",
    "KyaniteClient",
    "KyaniteContainer",
    "KyaniteError",
    "KyaniteProcess",
    "KyaniteStartError",
    "KyaniteTimeoutError",
    "MethodResult",
]


def __getattr__(name: str) -> Any:
    # Who uses a process alone needs no Docker client, whose import looks for an engine.
    if name == "KyaniteContainer":
        from .container import KyaniteContainer

        return KyaniteContainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
