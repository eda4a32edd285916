"""The identity registry (R33 to R54)."""
import base64
import unittest
from concurrent.futures import ThreadPoolExecutor

import world
from https_wire import connection, exchange
from world import VERSION, device, main, new_id, policy_token, rest, wait_for

NEVER = "0001-01-01T00:00:00"


def put(name, body, if_match=None, path="/devices/{}"):
    return rest(main(), "PUT", path.format(name), body, headers={"If-Match": if_match} if if_match else None)


def keys(answer):
    return answer.json["authentication"]["symmetricKey"]


class Devices(unittest.TestCase):
    def assert_error(self, answer, status, name):
        self.assertEqual((answer.status, answer.error), (status, name), answer)

    def test_R33_a_new_device(self):
        name = new_id()
        answer = put(name, {"deviceId": name})
        self.assertEqual(answer.status, 200)
        pair = list(keys(answer).values())
        self.assertEqual([len(base64.b64decode(key, validate=True)) for key in pair], [32, 32])
        self.assertNotEqual(*pair)
        self.assertEqual((answer.json["authentication"]["type"], answer.json["status"]), ("sas", "enabled"))
        self.assertEqual(answer.headers["etag"], f'"{answer.json["etag"]}"')

    def test_R34_a_second_create(self):
        made = device()
        answer = put(made.device_id, made.document)
        self.assert_error(answer, 409, "DeviceAlreadyExists")

    def test_R34_of_racing_creates_one_wins(self):
        name = new_id()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: put(name, {}), range(16)))
        self.assertEqual(sorted(answer.status for answer in answers), [200] + [409] * 15)
        winner = next(answer for answer in answers if answer.status == 200)
        self.assertEqual(rest(main(), "GET", f"/devices/{name}").json["generationId"], winner.json["generationId"])

    def test_R35_updates_by_every_form_of_if_match(self):
        name = device().device_id
        for form in ('"*"', "*", '"{}"', "{}", 'W/"{}"'):
            etag = rest(main(), "GET", f"/devices/{name}").json["etag"]
            self.assertEqual(put(name, {}, form.format(etag)).status, 200, form)

    def test_R36_a_stale_etag_and_a_device_that_is_not_there(self):
        made = device()
        self.assert_error(put(made.device_id, {}, '"x"'), 412, "PreconditionFailed")
        put(made.device_id, {}, "*")
        self.assert_error(put(made.device_id, {}, f'"{made.document["etag"]}"'), 412, "PreconditionFailed")
        self.assert_error(put(new_id(), {}, "*"), 404, "DeviceNotFound")

    def test_R37_an_update_without_authentication_mints_keys(self):
        made = device()
        renewed = keys(put(made.device_id, {"deviceId": made.device_id}, "*"))
        self.assertFalse({made.primary, made.secondary} & set(renewed.values()))

    def test_R38_keys_that_are_given(self):
        def create(primary, secondary):
            return put(new_id(), {"authentication": {"type": "sas", "symmetricKey": {"primaryKey": primary, "secondaryKey": secondary}}})

        def key(size):
            return base64.b64encode(bytes(size)).decode()

        self.assert_error(create(key(32), None), 400, "ArgumentInvalid")
        self.assert_error(create("", key(32)), 400, "ArgumentInvalid")
        for bad in (key(15), key(65), "no base64!", key(32)[:-1]):
            self.assertEqual(create(bad, key(32)).status, 400, bad)
        for size in (16, 64):
            answer = create(key(size), key(32))
            self.assertEqual((answer.status, keys(answer)["primaryKey"]), (200, key(size)))

    def test_R39_empty_keys_are_generated(self):
        for empty in ("", None):
            answer = put(new_id(), {"authentication": {"symmetricKey": {"primaryKey": empty, "secondaryKey": empty}}})
            self.assertEqual([len(base64.b64decode(key)) for key in keys(answer).values()], [32, 32])

    def test_R40_thumbprints(self):
        def create(primary):
            return put(new_id(), {"authentication": {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": primary}}})

        for bad in ("AA:" * 19 + "AA", "A" * 39, "A" * 41, "G" * 40, "A" * 63):
            self.assertEqual(create(bad).status, 400, bad)
        for good in ("ab" * 20, "AB" * 20, "aB" * 32):
            self.assertEqual(create(good).json["authentication"]["x509Thumbprint"]["primaryThumbprint"], good)
        self.assertEqual(create(None).status, 200)
        guessed = put(new_id(), {"authentication": {"x509Thumbprint": {"secondaryThumbprint": "ab" * 20}}})
        self.assertEqual(guessed.json["authentication"]["type"], "selfSigned")

    def test_R41_a_ca_device_has_null_keys(self):
        answer = put(new_id(), {"authentication": {"type": "CertificateAuthority", "symmetricKey": {"primaryKey": "a", "secondaryKey": "b"}}})
        self.assertEqual(answer.json["authentication"], {"symmetricKey": {"primaryKey": None, "secondaryKey": None},
                                                         "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
                                                         "type": "certificateAuthority"})

    def test_R42_the_form_of_a_device(self):
        made = device()
        for shown in (made.document, made.show(), next(d for d in rest(main(), "GET", "/devices").json if d["deviceId"] == made.device_id)):
            self.assertEqual(list(shown["authentication"])[-1], "type")
            for name in ("connectionStateUpdatedTime", "statusUpdatedTime", "lastActivityTime"):
                self.assertEqual(shown[name], NEVER)
            self.assertIs(type(shown["cloudToDeviceMessageCount"]), int)
            self.assertEqual((shown["statusReason"], shown["deviceScope"], shown["parentScopes"]), (None, "", []))
            self.assertEqual(shown["capabilities"], {"iotEdge": False})

    def test_R43_delete(self):
        path = f"/devices/{device().device_id}"
        self.assertEqual(rest(main(), "DELETE", path).status, 412)
        self.assertEqual(rest(main(), "DELETE", path, headers={"If-Match": '"x"'}).status, 412)
        self.assertEqual(rest(main(), "DELETE", path, headers={"If-Match": "*"}).status, 204)
        self.assert_error(rest(main(), "DELETE", path, headers={"If-Match": "*"}), 404, "DeviceNotFound")

    def test_R44_a_name_used_again_is_another_device(self):
        made = device()
        made.delete()
        again = device(name=made.device_id)
        self.assertNotEqual(again.document["generationId"], made.document["generationId"])
        self.assertNotEqual(again.primary, made.primary)
        self.assertEqual(again.connack(password=made.token()), 5)

    def test_R45_names(self):
        self.assertEqual(put("a" * 128, {}).status, 200)
        for bad in ("a" * 129, "a%20b", "a%00b", "%C3%A9", "a%22b", "a%3Cb"):
            self.assertEqual(put(bad, {}).status, 400, bad)
        # A slash in a name, encoded or not, is one between segments: no such route.
        self.assertIn(put("a%2Fb", {}).status, (400, 404))
        for mark in "-:.+%_#*?!(),=@;$'":
            name = f"{new_id()}{mark}x"
            answer = put(world.percent(name), {"deviceId": name})
            self.assertEqual((answer.status, answer.json.get("deviceId")), (200, name))

    def test_R46_body_and_path_must_agree(self):
        self.assert_error(put(new_id(), {"deviceId": "another"}), 400, "ArgumentInvalid")

    def test_R48_connecting_changes_the_state_and_not_the_etag(self):
        made = device()
        with made.session() as client:
            connected = made.show()
            client.publish(made.events, "x")
            client.disconnect()
        after = wait_for(lambda: (shown := made.show())["connectionState"] == "Disconnected" and shown, "disconnected")
        self.assertEqual(connected["connectionState"], "Connected")
        self.assertNotEqual(connected["connectionStateUpdatedTime"], NEVER)
        self.assertNotEqual(after["lastActivityTime"], NEVER)
        self.assertGreaterEqual(after["connectionStateUpdatedTime"], connected["connectionStateUpdatedTime"])
        self.assertEqual({made.document["etag"]}, {connected["etag"], after["etag"]})

    def test_R49_lists_have_at_most_a_thousand(self):
        def create(names):
            link = connection(main())
            headers = {"Authorization": policy_token(main(), "iothubowner")}
            for name in names:
                self.assertEqual(exchange(link, "PUT", f"/devices/{name}?api-version={VERSION}", {}, headers).status, 200)
            link.close()

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(create, [[f"many-{i:04}" for i in range(start, 1005, 16)] for start in range(16)]))
        for query, count in (("?top=5000", 1000), ("", 1000), ("?top=3", 3), ("?top=0", 1), ("?top=-1", 1), ("?top=99999999999999999999", 1000)):
            answer = rest(main(), "GET", "/devices" + query)
            self.assertEqual((answer.status, len(answer.json)), (200, count), query)
        names = [shown["deviceId"] for shown in rest(main(), "GET", "/devices").json]
        self.assertEqual(names, sorted(names))
        self.assertEqual(rest(main(), "GET", "/devices?top=x").status, 400)

    def test_statistics_are_exact(self):
        before = rest(main(), "GET", "/statistics/devices").json
        device()
        device(status="disabled")
        after = rest(main(), "GET", "/statistics/devices").json
        self.assertEqual({name: after[name] - before[name] for name in after},
                         {"totalDeviceCount": 2, "enabledDeviceCount": 1, "disabledDeviceCount": 1})
        connected = device()
        with connected.session():
            self.assertGreaterEqual(rest(main(), "GET", "/statistics/service").json["connectedDeviceCount"], 1)

    def test_R50_an_edge_device_has_scope_and_system_modules(self):
        name = new_id("edge")
        made = put(name, {"capabilities": {"iotEdge": True}, "deviceScope": "mine"}).json
        self.assertTrue(made["deviceScope"].startswith(f"ms-azure-iot-edge://{name}-"), made)
        modules = {module["moduleId"]: module for module in rest(main(), "GET", f"/devices/{name}/modules").json}
        self.assertEqual(set(modules), {"$edgeAgent", "$edgeHub"})
        for module in modules.values():
            self.assertEqual((module["authentication"]["type"], module["managedBy"]), ("none", "iotEdge"))

    def test_R51_the_scope_of_an_edge_device_stays(self):
        name = new_id("edge")
        scope = put(name, {"capabilities": {"iotEdge": True}}).json["deviceScope"]
        self.assert_error(put(name, {"capabilities": {"iotEdge": True}, "deviceScope": ""}, "*"), 400, "InvalidDeviceScope")
        self.assert_error(put(name, {"capabilities": {"iotEdge": True}}, "*"), 400, "InvalidDeviceScope")
        self.assertEqual(put(name, {"capabilities": {"iotEdge": True}, "deviceScope": scope}, "*").status, 200)

    def test_R52_a_leaf_hangs_under_its_edge_device(self):
        scope = put(new_id("edge"), {"capabilities": {"iotEdge": True}}).json["deviceScope"]
        leaf = put(new_id("leaf"), {"deviceScope": scope}).json
        self.assertEqual((leaf["deviceScope"], leaf["parentScopes"]), (scope, [scope]))
        self.assertEqual(put(new_id("leaf"), {"parentScopes": [scope]}).json["parentScopes"], [])

    def test_a_status_reason_is_kept_up_to_128_characters(self):
        self.assertEqual(put(new_id(), {"status": "disabled", "statusReason": "r" * 128}).json["statusReason"], "r" * 128)
        self.assertEqual(put(new_id(), {"statusReason": "r" * 129}).status, 400)


class Modules(unittest.TestCase):
    def setUp(self):
        self.device = device()
        self.path = f"/devices/{self.device.device_id}/modules"

    def test_R53_modules_are_made_once_and_keep_their_names(self):
        self.assertEqual(rest(main(), "GET", self.path).json, [])
        made = rest(main(), "PUT", f"{self.path}/m1", {})
        self.assertEqual((made.status, made.json["moduleId"], "status" in made.json), (200, "m1", False))
        again = rest(main(), "PUT", f"{self.path}/m1", {})
        self.assertEqual((again.status, again.error), (409, "ModuleAlreadyExistsOnDevice"))
        self.assertEqual(rest(main(), "PUT", f"{self.path}/$x", {}).status, 400)
        self.assertEqual([module["moduleId"] for module in rest(main(), "GET", self.path).json], ["m1"])

    def test_R53_updates_and_deletes_follow_the_same_rules(self):
        module = f"{self.path}/m1"
        rest(main(), "PUT", module, {"managedBy": "me"})
        self.assertEqual(rest(main(), "PUT", module, {}, headers={"If-Match": "*"}).json["managedBy"], "")
        self.assertEqual(rest(main(), "DELETE", module).status, 412)
        self.assertEqual(rest(main(), "DELETE", module, headers={"If-Match": "*"}).status, 204)
        gone = rest(main(), "GET", module)
        self.assertEqual((gone.status, gone.error), (404, "ModuleNotFound"))

    def test_R53_at_most_fifty(self):
        for number in range(50):
            self.assertEqual(rest(main(), "PUT", f"{self.path}/m{number}", {}).status, 200)
        answer = rest(main(), "PUT", f"{self.path}/m50", {})
        self.assertEqual((answer.status, answer.error), (413, "TooManyModulesOnDevice"))

    def test_R54_modules_of_a_device_that_is_not_there(self):
        for method, path in (("GET", "/devices/none/modules"), ("GET", "/devices/none/modules/m"), ("PUT", "/devices/none/modules/m")):
            answer = rest(main(), method, path, {} if method == "PUT" else None)
            self.assertEqual((answer.status, answer.error), (404, "DeviceNotFound"), path)

    def test_modules_go_with_their_device(self):
        self.device.module("m1")
        self.device.delete()
        device(name=self.device.device_id)
        self.assertEqual(rest(main(), "GET", self.path).json, [])


class Twins(unittest.TestCase):
    def test_a_twin_is_there_with_its_identity(self):
        made = device()
        made.module("m1")
        for path in (f"/twins/{made.device_id}", f"/twins/{made.device_id}/modules/m1"):
            answer = rest(main(), "GET", path)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.headers["etag"], f'"{answer.json["etag"]}"')
            self.assertEqual(answer.json["properties"]["desired"]["$version"], 1)
            self.assertEqual(answer.json["properties"]["reported"]["$version"], 1)
        for path in ("/twins/none", "/twins/none/modules/m", f"/twins/{made.device_id}/modules/none"):
            answer = rest(main(), "GET", path)
            self.assertEqual((answer.status, answer.error), (404, "DeviceNotFound"))


class CaCertificates(unittest.TestCase):
    def add(self, name, certificate):
        return rest(main(), "PUT", f"/kyanite/v1/ca-certificates/{name}", {"certificate": certificate})

    def test_what_is_no_ca_certificate_is_refused_and_a_name_is_used_once(self):
        for bad in ("garbage", "", None, 5, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                    (main().data / "pki" / "server.pem").read_text()):
            answer = self.add("bad", bad)
            self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"), bad)
        pem = open(main().ca_file).read()
        self.assertEqual(self.add("n" * 300, pem).status, 400)
        self.assertEqual([self.add("once", pem).status, self.add("once", pem).status], [200, 409])
        self.assertEqual(rest(main(), "DELETE", "/kyanite/v1/ca-certificates/once").status, 204)
        self.assertEqual(rest(main(), "DELETE", "/kyanite/v1/ca-certificates/once").status, 404)
