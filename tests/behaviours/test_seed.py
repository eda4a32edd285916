"""The start file: identities that are there when the hub is ready."""
import json
import subprocess
import unittest

from world import Device, folder, log_lines, new_hub, program, rest, wait_for

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def seeded_hub(text):
    place = folder("seed")
    file = place / "fleet.json"
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    return file, new_hub("seeded", arguments=["--seed", str(file)])


def show(hub, name, kind="devices"):
    answer = rest(hub, "GET", f"/{kind}/{name}")
    assert answer.status == 200, answer
    return answer.json


FLEET = [
    {"id": "pump", "authentication": {"type": "sas", "symmetricKey": {"primaryKey": KEY, "secondaryKey": KEY}},
     "tags": {"hall": 3}, "properties": {"desired": {"interval": 30}}},
    {"id": "gate", "capabilities": {"iotEdge": True}},
    {"id": "gate", "moduleId": "filter", "managedBy": "me", "tags": {"a": 1}},
    {"id": "loose"},
]


class Seed(unittest.TestCase):
    def test_identities_are_there_when_the_hub_is_ready(self):
        _, hub = seeded_hub(FLEET)
        with hub:
            pump = Device(hub, show(hub, "pump"))
            self.assertEqual(pump.primary, KEY)
            self.assertEqual(pump.connack(password=pump.token()), 0)
            twin = show(hub, "pump", "twins")
            self.assertEqual((twin["tags"], twin["properties"]["desired"]["interval"]), ({"hall": 3}, 30))
            modules = [module["moduleId"] for module in show(hub, "gate/modules")]
            self.assertEqual(sorted(modules), ["$edgeAgent", "$edgeHub", "filter"])
            self.assertEqual(hub.stop(), 0)

    def test_configurations_are_there_too(self):
        fans = {"id": "fans", "content": {"deviceContent": {"properties.desired.fan": {"speed": 2}}}, "targetCondition": "tags.hall = 3",
                "priority": 7}
        _, hub = seeded_hub([fans, *FLEET])
        with hub:
            made = show(hub, "fans", "configurations")
            self.assertEqual((made["priority"], made["targetCondition"]), (7, "tags.hall = 3"))
            wait_for(lambda: show(hub, "pump", "twins")["properties"]["desired"].get("fan") == {"speed": 2}, "the fan")
            hub.kill()
            hub.start()
            self.assertEqual(show(hub, "fans", "configurations")["etag"], made["etag"])
            self.assertEqual(hub.stop(), 0)

    def test_a_second_start_writes_nothing_and_keeps_keys(self):
        _, hub = seeded_hub(FLEET)
        with hub:
            before = [show(hub, name) for name in ("pump", "gate", "loose", "gate/modules/filter")]
            twins = [show(hub, name, "twins") for name in ("pump", "gate/modules/filter")]
            hub.kill()
            hub.start()
            self.assertEqual([show(hub, name) for name in ("pump", "gate", "loose", "gate/modules/filter")], before)
            self.assertEqual([show(hub, name, "twins") for name in ("pump", "gate/modules/filter")], twins)
            wait_for(lambda: len(log_lines(hub, "seed_applied")) == 2, "both starts in the log")
            last = json.loads(log_lines(hub, "seed_applied")[-1])
            self.assertEqual((last["created"], last["updated"], last["unchanged"]), (0, 0, 4))
            self.assertEqual(hub.stop(), 0)

    def test_what_changed_in_the_file_is_changed_in_the_hub(self):
        file, hub = seeded_hub("\n".join(json.dumps(item) for item in FLEET))
        with hub:
            loose = show(hub, "loose")
            self.assertEqual(hub.stop(), 0)
            file.write_text(json.dumps([{"id": "loose", "status": "disabled", "tags": {"new": True}}]))
            hub.start()
            changed = show(hub, "loose")
            self.assertEqual((changed["status"], changed["authentication"]), ("disabled", loose["authentication"]))
            self.assertEqual(show(hub, "loose", "twins")["tags"], {"new": True})
            self.assertEqual(show(hub, "pump")["status"], "enabled")
            self.assertEqual(hub.stop(), 0)

    def refused(self, arguments):
        place = folder("refused")
        done = subprocess.run(
            [str(program()), "serve", "--data", str(place / "data"), "--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0", "--amqps", "off", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done)
        return done.stderr

    def test_all_problems_of_a_file_are_told_with_their_lines(self):
        file, _ = seeded_hub('{"id":"a b"}\n{"id":"fine"}\nnonsense\n{"id":"c","importMode":"delete"}\n{"id":"fine"}\n')
        told = self.refused(["--seed", str(file)])
        for line, words in ((1, "a device id has"), (3, "not valid JSON"), (4, "importMode delete"), (5, "already in line 2")):
            [found] = [row for row in told.splitlines() if f"fleet.json line {line} " in row]
            self.assertIn(words, found)

    def test_config_check_looks_at_the_file_too(self):
        file, _ = seeded_hub('{"id":"fine"}\nnonsense')
        done = subprocess.run([str(program()), "config", "check", "--seed", str(file)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("fleet.json line 2 ", done.stderr)

    def test_a_file_that_is_not_there(self):
        self.assertIn("/no/such/fleet.json", self.refused(["--seed", "/no/such/fleet.json"]))

    def test_items_that_cannot_be_applied_are_told_together(self):
        file, _ = seeded_hub('{"id":"none","moduleId":"m"}\n{"id":"also-none","moduleId":"m"}\n{"id":"good"}')
        told = self.refused(["--seed", str(file)])
        self.assertIn("line 1 of none/m", told)
        self.assertIn("line 2 of also-none/m", told)


if __name__ == "__main__":
    unittest.main()
