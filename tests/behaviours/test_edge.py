"""Edge devices: scopes and system modules (R50 to R52)."""
import unittest

from world import main, new_id, rest

EDGE = {"capabilities": {"iotEdge": True}}


def put(name, body, if_match=None, path="/devices/{}"):
    return rest(main(), "PUT", path.format(name), body, headers={"If-Match": if_match} if if_match else None)


def modules(name):
    return {module["moduleId"]: module for module in rest(main(), "GET", f"/devices/{name}/modules").json}


class Scopes(unittest.TestCase):
    def refused(self, answer, status, name):
        self.assertEqual((answer.status, answer.error), (status, name), answer)

    def test_R50_the_hub_names_the_scope(self):
        name = new_id("edge")
        made = put(name, {**EDGE, "deviceScope": "mine", "parentScopes": ["ms-azure-iot-edge://p-1"]}).json
        self.assertRegex(made["deviceScope"], rf"^ms-azure-iot-edge://{name}-\d{{18,19}}$")
        self.assertEqual(made["parentScopes"], ["ms-azure-iot-edge://p-1"])
        self.assertEqual(rest(main(), "GET", f"/twins/{name}").json["deviceScope"], made["deviceScope"])

    def test_R50_two_lives_have_two_scopes(self):
        name = new_id("edge")
        first = put(name, EDGE).json["deviceScope"]
        rest(main(), "DELETE", f"/devices/{name}", headers={"If-Match": "*"})
        self.assertNotEqual(put(name, EDGE).json["deviceScope"], first)

    def test_R51_an_update_repeats_the_scope(self):
        name = new_id("edge")
        scope = put(name, EDGE).json["deviceScope"]
        for body in ({**EDGE, "deviceScope": ""}, EDGE, {**EDGE, "deviceScope": scope + "0"}):
            self.refused(put(name, body, "*"), 400, "InvalidDeviceScope")
        parent = "ms-azure-iot-edge://p-1"
        kept = put(name, {**EDGE, "deviceScope": scope, "parentScopes": [parent]}, "*").json
        self.assertEqual((kept["deviceScope"], kept["parentScopes"]), (scope, [parent]))
        for detached in ({"parentScopes": []}, {}):
            put(name, {**EDGE, "deviceScope": scope, "parentScopes": [parent]}, "*")
            self.assertEqual(put(name, {**EDGE, "deviceScope": scope, **detached}, "*").json["parentScopes"], [])

    def test_R52_leaves(self):
        scope = put(new_id("edge"), EDGE).json["deviceScope"]
        name = new_id("leaf")
        leaf = put(name, {"deviceScope": scope}).json
        self.assertEqual((leaf["deviceScope"], leaf["parentScopes"]), (scope, [scope]))
        leaf = put(name, {}, "*").json
        self.assertEqual((leaf["deviceScope"], leaf["parentScopes"]), ("", []))
        self.assertEqual(put(name, {"parentScopes": [scope]}, "*").json["parentScopes"], [])

    def test_a_leaf_becomes_an_edge_device_and_back(self):
        scope = put(new_id("edge"), EDGE).json["deviceScope"]
        name = new_id("d")
        put(name, {"deviceScope": scope})
        edge = put(name, {**EDGE, "deviceScope": "", "parentScopes": [scope]}, "*").json
        self.assertTrue(edge["deviceScope"].startswith(f"ms-azure-iot-edge://{name}-"))
        self.assertEqual(edge["parentScopes"], [scope])
        self.assertEqual(set(modules(name)), {"$edgeAgent", "$edgeHub"})
        leaf = put(name, {"deviceScope": edge["deviceScope"]}, "*").json
        self.assertEqual((leaf["deviceScope"], leaf["parentScopes"], modules(name)), ("", [], {}))
        self.assertEqual(put(name, {"deviceScope": scope}, "*").json["parentScopes"], [scope])


class SystemModules(unittest.TestCase):
    def test_R50_they_come_with_the_device(self):
        name = new_id("edge")
        put(name, EDGE)
        self.assertEqual(set(modules(name)), {"$edgeAgent", "$edgeHub"})
        for module in modules(name).values():
            self.assertEqual((module["authentication"]["type"], module["managedBy"]), ("none", "iotEdge"))
            self.assertEqual(module["authentication"]["symmetricKey"], {"primaryKey": None, "secondaryKey": None})
            twin = rest(main(), "GET", f"/twins/{name}/modules/{module['moduleId']}").json
            self.assertEqual((twin["authenticationType"], twin["version"]), ("none", 2))

    def test_nobody_writes_or_deletes_them(self):
        name = new_id("edge")
        put(name, EDGE)
        path = f"/devices/{name}/modules/$edgeAgent"
        for method in ("PUT", "DELETE"):
            answer = rest(main(), method, path, {} if method == "PUT" else None, headers={"If-Match": "*"})
            self.assertEqual((answer.status, answer.error), (401, "SystemModuleModifyUnauthorizedAccess"))
        self.assertEqual(rest(main(), "PUT", f"/devices/{name}/modules/$edgeOther", {}).status, 400)
        self.assertEqual(set(modules(name)), {"$edgeAgent", "$edgeHub"})

    def test_their_twins_are_for_back_ends_to_write(self):
        name = new_id("edge")
        put(name, EDGE)
        twin = rest(main(), "PATCH", f"/twins/{name}/modules/$edgeAgent", {"properties": {"desired": {"schemaVersion": "1.1"}}})
        self.assertEqual((twin.status, twin.json["properties"]["desired"]["schemaVersion"]), (200, "1.1"))


if __name__ == "__main__":
    unittest.main()
