"""Automatic configurations over the wire (R79, R107 to R109)."""
import json
import struct
import unittest

import mqtt_wire as wire
import world
from world import rest

DESIRED = "$iothub/twin/PATCH/properties/desired/#"


def document(name, desired, condition, priority=1, **more):
    content = {"deviceContent": {"properties.desired": desired}}
    return {"id": name, "schemaVersion": "2.0", "content": content, "targetCondition": condition, "priority": priority, **more}


def put(hub, body, if_match=None, status=200):
    headers = {"If-Match": if_match} if if_match else {}
    reply = rest(hub, "PUT", f"/configurations/{body['id']}", body, headers=headers)
    assert reply.status == status, f"{reply.status} {reply.body}"
    return reply


def delete(hub, name, **headers):
    return rest(hub, "DELETE", f"/configurations/{name}", headers={k.replace("_", "-"): v for k, v in headers.items()})


def get(hub, name):
    reply = rest(hub, "GET", f"/configurations/{name}")
    assert reply.status == 200, reply
    return reply.json


def twin(device):
    return rest(device.hub, "GET", f"/twins/{device.device_id}").json


def desired_of(device):
    return {k: v for k, v in twin(device)["properties"]["desired"].items() if not k.startswith("$")}


def settled(device, desired, statuses):
    """Waits until the twin has these properties and these configurations."""
    def look():
        found = twin(device)
        values = {k: v for k, v in found["properties"]["desired"].items() if not k.startswith("$")}
        return values == desired and found.get("configurations", {}) == {k: {"status": v} for k, v in statuses.items()}
    world.wait_for(look, f"{desired} by {statuses}; there is {twin(device)}")


class Configurations(unittest.TestCase):
    """Each test has a hub tag of its own, so that no configuration meets another test's devices."""

    def setUp(self):
        self.hub = world.main()
        self.site = world.new_id("site")
        self.names = []

    def tearDown(self):
        for name in self.names:
            delete(self.hub, name)

    def name(self):
        self.names.append(world.new_id("c"))
        return self.names[-1]

    def device(self, **tags):
        device = world.device()
        rest(self.hub, "PATCH", f"/twins/{device.device_id}", {"tags": {"site": self.site, **tags}})
        return device

    def here(self):
        return f"tags.site='{self.site}'"

    def test_R107_create_update_delete(self):
        name = self.name()
        made = put(self.hub, document(name, {"a": 1}, self.here(), labels={"k": "v"}, etag="*", metrics={"queries": {}}))
        self.assertEqual(made.headers["etag"], f'"{made.json["etag"]}"')
        self.assertEqual((made.json["id"], made.json["labels"], made.json["priority"]), (name, {"k": "v"}, 1))
        self.assertEqual(put(self.hub, document(name, {"a": 1}, self.here()), status=409).error, "ConfigurationAlreadyExists")
        changed = put(self.hub, document(name, {"a": 2}, "", priority=7), if_match=made.headers["etag"])
        self.assertEqual(changed.json["content"], made.json["content"])
        self.assertEqual((changed.json["priority"], changed.json["targetCondition"]), (7, ""))
        self.assertNotEqual(changed.json["etag"], made.json["etag"])
        self.assertEqual(put(self.hub, document(name, {"a": 1}, ""), if_match=made.headers["etag"], status=412).error, "PreconditionFailed")
        put(self.hub, document(name, {"a": 1}, ""), if_match="*")
        self.assertEqual(put(self.hub, document(world.new_id("c"), {}, ""), if_match="*", status=404).error, "ConfigurationNotFound")
        self.assertEqual(delete(self.hub, name, If_Match='"old"').error, "PreconditionFailed")
        reply = delete(self.hub, name)
        self.assertEqual((reply.status, reply.body), (204, b""))
        self.assertEqual(delete(self.hub, name).error, "ConfigurationNotFound")
        self.assertEqual(rest(self.hub, "GET", f"/configurations/{name}").error, "ConfigurationNotFound")

    def test_R108_the_higher_priority_wins_and_the_lower_follows(self):
        device = self.device()
        low, high = self.name(), self.name()
        put(self.hub, document(low, {"fan": {"speed": 1, "mode": "a"}}, self.here(), priority=1))
        settled(device, {"fan": {"speed": 1, "mode": "a"}}, {low: "Applied"})
        put(self.hub, document(high, {"fan": {"speed": 5}}, self.here(), priority=5))
        settled(device, {"fan": {"speed": 5, "mode": "a"}}, {low: "Applied", high: "Applied"})
        delete(self.hub, high)
        settled(device, {"fan": {"speed": 1, "mode": "a"}}, {low: "Applied"})
        delete(self.hub, low)
        settled(device, {"fan": {"speed": 1, "mode": "a"}}, {})

    def test_the_metadata_names_the_configuration_that_wrote(self):
        device, name = self.device(), self.name()
        rest(self.hub, "PATCH", f"/twins/{device.device_id}", {"properties": {"desired": {"own": 1}}})
        put(self.hub, document(name, {"fan": {"speed": 1}}, self.here()))
        settled(device, {"own": 1, "fan": {"speed": 1}}, {name: "Applied"})
        metadata = twin(device)["properties"]["desired"]["$metadata"]
        for written in (metadata, metadata["fan"], metadata["fan"]["speed"]):
            self.assertEqual(written["$lastUpdatedBy"], name)
            self.assertTrue(written["$lastUpdatedByDigest"])
        self.assertNotIn("$lastUpdatedBy", metadata["own"])
        rest(self.hub, "PATCH", f"/twins/{device.device_id}", {"properties": {"desired": {"own": 2}}})
        metadata = twin(device)["properties"]["desired"]["$metadata"]
        self.assertNotIn("$lastUpdatedBy", metadata)
        self.assertEqual(metadata["fan"]["$lastUpdatedBy"], name)

    def test_one_that_is_beaten_everywhere_is_targeted_only(self):
        device = self.device()
        low, high = self.name(), self.name()
        put(self.hub, document(high, {"a": 2}, self.here(), priority=5))
        put(self.hub, document(low, {"a": 1}, self.here(), priority=1))
        settled(device, {"a": 2}, {high: "Applied", low: "Targeted"})
        counts = get(self.hub, low)["systemMetrics"]["results"]
        self.assertEqual(counts, {"targetedCount": 1, "appliedCount": 0})

    def test_of_equal_priority_the_newest_wins(self):
        device = self.device()
        older, newer = self.name(), self.name()
        put(self.hub, document(older, {"a": 1}, self.here()))
        settled(device, {"a": 1}, {older: "Applied"})
        put(self.hub, document(newer, {"a": 2}, self.here()))
        settled(device, {"a": 2}, {newer: "Applied", older: "Targeted"})

    def test_twins_that_change_or_come_are_judged(self):
        name = self.name()
        put(self.hub, document(name, {"a": 1}, f"{self.here()} AND tags.on = true OR properties.reported.go = '{self.site}'"))
        device = world.device()
        self.assertEqual(desired_of(device), {})
        rest(self.hub, "PATCH", f"/twins/{device.device_id}", {"tags": {"site": self.site, "on": True}})
        self.assertEqual((desired_of(device), twin(device)["configurations"]), ({"a": 1}, {name: {"status": "Applied"}}))
        # It stops to be for the twin: what it wrote stays.
        rest(self.hub, "PATCH", f"/twins/{device.device_id}", {"tags": {"on": False}})
        self.assertEqual((desired_of(device), twin(device).get("configurations")), ({"a": 1}, None))
        other = world.device()
        with other.session(clean=True) as client:
            client.send(wire.subscribe(1, (DESIRED, 0), ("$iothub/twin/res/#", 0)))
            client.read()
            client.send(wire.publish("$iothub/twin/PATCH/properties/reported/?$rid=1", json.dumps({"go": self.site})))
            topics = {}
            for _ in range(2):
                _, body = client.read()
                size, = struct.unpack(">H", body[:2])
                topics[body[2:2 + size].decode().split("?")[0]] = body[2 + size:]
            self.assertEqual(json.loads(topics["$iothub/twin/PATCH/properties/desired/"]), {"a": 1, "$version": 2})
        settled(other, {"a": 1}, {name: "Applied"})

    def test_all_devices_and_those_registered_later(self):
        with world.new_hub("configurations-of-all") as hub:
            first = world.device(hub)
            put(hub, document("everywhere", {"a": 1}, "*"))
            settled(first, {"a": 1}, {"everywhere": "Applied"})
            later = world.device(hub)
            settled(later, {"a": 1}, {"everywhere": "Applied"})
            hub.kill()
            hub.start()
            self.assertEqual(get(hub, "everywhere")["systemMetrics"]["results"], {"targetedCount": 2, "appliedCount": 2})
            rest(hub, "PATCH", f"/twins/{later.device_id}", {"properties": {"desired": {"a": 9, "b": 9}}})
            self.assertEqual(desired_of(later), {"a": 1, "b": 9})

    def test_metrics_and_queries(self):
        devices = [self.device(number=number) for number in range(3)]
        name = self.name()
        put(self.hub, document(name, {"a": 1}, self.here(), metrics={"queries": {
            "large": f"SELECT deviceId FROM devices WHERE {self.here()} AND tags.number > 0"}}))
        for device in devices:
            settled(device, {"a": 1}, {name: "Applied"})
        found = get(self.hub, name)
        self.assertEqual(found["systemMetrics"]["results"], {"targetedCount": 3, "appliedCount": 3})
        self.assertEqual(found["metrics"]["results"], {"large": 2})
        listed = {c["id"]: c for c in rest(self.hub, "GET", "/configurations?top=100").json}
        self.assertEqual(listed[name], found)
        # R79, and what the hub itself says how to ask
        for text in (f"SELECT * FROM devices WHERE configurations.[[{name}]].status='Applied'",
                     found["systemMetrics"]["queries"]["appliedCount"], found["systemMetrics"]["queries"]["targetedCount"]):
            reply = rest(self.hub, "POST", "/devices/query", {"query": text})
            self.assertEqual((reply.status, {row["deviceId"] for row in reply.json}), (200, {d.device_id for d in devices}), text)

    def test_modules(self):
        device = world.device()
        first, second = device.module("m1"), device.module("m2")
        rest(self.hub, "PATCH", f"/twins/{device.device_id}/modules/m1", {"tags": {"site": self.site}})
        name = self.name()
        put(self.hub, {"id": name, "content": {"moduleContent": {"properties.desired.x.y": 3}},
                       "targetCondition": f"from devices.modules where {self.here()}", "priority": 2})
        path = f"/twins/{device.device_id}/modules/"
        world.wait_for(lambda: rest(self.hub, "GET", path + first.module_id).json["properties"]["desired"].get("x") == {"y": 3}, "the module")
        self.assertNotIn("x", rest(self.hub, "GET", path + second.module_id).json["properties"]["desired"])
        self.assertEqual(get(self.hub, name)["systemMetrics"]["results"]["appliedCount"], 1)

    def test_R109_bad_configurations(self):
        content = {"deviceContent": {"properties.desired": {"a": 1}}}
        for body, error in (
                ({"content": {**content, "moduleContent": {"properties.desired": {"a": 1}}}}, "InvalidConfigurationContent"),
                ({"content": {}}, "InvalidConfigurationContent"), ({}, "InvalidConfigurationContent"),
                ({"content": {"deviceContent": {"properties.reported": {}}}}, "InvalidConfigurationContent"),
                ({"content": {"deviceContent": {"properties.desired": {"a": None}}}}, "InvalidConfigurationContent"),
                ({"content": {"modulesContent": {"m": {}}}}, "InvalidConfigurationContent"),
                ({"content": content, "targetCondition": "tags.a ="}, "InvalidConfigurationTargetCondition"),
                ({"content": content, "targetCondition": "from devices.modules where tags.a = 1"}, "InvalidConfigurationTargetCondition"),
                ({"content": content, "metrics": {"queries": {"m": "SELECT"}}}, "InvalidConfigurationCustomMetricsQuery"),
                ({"content": content, "metrics": {"queries": {str(n): "SELECT * FROM devices" for n in range(6)}}}, "InvalidConfigurationCustomMetricsQuery"),
                ({"content": content, "priority": "high"}, "ArgumentInvalid"), ({"content": content, "id": "other"}, "ArgumentInvalid")):
            reply = rest(self.hub, "PUT", "/configurations/bad", body)
            self.assertEqual((reply.status, reply.error), (400, error), body)
        for name in ("Upper", "a%20b", "a" * 129):
            self.assertEqual(rest(self.hub, "PUT", f"/configurations/{name}", {"content": content}).error, "ArgumentInvalid", name)

    def test_queries_are_tested_without_a_configuration(self):
        reply = rest(self.hub, "POST", "/configurations/testQueries", {"targetCondition": "*", "customMetricQueries": {
            "good": "SELECT deviceId FROM devices", "bad": "SELEC"}})
        self.assertEqual((reply.status, reply.json["targetConditionError"], list(reply.json["customMetricQueryErrors"])), (200, None, ["bad"]))
        reply = rest(self.hub, "POST", "/configurations/testQueries", {"targetCondition": "tags.a ="})
        self.assertTrue(reply.json["targetConditionError"])
        self.assertEqual(reply.json["customMetricQueryErrors"], {})


class EdgeContent(unittest.TestCase):
    CONTENT = {"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "1.1"}},
                                  "$edgeHub": {"properties.desired": {"routes": {}}},
                                  "filter": {"properties.desired": {"limit": 3}}}}

    def apply(self, device, content):
        return rest(device.hub, "POST", f"/devices/{device.device_id}/applyConfigurationContent", content)

    def test_R109_only_edge_devices_take_it(self):
        plain, edge = world.device(), world.device(capabilities={"iotEdge": True})
        self.assertEqual((self.apply(plain, self.CONTENT).status, self.apply(edge, self.CONTENT).status), (400, 204))
        self.assertEqual(self.apply(edge, {"deviceContent": {"properties.desired": {}}}).error, "InvalidConfigurationContent")
        self.assertEqual(rest(edge.hub, "POST", "/devices/none/applyConfigurationContent", self.CONTENT).error, "DeviceNotFound")

    def test_modules_become_those_of_the_content(self):
        edge = world.device(capabilities={"iotEdge": True})
        mine = edge.module("mine")
        modules = lambda: {m["moduleId"] for m in rest(edge.hub, "GET", f"/devices/{edge.device_id}/modules").json}  # noqa: E731
        twin_of = lambda name: rest(edge.hub, "GET", f"/twins/{edge.device_id}/modules/{name}").json["properties"]["desired"]  # noqa: E731
        self.assertEqual(self.apply(edge, self.CONTENT).status, 204)
        self.assertEqual(modules(), {"$edgeAgent", "$edgeHub", "filter", "mine"})
        self.assertEqual((twin_of("%24edgeAgent")["schemaVersion"], twin_of("filter")["limit"]), ("1.1", 3))
        before = twin_of("filter")["$version"]
        self.assertEqual(self.apply(edge, self.CONTENT).status, 204)
        self.assertEqual(twin_of("filter")["$version"], before)
        self.assertEqual(self.apply(edge, {"modulesContent": {"$edgeAgent": {"properties.desired": {"b": 1}}}}).status, 204)
        self.assertEqual(modules(), {"$edgeAgent", "$edgeHub", mine.module_id})
        self.assertNotIn("schemaVersion", twin_of("%24edgeAgent"))

    def test_a_deployment_makes_the_modules_of_its_devices(self):
        hub, site = world.main(), world.new_id("site")
        modules = lambda device: {m["moduleId"] for m in rest(hub, "GET", f"/devices/{device.device_id}/modules").json}  # noqa: E731
        early, late, plain = (world.device(capabilities={"iotEdge": edge}) for edge in (True, True, False))
        for device in (early, plain):
            rest(hub, "PATCH", f"/twins/{device.device_id}", {"tags": {"site": site}})
        low, high = world.new_id("c"), world.new_id("c")
        self.addCleanup(delete, hub, low)
        put(hub, {"id": low, "content": self.CONTENT, "targetCondition": f"tags.site='{site}'", "priority": 1})
        world.wait_for(lambda: "filter" in modules(early), "the modules of a device that was there")
        rest(hub, "PATCH", f"/twins/{late.device_id}", {"tags": {"site": site}})
        world.wait_for(lambda: "filter" in modules(late), "the modules of a device that is tagged later")
        self.assertEqual((modules(plain), twin(plain).get("configurations")), (set(), None))
        self.assertEqual(get(hub, low)["systemMetrics"]["results"],
                         {"targetedCount": 2, "appliedCount": 2, "reportedSuccessfulCount": 0, "reportedFailedCount": 0})
        put(hub, {"id": high, "content": {"modulesContent": {"$edgeAgent": {"properties.desired": {}}, "other": {}}},
                  "targetCondition": f"deviceId = '{early.device_id}'", "priority": 9})
        self.addCleanup(delete, hub, high)
        world.wait_for(lambda: modules(early) == {"$edgeAgent", "$edgeHub", "other"}, "the modules of a higher deployment")
        self.assertEqual(twin(early)["configurations"], {high: {"status": "Applied"}, low: {"status": "Targeted"}})
        delete(hub, high)
        world.wait_for(lambda: modules(early) == {"$edgeAgent", "$edgeHub", "filter"}, "the modules of the lower one again")

    def test_layers_are_put_over_a_deployment_and_agents_report(self):
        hub, site = world.main(), world.new_id("site")
        edge = world.device(capabilities={"iotEdge": True})
        rest(hub, "PATCH", f"/twins/{edge.device_id}", {"tags": {"site": site}})
        desired = lambda name: {k: v for k, v in rest(hub, "GET", f"/twins/{edge.device_id}/modules/{name}")  # noqa: E731
                                .json["properties"]["desired"].items() if not k.startswith("$")}
        base, layer = world.new_id("c"), world.new_id("c")
        for name, priority, modules in (
                (base, 1, {"$edgeAgent": {"properties.desired": {"modules": {"a": {"image": "a:1"}}}},
                           "a": {"properties.desired": {"x": 1}}}),
                (layer, 5, {"$edgeAgent": {"properties.desired.modules.b": {"image": "b:1"}}, "a": {"properties.desired.more": {"y": 2}}})):
            self.addCleanup(delete, hub, name)
            put(hub, {"id": name, "content": {"modulesContent": modules}, "targetCondition": f"tags.site='{site}'", "priority": priority})
        world.wait_for(lambda: twin(edge).get("configurations") == {base: {"status": "Applied"}, layer: {"status": "Applied"}}, "both applied")
        world.wait_for(lambda: desired("%24edgeAgent") == {"modules": {"a": {"image": "a:1"}, "b": {"image": "b:1"}}}, "the agent")
        world.wait_for(lambda: desired("a") == {"x": 1, "more": {"y": 2}}, "the module")
        agent = rest(hub, "GET", f"/twins/{edge.device_id}/modules/%24edgeAgent").json
        self.assertEqual(agent["configurations"], twin(edge)["configurations"])
        # What the hub says how to ask finds what it counts.
        found = get(hub, layer)["systemMetrics"]
        self.assertEqual((found["results"]["reportedSuccessfulCount"], found["results"]["reportedFailedCount"]), (0, 0))
        for query in found["queries"].values():
            self.assertEqual(rest(hub, "POST", "/devices/query", {"query": query}).status, 200, query)
        delete(hub, layer)
        world.wait_for(lambda: desired("a") == {"x": 1}, "the module without the layer")
