"""Scheduled jobs over the wire (R85, R103 to R106)."""
import json
import subprocess
import threading
import unittest

import world
from test_methods import answer, called, listen
from world import rest

TWIN = {"etag": "*", "tags": {"done": True}}


def put(hub, name, status=200, **fields):
    reply = rest(hub, "PUT", f"/jobs/v2/{name}", {"jobId": name, "maxExecutionTimeInSeconds": 300, **fields})
    assert reply.status == status, f"{reply.status} {reply.body}"
    return reply


def twin_job(hub, name, condition, update=None, status=200, **fields):
    return put(hub, name, status, type="scheduleUpdateTwin", updateTwin=update or TWIN, queryCondition=condition, **fields)


def show(hub, name):
    reply = rest(hub, "GET", f"/jobs/v2/{name}")
    assert reply.status == 200, reply
    return reply.json


def ended(hub, name, timeout=130):
    return world.wait_for(lambda: (job := show(hub, name))["status"] not in ("queued", "running", "scheduled") and job,
                          f"the end of job {name}", timeout)


def statistics(job):
    counts = job["deviceJobStatistics"]
    assert counts["deviceCount"] == sum(counts[k] for k in ("failedCount", "succeededCount", "runningCount", "pendingCount")), counts
    return counts["succeededCount"], counts["failedCount"]


def one_of(*devices):
    return "deviceId IN [" + ",".join(f"'{device.device_id}'" for device in devices) + "]"


class TwinJobs(unittest.TestCase):
    def test_R103_all_devices(self):
        with world.new_hub("jobs-of-all") as hub:
            devices = [world.device(hub) for _ in range(20)]
            job = twin_job(hub, "all", "*").json
            self.assertEqual((job["jobId"], job["type"], job["status"]), ("all", "scheduleUpdateTwin", "queued"))
            self.assertEqual(job["updateTwin"], {"etag": "*", "tags": {"done": True}})
            job = ended(hub, "all")
            self.assertEqual((job["status"], statistics(job)), ("completed", (20, 0)))
            self.assertIn("endTime", job)
            for device in devices:
                self.assertEqual(rest(hub, "GET", f"/twins/{device.device_id}").json["tags"], {"done": True})

    def test_R103_the_etag_must_be_a_star(self):
        hub = world.main()
        for etag in ("abc", '"abc"', 1):
            reply = twin_job(hub, world.new_id("j"), "*", {"etag": etag, "tags": {"a": 1}}, status=400)
            self.assertEqual(reply.error, "ArgumentInvalid")
        device = world.device()
        for etag in ("*", '"*"', None):
            name = world.new_id("j")
            twin_job(hub, name, one_of(device), {"etag": etag, "tags": {"a": 1}})
            self.assertEqual(statistics(ended(hub, name)), (1, 0))

    def test_null_leaves_delete(self):
        hub, device = world.main(), world.device()
        rest(hub, "PATCH", f"/twins/{device.device_id}", {"tags": {"a": 1, "b": 1}, "properties": {"desired": {"x": 1}}})
        name = world.new_id("j")
        job = twin_job(hub, name, one_of(device), {"tags": {"a": None}, "properties": {"desired": {"y": [1.5]}}}).json
        self.assertEqual(job["updateTwin"]["tags"], {"a": None})
        ended(hub, name)
        twin = rest(hub, "GET", f"/twins/{device.device_id}").json
        self.assertEqual(twin["tags"], {"b": 1})
        self.assertEqual((twin["properties"]["desired"]["x"], twin["properties"]["desired"]["y"]), (1, [1.5]))

    def test_a_condition_chooses(self):
        hub = world.main()
        tagged, other = world.device(), world.device()
        tag = world.new_id("site")
        rest(hub, "PATCH", f"/twins/{tagged.device_id}", {"tags": {"site": tag}})
        name = world.new_id("j")
        twin_job(hub, name, f"tags.site='{tag}'")
        self.assertEqual(statistics(ended(hub, name)), (1, 0))
        self.assertEqual(rest(hub, "GET", f"/twins/{other.device_id}").json.get("tags", {}), {})

    def test_modules(self):
        hub, device = world.main(), world.device()
        first, second = device.module("m1"), device.module("m2")
        name = world.new_id("j")
        twin_job(hub, name, f"from devices.modules where deviceId = '{device.device_id}' and moduleId = 'm1'")
        self.assertEqual(statistics(ended(hub, name)), (1, 0))
        self.assertEqual(rest(hub, "GET", f"/twins/{device.device_id}/modules/{first.module_id}").json["tags"], {"done": True})
        self.assertEqual(rest(hub, "GET", f"/twins/{device.device_id}/modules/{second.module_id}").json.get("tags", {}), {})

    def test_a_bad_condition_fails_the_job(self):
        name = world.new_id("j")
        self.assertIn(twin_job(world.main(), name, "tags.site ===").json["status"], ("queued", "running"))
        job = ended(world.main(), name)
        self.assertEqual(job["status"], "failed")
        self.assertTrue(job["failureReason"])

    def test_R104_unknown_and_twice(self):
        hub, name = world.main(), world.new_id("j")
        self.assertEqual(show(hub, name), {"jobId": name, "type": "unknown", "status": "unknown"})
        twin_job(hub, name, "deviceId = 'none'")
        reply = twin_job(hub, name, "deviceId = 'none'", status=409)
        self.assertEqual(reply.error, "JobAlreadyExists")
        self.assertEqual(ended(hub, name)["status"], "completed")
        self.assertEqual(twin_job(hub, name, "*", status=409).error, "JobAlreadyExists")

    def test_bad_requests(self):
        hub = world.main()
        for body, error in (("{", "IotHubFormatError"), ("[]", "IotHubFormatError"), ({}, "ArgumentInvalid"),
                            ({"type": "x", "queryCondition": "*"}, "ArgumentInvalid"),
                            ({"type": "scheduleUpdateTwin", "queryCondition": "*"}, "ArgumentInvalid"),
                            ({"type": "scheduleUpdateTwin", "updateTwin": TWIN}, "ArgumentInvalid"),
                            ({"type": "scheduleUpdateTwin", "updateTwin": {"tags": {"$a": 1}}, "queryCondition": "*"}, "ArgumentInvalid"),
                            ({"type": "scheduleUpdateTwin", "updateTwin": TWIN, "queryCondition": "*", "startTime": "soon"}, "ArgumentInvalid"),
                            ({"type": "scheduleUpdateTwin", "updateTwin": TWIN, "queryCondition": "*", "maxExecutionTimeInSeconds": -1}, "ArgumentInvalid"),
                            ({"type": "scheduleDeviceMethod", "cloudToDeviceMethod": {}, "queryCondition": "*"}, "ArgumentInvalid")):
            reply = rest(hub, "PUT", "/jobs/v2/bad", body)
            self.assertEqual((reply.status, reply.error), (400, error), body)
        for name in ("a%20b", "a" * 65, "a%2Ab"):
            reply = rest(hub, "PUT", f"/jobs/v2/{name}", {"type": "scheduleUpdateTwin", "updateTwin": TWIN, "queryCondition": "*"})
            self.assertEqual((reply.status, reply.error), (400, "ArgumentInvalid"), name)

    def test_scheduled_then_cancelled(self):
        hub, name = world.main(), world.new_id("j")
        start = world.iso_time(3600)
        job = twin_job(hub, name, "*", startTime=start).json
        self.assertEqual(job["status"], "scheduled")
        self.assertEqual(job["startTime"][:19], start[:19])
        self.assertEqual(twin_job(hub, world.new_id("j"), "*", startTime=world.iso_time(169 * 3600), status=400).error, "ArgumentInvalid")
        reply = rest(hub, "POST", f"/jobs/v2/{name}/cancel")
        self.assertEqual((reply.status, reply.json["status"]), (200, "cancelled"))
        reply = rest(hub, "POST", f"/jobs/v2/{name}/cancel")
        self.assertEqual((reply.status, reply.error), (405, "OperationNotAllowedInCurrentState"))
        reply = rest(hub, "POST", "/jobs/v2/none/cancel")
        self.assertEqual((reply.status, reply.error), (404, "JobNotFound"))

    def test_a_scheduled_job_starts_when_its_time_comes(self):
        hub = world.test_control()
        device = world.device(hub)
        name = world.new_id("j")
        twin_job(hub, name, one_of(device), startTime=world.iso_time(3600))
        self.addCleanup(rest, hub, "DELETE", "/kyanite/v1/clock")
        rest(hub, "PUT", "/kyanite/v1/clock", {"shiftSeconds": 3700})
        self.assertEqual(statistics(ended(hub, name)), (1, 0))

    def test_a_restart_in_between_changes_nothing(self):
        with world.new_hub("jobs-restart") as hub:
            device = world.device(hub)
            twin_job(hub, "later", one_of(device), startTime=world.iso_time(3600))
            twin_job(hub, "now", one_of(device))
            ended(hub, "now")
            before = show(hub, "now")
            hub.stop()
            hub.start()
            self.assertEqual(show(hub, "now"), before)
            self.assertEqual(show(hub, "later")["status"], "scheduled")


class MethodJobs(unittest.TestCase):
    def serve(self, client, count, status=200, body=b'{"ok":1}'):
        listen(client)

        def run():
            for _ in range(count):
                _, _, rid, _ = called(client)
                answer(client, rid, status, body)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def method_job(self, hub, name, condition, **method):
        return put(hub, name, type="scheduleDeviceMethod", queryCondition=condition,
                   cloudToDeviceMethod={"methodName": "reboot", "payload": {"a": 1}, "responseTimeoutInSeconds": 100, **method})

    def rows(self, hub, name):
        reply = rest(hub, "POST", "/devices/query", {"query": f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{name}'"})
        self.assertEqual((reply.status, reply.headers["x-ms-item-type"]), (200, "DeviceJob"), reply)
        return {row["deviceId"]: row for row in reply.json}

    def test_R106_R85_one_device_is_offline(self):
        hub, online, offline = world.main(), world.device(), world.device()
        name = world.new_id("j")
        with online.session(clean=True) as client:
            served = self.serve(client, 1)
            job = self.method_job(hub, name, one_of(online, offline)).json
            self.assertEqual(job["cloudToDeviceMethod"], {"methodName": "reboot", "payload": {"a": 1}, "responseTimeoutInSeconds": 100,
                                                          "connectTimeoutInSeconds": 0})
            job = ended(hub, name)
            served.join(60)
        self.assertEqual((job["status"], statistics(job)), ("completed", (1, 1)))
        rows = self.rows(hub, name)
        good, bad = rows[online.device_id], rows[offline.device_id]
        self.assertEqual((good["jobType"], good["status"]), ("scheduleDeviceMethod", "completed"))
        self.assertEqual(good["outcome"], {"deviceMethodResponse": {"status": 200, "payload": {"ok": 1}}})
        self.assertNotIn("error", good)
        self.assertEqual((bad["status"], bad["error"]["code"]), ("failed", "404103"))
        for row in rows.values():
            self.assertFalse({"type", "createdTime", "v"} & set(row), row)
            self.assertTrue({"startTimeUtc", "endTimeUtc", "createdDateTimeUtc", "lastUpdatedDateTimeUtc"} <= set(row), row)

    def test_R105_the_list(self):
        with world.new_hub("jobs-list") as hub:
            for number in range(5):
                self.method_job(hub, f"m{number}", "deviceId = 'none'")
                twin_job(hub, f"t{number}", "deviceId = 'none'")
            for number in range(5):
                ended(hub, f"m{number}")
                ended(hub, f"t{number}")
            reply = rest(hub, "GET", "/jobs/v2/query?jobType=ScheduleDeviceMethod&jobStatus=Completed")
            self.assertEqual((reply.status, reply.headers["x-ms-item-type"]), (200, "JobResponse"))
            self.assertNotIn("x-ms-continuation", reply.headers)
            self.assertEqual([job["jobId"] for job in reply.json], [f"m{n}" for n in range(5)])
            self.assertEqual(rest(hub, "GET", "/jobs/v2/query?jobStatus=running").json, [])
            self.assertEqual(rest(hub, "GET", "/jobs/v2/query?jobStatus=odd").status, 400)
            names, token = [], None
            while True:
                headers = {"x-ms-max-item-count": "4", **({"x-ms-continuation": token} if token else {})}
                reply = rest(hub, "GET", "/jobs/v2/query", headers=headers)
                names += [job["jobId"] for job in reply.json]
                token = reply.headers.get("x-ms-continuation")
                if not token:
                    break
            self.assertEqual(names, [f"m{n}" for n in range(5)] + [f"t{n}" for n in range(5)])
            self.assertEqual(rest(hub, "GET", "/jobs/v2/query", headers={"x-ms-continuation": "odd"}).status, 400)

    def test_a_job_that_runs_cannot_be_cancelled_and_counts_on_the_way(self):
        hub, device, other = world.main(), world.device(), world.device()
        name = world.new_id("j")
        with device.session(clean=True) as client:
            listen(client)
            self.method_job(hub, name, one_of(device, other))
            _, _, rid, _ = called(client)
            job = world.wait_for(lambda: (j := show(hub, name))["deviceJobStatistics"]["failedCount"] and j, "the first outcome")
            self.assertEqual((job["status"], job["deviceJobStatistics"]["runningCount"], statistics(job)), ("running", 1, (0, 1)))
            self.assertEqual(rest(hub, "POST", f"/jobs/v2/{name}/cancel").error, "OperationNotAllowedInCurrentState")
            answer(client, rid)
            self.assertEqual(statistics(ended(hub, name)), (1, 1))

    def test_a_job_ends_when_its_time_is_over(self):
        hub = world.test_control()
        device = world.device(hub)
        name = world.new_id("j")
        with device.session(clean=True) as client:
            listen(client)
            self.method_job(hub, name, "*")
            _, _, rid, _ = called(client)
            self.addCleanup(rest, hub, "DELETE", "/kyanite/v1/clock")
            rest(hub, "PUT", "/kyanite/v1/clock", {"advanceSeconds": 400})
            answer(client, rid)
            job = ended(hub, name)
        self.assertEqual(job["status"], "failed")
        self.assertIn("maxExecutionTimeInSeconds", job["failureReason"])
        self.assertEqual(statistics(job)[0], 1)


class CommandLine(unittest.TestCase):
    def kyanite(self, *arguments, code=0):
        done = subprocess.run([world.program(), *arguments, "--data", world.main().info["dataDirectory"]], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout) if code == 0 and done.stdout else done.stderr

    def test_jobs(self):
        device, name = world.device(), world.new_id("j")
        job = self.kyanite("job", "create-twin", name, "--query", one_of(device), "--tags", '{"a":1}', "--desired", '{"b":null,"c":2}')
        self.assertEqual(job["updateTwin"], {"etag": "*", "tags": {"a": 1}, "properties": {"desired": {"b": None, "c": 2}}})
        self.assertEqual(statistics(ended(world.main(), name)), (1, 0))
        self.assertEqual(self.kyanite("job", "show", name)["status"], "completed")
        self.assertIn(name, [job["jobId"] for job in self.kyanite("job", "list", "--type", "scheduleUpdateTwin", "--status", "completed")])
        later = world.new_id("j")
        job = self.kyanite("job", "create-method", later, "--method", "m", "--payload", '{"x": 1}', "--start", world.iso_time(3600))
        self.assertEqual((job["status"], job["cloudToDeviceMethod"]["payload"]), ("scheduled", {"x": 1}))
        self.assertEqual(self.kyanite("job", "cancel", later)["status"], "cancelled")
        self.assertIn("JobAlreadyExists", self.kyanite("job", "create-twin", name, "--tags", "{}", code=1))
        self.assertIn("name what to change", self.kyanite("job", "create-twin", "x", code=1))

    def test_configurations(self):
        name, file = world.new_id("c"), world.folder("configuration") / "c.json"
        file.write_text(json.dumps({"content": {"deviceContent": {"properties.desired.a": 1}}, "priority": 3}))
        made = self.kyanite("configuration", "apply", name, str(file))
        self.assertEqual((made["id"], made["priority"]), (name, 3))
        file.write_text(json.dumps({"content": {"deviceContent": {"properties.desired.a": 1}}, "priority": 4}))
        self.assertEqual(self.kyanite("configuration", "apply", name, str(file))["priority"], 4)
        self.assertEqual(self.kyanite("configuration", "show", name)["systemMetrics"]["results"], {"targetedCount": 0, "appliedCount": 0})
        self.assertIn(name, [c["id"] for c in self.kyanite("configuration", "list")])
        self.kyanite("configuration", "delete", name)
        self.assertIn("ConfigurationNotFound", self.kyanite("configuration", "show", name, code=1))
