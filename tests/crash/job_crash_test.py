#!/usr/bin/env python3
"""kill -9 of the real program at random moments while a scheduled job runs, again and again on one store.

However often the hub is killed, the job completes, counts every device once, and has updated every twin exactly once.
A job of methods may call a device again, and counts it once too.
"""

import argparse
import http.client
import json
import os
import random
import ssl
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from hub_process import Hub, make_sas, parse_connection_string  # noqa: E402

VERSION = "api-version=2021-04-12"


class Service:
    """REST requests over one kept connection, made anew after a kill."""

    def __init__(self, hub):
        self.hub = hub
        self.link = None

    def ask(self, method, path, body=None):
        if self.link is None:
            context = ssl.create_default_context(cafile=self.hub.ca_file)
            self.link = http.client.HTTPSConnection(
                "127.0.0.1", self.hub.info["ports"]["https"], context=context, timeout=120
            )
        try:
            self.link.request(
                method,
                f"{path}?{VERSION}",
                None if body is None else json.dumps(body),
                {"Authorization": self.authorization()},
            )
            answer = self.link.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def authorization(self):
        owner = parse_connection_string(self.hub.info["serviceConnectionString"])
        return make_sas(self.hub.host_name, owner["SharedAccessKey"], "iothubowner")

    def close(self):
        if self.link is not None:
            self.link.close()
        self.link = None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kyanite", required=True)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--devices", type=int, default=1500)
    parser.add_argument("--longest", type=float, default=0.3, help="seconds until a kill, at most")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    print(f"job crash: {chosen.rounds} rounds, {chosen.devices} devices, seed {chosen.seed}")
    with tempfile.TemporaryDirectory(prefix="kyanite-job-crash-") as folder, Hub(
        chosen.kyanite, Path(folder) / "data"
    ) as hub:
        service = Service(hub)
        names = [f"d{number}" for number in range(chosen.devices)]
        for name in names:
            status, _ = service.ask("PUT", f"/devices/{name}", {"deviceId": name})
            assert status == 200, status
        kills = 0
        for number in range(1, chosen.rounds + 1):
            kills += twin_round(chosen, hub, service, names, number)
            kills += method_round(chosen, hub, service, names, number)
        service.close()
        status = hub.stop()
        assert status == 0, f"the hub ended with {status}: {hub.log_tail()}"
    print(f"job crash: {2 * chosen.rounds} jobs over {chosen.devices} devices, {kills} kills, all add up")


def twin_round(chosen, hub, service, names, number):
    update = {"etag": "*", "tags": {"round": number}, "properties": {"desired": {"round": number}}}
    job, kills = run_job(chosen, hub, service, f"twin-{number}", {"type": "scheduleUpdateTwin", "updateTwin": update})
    check(job, succeeded=len(names), failed=0)
    for name in names:
        _, twin = service.ask("GET", f"/twins/{name}")
        desired = twin["properties"]["desired"]
        # Version 2 and desired version 1 when made; each round writes once.
        found = (twin["tags"], desired["round"], twin["version"], desired["$version"])
        assert found == ({"round": number}, number, 2 + number, 1 + number), f"{name}: {found}"
    return kills


def method_round(chosen, hub, service, names, number):
    method = {"methodName": "m", "responseTimeoutInSeconds": 5}
    job, kills = run_job(
        chosen, hub, service, f"method-{number}", {"type": "scheduleDeviceMethod", "cloudToDeviceMethod": method}
    )
    check(job, succeeded=0, failed=len(names))  # nobody is connected
    return kills


def check(job, succeeded, failed):
    counts = job["deviceJobStatistics"]
    assert job["status"] == "completed", job
    assert counts == {
        "deviceCount": succeeded + failed,
        "failedCount": failed,
        "succeededCount": succeeded,
        "runningCount": 0,
        "pendingCount": 0,
    }, counts


def run_job(chosen, hub, service, name, work):
    """The job as it ended, and how often the hub was killed on the way."""
    request = {"jobId": name, "queryCondition": "*", "maxExecutionTimeInSeconds": 600, **work}
    status, answer = service.ask("PUT", f"/jobs/v2/{name}", request)
    assert status == 200, answer
    kills = 0
    # The first kills come soon after the start, at any step of the job; then it is left to end.
    while kills < 6:
        time.sleep(random.uniform(0, chosen.longest))  # the random moment itself, not a wait for something
        _, job = service.ask("GET", f"/jobs/v2/{name}")
        if job["status"] not in ("queued", "running"):
            return job, kills
        time.sleep(random.uniform(0, chosen.longest / 10))
        hub.kill()
        kills += 1
        service.close()
        hub.start()
    until = time.monotonic() + 600
    while time.monotonic() < until:
        _, job = service.ask("GET", f"/jobs/v2/{name}")
        if job["status"] not in ("queued", "running"):
            return job, kills
        time.sleep(0.02)
    raise AssertionError(f"the job does not end: {job}")


if __name__ == "__main__":
    main()
