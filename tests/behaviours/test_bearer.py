"""Bearer tokens on the service routes: those of the configured issuer, and fixed ones for tests (R25)."""
import base64
import json
import subprocess
import time
import unittest

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
        cls.hub.start(timeout=60)
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

    def test_policies_go_on_working(self):
        self.assertEqual(self.status(world.policy_token(self.hub, "registryRead")), 200)

    def test_a_key_set_that_cannot_be_used_keeps_the_hub_from_starting(self):
        keys = world.folder("keys") / "keys.json"
        keys.write_text('{"keys":[]}')
        hub = world.new_hub("bad-keys", {"auth": {"bearerIssuer": ISSUER, "bearerAudience": AUDIENCE, "bearerJwksFile": str(keys), "bearerRights": ["a=service"]}})
        with self.assertRaises(HubDidNotStart) as failed:
            hub.start()
        self.assertIn("keys.json", str(failed.exception))


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
