"""Files that devices upload to the hub itself (R102)."""
import base64
import hashlib
import json
import os
import socket
import subprocess
import unittest
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import world
from https_wire import RawHttps, request
from test_device_https import ask, path_of
from world import HOST, rest


def begin(device, name="a/b.log"):
    answer = ask(device, "POST", "/files", {"blobName": name})
    assert answer.status == 200, answer
    return answer.json


def url_of(ticket, more="", name=None):
    name = ticket["blobName"] if name is None else name
    return f"/{ticket['containerName']}/{urllib.parse.quote(name)}{ticket['sasToken']}{more}"


def blob(device, ticket, method, more="", body=None, name=None, **headers):
    sent = {"x-ms-version": "2023-11-03"}
    if method == "PUT" and not more:
        sent["x-ms-blob-type"] = "BlockBlob"
    sent.update({key.replace("_", "-"): value for key, value in headers.items()})
    return request(device.hub, method, url_of(ticket, more, name), body, sent)


def code_of(answer):
    assert answer.headers["content-type"] == "application/xml", answer
    code = answer.body.decode().split("<Code>")[1].split("</Code>")[0]
    assert answer.headers["x-ms-error-code"] == code, answer
    return code


def finish(device, ticket, success=True, in_path=False):
    body = {"isSuccess": success, "statusCode": 200, "statusDescription": "ok"}
    tail = "/files/notifications"
    if in_path:
        tail += "/" + ticket["correlationId"]
    else:
        body["correlationId"] = ticket["correlationId"]
    return ask(device, "POST", tail, body)


def notifications(hub):
    return rest(hub, "GET", "/kyanite/v1/file-notifications?limit=1000", version=None).json


def notification_of(device):
    found = [entry for entry in notifications(device.hub) if entry["deviceId"] == device.device_id]
    assert len(found) == 1, found
    return found[0]


def block_query(number):
    return f"&comp=block&blockid={urllib.parse.quote(base64.b64encode(b'%06d' % number).decode())}"


def block_list(numbers):
    entries = "".join(f"<Latest>{base64.b64encode(b'%06d' % number).decode()}</Latest>" for number in numbers)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{entries}</BlockList>'.encode()


class Uploads(unittest.TestCase):
    def test_R102_put_blob_and_both_notifications(self):
        for in_path in (False, True):
            device = world.device()
            ticket = begin(device, "dir/a b+ü%.log")
            self.assertEqual(ticket["blobName"], f"{device.device_id}/dir/a b+ü%.log")
            content = os.urandom(100_000)
            answer = blob(device, ticket, "PUT", body=content, Content_Type="text/plain")
            self.assertEqual(answer.status, 201, answer.body)
            for name in ("etag", "last-modified", "x-ms-request-id", "x-ms-version"):
                self.assertIn(name, answer.headers)
            self.assertEqual(answer.headers["content-md5"], base64.b64encode(hashlib.md5(content).digest()).decode())
            self.assertEqual(finish(device, ticket, in_path=in_path).status, 204)
            notification = notification_of(device)
            self.assertEqual(notification["blobName"], ticket["blobName"])
            self.assertEqual(notification["blobSizeInBytes"], len(content))
            self.assertTrue(notification["blobUri"].startswith("https://"))
            self.assertEqual(finish(device, ticket).error, "InvalidFileUploadCorrelationId")
            got = blob(device, ticket, "GET")
            self.assertEqual((got.status, got.body), (200, content))
            self.assertEqual(got.headers["content-type"], "text/plain")
            self.assertEqual(got.headers["content-length"], str(len(content)))

    def test_the_name_may_have_its_slashes_encoded(self):
        device = world.device()
        ticket = begin(device)
        target = f"/{ticket['containerName']}/{urllib.parse.quote(ticket['blobName'], safe='')}{ticket['sasToken']}"
        self.assertEqual(request(device.hub, "PUT", target, b"x", {"x-ms-blob-type": "BlockBlob"}).status, 201)
        self.assertEqual(blob(device, ticket, "GET").body, b"x")

    def test_what_a_device_uploads_is_no_page_of_the_dashboard(self):
        # It chooses content and type, holds an address that reads, and the dashboard is of the same origin.
        device = world.device()
        for name, kind in (("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.xml", "application/xhtml+xml")):
            ticket = begin(device, name)
            self.assertEqual(blob(device, ticket, "PUT", body=b"<script>1</script>", x_ms_blob_content_type=kind).status, 201)
            for method in ("GET", "HEAD"):
                answer = blob(device, ticket, method)
                self.assertEqual((answer.status, answer.headers["content-type"]), (200, kind))
                policy = [part.strip() for part in answer.headers["content-security-policy"].split(";")]
                self.assertIn("sandbox", policy)
                self.assertIn("default-src 'none'", policy)
                self.assertFalse([part for part in policy if "allow-" in part or part.startswith("script-src")])
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            self.assertIn("content-security-policy", blob(device, ticket, "GET", Range="bytes=0-3").headers)

    def test_blocks_and_their_list(self):
        device = world.device()
        ticket = begin(device)
        for number, content in ((2, b"two"), (1, b"one "), (3, b"unused")):
            answer = blob(device, ticket, "PUT", block_query(number), content)
            self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(code_of(blob(device, ticket, "GET")), "BlobNotFound")
        self.assertEqual(finish(device, ticket).error, "InvalidStorageEndpointOrBlob")
        self.assertEqual(code_of(blob(device, ticket, "PUT", "&comp=blocklist", block_list([1, 9]))), "InvalidBlockList")
        answer = blob(device, ticket, "PUT", "&comp=blocklist", block_list([1, 2]), x_ms_blob_content_type="text/css")
        self.assertEqual(answer.status, 201, answer.body)
        got = blob(device, ticket, "GET")
        self.assertEqual((got.body, got.headers["content-type"], got.headers["etag"]), (b"one two", "text/css", answer.headers["etag"]))
        self.assertEqual(finish(device, ticket).status, 204)

    def test_large_bodies_ranges_and_head(self):
        device = world.device()
        ticket = begin(device)
        content = os.urandom(5 << 20)
        self.assertEqual(blob(device, ticket, "PUT", body=content).status, 201)
        head = blob(device, ticket, "HEAD")
        self.assertEqual((head.status, head.headers["content-length"], head.body), (200, str(len(content)), b""))
        self.assertEqual(head.headers["x-ms-blob-type"], "BlockBlob")
        whole = blob(device, ticket, "GET")
        self.assertEqual(hashlib.md5(whole.body).digest(), hashlib.md5(content).digest())
        part = blob(device, ticket, "GET", x_ms_range="bytes=1000-1000999")
        self.assertEqual((part.status, part.body), (206, content[1000:1001000]))
        self.assertEqual(part.headers["content-range"], f"bytes 1000-1000999/{len(content)}")
        self.assertEqual(blob(device, ticket, "GET", Range="bytes=5242880-").status, 416)
        chunked = blob(device, ticket, "PUT", body=[content[:1 << 20], content[1 << 20:]])
        self.assertEqual(chunked.status, 201)
        self.assertEqual(blob(device, ticket, "PUT", body=b"", Content_Length="0").status, 201)
        self.assertEqual(blob(device, ticket, "GET").body, b"")

    def test_conditions_and_md5(self):
        device = world.device()
        ticket = begin(device)
        self.assertEqual(blob(device, ticket, "PUT", body=b"1", If_None_Match="*").status, 201)
        self.assertEqual(code_of(blob(device, ticket, "PUT", body=b"2", If_None_Match="*")), "BlobAlreadyExists")
        self.assertEqual(code_of(blob(device, ticket, "PUT", body=b"2", If_Match='"0x1"')), "ConditionNotMet")
        wrong = base64.b64encode(bytes(16)).decode()
        self.assertEqual(code_of(blob(device, ticket, "PUT", body=b"2", Content_MD5=wrong)), "Md5Mismatch")
        self.assertEqual(blob(device, ticket, "GET").body, b"1")

    def test_only_the_signature_opens_a_blob(self):
        device, other = world.device(), world.device()
        ticket = begin(device)
        self.assertEqual(blob(device, ticket, "PUT", body=b"x").status, 201)
        foreign = begin(other)["blobName"]
        for change in ({**ticket, "sasToken": ""}, {**ticket, "sasToken": "?"},
                       {**ticket, "sasToken": ticket["sasToken"].replace("sp=rw", "sp=rwd")},
                       {**ticket, "sasToken": ticket["sasToken"].replace("sig=", "sig=A")},
                       {**ticket, "blobName": foreign}, {**ticket, "blobName": ticket["blobName"] + "x"}):
            for method in ("PUT", "GET", "HEAD"):
                answer = blob(device, change, method, body=b"y" if method == "PUT" else None)
                self.assertEqual(answer.status, 403, (change, method))
        self.assertEqual(blob(device, ticket, "DELETE").status, 403)  # a device may not
        self.assertEqual(blob(device, ticket, "POST", body=b"").status, 405)
        owner = world.policy_token(device.hub, "iothubowner")
        target = f"/{ticket['containerName']}/{urllib.parse.quote(ticket['blobName'])}"
        self.assertEqual(request(device.hub, "GET", target, headers={"Authorization": owner}).status, 403)

    def test_a_large_body_is_refused_before_it_is_sent(self):
        device = world.device()
        ticket = begin(device)
        with RawHttps(device.hub) as link:
            target = url_of({**ticket, "sasToken": "?sig=x"})
            link.send(f"PUT {target} HTTP/1.1\r\nHost: {HOST}\r\nx-ms-blob-type: BlockBlob\r\n"
                      "Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n".encode())
            self.assertIn(b" 403 ", link.read_until(b"\r\n\r\n"))

    def test_ten_uploads_at_once_also_when_they_begin_together(self):
        device = world.device()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: ask(device, "POST", "/files", {"blobName": f"f{number}"}), range(14)))
        self.assertEqual(sorted(answer.status for answer in answers), [200] * 10 + [403] * 4)
        self.assertEqual({answer.error for answer in answers if answer.status != 200}, {"DeviceMaximumActiveFileUploadLimitExceeded"})

    def test_an_upload_that_expired(self):
        hub = world.test_control()
        device = world.device(hub)
        ticket = begin(device)
        try:
            rest(hub, "PUT", "/kyanite/v1/clock", {"advanceSeconds": 3601}, version=None)
            self.assertEqual(code_of(blob(device, ticket, "PUT", body=b"x")), "AuthenticationFailed")
            self.assertEqual(finish(device, ticket).error, "ExpiredFileUploadCorrelationId")
        finally:
            rest(hub, "DELETE", "/kyanite/v1/clock", version=None)

    def test_everything_answered_survives_a_kill_and_nothing_else_is_seen(self):
        hub = world.new_hub("upload-kill")
        hub.start()
        device = world.device(hub)
        done, half, blocks = begin(device, "done"), begin(device, "half"), begin(device, "blocks")
        self.assertEqual(blob(device, done, "PUT", body=b"done").status, 201)
        self.assertEqual(blob(device, blocks, "PUT", block_query(1), b"block").status, 201)
        link = RawHttps(hub)
        link.send(f"PUT {url_of(half)} HTTP/1.1\r\nHost: {HOST}\r\nx-ms-blob-type: BlockBlob\r\n"
                  "Content-Length: 1000000\r\n\r\n".encode() + bytes(500_000))
        hub.kill()
        hub.start()
        self.assertEqual(blob(device, done, "GET").body, b"done")
        self.assertEqual(code_of(blob(device, half, "GET")), "BlobNotFound")
        self.assertEqual(blob(device, blocks, "PUT", "&comp=blocklist", block_list([1])).status, 201)
        self.assertEqual(blob(device, blocks, "GET").body, b"block")
        self.assertEqual(finish(device, done).status, 204)
        hub.kill()
        hub.start()
        self.assertEqual([entry["blobName"] for entry in notifications(hub)], [done["blobName"]])
        self.assertEqual(list((hub.data / "store" / "files" / "parts").iterdir()), [])
        self.assertEqual(hub.stop(), 0)

    def test_sizes_are_bounded(self):
        hub = world.new_hub("upload-sizes", {"fileUpload": {"blobBytesMax": 100_000, "totalBytesMax": 150_000}})
        hub.start()
        device = world.device(hub)
        one, two = begin(device, "one"), begin(device, "two")
        self.assertEqual(code_of(blob(device, one, "PUT", body=bytes(100_001))), "RequestBodyTooLarge")
        self.assertEqual(blob(device, one, "PUT", body=bytes(100_000)).status, 201)
        self.assertEqual(code_of(blob(device, two, "PUT", body=bytes(100_000))), "RequestBodyTooLarge")
        self.assertEqual(blob(device, two, "PUT", body=bytes(50_000)).status, 201)
        self.assertEqual(hub.stop(), 0)

    def test_an_account_of_somebody_else(self):
        folder = world.folder("upload-account")
        # Nobody listens there: the hub cannot ask how large the file is, and says so by 0.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            host = f"127.0.0.1:{taken.getsockname()[1]}"
        text = f"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={world.other_key()};BlobEndpoint=https://{host}/"
        (folder / "storage").write_text(text + "\n")
        hub = world.new_hub("upload-account", {"fileUpload": {"connectionStringFile": str(folder / "storage"), "container": "plant"}})
        hub.start()
        device = world.device(hub)
        ticket = begin(device)
        self.assertEqual((ticket["hostName"], ticket["containerName"]), (host, "plant"))
        self.assertEqual(finish(device, ticket).status, 204)
        self.assertEqual(notification_of(device)["blobUri"], f"https://{host}/plant/{device.device_id}/a/b.log")
        self.assertEqual(notification_of(device)["blobSizeInBytes"], 0)
        self.assertEqual(request(hub, "GET", url_of(ticket)).status, 404)
        self.assertEqual(hub.stop(), 0)

    def test_a_back_end_deletes_files(self):
        hub = world.new_hub("upload-delete", {"fileUpload": {"totalBytesMax": 150_000}})
        hub.start()
        device = world.device(hub)
        ticket, other = begin(device, "one"), begin(device, "two")
        self.assertEqual(blob(device, ticket, "PUT", body=bytes(100_000)).status, 201)

        def url(access):
            listed = rest(hub, "GET", f"/kyanite/v1/files?device={device.device_id}&access={access}", version=None)
            parts = urllib.parse.urlsplit(listed.json[0]["url"])
            return f"{parts.path}?{parts.query}", listed.json[0]["etag"]
        target, etag = url("rd")
        self.assertEqual(request(hub, "GET", url("d")[0]).status, 403)
        self.assertEqual(request(hub, "DELETE", url("r")[0]).status, 403)
        self.assertEqual(rest(hub, "GET", "/kyanite/v1/files?access=w", version=None).status, 400)
        self.assertEqual(code_of(request(hub, "DELETE", target, headers={"If-Match": '"0x1"'})), "ConditionNotMet")
        answer = request(hub, "DELETE", target, headers={"If-Match": f'"{etag}"', "x-ms-delete-snapshots": "include"})
        self.assertEqual((answer.status, answer.headers["x-ms-delete-type-permanent"], answer.body), (202, "true", b""))
        self.assertEqual(code_of(request(hub, "DELETE", target)), "BlobNotFound")
        self.assertEqual(code_of(blob(device, ticket, "GET")), "BlobNotFound")
        self.assertEqual(finish(device, ticket).error, "InvalidStorageEndpointOrBlob")
        # Its room is free again, and it does not come back.
        self.assertEqual(blob(device, other, "PUT", body=bytes(100_000)).status, 201)
        hub.kill()
        hub.start()
        self.assertEqual([entry["blobName"] for entry in rest(hub, "GET", "/kyanite/v1/files", version=None).json], [other["blobName"]])
        self.assertEqual(hub.stop(), 0)

    def test_the_command_line(self):
        hub = world.main()
        device = world.device(hub)
        content = os.urandom(5 << 20)  # more than one request of the client
        self.assertEqual(blob(device, begin(device, "dir/big file"), "PUT", body=content).status, 201)
        self.assertEqual(blob(device, begin(device, "empty"), "PUT", body=b"", Content_Length="0").status, 201)
        name = f"{device.device_id}/dir/big file"

        def kyanite(*arguments, status=0):
            done = subprocess.run([world.program(), "file", *arguments, "--data", hub.info["dataDirectory"]], capture_output=True, timeout=60)
            self.assertEqual(done.returncode, status, done.stderr)
            return done.stdout
        listed = [json.loads(line) for line in kyanite("list", "--device", device.device_id, "--json").splitlines()]
        self.assertEqual([(entry["blobName"], entry["size"]) for entry in listed], [(name, len(content)), (f"{device.device_id}/empty", 0)])
        self.assertIn(str(len(content)).encode(), kyanite("list", "--device", device.device_id))
        self.assertEqual(kyanite("get", name, "-o", "-"), content)
        target = world.folder("files") / "got"
        kyanite("get", name, "-o", str(target))
        self.assertEqual(target.read_bytes(), content)
        kyanite("get", f"{device.device_id}/empty", "-o", str(target))
        self.assertEqual(target.read_bytes(), b"")
        kyanite("get", f"{device.device_id}/none", "-o", "-", status=1)
        kyanite("delete", name)
        kyanite("delete", name, status=1)
        self.assertNotIn(b"big", kyanite("list", "--device", device.device_id))

    def test_switched_off(self):
        hub = world.new_hub("upload-off", {"fileUpload": {"enabled": False}})
        hub.start()
        device = world.device(hub)
        self.assertEqual(ask(device, "POST", "/files", {"blobName": "x"}).error, "DefaultStorageEndpointNotConfigured")
        self.assertEqual(hub.stop(), 0)

    def test_the_list_of_files(self):
        device = world.device()
        for name in ("b", "a"):
            self.assertEqual(blob(device, begin(device, name), "PUT", body=name.encode()).status, 201)
        answer = rest(device.hub, "GET", f"/kyanite/v1/files?device={device.device_id}", version=None)
        self.assertEqual([entry["blobName"] for entry in answer.json], [f"{device.device_id}/a", f"{device.device_id}/b"])
        url = urllib.parse.urlsplit(answer.json[0]["url"])
        self.assertEqual(request(device.hub, "GET", f"{url.path}?{url.query}").body, b"a")
        self.assertEqual(request(device.hub, "PUT", f"{url.path}?{url.query}", b"x", {"x-ms-blob-type": "BlockBlob"}).status, 403)
        self.assertEqual(rest(device.hub, "GET", "/kyanite/v1/files", authorization=device.token(), version=None).status, 401)
