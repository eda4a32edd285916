"""A hub in a container."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Optional, Set, Tuple

import docker.errors
from testcontainers.core.container import DockerContainer

from .addresses import AMQPS, HTTPS, MQTTS, PORTS, check_name, is_wildcard, loopback_addresses, taken_ports, taken_sentence
from .errors import KyaniteStartError
from .operations import HubOperations
from .setup import HubSetup
from .transport import Transport

PLAIN_AMQP = 5672
ADMIN = 8080
READY_SECONDS = 60.0
_SEED_FILE = "/kyanite-seed.jsonl"
_POLL_SECONDS = 0.05
_LOG_LINES = 20
_READY = re.compile(rb"^hub ready ", re.MULTILINE)
_IN_USE = re.compile(r"address already in use|port is already (allocated|in use)", re.IGNORECASE)
# An engine that has no image asks a registry, and then says that, or only how it could not reach one.
_NO_IMAGE = re.compile(r'no such image|pull|manifest|Get "https?://[^"]*/v2/', re.IGNORECASE)
_REMEDY = (
    "Stop that program, choose another address with with_address(), or use without_fixed_ports() for clients in the "
    "container's network or such that can be told a port"
)


def default_image() -> str:
    """The image that is used when none is named: KYANITE_IMAGE, else what the project's `docker/build.sh` makes."""
    return os.environ.get("KYANITE_IMAGE", "kyanite:latest")


class KyaniteContainer(HubSetup, HubOperations, DockerContainer):
    """Device SDKs dial 8883, 443 and 5671 and cannot be told other ports, so by default these are published as they are on a
    loopback address of the hub's own: the first of 127.0.0.1, 127.0.0.2, ... where they are free, which is the hub's name too.
    Where the clients run in containers themselves: a network, an alias, with_host_name(alias) and without_fixed_ports().
    """

    def __init__(self, image: Optional[str] = None, **kwargs: Any) -> None:
        self._begin_setup()
        self._startup_timeout = READY_SECONDS
        self._published: Optional[str] = None  # the address of this machine where the fixed ports are
        self._own_variables: Set[str] = set()
        self._made_name: Optional[str] = None
        self._name_of_hub = ""
        self._ca = ""
        self._folder: Optional["tempfile.TemporaryDirectory[str]"] = None
        self._transport: Optional[Transport] = None
        super().__init__(image or default_image(), **kwargs)

    def with_startup_timeout(self, seconds: float) -> "KyaniteContainer":
        self._startup_timeout = seconds
        return self

    def start(self) -> "KyaniteContainer":
        if not self._fixed_ports:
            return self._start_at(None)
        if self._address is not None:
            return self._start_at(self._address)
        taken = ""
        addresses = loopback_addresses()
        for address in addresses:
            ports = taken_ports(address)
            if ports:
                taken = taken_sentence(address, ports)
                continue
            try:
                return self._start_at(address)
            except KyaniteStartError as problem:
                if not _IN_USE.search(str(problem)):
                    raise
                taken = str(problem)  # another test took the address since we looked
        tried = f"no address of {addresses[0]} to {addresses[-1]} is free; the last one: " if len(addresses) > 1 else ""
        raise KyaniteStartError(f"{tried}{taken}. {_REMEDY}")

    def stop(self, *arguments: Any, **named: Any) -> None:
        super().stop(*arguments, **named)
        self._container = None
        self._transport = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def restart(self, kill: bool = False) -> None:
        """Ends the hub, by SIGKILL when `kill`, and starts it on the same data. Free ports may be others afterwards."""
        container = self.get_wrapped_container()
        starts = len(_READY.findall(container.logs()))
        if kill:
            container.kill()
            container.wait()
        else:
            container.stop(timeout=20)
        container.start()
        self._wait_until_ready(starts + 1)

    # The running hub.

    @property
    def host_name(self) -> str:
        """The hub's name, as it stands in connection strings."""
        return self._name_of_hub

    @property
    def ca_certificate(self) -> str:
        """PEM of the CA that clients must trust."""
        return self._ca

    @property
    def ca_file(self) -> str:
        """File with the same, for REQUESTS_CA_BUNDLE and connection_verify."""
        if self._folder is None:
            raise KyaniteStartError("the hub is not started")
        return os.path.join(self._folder.name, "ca.pem")

    @property
    def mqtts_port(self) -> int:
        return int(self.get_exposed_port(MQTTS))

    @property
    def https_port(self) -> int:
        return int(self.get_exposed_port(HTTPS))

    @property
    def amqps_port(self) -> int:
        return int(self.get_exposed_port(AMQPS))

    @property
    def amqp_port(self) -> int:
        """AMQP without TLS."""
        return int(self.get_exposed_port(PLAIN_AMQP))

    @property
    def admin_url(self) -> str:
        """Health and metrics over plain HTTP, such as http://127.0.0.1:40123."""
        return f"http://{self._published or self.get_container_host_ip()}:{self.get_exposed_port(ADMIN)}"

    def get_event_hubs_connection_string(self, emulator: bool = False) -> str:
        """What an Event Hubs client pastes; with `emulator` one without TLS at this machine's port, which needs no CA."""
        text = self._run("policy", "events-connection-string", "iothubowner")
        if not emulator:
            return text
        host, port = self._published or self.get_container_host_ip(), self.amqp_port
        return re.sub(r"^Endpoint=[^;]*", f"Endpoint=sb://{host}:{port}/", text) + ";UseDevelopmentEmulator=true"

    @property
    def _api(self) -> Transport:
        if self._transport is None:
            raise KyaniteStartError("the hub is not started")
        return self._transport

    def _start_at(self, address: Optional[str]) -> "KyaniteContainer":
        if address is not None and self._host_name is not None:
            check_name(self._host_name, address)
        aliases = list(getattr(self, "_network_aliases", None) or [])
        self._published = None if address is None or is_wildcard(address) else address
        host = self._published or self.get_docker_client().host()
        self._name_of_hub = self._host_name or (aliases[0] if address is None and aliases else host)
        variables = {
            **self._environment([self._name_of_hub, host, *aliases]),
            "KYANITE_LISTEN_AMQP": f"0.0.0.0:{PLAIN_AMQP}",
            "KYANITE_LISTEN_ADMIN": f"0.0.0.0:{ADMIN}",
        }
        # What the user set by with_env() stays; what an attempt before set does not.
        own = {name: value for name, value in variables.items() if name not in self.env or name in self._own_variables}
        self.env.update(own)
        self._own_variables = set(own)
        for port in PORTS:
            self.ports[f"{port}/tcp"] = None if address is None else (address, port)  # type: ignore[assignment]
        for port in (PLAIN_AMQP, ADMIN):
            self.ports[f"{port}/tcp"] = None if address is None else (address, None)  # type: ignore[assignment]
        # As Docker has it; podman has not. The program runs without root.
        if self._kwargs.get("network_mode") != "host":
            self._kwargs = {**self._kwargs, "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0", **self._kwargs.get("sysctls", {})}}
        if self._name is None:
            self._name = self._made_name = f"kyanite-{uuid.uuid4().hex[:12]}"  # by which what a failed start left is found
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="kyanite-test-")
        if self._seed is not None and "KYANITE_SEED_FILE" not in self.env:
            self._put_seed(self._seed)
        try:
            super().start()
            self._wait_until_ready()
            self._ca = self._run("ca") + "\n"
            Path(self.ca_file).write_text(self._ca, encoding="ascii")
            self._transport = Transport(self._run("policy", "connection-string", "iothubowner"), self._ca, self._endpoint)
        except BaseException as problem:
            logs = self._remove()
            if isinstance(problem, docker.errors.APIError):
                raise self._explained(problem, address, logs) from problem
            raise
        return self

    def _endpoint(self) -> Tuple[str, int]:
        return (self._published or self.get_container_host_ip(), self.https_port)

    def _put_seed(self, text: str) -> None:
        assert self._folder
        folder = Path(self._folder.name)
        seed = folder / "seed.jsonl"
        seed.write_text(text, encoding="utf-8")
        if hasattr(self, "with_copy_into_container"):
            self.with_copy_into_container(seed, _SEED_FILE, 0o644)
        else:  # testcontainers before 4.14: the hub reads this very file, as another user
            folder.chmod(0o755)
            seed.chmod(0o644)
            self.with_volume_mapping(str(seed), _SEED_FILE, "ro")
        self.env["KYANITE_SEED_FILE"] = _SEED_FILE

    def _wait_until_ready(self, starts: int = 1) -> None:
        """The log is the container's: after a restart it has the line of each start."""
        container = self.get_wrapped_container()
        deadline = time.monotonic() + self._startup_timeout
        while True:
            container.reload()
            ended = container.status in ("exited", "dead", "stopped")
            logs = container.logs()
            if len(_READY.findall(logs)) >= starts and not ended:
                return
            tail = "\n".join(logs.decode("utf-8", "replace").strip().splitlines()[-_LOG_LINES:])
            if ended:
                raise KyaniteStartError(f"the hub did not start:\n{tail}")
            if time.monotonic() > deadline:
                raise KyaniteStartError(f"the hub was not ready after {self._startup_timeout:g} s:\n{tail}")
            time.sleep(_POLL_SECONDS)

    def _run(self, *words: str) -> str:
        """The program in the container answers with one line, or a PEM; there is no shell to ask."""
        status, output = self.get_wrapped_container().exec_run(["kyanite", *words], demux=True)
        said, complaint = (bytes(part).decode("utf-8", "replace").strip() if part else "" for part in output)
        if status != 0:
            raise KyaniteStartError(f"kyanite {' '.join(words)} in the container ended with {status}: {complaint or said}")
        return said

    def _remove(self) -> str:
        """Takes away what a failed start left, and gives what it printed."""
        logs = b""
        with contextlib.suppress(docker.errors.APIError):
            container = self._container
            # A name that the user chose may be that of another container, which is why the start failed.
            if container is None and self._made_name is not None:
                container = self.get_docker_client().client.containers.get(self._made_name)
            if container is not None:
                logs = container.logs()
                container.remove(force=True, v=True)
        self._container = None
        return logs.decode("utf-8", "replace")

    def _explained(self, problem: docker.errors.APIError, address: Optional[str], logs: str) -> KyaniteStartError:
        text = str(problem)
        if _IN_USE.search(text):
            ports = ", ".join(map(str, PORTS))
            return KyaniteStartError(f"a port of {ports} on {address or 'this machine'} is taken: {text}. {_REMEDY}")
        if isinstance(problem, docker.errors.ImageNotFound) or _NO_IMAGE.search(text):
            return KyaniteStartError(
                f'there is no image "{self.image}": build it with docker/build.sh of the project, '
                f"or name yours in KyaniteContainer(IMAGE) or KYANITE_IMAGE ({text})"
            )
        return KyaniteStartError(f"the hub did not start: {text}\n{logs}")
