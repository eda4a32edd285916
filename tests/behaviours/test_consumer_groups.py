"""Consumer groups of those who read events, over REST and the command line, and readings that keep their place."""
import json
import subprocess
import unittest

import world
from world import device, main, policy_token, rest

PATH = "/kyanite/v1/consumer-groups"


def names(hub=None):
    answer = rest(hub or main(), "GET", PATH)
    assert answer.status == 200, answer.body
    return [group["name"] for group in answer.json["consumerGroups"]]


def kyanite(*arguments, code=0, hub=None):
    result = subprocess.run([world.program(), *map(str, arguments), "--data", (hub or main()).data], capture_output=True, text=True, timeout=120)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout if code == 0 else result.stderr


class Rest(unittest.TestCase):
    def test_default_is_there_and_stays(self):
        self.assertIn("$Default", names())
        answer = rest(main(), "DELETE", PATH + "/%24default")
        self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"))
        self.assertIn("$Default", names())

    def test_one_is_made_once_and_removed(self):
        made = rest(main(), "PUT", PATH + "/Reports")
        self.assertEqual(made.status, 200)
        self.assertEqual((made.json["name"], made.json["readers"]), ("Reports", 0))
        again = rest(main(), "PUT", PATH + "/REPORTS")
        self.assertEqual(again.json, made.json, "names ignore case")
        self.assertEqual(rest(main(), "DELETE", PATH + "/reports").status, 204)
        self.assertEqual(rest(main(), "DELETE", PATH + "/reports").status, 404)
        self.assertNotIn("Reports", names())

    def test_bad_names(self):
        for name in ("a%20b", "-a", "a" * 51, "%24other"):
            answer = rest(main(), "PUT", f"{PATH}/{name}")
            self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"), name)

    def test_the_right_to_see_and_change_them(self):
        self.assertEqual(rest(main(), "GET", PATH, authorization=policy_token(main(), "service")).status, 200)
        for method, path in (("GET", PATH), ("PUT", PATH + "/x"), ("DELETE", PATH + "/x")):
            for policy in ("device", "registryReadWrite"):
                self.assertEqual(rest(main(), method, path, authorization=policy_token(main(), policy)).status, 401)

    def test_they_outlive_the_process(self):
        hub = world.new_hub("groups")
        with hub:
            created = rest(hub, "PUT", PATH + "/kept").json["created"]
            hub.kill()
            hub.start()
            self.assertEqual(names(hub), ["$Default", "kept"])
            self.assertEqual(rest(hub, "PUT", PATH + "/kept").json["created"], created)


class CommandLine(unittest.TestCase):
    def test_list_create_delete(self):
        kyanite("consumer-group", "create", "by-hand")
        listed = json.loads(kyanite("consumer-group", "list", "--json"))
        self.assertIn("by-hand", [group["name"] for group in listed["consumerGroups"]])
        self.assertIn("by-hand", kyanite("consumer-group", "list"))
        kyanite("consumer-group", "delete", "by-hand")
        self.assertIn("404", kyanite("consumer-group", "delete", "by-hand", code=1))
        self.assertIn("50 letters", kyanite("consumer-group", "create", "no name", code=1))


class Checkpoint(unittest.TestCase):
    def setUp(self):
        self.device = device()
        self.file = world.folder("checkpoint") / "place.json"

    def read(self, group=None, code=0, count=10, start="start"):
        words = ["events", "--device", self.device.device_id, "--from", start, "--timeout", 1, "--json", "--count", count, "--checkpoint", self.file]
        words += ["--consumer-group", group] if group else []
        result = subprocess.run([world.program(), *map(str, words), "--data", main().data], capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return [json.loads(line)["body"] for line in result.stdout.splitlines()] if code in (0, 3) else result.stderr

    def test_a_reading_goes_on_where_the_one_before_ended(self):
        for body in ("a", "b", "c"):
            self.device.send(body)
        self.assertEqual(self.read(count=2), ["a", "b"])
        self.assertEqual(self.read(code=3), ["c"])
        self.assertEqual(self.read(code=3), [])
        self.device.send("d")
        self.assertEqual(self.read(code=3), ["d"])

    def test_each_group_has_its_place(self):
        kyanite("consumer-group", "create", "second-reader")
        self.device.send("a")
        self.assertEqual(self.read(count=1), ["a"])
        self.assertEqual(self.read(group="Second-Reader", count=1), ["a"])
        self.assertEqual(self.read(group="second-reader", code=3), [])
        self.assertEqual(self.read(group="$default", code=3), [])

    def test_an_unknown_group_is_no_empty_one(self):
        self.assertIn("there is no consumer group missing", self.read(group="missing", code=1))

    def test_a_file_that_is_no_checkpoint_stays_as_it_is(self):
        for text in ("[]", "{", '{"$default": 5}', '{"$default": {"x": 1}}', '{"$default": {"0": "1"}}'):
            self.file.write_text(text)
            self.assertIn("is no checkpoint", self.read(code=1))
            self.assertEqual(self.file.read_text(), text)

    def test_the_end_is_a_place_to_begin_at(self):
        self.device.send("before")
        self.assertEqual(self.read(start="end", code=3), [])

    def test_places_in_a_question(self):
        import test_events
        self.device.send("first")
        self.device.send("second")
        second = main().expect_events(self.device.device_id, 2)[1]
        query = {"device": self.device.device_id, "from": "now", "timeout": 1, "at": f"{second['partition']}@{second['offset']}"}
        self.assertEqual(test_events.bodies(test_events.read(query)), ["second"])
        for bad in ("1", "@1", "1@", "4@1", "1@x", "1@1,", "x@1", "-1@1"):
            answer = test_events.read({"timeout": 1, "at": bad})
            self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"), bad)
