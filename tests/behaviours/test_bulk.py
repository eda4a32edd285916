"""Many identities in one request (R55 to R60)."""
import base64
import json
import unittest
from concurrent.futures import ThreadPoolExecutor

from world import device, main, new_hub, new_id, policy_token, rest


def bulk(items, hub=None, **options):
    return rest(hub or main(), "POST", "/devices", json.dumps(items), **options)


def show(name):
    return rest(main(), "GET", f"/devices/{name}")


def twin(name):
    return rest(main(), "GET", f"/twins/{name}").json


class Bulk(unittest.TestCase):
    def assert_failed(self, answer, *expected):
        """The failures are exactly these (id, code)."""
        self.assertEqual(answer.status, 400, answer)
        self.assertEqual(answer.headers["iothub-errorcode"], "BulkRegistryOperationFailure")
        self.assertEqual(answer.headers["iothuberrorcode"], "BulkRegistryOperationFailure")
        self.assertIs(answer.json["isSuccessful"], False)
        self.assertEqual([(error["deviceId"], error["errorCode"]) for error in answer.json["errors"]], list(expected))
        for error in answer.json["errors"]:
            self.assertTrue(error["errorStatus"])

    def test_R55_two_new_ones_and_one_that_exists(self):
        old, first, second = device().device_id, new_id(), new_id()
        answer = bulk([{"id": name, "importMode": "create"} for name in (first, old, second)])
        self.assert_failed(answer, (old, 409001))
        self.assertEqual([show(name).status for name in (first, second)], [200, 200])

    def test_R56_a_hundred_items_with_large_twins_are_one_request(self):
        names = [new_id() for _ in range(100)]
        tags = {f"t{number}": "x" * 100 for number in range(60)}
        desired = {f"p{number}": "y" * 1000 for number in range(25)}
        answer = bulk([{"id": name, "importMode": "create", "tags": tags, "properties": {"desired": desired}} for name in names])
        self.assertEqual(answer.status, 200, answer.body[:300])
        self.assertEqual(twin(names[99])["properties"]["desired"]["p24"], desired["p24"])
        # Not endless, and not for those who may not.
        self.assertEqual(rest(main(), "POST", "/devices", " " * (11 << 20)).status, 413)
        self.assertEqual(bulk([{"id": names[0], "tags": {"a": "x" * 2_000_000}}], authorization=policy_token(main(), "service")).status, 401)

    def test_R55_all_are_fine(self):
        names = [new_id() for _ in range(100)]
        answer = bulk([{"id": name, "importMode": "create"} for name in names])
        self.assertEqual((answer.status, answer.json), (200, {"isSuccessful": True, "errors": [], "warnings": []}))
        self.assertNotIn("iothub-errorcode", answer.headers)
        self.assertEqual({show(name).status for name in names}, {200})

    def test_R56_too_many_and_twice_the_same(self):
        answer = bulk([{"id": new_id()} for _ in range(101)])
        self.assertEqual((answer.status, answer.error), (413, "TooManyDevices"))
        name = new_id()
        answer = bulk([{"id": name}, {"id": name}])
        self.assert_failed(answer, (name, 400011), (name, 400011))
        self.assertEqual(show(name).status, 404)

    def test_R57_delete_with_an_etag_that_matches_anything(self):
        made = device()
        self.assertEqual(bulk([{"id": made.device_id, "etag": "*", "importMode": "deleteIfMatchEtag"}]).status, 200)
        self.assertEqual(show(made.device_id).status, 404)
        self.assert_failed(bulk([{"id": made.device_id, "importMode": "delete"}]), (made.device_id, 404001))

    def test_R57_a_deleted_device_is_disconnected(self):
        made = device()
        with made.session() as client:
            self.assertEqual(bulk([{"id": made.device_id, "importMode": "delete"}]).status, 200)
            client.expect_closed()

    def test_R58_without_a_mode_an_item_upserts(self):
        name = new_id()
        self.assertEqual(bulk([{"id": name}]).status, 200)
        self.assertEqual(bulk([{"id": name, "status": "disabled"}]).status, 200)
        self.assertEqual(show(name).json["status"], "disabled")

    def test_R58_keys_that_are_given_are_kept(self):
        name, key = new_id(), base64.b64encode(b"k" * 32).decode()
        authentication = {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}
        self.assertEqual(bulk([{"id": name, "authentication": authentication}]).status, 200)
        self.assertEqual(show(name).json["authentication"]["symmetricKey"]["primaryKey"], key)

    def test_R59_twins(self):
        name = new_id()
        born = {"id": name, "importMode": "create", "tags": {"a": 1}, "properties": {"desired": {"p": 1}, "reported": {"r": 1}}}
        self.assertEqual(bulk([born]).status, 200)
        made = twin(name)
        self.assertEqual((made["tags"], made["version"], made["etag"]), ({"a": 1}, 2, "AAAAAAAAAAE="))
        self.assertEqual((made["properties"]["desired"]["p"], made["properties"]["reported"]["r"]), (1, 1))
        self.assertEqual(bulk([{"id": name, "importMode": "updateTwin", "tags": {"b": 2}}]).status, 200)
        self.assertEqual(twin(name)["tags"], {"a": 1, "b": 2})
        self.assert_failed(bulk([{"id": name, "importMode": "updateTwinIfMatchETag", "twinETag": made["etag"], "tags": {}}]), (name, 412001))

    def test_R59_a_twin_that_breaks_the_rules_makes_no_device(self):
        for tags in ({"a.b": 1}, {"a": "x" * 4097}, {"a": [None]}, {str(n): "x" * 4000 for n in range(3)}, []):
            name = new_id()
            self.assert_failed(bulk([{"id": name, "tags": tags}]), (name, 400004))
            self.assertEqual(show(name).status, 404)

    def test_modules_in_the_order_of_the_request(self):
        name = new_id()
        answer = bulk([{"id": name}, {"id": name, "moduleId": "m"}, {"id": name, "moduleId": "n", "managedBy": "me"}])
        self.assertEqual(answer.status, 200, answer)
        modules = rest(main(), "GET", f"/devices/{name}/modules").json
        self.assertEqual([(module["moduleId"], module["managedBy"]) for module in modules], [("m", ""), ("n", "me")])

    def test_bodies_that_are_no_bulk(self):
        for body in ({"id": "a"}, ["a"], [{"deviceId": "a"}], [{"id": None}]):
            answer = bulk(body)
            self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"), body)
            self.assertNotIn("iothuberrorcode", answer.headers)
        self.assertEqual(bulk([], authorization=policy_token(main(), "registryRead")).status, 401)
        self.assertEqual(bulk([], authorization=policy_token(main(), "registryReadWrite")).status, 200)

    def test_of_racing_bulks_one_creates_each(self):
        names = [new_id() for _ in range(20)]
        items = [{"id": name, "importMode": "create"} for name in names]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: bulk(items), range(4)))
        failures = [error["deviceId"] for answer in answers for error in answer.json["errors"]]
        self.assertEqual(sorted(failures), sorted(names * 3))

    def test_what_was_answered_survives_kill_9(self):
        hub = new_hub("bulk")
        hub.start()
        names = [new_id() for _ in range(50)]
        self.assertEqual(bulk([{"id": name, "tags": {"n": name}} for name in names], hub).status, 200)
        hub.kill()
        hub.start()
        self.assertEqual({rest(hub, "GET", f"/twins/{name}").json["tags"]["n"] for name in names}, set(names))
        self.assertEqual(hub.stop(), 0)


class Keys(unittest.TestCase):
    def rotate(self, policy_key, *identities):
        return rest(main(), "POST", "/devices/keys/regenerate", {"policyKey": policy_key, "devices": list(identities)})

    def test_R60_the_primary_key_alone(self):
        made = device()
        answer = self.rotate("primaryKey", {"id": made.device_id})
        self.assertEqual((answer.status, answer.json["policyKey"], answer.json["errors"]), (200, "primaryKey", []), answer)
        [rotated] = answer.json["rotatedKeys"]
        self.assertNotEqual(rotated["primaryKey"], made.primary)
        self.assertEqual((rotated["id"], rotated["moduleId"], rotated["secondaryKey"]), (made.device_id, None, made.secondary))
        self.assertNotEqual(made.connack(password=made.token()), 0)
        self.assertEqual(made.connack(password=made.token(key=made.secondary)), 0)
        self.assertEqual(made.connack(password=made.token(key=rotated["primaryKey"])), 0)

    def test_R60_one_bad_id_among_good_ones(self):
        made, module = device(), device().module("m")
        answer = self.rotate("both", {"id": made.device_id}, {"id": "none"}, {"id": module.device_id, "moduleId": "m"})
        self.assertEqual(answer.status, 207)
        self.assertEqual([row["id"] for row in answer.json["rotatedKeys"]], [made.device_id, module.device_id])
        self.assertEqual([(row["id"], row["errorCode"]) for row in answer.json["errors"]], [("none", 404001)])

    def test_R60_none_and_identities_without_keys(self):
        made = device(authentication={"type": "selfSigned"})
        answer = self.rotate("secondaryKey", {"id": made.device_id})
        self.assertEqual((answer.status, answer.headers["iothub-errorcode"]), (400, "BulkRegenerateDeviceKeyOperationFailure"))
        self.assertEqual(answer.json["errors"][0]["errorCode"], 400004)
        answer = self.rotate("tertiaryKey", {"id": made.device_id})
        self.assertEqual((answer.status, answer.error), (400, "InvalidPolicyKey"))


if __name__ == "__main__":
    unittest.main()
