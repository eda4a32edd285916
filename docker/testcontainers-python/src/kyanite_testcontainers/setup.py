"""What a container and a process are told alike, by the methods that both classes have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, TypeVar, Union

from .addresses import is_ip

Setting = Union[str, int, float, bool, Sequence[str]]
Self = TypeVar("Self", bound="HubSetup")

_CANNOT_CHANGE = {
    "KYANITE_DATA",
    "KYANITE_DATA_DIRECTORY",
    "KYANITE_LISTEN_MQTTS",
    "KYANITE_LISTEN_HTTPS",
    "KYANITE_LISTEN_AMQPS",
    "KYANITE_LISTEN_AMQP",
    "KYANITE_LISTEN_ADMIN",
    "KYANITE_HUB_HOST_NAMES",
    "KYANITE_HOSTNAME",
    "KYANITE_SEED_FILE",
    "KYANITE_TEST_CONTROL",
    "KYANITE_CONFIG",
}


def variable_name(key: str) -> str:
    """`storage.freeBytesFloor` as `KYANITE_STORAGE_FREE_BYTES_FLOOR`."""
    if re.fullmatch(r"KYANITE_[A-Z0-9_]+", key):
        return key
    if not re.fullmatch(r"[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*", key):
        raise ValueError(f'"{key}" is neither a setting such as storage.durability nor a variable such as KYANITE_STORAGE_DURABILITY')
    return "KYANITE_" + re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", key).replace(".", "_").upper()


def _text(value: Setting) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    return ",".join(value)


class HubSetup:
    """How the hub is to be, before it starts."""

    def _begin_setup(self) -> None:
        self._host_name: Optional[str] = None
        self._address: Optional[str] = None
        self._fixed_ports = True
        self._test_control = True
        self._seed: Optional[str] = None
        # A test's hub need not survive a power cut.
        self._variables: Dict[str, str] = {"KYANITE_STORAGE_DURABILITY": "os"}

    def with_host_name(self: Self, name: str) -> Self:
        """The name that clients dial: it leads to the hub's address, or is the container's alias in its network."""
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", name):
            raise ValueError(f'"{name}" is no host name')
        self._host_name = name
        return self

    def with_address(self: Self, address: str) -> Self:
        """The address of this machine where the ports are, such as 127.0.0.5. Without it the first free one of 127.0.0.1, 127.0.0.2, ..."""
        if not is_ip(address):
            raise ValueError(f'"{address}" is no IP address')
        self._address = address
        return self

    def without_fixed_ports(self: Self) -> Self:
        """Free ports instead of 8883, 443 and 5671: clients are in the container's network, or can be told a port."""
        self._fixed_ports = False
        return self

    def with_seed(self: Self, items: Iterable[Mapping[str, Any]]) -> Self:
        """Devices, modules and configurations that are there when the hub is ready, in the form of `kyanite export`."""
        return self._take_seed("".join(json.dumps(item) + "\n" for item in items))

    def with_seed_file(self: Self, path: Union[str, Path]) -> Self:
        """The same from a file."""
        return self._take_seed(Path(path).read_text(encoding="utf-8"))

    def with_settings(self: Self, settings: Optional[Mapping[str, Setting]] = None, **variables: Setting) -> Self:
        """Settings by the names of the hub's reference (`{"storage.durability": "fsync"}`) or as `KYANITE_...=` variables."""
        for key, value in {**(settings or {}), **variables}.items():
            name = variable_name(key)
            if name in _CANNOT_CHANGE:
                raise ValueError(f"{key} is not for with_settings(): this class sets it, see its other methods")
            self._variables[name] = _text(value)
        return self

    def with_limits(self: Self, tier: str, units: int = 1) -> Self:
        """Rate limits and quota of a tier of the service (F1, S1, S2, S3), to test retry code."""
        self._variables.update(KYANITE_LIMITS_TIER=tier, KYANITE_LIMITS_UNITS=str(units))
        return self

    def with_test_control(self: Self, on: bool = True) -> Self:
        """Faults, clock, waiting, reset and snapshots; on unless turned off here."""
        self._test_control = on
        return self

    def _environment(self, names: Sequence[str]) -> Dict[str, str]:
        """The hub's environment but for its listeners, data directory and start file. `names`: the hub's own first."""
        unique: List[str] = list(dict.fromkeys(names))
        return {**self._variables, "KYANITE_HUB_HOST_NAMES": ",".join(unique), "KYANITE_TEST_CONTROL": _text(self._test_control)}

    def _take_seed(self: Self, text: str) -> Self:
        if self._seed is not None:
            raise ValueError("there is a start file already: with_seed() and with_seed_file() exclude each other")
        self._seed = text
        return self
