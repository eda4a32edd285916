"""Import and export jobs, and the commands that do the same with files (R61)."""
import http.server
import json
import os
import stat
import subprocess
import threading
import time
import unittest
import urllib.parse

from world import folder, log_text, main, new_hub, policy_token, program, rest, wait_for

SIGNATURE = "sv=2021-08-06&sig=top%2Fsecret"


class BlobServer:
    """Put Blob and Get Blob on the loopback, for whoever shows the signature."""

    def __init__(self):
        outer = self
        self.blobs, self.requests = {}, []
        self.gate = threading.Event()  # large uploads wait for it
        self.gate.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def admit(self):
                path, _, query = self.path.partition("?")
                outer.requests.append(f"{self.command} {path}")
                if query != SIGNATURE:
                    self.answer(403, error="AuthenticationFailed")
                    return None
                return urllib.parse.unquote(path)

            def answer(self, status, body=b"", error=None):
                self.send_response(status)
                if error:
                    self.send_header("x-ms-error-code", error)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                path = self.admit()
                if not path:
                    return
                if self.headers.get("x-ms-blob-type") != "BlockBlob":
                    return self.answer(400, error="InvalidHeaderValue")
                if body:
                    outer.gate.wait(120)
                outer.blobs[path] = body
                self.answer(201)

            def do_GET(self):
                path = self.admit()
                if not path:
                    return
                if path not in outer.blobs:
                    return self.answer(404, error="BlobNotFound")
                self.answer(200, outer.blobs[path])

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # hubs break transfers off

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def container(self, name="fleet", signature=SIGNATURE):
        return f"http://127.0.0.1:{self.server.server_port}/account/{name}?{signature}"

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def create(hub, **job):
    return rest(hub, "POST", "/jobs/create", job)


def finished(hub, created):
    """The job when it is over."""
    assert created.status == 200, created
    path = f"/jobs/{created.json['jobId']}"

    def look():
        job = rest(hub, "GET", path).json
        return job if job["status"] not in ("enqueued", "running") else None

    return wait_for(look, f"the end of {path}", timeout=60)


def fill(hub, count=30):
    """Devices with modules, twins and what else an identity may have."""
    items = []
    for number in range(count):
        name = f"unit-{number}"
        items.append({"id": name, "tags": {"n": number}, "properties": {"desired": {"p": number}, "reported": {"r": number}},
                      "status": "disabled" if number % 7 == 0 else "enabled", "capabilities": {"iotEdge": number % 10 == 0}})
        if number % 3 == 0:
            items.append({"id": name, "moduleId": "m", "managedBy": "me", "tags": {"m": number}})
    for at in range(0, len(items), 50):
        assert rest(hub, "POST", "/devices", json.dumps(items[at:at + 50])).status == 200


def contents(hub, count=30):
    """What must survive a move: everything but etags, generations and times."""
    found = {}
    for number in range(count):
        name = f"unit-{number}"
        identity = rest(hub, "GET", f"/devices/{name}").json
        twin = rest(hub, "GET", f"/twins/{name}").json
        modules = rest(hub, "GET", f"/devices/{name}/modules").json
        kept = {key: identity[key] for key in ("authentication", "status", "capabilities", "deviceScope", "parentScopes")}
        own = [(module["moduleId"], module["managedBy"], module["moduleId"][0] == "$" or module["authentication"]) for module in modules]
        found[name] = (kept, own, twin["tags"], twin["properties"]["desired"]["p"], twin["properties"]["reported"]["r"])
    return found


class Jobs(unittest.TestCase):
    def setUp(self):
        self.server = BlobServer()
        self.addCleanup(self.server.close)
        self.hubs = []
        self.addCleanup(lambda: [hub.kill() for hub in self.hubs])

    def hub(self, name="jobs", settings=None):
        hub = new_hub(name, settings)
        hub.start()
        self.hubs.append(hub)
        return hub

    def test_R61_a_fleet_moves_to_an_empty_hub(self):
        here, there = self.hub("here"), self.hub("there")
        fill(here)
        exported = finished(here, create(here, type="export", outputBlobContainerUri=self.server.container()))
        self.assertEqual((exported["status"], exported["progress"], exported["failureReason"]), ("completed", 100, None))
        lines = [json.loads(line) for line in self.server.blobs["/account/fleet/devices.txt"].splitlines()]
        self.assertEqual(len(lines), 30 + 10 + 2 * 3)
        imported = finished(there, create(there, type="import", inputBlobContainerUri=self.server.container(),
                                          outputBlobContainerUri=self.server.container("log")))
        self.assertEqual((imported["status"], imported["failureReason"]), ("completed", None))
        self.assertEqual(self.server.blobs["/account/log/importErrors.log"], b"")
        self.assertEqual(contents(there), contents(here))
        for hub in (here, there):
            self.assertNotIn("secret", log_text(hub))
            self.assertNotIn("secret", rest(hub, "GET", "/jobs").body.decode())
            self.assertEqual(hub.stop(), 0)

    def test_configurations_move_with_the_fleet(self):
        here, there = self.hub("here"), self.hub("there")
        fill(here, 3)
        body = {"id": "c", "content": {"deviceContent": {"properties.desired.c": 1}}, "targetCondition": "tags.n > 0", "priority": 3,
                "metrics": {"queries": {"all": "SELECT deviceId FROM devices"}}}
        self.assertEqual(rest(here, "PUT", "/configurations/c", body).status, 200)
        exported = finished(here, create(here, type="export", outputBlobContainerUri=self.server.container(), includeConfigurations=True))
        self.assertEqual((exported["status"], exported["includeConfigurations"], exported["configurationsBlobName"]),
                         ("completed", True, "configurations.txt"))
        job = {"type": "import", "inputBlobContainerUri": self.server.container(), "outputBlobContainerUri": self.server.container("log"),
               "includeConfigurations": True}
        self.assertEqual(finished(there, create(there, **job))["status"], "completed")
        self.assertEqual(self.server.blobs["/account/log/importErrors.log"], b"")
        kept = lambda hub: {key: rest(hub, "GET", "/configurations/c").json[key] for key in ("content", "targetCondition", "priority")}  # noqa: E731
        self.assertEqual(kept(there), kept(here))
        wait_for(lambda: rest(there, "GET", "/twins/unit-2").json["properties"]["desired"].get("c") == 1, "the configuration to be applied")
        del self.server.blobs["/account/fleet/configurations.txt"]
        self.assertEqual(create(there, **job).error, "BlobContainerValidationError")

    def test_keys_stay_at_home(self):
        hub = self.hub()
        fill(hub, 3)
        finished(hub, create(hub, type="export", outputBlobContainerUri=self.server.container(), outputBlobName="a/b.txt",
                             excludeKeysInExport=True))
        for line in self.server.blobs["/account/fleet/a/b.txt"].splitlines():
            self.assertEqual(json.loads(line)["authentication"]["symmetricKey"], {"primaryKey": None, "secondaryKey": None})

    def test_bad_lines_are_told_and_the_job_ends_well(self):
        hub = self.hub()
        self.server.blobs["/account/fleet/mine.txt"] = b'{"id":"a b"}\nrubbish\n{"id":"good","importMode":"create"}\n'
        job = finished(hub, create(hub, type="Import", inputBlobContainerUri=self.server.container(), inputBlobName="mine.txt",
                                   outputBlobContainerUri=self.server.container()))
        self.assertEqual((job["status"], job["failureReason"]), ("completed", None))
        errors = [json.loads(line) for line in self.server.blobs["/account/fleet/importErrors.log"].splitlines()]
        self.assertEqual(sorted((error["deviceId"], error["errorCode"]) for error in errors), [("", 400006), ("a b", 400004)])
        self.assertEqual(rest(hub, "GET", "/devices/good").status, 200)

    def test_one_job_at_a_time_and_cancelled_when_asked(self):
        hub = self.hub()
        fill(hub, 3)
        self.server.gate.clear()
        created = create(hub, type="export", outputBlobContainerUri=self.server.container())
        self.assertEqual((created.status, created.json["status"]), (200, "enqueued"))
        second = create(hub, type="export", outputBlobContainerUri=self.server.container())
        self.assertEqual((second.status, second.error), (403, "JobQuotaExceeded"))
        path = f"/jobs/{created.json['jobId']}"
        self.assertEqual(rest(hub, "DELETE", path).status, 204)
        self.assertEqual(rest(hub, "GET", path).json["status"], "cancelled")
        self.server.gate.set()
        again = finished(hub, create(hub, type="export", outputBlobContainerUri=self.server.container()))
        self.assertEqual(again["status"], "completed")
        self.assertEqual([job["status"] for job in rest(hub, "GET", "/jobs").json], ["completed", "cancelled"])

    def test_containers_that_cannot_be_used(self):
        hub = self.hub()
        for uri in (self.server.container(signature="sig=wrong"), "http://127.0.0.1:1/c?sig=secret", "ftp://x/secret", "file:///etc", "secret"):
            answer = create(hub, type="export", outputBlobContainerUri=uri)
            self.assertEqual((answer.status, answer.error), (400, "BlobContainerValidationError"), uri)
            self.assertNotIn("secret", answer.body.decode())
        answer = create(hub, type="import", inputBlobContainerUri=self.server.container(), inputBlobName="none")
        self.assertEqual((answer.status, answer.error), (400, "BlobContainerValidationError"))
        self.assertIn("BlobNotFound", answer.json["Message"])

    def test_jobs_survive_kill_9_and_one_under_way_is_failed(self):
        hub = self.hub()
        fill(hub, 3)
        done = finished(hub, create(hub, type="export", outputBlobContainerUri=self.server.container()))
        self.server.gate.clear()
        running = create(hub, type="export", outputBlobContainerUri=self.server.container()).json["jobId"]
        hub.kill()
        self.server.gate.set()
        hub.start()
        self.assertEqual(rest(hub, "GET", f"/jobs/{done['jobId']}").json, done)
        job = rest(hub, "GET", f"/jobs/{running}").json
        self.assertEqual(job["status"], "failed")
        self.assertIn("stopped", job["failureReason"])
        self.assertEqual(finished(hub, create(hub, type="export", outputBlobContainerUri=self.server.container()))["status"], "completed")
        self.assertEqual(list((hub.data).glob("transfer-*")), [])

    def test_a_stop_does_not_wait_for_a_transfer(self):
        hub = self.hub(settings={"drainTimeoutSeconds": 120})
        fill(hub, 3)
        self.server.gate.clear()
        create(hub, type="export", outputBlobContainerUri=self.server.container())
        began = time.monotonic()
        self.assertEqual(hub.stop(timeout=100), 0)
        self.assertLess(time.monotonic() - began, 60)

    def test_folders_that_are_allowed(self):
        exchange = folder("exchange")
        hub = self.hub(settings={"importExport": {"folders": [str(exchange)]}})
        fill(hub, 5)
        uri = f"file://{exchange}"
        self.assertEqual(finished(hub, create(hub, type="export", outputBlobContainerUri=uri, outputBlobName="sub/all.txt"))["status"], "completed")
        written = exchange / "sub" / "all.txt"
        self.assertEqual(stat.S_IMODE(written.stat().st_mode), 0o600)
        rest(hub, "DELETE", "/devices/unit-1", headers={"If-Match": "*"})
        job = finished(hub, create(hub, type="import", inputBlobContainerUri=uri, inputBlobName="sub/all.txt"))
        self.assertEqual((job["status"], (exchange / "importErrors.log").read_text()), ("completed", ""))
        self.assertEqual(rest(hub, "GET", "/devices/unit-1").status, 200)
        (exchange / "way-out").symlink_to("/etc")
        for outside in ("file:///etc", f"file://{exchange}/..", f"file://{exchange}-other", f"file://{exchange}/way-out"):
            answer = create(hub, type="export", outputBlobContainerUri=outside)
            self.assertEqual((answer.status, answer.error), (400, "BlobContainerValidationError"), outside)
        self.assertEqual(sorted(path.name for path in exchange.rglob("*") if ".part" in path.name), [])

    def test_rights_and_unknown_jobs(self):
        self.assertEqual(rest(main(), "GET", "/jobs", authorization=policy_token(main(), "registryRead")).status, 401)
        for method in ("GET", "DELETE"):
            answer = rest(main(), method, "/jobs/none")
            self.assertEqual((answer.status, answer.error), (404, "JobNotFound"))
        answer = create(main(), type="export", outputBlobContainerUri=self.server.container(), storageAuthenticationType="identityBased")
        self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"))


class Commands(unittest.TestCase):
    """`kyanite export` and `kyanite import`."""

    def test_an_import_tries_again_what_a_busy_hub_refused(self):
        hub = new_hub("busy-import", {"testControl": True})
        hub.start()
        self.addCleanup(hub.kill)
        file = folder("busy") / "fleet.json"
        file.write_text("".join(json.dumps({"id": f"b{number}"}) + "\n" for number in range(150)))
        for status in (429, 503):
            added = rest(hub, "POST", "/kyanite/v1/faults", {"kind": "httpError", "status": status, "routes": ["POST /devices"], "count": 1})
            self.assertEqual(added.status, 200, added.body)
        done = subprocess.run([program(), "import", str(file), "--data", hub.info["dataDirectory"]], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("trying again", done.stderr)
        self.assertIn("150 items carried out, 0 refused", done.stderr)
        self.assertEqual(rest(hub, "GET", "/kyanite/v1/faults").json["faults"], [])
        self.assertEqual(hub.stop(), 0)

    def run_command(self, hub, *arguments, stdin="", expect=0):
        environment = {**os.environ, "KYANITE_DATA": str(hub.data)}
        done = subprocess.run([str(program()), *arguments], input=stdin, env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, expect, done)
        return done

    def test_R61_a_fleet_moves_in_a_file(self):
        with new_hub("from") as here, new_hub("to") as there:
            fill(here)
            file = folder("move") / "fleet.jsonl"
            self.run_command(here, "export", str(file))
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
            self.assertEqual(len(file.read_text().splitlines()), 46)
            told = self.run_command(there, "import", str(file)).stderr
            self.assertIn("46 items carried out, 0 refused", told)
            self.assertEqual(contents(there), contents(here))
            piped = self.run_command(here, "export", "--no-keys", "-").stdout
            self.assertEqual(len(piped.splitlines()), 46)
            self.assertIsNone(json.loads(piped.splitlines()[0])["authentication"]["symmetricKey"]["primaryKey"])
            self.assertEqual((here.stop(), there.stop()), (0, 0))

    def test_more_than_one_request_and_refusals_with_their_lines(self):
        with new_hub("many") as hub:
            names = [f"x{number:04}" for number in range(250)]
            text = "\n".join(json.dumps({"id": name, "tags": {"t": "y" * 3000}}) for name in names)
            self.assertIn("250 items carried out", self.run_command(hub, "import", "-", stdin=text).stderr)
            exported = [json.loads(line)["id"] for line in self.run_command(hub, "export", "-").stdout.splitlines()]
            self.assertEqual(exported, names)
            told = self.run_command(hub, "import", "-", stdin='[{"id":"x0001"},\n{"id":"a b"},\n{"x":1}]', expect=1).stderr
            self.assertIn("line 2: a b: a device id has", told)
            self.assertIn("line 3: no object with an id", told)
            self.assertIn("1 items carried out, 2 refused", told)

    def test_what_is_exported_starts_another_hub(self):
        with new_hub("seeder") as hub:
            fill(hub, 12)
            file = folder("as-seed") / "fleet.jsonl"
            self.run_command(hub, "export", str(file))
            expected = contents(hub, 12)
        with new_hub("seeded", arguments=["--seed", str(file)]) as seeded:
            self.assertEqual(contents(seeded, 12), expected)


if __name__ == "__main__":
    unittest.main()
