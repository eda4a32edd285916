"""Every route, driven from the hub's own description: strange requests never crash it, and get no error that is not described."""
import http.client
import unittest

import openapi_client
import world
from https_wire import connection, exchange
from world import rest

CASES = 40  # requests an operation
SEED = 20260105
# What any route may answer to a request that is not as it must be.
ALWAYS = {400, 401, 404, 405, 409, 411, 412, 413, 414, 415, 429, 431}
# Of these a success may have no byte: nothing to stream, a message without a body.
MAY_BE_EMPTY = {"patch_digital_twin", "stream_events", "stream_registry", "receive_c2d"}
# A value here is one that a fuzzed request may not have: it would end the fuzzing or hold it up.
STRANGE_IDS = ("none", "a b", "", "%", "%00", "é", "x" * 129, "x" * 4000, "..", "a/b", "$edgeAgent", "query", "*", "'", "d1%2Fmodules", "\u0000")


class RouteFuzz(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = world.new_hub("route-fuzz", {"testControl": True})
        cls.hub.start()
        cls.addClassCleanup(cls.hub.kill)
        cls.document = rest(cls.hub, "GET", "/kyanite/v1/openapi.json", version=None).json
        cls.operations = openapi_client.operations(cls.document)
        for name in ("d1", "d2"):
            device = world.device(cls.hub, name)
            device.module("m1")

    @classmethod
    def tearDownClass(cls):
        status = cls.hub.stop()
        assert status == 0, f"the hub ended with {status}: {cls.hub.log_tail()}"

    def setUp(self):
        self.owner = world.policy_token(self.hub, "iothubowner")
        self.link = None
        self.addCleanup(lambda: self.link and self.link.close())

    def ask(self, method, target, body=None, headers=None, authorization=None):
        """On a connection that is kept, and made anew where the hub closed it."""
        sent = {"Authorization": authorization or self.owner, **(headers or {})}
        for attempt in (1, 2):
            if self.link is None:
                self.link = connection(self.hub)
            try:
                answer = exchange(self.link, method, target, body, sent)
            except (OSError, EOFError, http.client.HTTPException):
                self.link.close()
                self.link = None
                if attempt == 2:
                    raise
                continue
            if answer.headers.get("connection", "").lower() == "close":
                self.link.close()
                self.link = None
            return answer

    def healthy(self):
        self.assertTrue(self.hub.is_running(), self.hub.log_tail())
        self.assertEqual(rest(self.hub, "DELETE", "/kyanite/v1/clock", version=None).status, 200)
        self.assertEqual(rest(self.hub, "DELETE", "/kyanite/v1/faults", version=None).status, 204)
        self.assertEqual(rest(self.hub, "GET", "/kyanite/v1/status", version=None).status, 200)

    def harmless(self, operation, values, query, body):
        """Takes away what would make the fuzzing wait, or lock it out."""
        if operation.operation == "stream_events":
            query.update(count=1, timeout=1, **{"from": "start"})
        if operation.operation == "wait_until":
            query["timeout"] = 0.05 if query.get("timeout") not in ("x", "-1") else query["timeout"]
        if operation.operation == "invoke_method" and isinstance(body, dict) and body.get("connectTimeoutInSeconds"):
            body["connectTimeoutInSeconds"] = 0
        if operation.operation == "regenerate_policy_key":
            values["name"] = "service" if values.get("name") == "d1" else values.get("name", "none")
            if str(values["name"]).lower() == "iothubowner":
                values["name"] = "none"
        if operation.operation == "add_fault" and isinstance(body, dict):
            body["scope"] = {"device": "nobody"} if isinstance(body.get("scope"), dict) else body.get("scope", {"device": "nobody"})
        return body

    def test_strange_requests_get_described_answers(self):
        bodies = openapi_client.Bodies(SEED)
        dice = bodies.random
        for operation in self.operations:
            if operation.operation in ("reset_hub", "restore_snapshot"):
                continue  # have tests of their own
            allowed = operation.statuses | ALWAYS
            # Server errors are only those that belong to the operation, never that of being busy.
            allowed -= {500, 501, 503}
            for case in range(CASES):
                values = {name: dice.choice(("d1", "d2", "m1", dice.choice(STRANGE_IDS))) for name, _ in operation.parameters("path")}
                query = {name: dice.choice(("1", "0", "-1", "x", "é", "start", "99999999999999999999", "d1"))
                         for name, _ in operation.parameters("query") if name != "api-version" and dice.random() < 0.5}
                body = None
                if operation.schema is not None:
                    body = bodies.value(self.document, operation.schema)
                    if dice.random() < 0.6:
                        body = bodies.broken(body)
                body = self.harmless(operation, values, query, body)
                data = None
                if operation.schema is not None:
                    data = bodies.bytes_of(body)
                elif operation.has_body:
                    data = bytes(dice.randrange(256) for _ in range(dice.randrange(200)))
                headers = {}
                if dice.random() < 0.4:
                    headers["If-Match"] = dice.choice(("*", '"*"', '"AAAAAAAAAAE="', "x", '"', ""))
                target = operation.target(values, query)
                with self.subTest(operation=operation.id, case=case):
                    answer = self.ask(operation.verb, target, data, headers)
                    what = f"{operation.verb} {target} {data!r} {headers}: {answer.status} {answer.body[:300]!r}"
                    self.assertIn(answer.status, allowed, what)
                    if answer.status >= 400:
                        self.assertTrue(answer.error, what)
                        # A request for many tells of each item that failed (service-rest.md 4.9, 4.10).
                        many = ("BulkRegistryOperationFailure", "BulkRegenerateDeviceKeyOperationFailure")
                        self.assertIn("errors" if answer.error in many else "Message", answer.json, what)
                    elif answer.status == 204:
                        self.assertEqual(answer.body, b"", what)
                    elif operation.operation not in MAY_BE_EMPTY:
                        self.assertTrue(answer.body, what)
                    self.assertIn("x-ms-request-id", answer.headers, what)
            self.healthy()

    def test_every_route_refuses_verbs_that_it_has_not(self):
        for path in sorted({operation.path for operation in self.operations}):
            target = next(operation for operation in self.operations if operation.path == path).target({})
            # A path like /devices/query is one of /devices/{deviceId} too.
            known = {operation.verb for operation in self.operations if operation.matches(target)}
            for verb in openapi_client.VERBS:
                if verb in known:
                    continue
                with self.subTest(path=path, verb=verb):
                    answer = self.ask(verb, target, b"{}" if verb != "GET" else None)
                    self.assertEqual((answer.status, answer.error), (405, "GenericMethodNotAllowed"))

    def test_every_route_asks_for_its_right(self):
        tokens = {policy: world.policy_token(self.hub, policy) for policy in openapi_client.POLICIES}
        for operation in self.operations:
            if "x-kyanite-rights" not in operation.described or operation.described["x-kyanite-rights"] == "none":
                continue
            for policy, token in tokens.items():
                if operation.may_call(policy):
                    continue
                with self.subTest(operation=operation.id, policy=policy):
                    answer = self.ask(operation.verb, operation.target({}), b"{}" if operation.has_body else None, authorization=token)
                    self.assertEqual((answer.status, answer.error), (401, "IotHubUnauthorizedAccess"))

    def test_who_has_the_right_is_not_refused(self):
        tokens = {policy: world.policy_token(self.hub, policy) for policy in openapi_client.POLICIES}
        for operation in self.operations:
            if operation.operation in ("stream_events", "wait_until", "reset_hub", "restore_snapshot"):
                continue
            for policy, token in tokens.items():
                if not operation.may_call(policy):
                    continue
                with self.subTest(operation=operation.id, policy=policy):
                    answer = self.ask(operation.verb, operation.target({}), b"{" if operation.has_body else None, authorization=token)
                    self.assertNotEqual(answer.status, 401)
        self.healthy()

    def test_deep_json_and_invalid_utf8_on_every_json_route(self):
        bad = {
            "deep objects": openapi_client.deep(5000),
            "deep arrays": openapi_client.deep(20000, b"[", b"]"),
            "invalid UTF-8": b'{"deviceId":"\xff\xfe"}',
            "a lone surrogate": b'{"a":"\\ud800"}',
            "an overlong form": b'{"a":"\xc0\xaf"}',
            "UTF-16": '{"a":1}'.encode("utf-16"),
            "cut off": b'{"a":"',
            "two documents": b"{}{}",
            "a comment": b"/* */{}",
            "NaN": b'{"a":NaN}',
        }
        for operation in self.operations:
            # The payload of a command goes to the device as it is.
            if operation.schema is None or operation.operation in ("reset_hub", "restore_snapshot", "invoke_command"):
                continue
            values = {name: {"moduleId": "m1"}.get(name, "d1") for name, _ in operation.parameters("path")}
            values["name"] = "service"
            for what, data in bad.items():
                with self.subTest(operation=operation.id, what=what):
                    answer = self.ask(operation.verb, operation.target(values), data, {"If-Match": "*"})
                    self.assertEqual(answer.status, 400, (answer.status, answer.body[:200]))
        self.healthy()


