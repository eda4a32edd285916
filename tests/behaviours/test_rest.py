"""REST transport, authentication and errors (R1 to R31, as far as there are routes)."""
import time
import unittest

import world
from https_wire import RawHttps, connection, exchange, request
from world import HOST, VERSION, device, main, owner_key, percent, policy_token, rest, token


class Transport(unittest.TestCase):
    def assert_device(self, path, name, **options):
        answer = rest(main(), "GET", path, **options)
        self.assertEqual(answer.status, 200, (path, answer))
        self.assertEqual(answer.json["deviceId"], name)

    def test_R1_an_encoded_slash(self):
        name = device().device_id
        self.assert_device(f"/devices%2F{name}", name)

    def test_R2_a_trailing_slash_and_doubled_ones(self):
        device()

        def listed(path):
            return [one["deviceId"] for one in rest(main(), "GET", path).json]

        plain = listed("/devices")
        for path in ("/devices/", "//devices", "/devices//"):
            self.assertEqual(listed(path), plain, path)

    def test_R3_a_plus_is_a_plus(self):
        name = device(name=world.new_id("a+b")).device_id
        for path in (f"/devices/{name}", "/devices/" + name.replace("+", "%2B")):
            self.assert_device(path, name)

    def test_R4_a_lone_percent_sign(self):
        name = device(name=world.new_id("n") + "-50%").device_id
        self.assert_device(f"/devices/{name}", name)
        self.assert_device("/devices/" + name.replace("%", "%25"), name)

    def test_R5_literals_ignore_case_and_ids_do_not(self):
        name = device().device_id
        self.assert_device(f"/DEVICES/{name}", name)
        self.assertEqual(rest(main(), "GET", f"/devices/{name.upper()}").status, 404)

    def test_R7_the_version_is_needed(self):
        for version in (None, "", "latest", "2021-4-12", "2021-04-12-beta"):
            path = "/devices" + ("?api-version=" if version == "" else "")
            answer = rest(main(), "GET", path, version=version)
            self.assertEqual((answer.status, answer.error), (400, "InvalidProtocolVersion"), version)

    def test_R8_every_version_in_use(self):
        for version in ("2016-11-14", "2020-05-31-preview", "2024-03-31", VERSION):
            self.assertEqual(rest(main(), "GET", "/devices", version=version).status, 200, version)
        self.assertEqual(rest(main(), "GET", f"/devices?API-VERSION={VERSION}", version=None).status, 200)

    def test_R9_request_id_and_content_type(self):
        for answer in (rest(main(), "GET", "/devices"), rest(main(), "GET", "/devices/none"), rest(main(), "GET", "/nowhere", authorization=None)):
            self.assertRegex(answer.headers["x-ms-request-id"], r"^[0-9a-fA-F-]{32,36}$")
            self.assertIn("application/json", answer.headers["content-type"])
            self.assertIn("date", answer.headers)

    def test_R11_a_chunked_body(self):
        name = world.new_id()
        answer = rest(main(), "PUT", f"/devices/{name}", [b'{"device', b'Id":"' + name.encode(), b'"}'])
        self.assertEqual((answer.status, answer.json["deviceId"]), (200, name))

    def test_R11_expect_100_continue(self):
        name = world.new_id()
        body = b'{"deviceId":"%s"}' % name.encode()
        with RawHttps(main()) as raw:
            raw.send((f"PUT /devices/{name}?api-version={VERSION} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {policy_token(main(), 'iothubowner')}\r\n"
                      f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode())
            self.assertTrue(raw.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 "))
            raw.send(body)
            self.assertTrue(raw.read_all().startswith(b"HTTP/1.1 200 "))

    def test_R12_a_delete_answers_without_a_body(self):
        made = device()
        answer = rest(main(), "DELETE", f"/devices/{made.device_id}", headers={"If-Match": "*"})
        self.assertEqual((answer.status, answer.body), (204, b""))

    def test_R13_a_body_over_the_limit(self):
        for body in (b"x" * (1024 * 1024 + 1), [b"x" * 65536] * 20):
            answer = rest(main(), "PUT", "/devices/large", body)
            self.assertEqual(answer.status, 413)
            self.assertEqual(answer.error, "GenericRequestEntityTooLarge")

    def test_R13_a_head_over_the_limit(self):
        answer = rest(main(), "GET", "/devices", headers={"X-Large": "x" * 40_000})
        self.assertIn(answer.status, (413, 431))

    def test_many_requests_on_one_connection(self):
        link = connection(main())
        headers = {"Authorization": policy_token(main(), "iothubowner")}
        for _ in range(20):
            self.assertEqual(exchange(link, "GET", f"/devices?top=1&api-version={VERSION}", headers=headers).status, 200)
            self.assertEqual(exchange(link, "GET", f"/devices/none?api-version={VERSION}", headers=headers).status, 404)
        link.close()

    def test_pipelined_requests_are_answered_in_order(self):
        with RawHttps(main()) as raw:
            head = f"HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {policy_token(main(), 'iothubowner')}\r\n"
            raw.send(f"GET /devices/none?api-version={VERSION} {head}\r\nGET /statistics/devices?api-version={VERSION} {head}Connection: close\r\n\r\n".encode())
            answer = raw.read_all()
        self.assertLess(answer.index(b"HTTP/1.1 404"), answer.index(b"HTTP/1.1 200"))


class Authentication(unittest.TestCase):
    def assert_status(self, wanted, authorization, method="GET", path="/devices", body=None):
        answer = rest(main(), method, path, body, authorization)
        self.assertEqual(answer.status, wanted, (authorization, answer))
        return answer

    def owner(self, resource=percent(HOST), **options):
        return token(resource, owner_key(main()), "iothubowner", **options)

    def test_R14_nothing_to_prove_who_it_is(self):
        answer = self.assert_status(401, None)
        self.assertEqual(answer.error, "IotHubUnauthorizedAccess")
        self.assertTrue(answer.json["Message"].startswith("ErrorCode:IotHubUnauthorizedAccess;"))

    def test_R15_the_host_as_the_sdks_write_it(self):
        for resource in (HOST, percent(HOST), HOST.upper(), "Alias.test", "localhost", "127.0.0.1"):
            self.assert_status(200, self.owner(resource))
        self.assert_status(401, self.owner("other.test"))

    def test_R16_fields_in_any_order_and_case(self):
        for order in (("sr", "sig", "se", "skn"), ("sr", "sig", "skn", "se"), ("skn", "se", "sig", "sr")):
            self.assert_status(200, self.owner(order=order))
        self.assert_status(200, self.owner().replace("SharedAccessSignature", "sharedaccesssignature"))
        self.assert_status(200, self.owner().replace("&sig=", "&SIG="))

    def test_R17_expiry_with_five_minutes_of_skew(self):
        now = int(time.time())
        self.assert_status(401, self.owner(expiry=now - 600))
        self.assert_status(200, self.owner(expiry=now - 120))

    def test_R18_unknown_policy_and_broken_signature(self):
        self.assert_status(401, token(percent(HOST), owner_key(main()), "nobody"))
        good = self.owner()
        at = good.index("sig=") + 4
        self.assert_status(401, good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1:])
        for broken in ("SharedAccessSignature", "SharedAccessSignature sr=hub.test", "Basic eDp5", "x" * 10_000, good.replace("sig=", "sig=%"), good + "&se=1"):
            self.assert_status(401, broken)

    def test_R19_read_policy_may_not_write(self):
        read = policy_token(main(), "registryRead")
        self.assert_status(200, read)
        self.assert_status(401, read, "PUT", "/devices/" + world.new_id(), {})

    def test_R20_registry_policies_do_not_open_twins(self):
        name = device().device_id
        self.assert_status(401, policy_token(main(), "registryReadWrite"), path=f"/twins/{name}")
        self.assert_status(200, policy_token(main(), "service"), path=f"/twins/{name}")

    def test_R21_service_policy_may_not_write_the_registry(self):
        self.assert_status(401, policy_token(main(), "service"), "PUT", "/devices/" + world.new_id(), {})
        self.assert_status(401, policy_token(main(), "device"))

    def test_R22_a_resource_covers_whole_segments_only(self):
        first = device(name=world.new_id("dev1"))
        device(name=first.device_id + "0")
        scoped = self.owner(percent(first.resource))
        self.assert_status(200, scoped, path=f"/devices/{first.device_id}")
        self.assert_status(401, scoped, path=f"/devices/{first.device_id}0")
        self.assert_status(401, scoped)

    def test_R23_a_devices_own_token_does_not_read_the_registry(self):
        made = device()
        self.assert_status(401, made.token(), path=f"/devices/{made.device_id}")

    def test_R24_the_secondary_key_of_a_policy(self):
        secondary = world.policy_keys(main(), "service")[1]
        self.assert_status(200, token(percent(HOST), secondary, "service"), path=f"/twins/{device().device_id}")

    def test_R24_a_rotated_key_no_longer_opens(self):
        old, other = world.policy_keys(main(), "registryRead")
        answer = rest(main(), "POST", "/kyanite/v1/policies/registryRead/regenerate-key", {"key": "primary"})
        self.assertEqual(answer.status, 200, answer)
        new = world.policy_keys(main(), "registryRead")
        self.assertEqual((new[0] != old, new[1]), (True, other))
        self.assert_status(401, token(percent(HOST), old, "registryRead"))
        for key in new:
            self.assert_status(200, token(percent(HOST), key, "registryRead"))

    def test_R25_bearer_without_an_issuer(self):
        answer = self.assert_status(401, "Bearer x")
        self.assertIn("Message", answer.json)

    def test_R26_a_port_in_the_resource(self):
        for resource in (f"{HOST}%3A8443", f"{HOST}:443", percent(f"{HOST}:{main().info['ports']['https']}")):
            self.assert_status(200, self.owner(resource))

    def test_every_route_needs_a_token(self):
        name = device().device_id
        for method, path in (("GET", "/devices"), ("GET", f"/devices/{name}"), ("PUT", f"/devices/{name}"), ("DELETE", f"/devices/{name}"),
                             ("GET", f"/devices/{name}/modules"), ("GET", f"/twins/{name}"), ("GET", "/statistics/devices"), ("GET", "/statistics/service"),
                             ("GET", "/kyanite/v1/events"), ("GET", "/kyanite/v1/status"), ("GET", "/kyanite/v1/messages?device=x"), ("GET", "/kyanite/v1/ca-certificates")):
            self.assert_status(401, None, method, path)


class Errors(unittest.TestCase):
    def test_R27_a_device_that_is_not_there(self):
        answer = rest(main(), "GET", "/devices/none")
        self.assertEqual((answer.status, answer.error), (404, "DeviceNotFound"))
        self.assertRegex(answer.json["Message"], r"^ErrorCode:DeviceNotFound;[^;]+$")
        self.assertRegex(answer.json["ExceptionMessage"], r"^Tracking ID:[0-9a-f]{32}-G:\d+-TimeStamp:\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$")

    def test_R28_header_and_message_agree(self):
        name = device().device_id
        for method, path, body in (("GET", "/devices/none", None), ("GET", "/nowhere", None), ("POST", f"/devices/{name}", None), ("PUT", f"/devices/{name}", {}),
                                   ("PUT", "/devices/a b", {}), ("DELETE", f"/devices/{name}", None), ("GET", f"/devices/{name}/modules/none", None),
                                   ("GET", "/twins/none", None), ("PUT", "/devices/x", "{")):
            answer = rest(main(), method, path.replace(" ", "%20"), body)
            self.assertGreaterEqual(answer.status, 400)
            self.assertTrue(answer.json["Message"].startswith(f"ErrorCode:{answer.error};"), (method, path, answer))
            self.assertEqual(answer.json["Message"].count(";"), 1)

    def test_R30_bodies_that_are_no_json(self):
        path = "/devices/" + world.new_id()
        for body in (b"", b"{", b"[]", b"null", b'"x"', b"{'a':1}", b'{"deviceId":1}', b'{"authentication":[]}', b"\xff\xfe", b'{"status":"\xff"}', b"[" * 10_000,
                     b'{"authentication":{"symmetricKey":{"primaryKey":5}}}', b'{"status":"on"}', b'{"a":1}x', b'{"capabilities":{"iotEdge":"yes"}}'):
            answer = rest(main(), "PUT", path, body)
            self.assertEqual(answer.status, 400, (body[:40], answer))
            self.assertIn(answer.error, ("IotHubFormatError", "ArgumentInvalid"))
        self.assertEqual(rest(main(), "GET", path).status, 404)

    def test_a_byte_order_mark_is_stripped_and_unknown_members_are_ignored(self):
        self.assertEqual(rest(main(), "PUT", "/devices/" + world.new_id(), b"\xef\xbb\xbf{}").status, 200)
        self.assertEqual(rest(main(), "PUT", "/devices/" + world.new_id(), {"anything": [1], "STATUS": "Disabled"}).json["status"], "disabled")

    def test_R31_a_route_that_is_not_there(self):
        for path in ("/nowhere", "/devices/d/nowhere", "/kyanite/v1/nowhere", "/kyanite"):
            answer = rest(main(), "GET", path)
            self.assertEqual(answer.status, 404, path)
            self.assertTrue(answer.json["Message"].startswith("ErrorCode:"))

    def test_a_known_route_with_another_verb(self):
        for verb in ("POST", "PATCH", "OPTIONS", "TRACE", "BREW"):
            answer = rest(main(), verb, "/statistics/devices")
            self.assertEqual((answer.status, answer.error), (405, "GenericMethodNotAllowed"), verb)

    def test_an_old_peer_without_a_host_and_one_that_asks_twice(self):
        with RawHttps(main()) as raw:
            raw.send(b"GET /devices HTTP/1.1\r\n\r\n")
            self.assertTrue(raw.read_until(b"\r\n").startswith(b"HTTP/1.1 400 "))
        with RawHttps(main()) as raw:
            raw.send(b"GET /devices HTTP/1.0\r\n\r\n")
            self.assertRegex(raw.read_all(), rb"^HTTP/1\.[01] 401 ")
