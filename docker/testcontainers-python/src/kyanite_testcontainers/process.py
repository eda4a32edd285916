"""A hub as a process of this machine: the same tests without a container engine."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Optional, Type, Union

from .addresses import AMQPS, HTTPS, MQTTS, check_name, is_wildcard, loopback_addresses, taken_ports, taken_sentence
from .errors import KyaniteStartError
from .operations import HubOperations
from .setup import HubSetup
from .transport import Transport

READY_SECONDS = 30.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.01
_LOG_LINES = 20


class KyaniteProcess(HubSetup, HubOperations):
    """Starts the program given, else that of the variable KYANITE_BINARY, else `kyanite` of PATH.

    with KyaniteProcess() as hub: ... starts and stops it; whatever still runs when Python ends is killed.
    """

    def __init__(self, binary: Union[None, str, "os.PathLike[str]"] = None) -> None:
        self._begin_setup()
        self._binary = os.fspath(binary) if binary is not None else os.environ.get("KYANITE_BINARY", "kyanite")
        self._given_data: Optional[Path] = None
        self._startup_timeout = READY_SECONDS
        self._folder: Optional[Path] = None
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._process_environment: Dict[str, str] = {}
        self._hub: Dict[str, Any] = {}
        self._transport: Optional[Transport] = None

    def with_data_directory(self, path: Union[str, "os.PathLike[str]"]) -> "KyaniteProcess":
        """A data directory of the caller's own, which outlives the hub; without it one that is removed at the end."""
        self._given_data = Path(path).absolute()
        return self

    def with_startup_timeout(self, seconds: float) -> "KyaniteProcess":
        self._startup_timeout = seconds
        return self

    def start(self) -> "KyaniteProcess":
        if self._folder is not None:
            raise KyaniteStartError("this hub runs already")
        automatic = self._address is None
        if self._address is not None:
            addresses = [self._address]
        else:
            addresses = loopback_addresses() if self._fixed_ports else ["127.0.0.1"]
        taken = ""
        for address in addresses:
            ports = taken_ports(address) if self._fixed_ports and not is_wildcard(address) else []
            if ports:
                taken = taken_sentence(address, ports)
                continue
            if self._host_name is not None:
                check_name(self._host_name, address)
            try:
                self._start_at(address)
                return self
            except KyaniteStartError as problem:
                if not automatic or "address already in use" not in str(problem).lower():
                    raise
                taken = str(problem)  # another test took the address since we looked
        tried = f"no address of {addresses[0]} to {addresses[-1]} is free; the last one: " if len(addresses) > 1 else ""
        raise KyaniteStartError(
            f"{tried}{taken}. Stop that program, choose another address with with_address(), "
            "or use without_fixed_ports() for clients that can be told a port"
        )

    def stop(self) -> None:
        """Ends the hub in order and removes what was its own. Raises when it had to be killed or ended with an error."""
        if self._folder is None:
            return
        status = self._end(kill=False)
        log = self._tail()
        self._forget()
        if status != 0:
            raise RuntimeError(f"the hub ended with {status}:\n{log}")

    def restart(self, kill: bool = False) -> None:
        """Ends the hub, by SIGKILL when `kill`, and starts it on the same data. Free ports may be others afterwards."""
        self._end(kill)
        self._launch()

    def __enter__(self) -> "KyaniteProcess":
        return self.start()

    def __exit__(self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.stop()

    # The running hub.

    @property
    def host_name(self) -> str:
        """The hub's name, as it stands in connection strings."""
        return str(self._info["hostName"])

    @property
    def ca_certificate(self) -> str:
        """PEM of the CA that clients must trust."""
        return Path(self.ca_file).read_text(encoding="ascii")

    @property
    def ca_file(self) -> str:
        """File with the same, for REQUESTS_CA_BUNDLE and connection_verify."""
        return str(self._info["caFile"])

    @property
    def mqtts_port(self) -> int:
        return int(self._info["ports"]["mqtts"])

    @property
    def https_port(self) -> int:
        return int(self._info["ports"]["https"])

    @property
    def amqps_port(self) -> int:
        return int(self._info["ports"]["amqps"])

    @property
    def amqp_port(self) -> int:
        """AMQP without TLS, on the loopback."""
        return int(self._info["ports"]["amqp"])

    @property
    def admin_url(self) -> str:
        """Health and metrics over plain HTTP, such as http://127.0.0.1:40123."""
        return f"http://127.0.0.1:{self._info['ports']['admin']}"

    @property
    def data_directory(self) -> Path:
        if self._folder is None:
            raise KyaniteStartError("the hub is not started")
        return self._given_data or self._folder / "data"

    def get_event_hubs_connection_string(self, emulator: bool = False) -> str:
        """What an Event Hubs client pastes; with `emulator` the one without TLS, which needs no CA."""
        return str(self._info["eventsEmulatorConnectionString" if emulator else "eventsConnectionString"])

    def get_logs(self) -> str:
        """What the hub printed since it was started last."""
        return "" if self._folder is None else (self._folder / "hub.log").read_text(encoding="utf-8", errors="replace")

    @property
    def _info(self) -> Dict[str, Any]:
        if not self._hub:
            raise KyaniteStartError("the hub is not started")
        return self._hub

    @property
    def _api(self) -> Transport:
        if self._transport is None:
            raise KyaniteStartError("the hub is not started")
        return self._transport

    def _start_at(self, address: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="kyanite-test-"))

        def at(port: int) -> str:
            return f"{f'[{address}]' if ':' in address else address}:{port if self._fixed_ports else 0}"

        own = [] if is_wildcard(address) else [address]
        names = [self._host_name or (own[0] if own else "localhost"), *own]
        self._process_environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("KYANITE_")},
            **self._environment(names),
            "KYANITE_DATA": str(self.data_directory),
            "KYANITE_LISTEN_MQTTS": at(MQTTS),
            "KYANITE_LISTEN_HTTPS": at(HTTPS),
            "KYANITE_LISTEN_AMQPS": at(AMQPS),
            "KYANITE_LISTEN_AMQP": "127.0.0.1:0",
            "KYANITE_LISTEN_ADMIN": "127.0.0.1:0",
        }
        if self._seed is not None:
            seed = self._folder / "seed.jsonl"
            seed.touch(mode=0o600)  # it may hold keys
            seed.write_text(self._seed, encoding="utf-8")
            self._process_environment["KYANITE_SEED_FILE"] = str(seed)
        try:
            self._launch()
        except BaseException:
            self._forget()
            raise

    def _launch(self) -> None:
        assert self._folder
        hub_file = self.data_directory / "hub.json"
        with contextlib.suppress(FileNotFoundError):
            hub_file.unlink()  # of a hub that was killed
        atexit.register(self._kill)
        with open(self._folder / "hub.log", "wb") as log:
            try:
                self._process = subprocess.Popen(
                    [self._binary, "serve", "--quiet"], env=self._process_environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            except FileNotFoundError:
                raise KyaniteStartError(
                    f'there is no program "{self._binary}": name it in KyaniteProcess(PATH) or KYANITE_BINARY'
                ) from None
            except OSError as problem:
                raise KyaniteStartError(f"{self._binary} could not be run: {problem}") from None
        deadline = time.monotonic() + self._startup_timeout
        while self._process.poll() is None:
            with contextlib.suppress(FileNotFoundError, ValueError):  # not there yet, or replaced in this moment
                hub = json.loads(hub_file.read_text(encoding="utf-8"))
                if hub["pid"] == self._process.pid:
                    self._hub = hub
                    host = "127.0.0.1" if is_wildcard(self._address or "") else hub["httpsConnect"].rpartition(":")[0].strip("[]")
                    self._transport = Transport(hub["serviceConnectionString"], self.ca_certificate, lambda: (host, self.https_port))
                    return
            if time.monotonic() > deadline:
                self._end(kill=True)
                raise KyaniteStartError(f"the hub was not ready after {self._startup_timeout:g} s:\n{self._tail()}")
            time.sleep(_POLL_SECONDS)
        raise KyaniteStartError(f"the hub ended with {self._process.returncode} while it started:\n{self._tail()}")

    def _end(self, kill: bool) -> int:
        if self._process is None:
            raise KyaniteStartError("the hub is not started")
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _forget(self) -> None:
        self._kill()
        atexit.unregister(self._kill)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder, self._process, self._transport, self._hub = None, None, None, {}

    def _tail(self) -> str:
        return "\n".join(self.get_logs().strip().splitlines()[-_LOG_LINES:])
