"""Bearer tokens on the service routes: those of the configured issuer, and fixed ones for tests (R25)."""
import base64
import http.server
import json
import os
import signal
import subprocess
import threading
import time
import unittest

import amqp_peers
import amqp_wire as wire
import world
from hub_process import HubDidNotStart
from world import rest

ISSUER, AUDIENCE = "https://issuer.test", "kyanite"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An RSA key in a file, and tokens that it signs."""

    def __init__(self, folder):
        self.key = folder / "issuer.pem"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        shown = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True, text=True)
        self.modulus = bytes.fromhex(shown.stdout.strip().partition("=")[2])

    def key_set(self):
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": base64url(self.modulus), "e": "AQAB"}]}

    def token(self, head=None, **claims):
        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "kid": "k1", **(head or {})}
        claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 600, "nbf": now - 10, **claims}
        text = base64url(json.dumps(head).encode()) + "." + base64url(json.dumps(claims).encode())
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True, capture_output=True)
        return f"Bearer {text}.{base64url(signed.stdout)}"


class Bearer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = world.folder("issuer")
        cls.issuer, cls.stranger = Issuer(folder), Issuer(world.folder("stranger"))
        keys = folder / "keys.json"
        keys.write_text(json.dumps(cls.issuer.key_set()))
        cls.hub = world.new_hub("bearer", {"auth": {
            "bearerIssuer": ISSUER, "bearerAudience": AUDIENCE, "bearerJwksFile": str(keys),
            "bearerRights": ["hub-admin=iothubowner", "hub-reader=registryRead", "hub-service=service"]}})
        cls.hub.start()
        cls.addClassCleanup(cls.hub.kill)

    def status(self, authorization, method="GET", path="/devices", body=None):
        answer = rest(self.hub, method, path, body, authorization=authorization)
        if answer.status == 401:
            self.assertEqual(answer.error, "IotHubUnauthorizedAccess")
        return answer.status

    def test_the_rights_follow_from_the_claim(self):
        reader, admin = self.issuer.token(roles=["hub-reader", "other"]), self.issuer.token(roles="hub-admin")
        self.assertEqual(self.status(reader), 200)
        self.assertEqual(self.status(reader, "PUT", "/devices/b1", {"deviceId": "b1"}), 401)
        self.assertEqual(self.status(admin, "PUT", "/devices/b1", {"deviceId": "b1"}), 200)
        self.assertEqual(self.status(self.issuer.token(roles=["hub-service"])), 401)
        self.assertEqual(self.status(self.issuer.token(roles=["hub-service", "hub-reader"]), path="/twins/b1"), 200)
        self.assertEqual(self.status(self.issuer.token(roles=[])), 401)
        self.assertEqual(self.status(self.issuer.token()), 401)

    def test_what_is_not_of_the_issuer_opens_nothing(self):
        good = {"roles": ["hub-admin"]}
        self.assertEqual(self.status(self.issuer.token(**good)), 200)
        for what, token in {
                "another key": self.stranger.token(**good),
                "another key id": self.issuer.token({"kid": "k2"}, **good),
                "no signature": self.issuer.token({"alg": "none"}, **good).rpartition(".")[0] + ".",
                "a hash in place of a signature": self.issuer.token({"alg": "HS256"}, **good),
                "expired": self.issuer.token(exp=int(time.time()) - 400, **good),
                "not yet": self.issuer.token(nbf=int(time.time()) + 400, **good),
                "another audience": self.issuer.token(aud="other", **good),
                "another issuer": self.issuer.token(iss="https://other.test", **good),
                "cut": self.issuer.token(**good)[:-5],
                "nothing": "Bearer "}.items():
            with self.subTest(what=what):
                self.assertEqual(self.status(token), 401)

    def test_links_over_amqp_end_with_the_token(self):
        for lives in (15, 60, 120):  # a slow machine may be done with the attach after that
            with amqp_peers.connect(self.hub) as client:
                # It has ended by its claims and lives on for the tolerance of five minutes.
                ends = int(time.time()) + lives
                status = amqp_peers.put_token(client, self.issuer.token(roles=["hub-service"], exp=ends - 300), world.HOST)
                link = client.attach(wire.SENDER, "/messages/devicebound")
                if time.time() >= ends:
                    continue
                self.assertEqual(status, 200)
                self.assertIsNotNone(link.attached.field(6))
                error = link.refused(timeout=lives + 60)
                self.assertEqual(error[0], "amqp:unauthorized-access")
                self.assertIn("expired", error[1])
                return
        self.fail("no link was attached before its token ended")

    def test_policies_go_on_working(self):
        self.assertEqual(self.status(world.policy_token(self.hub, "registryRead")), 200)

    def test_SIGHUP_reads_the_key_set_again(self):
        keys = world.folder("keys") / "keys.json"
        keys.write_text(json.dumps(self.issuer.key_set()))
        hub = world.new_hub("bearer-file", {"auth": {
            "bearerIssuer": ISSUER, "bearerAudience": AUDIENCE, "bearerJwksFile": str(keys), "bearerRights": ["hub-admin=iothubowner"]}})
        with hub:
            status = lambda issuer: rest(hub, "GET", "/devices", authorization=issuer.token(roles=["hub-admin"])).status
            self.assertEqual((status(self.issuer), status(self.stranger)), (200, 401))
            keys.write_text(json.dumps(self.stranger.key_set()))
            os.kill(hub.process.pid, signal.SIGHUP)
            world.wait_for(lambda: (status(self.issuer), status(self.stranger)) == (401, 200), "the other keys")
            keys.write_text("rubbish")
            os.kill(hub.process.pid, signal.SIGHUP)
            world.wait_for(lambda: "bearer_keys_kept" in world.log_text(hub), "the refusal")
            self.assertEqual(status(self.stranger), 200)
            self.assertEqual(hub.stop(), 0)

    def test_a_key_set_that_cannot_be_used_keeps_the_hub_from_starting(self):
        keys = world.folder("keys") / "keys.json"
        keys.write_text('{"keys":[]}')
        hub = world.new_hub("bad-keys", {"auth": {"bearerIssuer": ISSUER, "bearerAudience": AUDIENCE, "bearerJwksFile": str(keys), "bearerRights": ["a=service"]}})
        with self.assertRaises(HubDidNotStart) as failed:
            hub.start()
        self.assertIn("keys.json", str(failed.exception))


class KeySetServer:
    """The issuer's address on the loopback."""

    def __init__(self):
        server = self
        self.answer, self.asked = (200, b"{}"), 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked += 1
                status, body = server.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.uri = f"http://127.0.0.1:{self.server.server_port}/keys"

    def serve(self, *issuers):
        keys = [{**issuer.key_set()["keys"][0], "kid": kid} for kid, issuer in issuers]
        self.answer = (200, json.dumps({"keys": keys}).encode())

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class BearerFromAddress(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.old, cls.new = Issuer(world.folder("old")), Issuer(world.folder("new"))

    def setUp(self):
        self.keys = KeySetServer()
        self.addCleanup(self.keys.close)

    def hub(self):
        hub = world.new_hub("bearer-uri", {"auth": {
            "bearerIssuer": ISSUER, "bearerAudience": AUDIENCE, "bearerJwksUri": self.keys.uri, "bearerRights": ["hub-admin=iothubowner"]}})
        hub.start()
        self.addCleanup(hub.kill)
        return hub

    def put(self, hub, issuer, kid, size=10):
        name = world.new_id("b")
        token = issuer.token({"kid": kid}, roles=["hub-admin"])
        return rest(hub, "PUT", f"/devices/{name}", {"deviceId": name, "pad": "x" * size}, authorization=token).status

    def test_keys_are_fetched_at_the_start_and_when_a_token_names_an_unknown_one(self):
        self.keys.serve(("k1", self.old))
        unknown = [self.new.token({"kid": "k2"}, roles=["hub-admin"]) for _ in range(3)]
        began = time.monotonic()
        hub = self.hub()
        # The first request waits for the keys, if need be.
        self.assertEqual(rest(hub, "GET", "/devices", authorization=self.old.token(roles=["hub-admin"])).status, 200)
        self.assertEqual(self.put(hub, self.old, "k1"), 200)
        self.assertEqual(self.keys.asked, 1)
        # Within 30 s of the start nobody is asked again, whatever a token says.
        for token in unknown:
            self.assertEqual(rest(hub, "PUT", "/devices/unknown", {"deviceId": "unknown"}, authorization=token).status, 401)
        asked = self.keys.asked
        if time.monotonic() - began < 30:
            self.assertEqual(asked, 1)
        # SIGHUP asks at once.
        self.keys.serve(("k1", self.old), ("k2", self.new))
        os.kill(hub.process.pid, signal.SIGHUP)
        world.wait_for(lambda: self.keys.asked > asked, "another fetch")
        world.wait_for(lambda: self.put(hub, self.new, "k2") == 200, "the new key")
        self.assertEqual(self.put(hub, self.old, "k1"), 200)
        # What cannot be used leaves the keys that are there.
        for answer in ((200, b"rubbish"), (404, b""), (200, b'{"keys":[]}'), (200, b" " * (2 << 20))):
            self.keys.answer = answer
            asked = self.keys.asked
            os.kill(hub.process.pid, signal.SIGHUP)
            world.wait_for(lambda: self.keys.asked > asked, "another fetch")
            self.assertEqual(self.put(hub, self.new, "k2"), 200)
        world.wait_for(lambda: world.log_text(hub).count("bearer_keys_kept") >= 4, "what the log says")
        self.assertEqual(hub.stop(), 0)

    def test_an_issuer_that_is_away_at_the_start_keeps_nobody_waiting(self):
        self.keys.answer = (503, b"")
        hub = self.hub()
        self.assertEqual(self.put(hub, self.old, "k1"), 401)
        self.assertEqual(self.put(hub, self.old, "k1", size=100_000), 401)
        self.assertEqual(rest(hub, "GET", "/devices").status, 200)  # policies go on
        self.keys.serve(("k1", self.old))
        os.kill(hub.process.pid, signal.SIGHUP)
        world.wait_for(lambda: self.put(hub, self.old, "k1", size=100_000) == 200, "the keys")
        self.assertEqual(hub.stop(), 0)

    def test_an_address_that_could_be_forged_or_two_sources_keep_the_hub_from_starting(self):
        for more in ({"bearerJwksUri": "http://issuer.test/keys"}, {"bearerJwksUri": "file:///etc/passwd"},
                     {"bearerJwksUri": "http://127.0.0.1.issuer.test/"},
                     {"bearerJwksUri": "https://issuer.test/keys", "bearerJwksFile": "/tmp/x"}):
            hub = world.new_hub("bad-uri", {"auth": {"bearerIssuer": ISSUER, "bearerAudience": AUDIENCE, "bearerRights": ["a=service"], **more}})
            with self.assertRaises(HubDidNotStart) as failed:
                hub.start()
            self.assertIn("auth.bearerJwksUri", str(failed.exception))


class TestTokens(unittest.TestCase):
    def test_fixed_tokens_under_test_control(self):
        hub = world.new_hub("test-tokens", {"testControl": True, "auth": {"testTokens": ["letmein-reader=registryRead", "letmein-owner=iothubowner"]}})
        with hub:
            self.assertEqual(rest(hub, "GET", "/devices", authorization="Bearer letmein-reader").status, 200)
            self.assertEqual(rest(hub, "PUT", "/devices/a", {"deviceId": "a"}, authorization="Bearer letmein-reader").status, 401)
            self.assertEqual(rest(hub, "PUT", "/devices/a", {"deviceId": "a"}, authorization="bearer letmein-owner").status, 200)
            self.assertEqual(rest(hub, "GET", "/devices", authorization="Bearer letmein").status, 401)
            self.assertNotIn("letmein", world.log_text(hub))

    def test_they_need_test_control(self):
        hub = world.new_hub("no-test-tokens", {"auth": {"testTokens": ["letmein-owner=iothubowner"]}})
        with self.assertRaises(HubDidNotStart) as failed:
            hub.start()
        self.assertIn("auth.testTokens", str(failed.exception))
