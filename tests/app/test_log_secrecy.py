"""The check for secrets in logs finds what it is for, and a hub at its most talkative gives it nothing to find."""
import base64
import contextlib
import json
import os
import tempfile
import unittest
import urllib.parse
from pathlib import Path

import log_secrecy
from hub_content import fill, send_telemetry, upload_file
from hub_process import API, make_sas
from log_secrecy import SENTINEL
from program import HubCase

KEY = base64.b64encode(bytes(range(7, 39))).decode()


class TheCheckItself(unittest.TestCase):
    def test_every_kind_of_leak_is_found_and_masked(self):
        token = make_sas("hub/devices/d1", KEY)
        planted = [
            f'{{"event":"x","reason":"{KEY}"}}',
            f"text reason={urllib.parse.quote(KEY, safe='')} more",
            f'{{"event":"request","path":"/devices","authorization":"{token}"}}',
            f'{{"event":"request","path":"/files/a?sv=1&sig={urllib.parse.quote(KEY, safe="")}"}}',
            f"HostName=h;DeviceId=d;SharedAccessKey={KEY}",
            "authorization=Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
            "-----BEGIN PRIVATE KEY-----",
            f'{{"event":"x","body":"{SENTINEL}-7"}}',
            'reason="a body of some device"',
            r'{"event":"x","topic":"a \"quoted\" body"}',
        ]
        secrets = [["a body", "a body of some device"], ["a body", 'a "quoted" body'], ["a body", "short"], ["a body", "certificate"]]
        for line in planted:
            found = log_secrecy.leaks(line, secrets)
            self.assertTrue(found, line)
            self.assertNotIn(KEY, "".join(shown for _, _, shown in found))
        good = '{"time":"2026-01-05T10:00:01.123Z","level":"info","event":"device_connected","device":"short","conn":"0.17.3",' \
               '"tracking_id":"0123456789abcdef0123456789abcdef","reason":"neither a SharedAccessSignature nor a certificate"}'
        self.assertEqual(log_secrecy.leaks(good, secrets), [])

    def test_a_folder_with_one_leak_fails(self):
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            self.assertFalse(log_secrecy.check_folder(folder))  # no log at all is no success
            (Path(folder) / "a.log").write_text("fine\n")
            self.assertTrue(log_secrecy.check_folder(folder))
            (Path(folder) / "b.log").write_text("a long secret\n")
            self.assertTrue(log_secrecy.check_folder(folder))
            (Path(folder) / "b.log.secrets.json").write_text(json.dumps([["a body", "a long secret"]]))
            self.assertFalse(log_secrecy.check_folder(folder))


class TheLog(HubCase):
    """Requests good and bad, each with the sentinel wherever a client may write."""

    maxDiff = None

    def test_nothing_that_a_client_sends_or_a_hub_keeps_is_in_the_log(self):
        hub = self.hub("--log-level", "debug", "--test-control")
        fill(hub)
        send_telemetry(hub, "d1", f"{SENTINEL}-telemetry")
        upload_file(hub, "d1", "file.bin", f"{SENTINEL}-file".encode())
        bad = [
            ("PATCH", f"/twins/d1?{API}", {"tags": {"a": f"{SENTINEL}-tag"}, "properties": {"desired": {"b": f"{SENTINEL}-desired"}}}),
            ("PATCH", f"/twins/d1?{API}", {"tags": {f"{SENTINEL}.$bad": 1}}),
            ("PATCH", f"/twins/d1?{API}", {"tags": {"deep": f"{SENTINEL}" * 2000}}),
            ("POST", f"/devices/query?{API}", {"query": f"SELECT * FROM devices WHERE tags.a = '{SENTINEL}"}),
            ("POST", f"/devices/d1/messages/devicebound?{API}", f"{SENTINEL}-c2d"),
            ("POST", f"/twins/d1/methods?{API}", {"methodName": "m", "payload": f"{SENTINEL}-method", "responseTimeoutInSeconds": 5}),
            ("PUT", f"/devices/d3?{API}", {"deviceId": "d3", "authentication": {"symmetricKey": {"primaryKey": KEY, "secondaryKey": KEY}}}),
            ("PUT", f"/devices/d4?{API}", {"deviceId": "d4", "authentication": {"symmetricKey": {"primaryKey": f"{SENTINEL}", "secondaryKey": KEY}}}),
            ("PUT", "/kyanite/v1/policies/p", {"rights": "RegistryRead", "primaryKey": KEY, "secondaryKey": f"{SENTINEL}"}),
            ("PUT", "/kyanite/v1/policies/p", {"rights": f"{SENTINEL}"}),
            ("PUT", "/kyanite/v1/ca-certificates/c", {"certificate": f"{SENTINEL}"}),
            ("PUT", f"/jobs/v2/j?{API}", {"jobId": "j", "type": "scheduleUpdateTwin", "updateTwin": {"tags": f"{SENTINEL}"}, "queryCondition": f"{SENTINEL}"}),
        ]
        for method, path, body in bad:
            hub.rest(method, path, body)
        for token in (f"SharedAccessSignature sr={SENTINEL}&sig={SENTINEL}&se=1", f"Bearer {SENTINEL}", f"Basic {SENTINEL}",
                      make_sas(hub.host_name, KEY, "iothubowner"), SENTINEL):
            self.assertEqual(hub.rest("GET", f"/devices?{API}", headers={"Authorization": token})[0], 401)
        connection = hub._connection(timeout=60)  # a body that is no JSON
        connection.request("PATCH", f"/twins/d1?{API}", body=f"{{{SENTINEL}".encode(), headers={"Authorization": hub._authorization()})
        self.assertEqual(connection.getresponse().status, 400)
        connection.close()
        secrets = log_secrecy.collect(hub) + [["a given key", KEY]]
        self.assertGreater(len(secrets), 15)
        self.assertEqual(hub.stop(), 0)
        text = hub.log_file.read_text(errors="replace")
        self.assertIn('"level":"debug"', text)
        self.assertEqual([f"{what} in line {number}: {line}" for what, number, line in log_secrecy.leaks(text, secrets)], [])


if __name__ == "__main__":
    unittest.main()
