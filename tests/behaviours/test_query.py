"""Queries over devices and modules (service-rest.md 6; R10, R74 to R86) and `kyanite query`, on a hub of their own."""
import json
import subprocess
import unittest

import world
from hub_process import quote
from world import rest

EXPLORER_LIST = """
SELECT deviceId as DeviceId,
  status as Status,
  lastActivityTime as LastActivityTime,
  statusUpdatedTime as StatusUpdatedTime,
  authenticationType as AuthenticationType,
  cloudToDeviceMessageCount as CloudToDeviceMessageCount,
  connectionState as ConnectionState,
  capabilities.iotEdge as IotEdge,
  modelId as ModelId FROM devices"""
IDS = "SELECT deviceId FROM devices"


class Queries(unittest.TestCase):
    """Twenty-five devices q-00 to q-24 with a tag, two of them with modules."""

    @classmethod
    def setUpClass(cls):
        cls.hub = world.new_hub("query")
        cls.hub.start()
        cls.devices = [world.device(cls.hub, f"q-{number:02}") for number in range(25)]
        for number, made in enumerate(cls.devices):
            cls.patch(made.device_id, {"tags": {"x": "abc"[number % 3], "n": number}})
        for made in cls.devices[:2]:
            for name in ("m1", "m2"):
                made.module(name)

    @classmethod
    def tearDownClass(cls):
        status = cls.hub.stop()
        assert status == 0, cls.hub.log_tail()

    @classmethod
    def patch(cls, device_id, body):
        answer = rest(cls.hub, "PATCH", f"/twins/{quote(device_id)}", body)
        assert answer.status == 200, answer

    def ask(self, text, size=None, continuation=None, **headers):
        if size is not None:
            headers["x-ms-max-item-count"] = str(size)
        if continuation:
            headers["x-ms-continuation"] = continuation
        return rest(self.hub, "POST", "/devices/query", {"query": text}, headers=headers)

    def rows(self, text, **options):
        answer = self.ask(text, **options)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def pages(self, text, size):
        """All pages, following continuations."""
        found, continuation = [], None
        while True:
            answer = self.ask(text, size, continuation)
            self.assertEqual(answer.status, 200, answer)
            found.append(answer.json)
            continuation = answer.headers.get("x-ms-continuation")
            self.assertNotEqual(continuation, "")
            if continuation is None:
                return found
            self.assertLess(len(found), 100)

    def test_R10_the_name_of_the_member_in_any_case(self):
        self.assertEqual(rest(self.hub, "POST", "/devices/query", {"Query": IDS}).status, 200)
        self.assertEqual(rest(self.hub, "POST", "/devices%2Fquery", {"query": IDS}).status, 200)
        answer = rest(self.hub, "POST", "/devices/query", {"text": IDS})
        self.assertEqual((answer.status, answer.error), (400, "ArgumentNull"))

    def test_R74_whole_twins_and_projections(self):
        answer = self.ask("SELECT * FROM devices WHERE deviceId = 'q-03'")
        self.assertEqual(answer.headers["x-ms-item-type"], "Twin")
        self.assertEqual(answer.json, [rest(self.hub, "GET", "/twins/q-03").json])
        answer = self.ask("SELECT deviceId, tags.n FROM devices WHERE tags.n < 2")
        self.assertEqual(answer.headers["x-ms-item-type"], "Raw")
        self.assertEqual(answer.json, [{"deviceId": "q-00", "n": 0}, {"deviceId": "q-01", "n": 1}])

    def test_R75_pages(self):
        pages = self.pages(IDS, 10)
        self.assertEqual([len(page) for page in pages], [10, 10, 5])
        self.assertEqual([row["deviceId"] for page in pages for row in page], [made.device_id for made in self.devices])
        self.assertEqual([len(page) for page in self.pages("SELECT TOP 12 * FROM devices", 5)], [5, 5, 2])

    def test_R75_devices_that_go_between_pages_make_no_duplicates(self):
        made = [world.device(self.hub, f"gone-{number}") for number in range(6)]
        text = f"{IDS} WHERE STARTSWITH(deviceId, 'gone-')"
        first = self.ask(text, 3)
        made[2].delete()
        made[4].delete()
        second = self.ask(text, 3, first.headers["x-ms-continuation"])
        self.assertEqual([row["deviceId"] for row in first.json + second.json], [f"gone-{n}" for n in (0, 1, 2, 3, 5)])
        for one in (0, 1, 3, 5):
            made[one].delete()

    def test_R75_a_continuation_survives_a_restart_and_no_other_query_takes_it(self):
        first = self.ask(IDS, 10)
        token = first.headers["x-ms-continuation"]
        self.assertEqual(self.hub.stop(), 0)
        self.hub.start()
        self.assertEqual(self.ask(IDS, 10, token).json[0], {"deviceId": "q-10"})
        for text, bad in ((IDS + " WHERE 1=1", token), (IDS, token[1:]), (IDS, "nonsense"), (IDS, "A" * 5000)):
            answer = self.ask(text, 10, bad)
            self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"), bad[:20])

    def test_R76_the_list_of_explorer(self):
        rows = self.rows(EXPLORER_LIST + " WHERE STARTSWITH(devices.deviceId, 'q-07')")
        self.assertEqual(len(rows), 1)
        self.assertEqual(rows[0]["DeviceId"], "q-07")
        self.assertEqual(list(rows[0]), ["DeviceId", "Status", "LastActivityTime", "StatusUpdatedTime", "AuthenticationType",
                                         "CloudToDeviceMessageCount", "ConnectionState", "IotEdge", "ModelId"])

    def test_R77_where(self):
        rows = self.rows(f"{IDS} WHERE is_defined(tags.x) AND tags.x IN ['a','b'] AND tags.n >= 21")
        self.assertEqual([row["deviceId"] for row in rows], ["q-21", "q-22", "q-24"])

    def test_R77_the_live_state_of_a_device(self):
        made = self.devices[5]
        connected = f"{IDS} WHERE connectionState = 'Connected'"
        self.assertEqual(self.rows(connected), [])
        with made.session(clean=True):
            self.assertEqual(self.rows(connected), [{"deviceId": made.device_id}])
            self.assertEqual(self.rows("SELECT COUNT() AS n FROM devices WHERE connectionState = 'Connected'"), [{"n": 1}])
            self.assertEqual(self.rows(f"SELECT * FROM devices WHERE deviceId = '{made.device_id}'"),
                             [rest(self.hub, "GET", f"/twins/{made.device_id}").json])
        world.wait_for(lambda: self.rows(connected) == [], "the device is seen to be gone")

    def test_R77_queued_messages_of_a_device_that_nobody_loaded(self):
        made = world.device(self.hub)
        for _ in range(2):
            self.assertEqual(rest(self.hub, "POST", f"/devices/{made.device_id}/messages/deviceBound", b"x").status, 204)
        self.assertEqual(self.hub.stop(), 0)
        self.hub.start()
        self.assertEqual(self.rows(f"{IDS} WHERE cloudToDeviceMessageCount = 2"), [{"deviceId": made.device_id}])
        listed = {row["deviceId"]: row for row in rest(self.hub, "GET", "/devices").json}
        self.assertEqual(listed[made.device_id]["cloudToDeviceMessageCount"], 2)
        made.delete()

    def test_R78_aggregates(self):
        answer = self.ask("SELECT COUNT() AS n FROM devices")
        self.assertEqual((answer.json, answer.headers["x-ms-item-type"]), ([{"n": 25}], "Raw"))
        groups = self.rows("SELECT tags.x, COUNT() AS n, MAX(tags.n) AS most FROM devices GROUP BY tags.x")
        self.assertEqual(groups, [{"x": "a", "n": 9, "most": 24}, {"x": "b", "n": 8, "most": 22}, {"x": "c", "n": 8, "most": 23}])

    def test_R79_a_name_in_brackets(self):
        self.assertEqual(self.rows("select deviceId from devices where configurations.[[c-1]].status='Applied'"), [])

    def test_R80_errors(self):
        for text in ("SELEC", "", "SELECT * FROM things", "SELECT * FROM devices WHERE a = ';", IDS + " ORDER BY deviceId",
                     "SELECT * FROM devices WHERE " + "(" * 5000, "SELECT * FROM devices WHERE a = '" + "x" * 8192 + "'"):
            answer = self.ask(text)
            self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"), text[:40])
            self.assertEqual(answer.json["Message"].count(";"), 1)
            self.assertIn("BadRequest", answer.json["Message"])

    def test_R81_startswith(self):
        rows = self.rows(f"{IDS} WHERE STARTSWITH(devices.deviceId,'q-1')")
        self.assertEqual([row["deviceId"] for row in rows], [f"q-{number}" for number in range(10, 20)])

    def test_R82_modules(self):
        answer = self.ask("SELECT * FROM devices.modules WHERE deviceId in ['q-01']")
        self.assertEqual(answer.headers["x-ms-item-type"], "Twin")
        self.assertEqual(answer.json, [rest(self.hub, "GET", f"/twins/q-01/modules/{name}").json for name in ("m1", "m2")])

    def test_R83_nothing_found(self):
        answer = self.ask("SELECT * FROM devices WHERE deviceId = 'none'")
        self.assertEqual((answer.status, answer.json, answer.headers["x-ms-item-type"]), (200, [], "Twin"))
        self.assertNotIn("x-ms-continuation", answer.headers)

    def test_R84_page_sizes(self):
        self.assertEqual(len(self.rows(IDS, size=5000)), 25)
        self.assertEqual(len(self.rows(IDS, size=0)), 1)
        self.assertEqual(self.ask(IDS, "many").status, 400)

    def test_R86_a_deleted_device_is_not_listed(self):
        made = world.device(self.hub)
        text = f"{IDS} WHERE deviceId = '{made.device_id}'"
        self.assertEqual(len(self.rows(text)), 1)
        made.delete()
        self.assertEqual(self.rows(text), [])

    def run_command(self, *arguments):
        return subprocess.run([world.program(), "query", *arguments, "--data", str(self.hub.data)], capture_output=True,
                              text=True, timeout=60)

    def test_the_command_line_follows_pages(self):
        done = self.run_command("SELECT deviceId, tags.n FROM devices WHERE STARTSWITH(deviceId, 'q-')", "--page", "10")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([row["n"] for row in rows], list(range(25)))
        done = self.run_command(IDS, "--json", "--limit", "3", "--page", "2")
        self.assertEqual(json.loads(done.stdout), [{"deviceId": f"q-0{number}"} for number in range(3)])
        done = self.run_command(IDS + " WHERE 1=2", "--json")
        self.assertEqual(json.loads(done.stdout), [])

    def test_the_command_line_says_what_is_wrong(self):
        done = self.run_command("SELEC")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("position 1", done.stderr)
        self.assertEqual(self.run_command().returncode, 2)


if __name__ == "__main__":
    unittest.main()
