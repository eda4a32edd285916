"""Twins: what a device sees over MQTT (B61 to B69) and a back end over HTTPS (R62 to R73), alone and racing."""
import contextlib
import json
import re
import struct
import threading
import unittest

import mqtt_wire as wire
import world
from hub_process import quote
from world import main, rest

RESPONSES, DESIRED = "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"
ETAG_OF_A_NEW_TWIN = "AAAAAAAAAAE="


class TwinClient:
    """A connection with its twin subscriptions. Keeps what arrives, by kind, until a test asks for it."""

    def __init__(self, link):
        self.link = link
        self.number = 0
        self.responses = {}  # rid -> (topic, body)
        self.notifications = []  # (topic, body)

    def subscribe(self, *filters):
        self.link.send(wire.subscribe(1, *((name, 1) for name in filters)))
        first, body = self.link.read()
        assert (first, body) == (0x90, b"\0\1" + b"\1" * len(filters)), f"no SUBACK but {first:#x} {body}"

    def take(self):
        packet = self.link.read()
        assert packet, "closed"
        first, body = packet
        if first == 0x40:
            return
        assert first == 0x30, f"not a PUBLISH with QoS 0: {packet}"
        length, = struct.unpack(">H", body[:2])
        topic, payload = body[2:2 + length].decode(), body[2 + length:]
        if topic.startswith("$iothub/twin/res/"):
            rid = re.search(r"\$rid=([^&]*)", topic)[1]
            assert rid not in self.responses, f"a second response: {topic}"
            self.responses[rid] = topic, payload
        else:
            self.notifications.append((topic, payload))

    def response(self, rid):
        while rid not in self.responses:
            self.take()
        return self.responses.pop(rid)

    def next_rid(self):
        self.number += 1
        return str(self.number)

    def ask(self, topic, payload=b"", qos=0, rid=None):
        rid = rid or self.next_rid()
        self.link.send(wire.publish(topic.format(rid=rid), payload, qos, self.number or 1))
        return self.response(rid)

    def get(self, payload=b"", qos=0):
        topic, body = self.ask("$iothub/twin/GET/?$rid={rid}", payload, qos)
        assert topic.startswith("$iothub/twin/res/200/?$rid="), topic
        return json.loads(body)

    def send_patch(self, body, qos=0, version=None):
        rid = self.next_rid()
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        suffix = "" if version is None else f"&$version={version}"
        self.link.send(wire.publish(f"$iothub/twin/PATCH/properties/reported/?$rid={rid}{suffix}", body, qos, self.number))
        return rid

    def patch(self, body, **options):
        """Returns (status, version or error document)."""
        rid = self.send_patch(body, **options)
        topic, payload = self.response(rid)
        found = re.fullmatch(r"\$iothub/twin/res/(\d+)/\?\$rid=" + rid + r"(?:&\$version=(\d+))?", topic)
        assert found, topic
        status = int(found[1])
        if status == 204:
            assert payload == b"", payload
            return status, int(found[2])
        return status, json.loads(payload)

    def notification(self):
        while not self.notifications:
            self.take()
        return self.notifications.pop(0)


@contextlib.contextmanager
def twin_client(identity, filters=(RESPONSES, DESIRED)):
    with identity.session(clean=True) as link:
        client = TwinClient(link)
        if filters:
            client.subscribe(*filters)
        yield client


def path_of(identity):
    tail = f"/modules/{quote(identity.module_id)}" if identity.module_id else ""
    return f"/twins/{quote(identity.device_id)}{tail}"


def twin(identity, method="GET", body=None, status=200, **headers):
    answer = rest(identity.hub, method, path_of(identity), body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    assert answer.status == status, f"{answer.status} {answer.body}"
    return answer.json


def desired(identity, change):
    return twin(identity, "PATCH", {"properties": {"desired": change}})


def nested(levels):
    value = {"leaf": 1}
    for _ in range(levels):
        value = {"n": value}
    return value


class OverMqtt(unittest.TestCase):
    def setUp(self):
        self.device = world.device()

    def test_B61_get_with_an_empty_or_a_blank_payload(self):
        twin(self.device, "PATCH", {"tags": {"t": 1}, "properties": {"desired": {"a": 1}}})
        with twin_client(self.device) as client:
            for payload in (b"", b" ", b"anything"):
                topic, body = client.ask("$iothub/twin/GET/?$rid={rid}", payload, rid="ho")
                self.assertEqual(topic, "$iothub/twin/res/200/?$rid=ho")
                self.assertEqual(json.loads(body), {"desired": {"a": 1, "$version": 2}, "reported": {"$version": 1}})
            self.assertEqual(client.get(qos=1)["desired"]["a"], 1)

    def test_B61_a_rid_is_echoed_as_it_came(self):
        with twin_client(self.device) as client:
            for rid in ("a%20b", "x%2fY", "(1)"):
                topic, _ = client.ask("$iothub/twin/GET/?$rid={rid}", rid=rid)
                self.assertEqual(topic, f"$iothub/twin/res/200/?$rid={rid}")

    def test_B62_a_new_device(self):
        with twin_client(self.device) as client:
            _, body = client.ask("$iothub/twin/GET/?$rid={rid}")
            self.assertEqual(body, b'{"desired":{"$version":1},"reported":{"$version":1}}')

    def test_B63_a_patch_is_merged(self):
        with twin_client(self.device) as client:
            self.assertEqual(client.patch({"old": 1, "keep": {"a": 1, "b": 2}}), (204, 2))
            self.assertEqual(client.patch({"batteryLevel": 60, "old": None, "keep": {"b": None}}, qos=1), (204, 3))
            self.assertEqual(client.get()["reported"], {"keep": {"a": 1}, "batteryLevel": 60, "$version": 3})
            self.assertEqual(client.patch({}), (204, 4))

    def test_B63_a_patch_may_name_the_version_it_builds_on(self):
        with twin_client(self.device) as client:
            self.assertEqual(client.patch({"a": 1}, version=1), (204, 2))
            status, error = client.patch({"a": 2}, version=1)
            self.assertEqual((status, error["errorCode"]), (412, 412001))
            self.assertEqual(client.get()["reported"], {"a": 1, "$version": 2})

    def test_B64_bad_patches_are_refused_and_change_nothing(self):
        bad = ["{bad", "[1]", "null", "5", "", {"a": "x" * 4097}, nested(11), '{"a":4503599627370496}', {"a.b": 1}, {"a b": 1},
               {"$x": 1}, {"a": {"$version": 1}}, {"a": [None]}, {"a": [{"b": None}]}, {"k" * 1025: 1}, '{"a":NaN}', '{"a":1,}',
               '{"a":99999999999999999999}', b'{"a":"\xff"}']
        with twin_client(self.device) as client:
            for body in bad:
                status, error = client.patch(body)
                self.assertEqual((status, error["errorCode"]), (400, 400004), body)
                self.assertTrue(error["message"] and error["trackingId"] and error["timestampUtc"], error)
            self.assertEqual(client.get()["reported"], {"$version": 1})

    def test_B64_what_is_within_the_limits_is_accepted(self):
        good = [{"a": "x" * 4096}, nested(10), {"i": 2**52 - 1, "j": -(2**52), "f": 1.5}, {"k" * 1024: 1}, {"": 1}, {"å#": "\u0001"},
                {"$version": 9, "$metadata": {"x": 1}}]
        with twin_client(self.device) as client:
            for number, body in enumerate(good):
                self.assertEqual(client.patch(body), (204, number + 2), body)
            self.assertNotIn("$metadata", client.get()["reported"])

    def test_B64_a_twin_over_its_size_is_413(self):
        with twin_client(self.device) as client:
            for number in range(8):
                self.assertEqual(client.patch({f"k{number}": "x" * 4000})[0], 204)
            status, error = client.patch({"k8": "x" * 4000})
            self.assertEqual((status, error["errorCode"]), (413, 413001))
            self.assertEqual(client.patch({"k0": "small"}), (204, 10))
            self.assertEqual(client.patch({"k8": "x" * 3000}), (204, 11))

    def test_B65_arrays_replace(self):
        with twin_client(self.device) as client:
            self.assertEqual(client.patch({"a": [1, {"b": 2}]}), (204, 2))
            self.assertEqual(client.patch({"a": ["z"]}), (204, 3))
            self.assertEqual(client.get()["reported"]["a"], ["z"])

    def test_B66_a_desired_change_is_notified(self):
        with twin_client(self.device) as client:
            desired(self.device, {"x": 1, "y": None})
            self.assertEqual(client.notification(), ("$iothub/twin/PATCH/properties/desired/?$version=2", b'{"x":1,"y":null,"$version":2}'))
            twin(self.device, "PUT", {"properties": {"desired": {"z": {"a": 1}}}})
            topic, body = client.notification()
            self.assertEqual((topic[-1], json.loads(body)), ("3", {"z": {"a": 1}, "x": None, "$version": 3}))
            twin(self.device, "PATCH", {"tags": {"only": "tags"}})
            desired(self.device, {"z": None})
            self.assertEqual(json.loads(client.notification()[1]), {"z": None, "$version": 4})

    def test_B67_nothing_is_kept_for_who_does_not_listen(self):
        with twin_client(self.device, (RESPONSES,)) as client:
            desired(self.device, {"x": 1})
            self.assertEqual(client.get()["desired"], {"x": 1, "$version": 2})
            self.assertEqual(client.notifications, [])
        desired(self.device, {"x": 2})
        with twin_client(self.device) as client:
            self.assertEqual(client.get()["desired"], {"x": 2, "$version": 3})
            self.assertEqual(client.notifications, [])

    def test_B69_a_get_without_rid_closes(self):
        for topic in ("$iothub/twin/GET/", "$iothub/twin/GET/?$rid=", "$iothub/twin/GET", "$iothub/twin/PATCH/properties/desired/?$rid=1",
                      "$iothub/twin/PATCH/tags/?$rid=1"):
            with self.device.session(clean=True) as link:
                link.send(wire.publish(topic, b"{}", 0))
                link.expect_closed()

    def test_a_patch_without_rid_is_applied_in_silence(self):
        with twin_client(self.device) as client:
            client.link.send(wire.publish("$iothub/twin/PATCH/properties/reported/", b'{"a":1}', 0))
            self.assertEqual(client.get()["reported"], {"a": 1, "$version": 2})
            self.assertEqual(client.responses, {})

    def test_without_the_subscription_the_work_is_done_and_nothing_is_sent(self):
        with twin_client(self.device, ()) as client:
            client.send_patch({"a": 1}, qos=1)
            self.assertEqual(client.link.read()[0], 0x40)
            client.link.send(wire.publish("$iothub/twin/GET/?$rid=1", b"", 0))
            client.link.ping()
        world.wait_for(lambda: twin(self.device)["properties"]["reported"].get("a") == 1, "the patch in the twin")

    def test_equal_rids_get_a_response_each(self):
        with twin_client(self.device) as client:
            for _ in range(3):
                client.link.send(wire.publish("$iothub/twin/GET/?$rid=same", b"", 0))
            for _ in range(3):
                self.assertEqual(client.response("same")[0], "$iothub/twin/res/200/?$rid=same")

    def test_a_module_has_a_twin_of_its_own(self):
        module = self.device.module("m1")
        with twin_client(module) as client:
            self.assertEqual(client.patch({"m": 1}), (204, 2))
            desired(module, {"x": 1})
            self.assertEqual(json.loads(client.notification()[1]), {"x": 1, "$version": 2})
            self.assertEqual(client.get()["reported"], {"m": 1, "$version": 2})
        self.assertEqual(twin(self.device)["version"], 2)
        self.assertEqual(twin(module)["moduleId"], "m1")

    def test_requests_of_one_connection_are_answered_in_order(self):
        with twin_client(self.device) as client:
            rids = [client.send_patch({"n": number}) for number in range(40)]
            versions = [int(client.response(rid)[0].rpartition("=")[2]) for rid in rids]
            self.assertEqual(versions, list(range(2, 42)))


class OverHttps(unittest.TestCase):
    def setUp(self):
        self.device = world.device()

    def report(self, body):
        with twin_client(self.device, (RESPONSES,)) as client:
            self.assertEqual(client.patch(body)[0], 204)

    def test_R62_a_new_twin(self):
        shown = twin(self.device)
        versions = [shown["properties"][name]["$version"] for name in ("desired", "reported")]
        self.assertEqual((shown["version"], versions, shown["etag"]), (2, [1, 1], ETAG_OF_A_NEW_TWIN))
        self.assertEqual((shown["tags"], shown["capabilities"]), ({}, {"iotEdge": False}))

    def test_R63_tags_and_desired(self):
        tagged = twin(self.device, "PATCH", {"tags": {"site": 1}})
        self.assertEqual((tagged["version"], tagged["properties"]["desired"]["$version"]), (3, 1))
        self.assertNotEqual(tagged["etag"], ETAG_OF_A_NEW_TWIN)
        changed = desired(self.device, {"a": {"b": 1}})
        section = changed["properties"]["desired"]
        self.assertEqual((changed["version"], section["$version"]), (4, 2))
        stamps = section["$metadata"], section["$metadata"]["a"], section["$metadata"]["a"]["b"]
        self.assertEqual([stamp["$lastUpdatedVersion"] for stamp in stamps], [2, 2, 2])
        for stamp in stamps:
            self.assertRegex(stamp["$lastUpdated"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$")

    def test_R64_a_report(self):
        self.report({"fw": "1.2", "old": 1})
        self.report({"old": None})
        shown = twin(self.device)
        reported = shown["properties"]["reported"]
        self.assertEqual((shown["version"], reported["$version"], shown["etag"]), (4, 3, ETAG_OF_A_NEW_TWIN))
        self.assertNotIn("$lastUpdatedVersion", reported["$metadata"]["fw"])
        self.assertNotIn("old", reported["$metadata"])

    def test_R65_the_last_tag_goes(self):
        twin(self.device, "PATCH", {"tags": {"a": 1}})
        self.assertEqual(twin(self.device, "PATCH", {"tags": {"a": None}})["tags"], {})

    def test_R66_the_whole_twin_with_one_change(self):
        self.report({"fw": "1.2"})
        before = desired(self.device, {"x": 1})
        before["properties"]["desired"].update({"x": 2, "$version": 77})
        before["properties"]["reported"]["fw"] = "9"
        after = twin(self.device, "PATCH", before)
        self.assertEqual((after["properties"]["desired"]["x"], after["properties"]["desired"]["$version"]), (2, 3))
        self.assertEqual(after["properties"]["reported"]["fw"], "1.2")

    def test_R67_if_match(self):
        etag = twin(self.device, "PATCH", {"tags": {"a": 1}})["etag"]
        for header in ('"AAAAAAAAAAk="', "AAAAAAAAAAk=", f'"{ETAG_OF_A_NEW_TWIN}"'):
            answer = rest(main(), "PATCH", path_of(self.device), {"tags": {"a": 2}}, headers={"If-Match": header})
            self.assertEqual((answer.status, answer.error), (412, "PreconditionFailed"), header)
        for header in ("*", '"*"', None):
            twin(self.device, "PATCH", {"tags": {"a": 3}}, **({"If_Match": header} if header else {}))
        now = twin(self.device)["etag"]
        self.assertNotEqual(now, etag)
        twin(self.device, "PUT", {}, If_Match=f'"{now}"')

    def test_R68_put_with_tags_alone(self):
        self.report({"fw": "1.2"})
        desired(self.device, {"x": 1})
        after = twin(self.device, "PUT", {"tags": {"a": 1}})
        self.assertEqual({name for name in after["properties"]["desired"] if not name.startswith("$")}, set())
        self.assertEqual((after["tags"], after["properties"]["reported"]["fw"]), ({"a": 1}, "1.2"))

    def test_R69_what_is_refused(self):
        large = {f"k{number}": "x" * 4000 for number in range(9)}
        sections = [{"a.b": 1}, {"a b": 1}, {"$x": 1}, nested(11), {"a": "x" * 4097}, {"a": [None]}, large]
        for section in sections:
            for method in ("PATCH", "PUT"):
                answer = rest(main(), method, path_of(self.device), {"properties": {"desired": section}})
                self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"), str(section)[:80])
                self.assertIn("desired", answer.json["Message"])
                self.assertEqual(answer.json["Message"].count(";"), 1)
        answer = rest(main(), "PATCH", path_of(self.device), {"tags": {f"k{number}": "x" * 4000 for number in range(3)}})
        self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"))
        self.assertEqual(twin(self.device)["version"], 2)

    def test_R70_an_identity_write(self):
        before = twin(self.device)
        self.device.update(statusReason="because")
        after = twin(self.device)
        self.assertNotEqual(before["deviceEtag"], after["deviceEtag"])
        self.assertEqual((before["etag"], before["version"]), (after["etag"], after["version"]))

    def test_R71_a_missing_module(self):
        for method in ("GET", "PATCH", "PUT"):
            answer = rest(main(), method, f"{path_of(self.device)}/modules/none", None if method == "GET" else {"tags": {}})
            self.assertEqual((answer.status, answer.error), (404, "DeviceNotFound"), method)

    def test_R72_the_etag_header(self):
        answer = rest(main(), "GET", path_of(self.device))
        self.assertEqual(answer.headers["etag"], f'"{answer.json["etag"]}"')

    def test_R73_a_connected_device_hears_of_it(self):
        with twin_client(self.device) as client:
            version = desired(self.device, {"x": [1, 2]})["properties"]["desired"]["$version"]
            self.assertEqual(json.loads(client.notification()[1]), {"x": [1, 2], "$version": version})

    def test_a_post_may_stand_for_a_patch(self):
        after = twin(self.device, "POST", {"tags": {"a": 1}}, X_HTTP_Method_Override="PATCH")
        self.assertEqual(after["tags"], {"a": 1})

    def test_what_is_live_is_shown(self):
        with twin_client(self.device):
            shown = twin(self.device)
            self.assertEqual(shown["connectionState"], "Connected")
            self.assertNotEqual(shown["lastActivityTime"], "0001-01-01T00:00:00Z")
        world.wait_for(lambda: twin(self.device)["connectionState"] == "Disconnected", "the end of the connection")

    def test_a_model_is_announced_by_its_connection(self):
        model = "dtmi:com:example:Thermostat;1"
        tail = f"/?api-version=2021-04-12&model-id={quote(model)}"
        with self.device.session(username=self.device.username(tail), clean=True):
            world.wait_for(lambda: twin(self.device)["modelId"] == model, "the model in the twin")
        self.assertEqual(twin(self.device)["version"], 2)

    def test_a_deleted_twin_does_not_come_back(self):
        self.report({"a": 1})
        name = self.device.device_id
        self.device.delete()
        self.assertEqual(rest(main(), "PATCH", path_of(self.device), {"tags": {"a": 1}}).status, 404)
        again = world.device(name=name)
        self.assertEqual(twin(again)["version"], 2)


class Races(unittest.TestCase):
    def test_patches_from_both_sides_lose_nothing_and_keep_their_order(self):
        device, services, rounds = world.device(), 3, 40
        failures, seen = [], []

        def back_end(number):
            try:
                for turn in range(rounds):
                    answer = desired(device, {f"s{number}": turn, "shared": f"{number}-{turn}"})
                    seen.append(answer["properties"]["desired"]["$version"])
            except Exception as error:  # told by the test below
                failures.append(error)

        with twin_client(device) as client:
            threads = [threading.Thread(target=back_end, args=(number,)) for number in range(services)]
            for thread in threads:
                thread.start()
            rids = [client.send_patch({"n": turn, f"r{turn % 7}": turn}) for turn in range(60)]
            versions = [int(client.response(rid)[0].rpartition("=")[2]) for rid in rids]
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])
            notified = [json.loads(client.notification()[1]) for _ in range(services * rounds)]
            document = client.get()
        self.assertEqual(versions, list(range(2, 62)))
        self.assertEqual([change["$version"] for change in notified], list(range(2, services * rounds + 2)))
        self.assertEqual(sorted(seen), list(range(2, services * rounds + 2)))
        merged = {}
        for change in notified:
            merged.update(change)
        self.assertEqual(document["desired"], merged)
        self.assertEqual(document["reported"]["n"], 59)
        self.assertEqual(twin(device)["version"], 2 + 60 + services * rounds)

    def test_of_racing_updates_with_one_etag_one_wins(self):
        device = world.device()
        statuses = []
        barrier = threading.Barrier(6)

        def update(number):
            barrier.wait()
            answer = rest(main(), "PATCH", path_of(device), {"tags": {"winner": number}}, headers={"If-Match": ETAG_OF_A_NEW_TWIN})
            statuses.append(answer.status)

        threads = [threading.Thread(target=update, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(statuses), [200, 412, 412, 412, 412, 412])

    def test_acknowledged_patches_outlive_a_kill(self):
        hub = world.new_hub("twin-kill")
        hub.start()
        try:
            device = world.device(hub)
            with twin_client(device, (RESPONSES,)) as client:
                for turn in range(20):
                    self.assertEqual(client.patch({f"k{turn}": turn})[0], 204)
                desired(device, {"x": 1})
                hub.kill()
            hub.start()
            with twin_client(device, (RESPONSES,)) as client:
                document = client.get()
            self.assertEqual(document["reported"], {**{f"k{turn}": turn for turn in range(20)}, "$version": 21})
            self.assertEqual(document["desired"], {"x": 1, "$version": 2})
        finally:
            hub.kill()


if __name__ == "__main__":
    unittest.main()
