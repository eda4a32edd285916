"""Loopback addresses and the ports that device and service SDKs dial and cannot be told otherwise."""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import List, Sequence

MQTTS, HTTPS, AMQPS = 8883, 443, 5671
PORTS = (MQTTS, HTTPS, AMQPS)

_CANDIDATES = 32
_PROBE_SECONDS = 3


def loopback_addresses(platform: str = sys.platform) -> List[str]:
    """Linux and Windows have all of 127.0.0.0/8; macOS has 127.0.0.1 alone until others are added by hand."""
    return [f"127.0.0.{number}" for number in range(1, 2 if platform == "darwin" else _CANDIDATES + 1)]


def is_taken(host: str, port: int) -> bool:
    """Whether something accepts connections there. Asks by connecting: binding 443 would take a permission."""
    try:
        socket.create_connection((host, port), _PROBE_SECONDS).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True  # neither refused nor accepted: not ours to use
    return True


def taken_ports(host: str) -> List[int]:
    return [port for port in PORTS if is_taken(host, port)]


def taken_sentence(address: str, ports: Sequence[int]) -> str:
    """Why an address cannot be used."""
    many = len(ports) > 1
    return f"{'ports' if many else 'port'} {', '.join(map(str, ports))} on {address} {'are' if many else 'is'} taken by another program"


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_wildcard(address: str) -> bool:
    return address in ("0.0.0.0", "::")


def check_name(name: str, address: str) -> None:
    """A name that clients are told must lead them to the address that the hub has."""
    if is_ip(name):
        if name != address and not is_wildcard(address):
            raise ValueError(f"the host name {name} is another address than {address}, where the hub listens")
        return
    try:
        found = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None)})
    except OSError:
        raise ValueError(
            f'the host name {name} does not resolve here: add "{address} {name}" to the hosts file, leave with_host_name() out, '
            "or use without_fixed_ports() when only containers of its network use the name"
        ) from None
    if not is_wildcard(address) and address not in found:
        raise ValueError(
            f"the host name {name} leads to {', '.join(found)}, the hub listens at {address}: "
            f'use with_address("{found[0]}") or mend the hosts file'
        )
