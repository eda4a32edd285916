"""What can go wrong, as exceptions."""

from __future__ import annotations

import json
import re


class KyaniteError(Exception):
    """A request that the hub refused.

    `status` is the HTTP status, `code` the service's error code such as `DeviceNotFound` (empty when the answer had none),
    `tracking_id` finds the request in the hub's log.
    """

    def __init__(self, message: str, status: int, code: str = "", tracking_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.tracking_id = tracking_id


class KyaniteTimeoutError(Exception):
    """Something did not happen within the time given."""


class KyaniteStartError(Exception):
    """The hub did not start; the message holds the reason and the last lines of its log."""


def error_of_answer(what: str, status: int, body: bytes) -> KyaniteError:
    """Reads the service's envelope: {"Message":"ErrorCode:CODE;sentence","ExceptionMessage":"Tracking ID:..."}."""
    message, code, tracking_id = body.decode("utf-8", "replace"), "", ""
    try:
        envelope = json.loads(message)
    except ValueError:
        envelope = None  # the text itself is all there is to say
    if isinstance(envelope, dict):
        message = str(envelope.get("Message", message))
        found = re.search(r"Tracking ID:([^-\s]+)", str(envelope.get("ExceptionMessage", "")))
        tracking_id = found.group(1) if found else ""
    split = re.fullmatch(r"ErrorCode:([^;]+);(.*)", message, re.DOTALL)
    if split:
        code, message = split.groups()
    return KyaniteError(f"{what}: {status}{f' {code}' if code else ''}: {message}", status, code, tracking_id)
