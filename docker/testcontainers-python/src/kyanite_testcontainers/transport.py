"""Authorised requests to one hub over TLS, a connection each: a hub under test is reset and restarted between them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import socket
import ssl
import time
import urllib.parse
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple, Union

from .errors import error_of_answer

TOKEN_SECONDS = 3600
ANSWER_SECONDS = 60.0

Body = Union[None, str, bytes]


def parse_connection_string(text: str) -> Dict[str, str]:
    """The parts of a connection string, by their names as they stand there."""
    parts = {}
    for part in filter(None, text.strip().split(";")):
        name, sign, value = part.partition("=")
        if not name or not sign:  # only the beginning goes into the message: the rest may be a key
            raise ValueError(f'a part of the connection string has no name: "{part[:16]}"')
        parts[name] = value
    return parts


def sign_token(host_name: str, policy: str, key: str, expiry: int) -> str:
    """A shared access signature of a policy for all of a hub; `expiry` in seconds since 1970."""
    scope = urllib.parse.quote(host_name, safe="")
    digest = hmac.new(base64.b64decode(key), f"{scope}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(digest), safe="")
    return f"SharedAccessSignature sr={scope}&sig={signature}&se={expiry}&skn={urllib.parse.quote(policy, safe='')}"


class _Connection(http.client.HTTPSConnection):
    """TLS to an endpoint, checked against the hub's name: the address behind a mapped port need not stand in the certificate."""

    def __init__(self, host_name: str, endpoint: Tuple[str, int], context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host_name, 443, context=context, timeout=timeout)
        self._endpoint = endpoint
        self._tls = context
        self.link: Optional[socket.socket] = None  # kept when an answer takes the socket over

    def connect(self) -> None:
        plain = socket.create_connection(self._endpoint, self.timeout)
        try:
            self.sock = self.link = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


class Transport:
    """Signs with the key of a policy by the hub's clock, which test control may have shifted."""

    def __init__(self, connection_string: str, ca: str, endpoint: Optional[Callable[[], Tuple[str, int]]] = None) -> None:
        login = parse_connection_string(connection_string)
        missing = [name for name in ("HostName", "SharedAccessKeyName", "SharedAccessKey") if not login.get(name)]
        if missing:
            raise ValueError(f"the connection string of a policy has HostName, SharedAccessKeyName and SharedAccessKey; missing: {', '.join(missing)}")
        self._authority = login["HostName"]
        found = re.fullmatch(r"(.*?)(?::(\d+))?", self._authority)
        assert found
        self.host_name = found.group(1)
        port = int(found.group(2) or 443)
        self._policy = login["SharedAccessKeyName"]
        self._key = login["SharedAccessKey"]
        self._endpoint = endpoint or (lambda: (self.host_name, port))
        self._tls = ssl.create_default_context(cadata=ca)
        self.clock_shift = 0.0

    def json(self, method: str, path: str, body: Any = None, headers: Optional[Mapping[str, str]] = None, timeout: float = ANSWER_SECONDS) -> Any:
        """A request with a JSON body and a JSON answer."""
        return self.json_with_headers(method, path, body, headers, timeout)[0]

    def json_with_headers(
        self, method: str, path: str, body: Any = None, headers: Optional[Mapping[str, str]] = None, timeout: float = ANSWER_SECONDS
    ) -> Tuple[Any, http.client.HTTPMessage]:
        text = None if body is None else json.dumps(body).encode()
        with self.open(method, path, text, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, timeout) as answer:
            return json.loads(answer.read() or b"null"), answer.headers

    def call(self, method: str, path: str, body: Body = None, headers: Optional[Mapping[str, str]] = None, timeout: float = ANSWER_SECONDS) -> bytes:
        """A request whose answer is taken as it is."""
        with self.open(method, path, body, headers, timeout) as answer:
            return answer.read()

    @contextmanager
    def open(
        self, method: str, path: str, body: Body = None, headers: Optional[Mapping[str, str]] = None, timeout: float = ANSWER_SECONDS
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer once its head is there; raises a KyaniteError when the hub refuses. `timeout`: seconds without a byte."""
        with self.stream(method, path, body, headers, timeout) as (answer, _):
            yield answer

    @contextmanager
    def stream(
        self, method: str, path: str, body: Body = None, headers: Optional[Mapping[str, str]] = None, timeout: float = ANSWER_SECONDS
    ) -> Iterator[Tuple[http.client.HTTPResponse, Callable[[float], None]]]:
        """The same with what changes the time-out while the answer is read."""
        # Who moves the clock is judged by the real one, so that it can always be brought back.
        by_real_clock = path.startswith("/kyanite/v1/clock")
        connection, answer = self._attempt(method, path, body, headers, timeout, 0.0 if by_real_clock else self.clock_shift)
        try:
            if answer.status == 401 and not by_real_clock and self._learn_clock_shift():
                connection.close()
                connection, answer = self._attempt(method, path, body, headers, timeout, self.clock_shift)
            if answer.status >= 300:
                raise error_of_answer(f"{method} {path.partition('?')[0]}", answer.status, answer.read())
            assert connection.link
            yield answer, connection.link.settimeout
        finally:
            connection.close()

    def clock(self, method: str, body: Any = None) -> Dict[str, Any]:
        clock: Dict[str, Any] = self.json(method, "/kyanite/v1/clock", body)
        self.clock_shift = float(clock["shiftSeconds"])
        return clock

    def _attempt(
        self, method: str, path: str, body: Body, headers: Optional[Mapping[str, str]], timeout: float, shift: float
    ) -> Tuple[_Connection, http.client.HTTPResponse]:
        token = sign_token(self._authority, self._policy, self._key, int(time.time() + shift) + TOKEN_SECONDS)
        connection = _Connection(self.host_name, self._endpoint(), self._tls, timeout)
        try:
            # Values as the bytes that the hub reads: UTF-8.
            sent = {name: value.encode() for name, value in {"Authorization": token, **(headers or {})}.items()}
            connection.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=sent)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def _learn_clock_shift(self) -> bool:
        """Somebody else may have shifted the clock. True when it stands otherwise than we knew."""
        known = self.clock_shift
        try:
            self.clock("GET")
        except Exception:  # no test control, or the key is wrong: the first answer says what there is to say
            return False
        return self.clock_shift != known
