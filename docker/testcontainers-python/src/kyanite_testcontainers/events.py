"""Events of the hub, as they come from GET /kyanite/v1/events."""

from __future__ import annotations

import base64
import datetime
import json
import urllib.parse
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Sequence, Union

Start = Union[str, int, datetime.datetime]


@dataclass(frozen=True)
class HubEvent:
    """One event; `raw` is the object as the hub sent it."""

    device_id: str
    module_id: Optional[str]
    partition: int
    offset: int
    sequence_number: int
    enqueued_time: str
    system_properties: Mapping[str, Optional[str]]
    properties: Mapping[str, Optional[str]]
    body: bytes
    raw: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The body as text; raises UnicodeDecodeError when it is none."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def event_of(line: bytes) -> HubEvent:
    raw = json.loads(line)
    body = raw["body"]
    return HubEvent(
        device_id=raw["deviceId"],
        module_id=raw.get("moduleId"),
        partition=raw["partition"],
        offset=raw["offset"],
        sequence_number=raw["sequenceNumber"],
        enqueued_time=raw["enqueuedTime"],
        system_properties=raw["systemProperties"],
        properties=raw["properties"],
        body=base64.b64decode(body) if raw.get("bodyEncoding") == "base64" else body.encode(),
        raw=raw,
    )


def event_query(
    device: Optional[str],
    module: Optional[str],
    partition: Optional[int],
    source: Union[None, str, Sequence[str]],
    start: Start,
    count: Optional[int],
    timeout: Optional[int],
) -> str:
    if isinstance(start, datetime.datetime):
        if start.tzinfo is None:
            raise ValueError("the time to start at needs a time zone, as datetime.now(timezone.utc) has one")
        start = start.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    query: Dict[str, Any] = {
        "from": start,
        "device": device,
        "module": module,
        "partition": partition,
        "source": source if source is None or isinstance(source, str) else ",".join(source),
        "count": count,
        "timeout": timeout,
    }
    given = {name: value for name, value in query.items() if value is not None}
    return urllib.parse.urlencode(given, quote_via=urllib.parse.quote, safe="")
