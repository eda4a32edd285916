"""What the tests of backups and checks put into a hub and look for afterwards, over REST alone."""
import urllib.parse

from hub_process import API, quote


def send_telemetry(hub, device, text):
    """Returns when the hub has acknowledged, which is after the commit."""
    connection = hub._connection(timeout=60)
    try:
        connection.request("POST", f"/devices/{quote(device)}/messages/events?{API}", body=text.encode(),
                           headers={"Authorization": hub._authorization()})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 204, (answer.status, content)
    finally:
        connection.close()


def upload_file(hub, device, name, content):
    """Through the hub's own blob endpoint, as a storage client does."""
    status, ticket = hub.rest("POST", f"/devices/{quote(device)}/files?{API}", {"blobName": name})
    assert status == 200, ticket
    target = f"/{ticket['containerName']}/{urllib.parse.quote(ticket['blobName'])}{ticket['sasToken']}"
    connection = hub._connection(timeout=30)
    try:
        connection.request("PUT", target, body=content, headers={"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 201, answer.status
    finally:
        connection.close()


def uploaded_files(hub):
    """{name: content} of all files."""
    found = {}
    status, listed = hub.rest("GET", "/kyanite/v1/files")
    assert status == 200, listed
    entries = listed["files"] if isinstance(listed, dict) else listed
    for entry in entries:
        url = urllib.parse.urlsplit(entry["url"])
        connection = hub._connection(timeout=30)
        connection.request("GET", f"{url.path}?{url.query}")
        answer = connection.getresponse()
        found[entry["blobName"]] = answer.read()
        connection.close()
    return found


def fill(hub, messages=3):
    """A bit of everything that a hub keeps."""
    for name in ("d1", "d2"):
        hub.create_device(name)
    hub.create_module("d1", "m1")
    hub.update_device("d2", status="disabled")
    for path in ("/twins/d1", "/twins/d1/modules/m1"):
        status, answer = hub.rest("PATCH", f"{path}?{API}", {"tags": {"site": "north"}, "properties": {"desired": {"a": 1}}})
        assert status == 200, answer
    for number in range(3):
        status, answer = hub.rest("POST", f"/devices/d1/messages/devicebound?{API}", f"wait {number}")
        assert status == 204, answer
    for number in range(messages):
        send_telemetry(hub, "d1", f"telemetry {number}")
    upload_file(hub, "d1", "report.bin", b"what a device measured" * 100)
    status, answer = hub.rest("PUT", "/kyanite/v1/consumer-groups/analytics")
    assert status == 200, answer


def state_of(hub):
    """Everything that a restored hub must have as the first one had it."""
    status, devices = hub.rest("GET", f"/devices?top=1000&{API}")
    assert status == 200, devices
    for device in devices:
        for name in ("connectionState", "connectionStateUpdatedTime", "lastActivityTime"):
            device.pop(name)
    policies = hub.rest("GET", "/kyanite/v1/policies")[1]["policies"]
    return {
        "devices": devices,
        "twins": [hub.rest("GET", f"/twins/{name}?{API}")[1]["properties"] for name in ("d1", "d1/modules/m1")],
        "events": sorted((event["partition"], event["offset"], event["body"]) for event in hub.events(timeout=1)),
        "policies": [(policy["name"], policy["rights"], policy["primaryKey"], policy["secondaryKey"]) for policy in policies],
        "authorities": hub.rest("GET", "/kyanite/v1/ca-certificates")[1],
        "groups": [group["name"] for group in hub.rest("GET", "/kyanite/v1/consumer-groups")[1]["consumerGroups"]],
        "files": uploaded_files(hub),
        "ca": open(hub.ca_file).read(),
    }


def secrets_of(hub):
    """Every key of the hub, as it may be written anywhere."""
    found = set()
    for policy in hub.rest("GET", "/kyanite/v1/policies")[1]["policies"]:
        found |= {policy["primaryKey"], policy["secondaryKey"]}
    for device in hub.rest("GET", f"/devices?top=1000&{API}")[1]:
        keys = device["authentication"].get("symmetricKey") or {}
        found |= {key for key in (keys.get("primaryKey"), keys.get("secondaryKey")) if key}
    account = hub.data / "store" / "files" / "account.key"
    if account.exists():
        found.add(account.read_text().strip())
    for key in (hub.data / "pki").glob("*.key"):
        found |= {line for line in key.read_text().splitlines() if line and "-----" not in line}
    return found | {urllib.parse.quote(secret, safe="") for secret in found}
