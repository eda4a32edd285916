"""kyanite c2d and kyanite feedback against a running hub."""
import json
import unittest

from program import HubCase


class CloudToDevice(HubCase):
    def setUp(self):
        super().setUp()
        self.running = self.hub()
        self.kyanite("device", "create", "d1")

    def kyanite(self, *arguments, code=0):
        result = self.cli(self.running, *arguments)
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stdout}{result.stderr}")
        return result

    def waiting(self):
        return json.loads(self.kyanite("device", "show", "d1", "--json").stdout)["cloudToDeviceMessageCount"]

    def test_a_message_is_queued_and_purged(self):
        self.kyanite("c2d", "send", "d1", "hello", "--property", "a=b", "--property", "c=", "--content-type", "text/plain")
        self.kyanite("c2d", "send", "d1")
        self.assertEqual(self.waiting(), 2)
        self.assertIn("2", self.kyanite("c2d", "purge", "d1").stdout)
        self.assertEqual(self.waiting(), 0)
        document = json.loads(self.kyanite("c2d", "purge", "d1", "--json").stdout)
        self.assertEqual(document, {"deviceId": "d1", "moduleId": None, "totalMessagesPurged": 0})

    def test_a_body_from_a_file(self):
        body = self.folder / "body"
        body.write_bytes(b"x" * 65536)
        self.kyanite("c2d", "send", "d1", f"@{body}")
        body.write_bytes(b"x" * 65537)
        self.assertIn("413", self.kyanite("c2d", "send", "d1", f"@{body}", code=1).stderr)
        self.assertIn("cannot read", self.kyanite("c2d", "send", "d1", "@/none/such", code=1).stderr)

    def test_feedback_is_shown_and_gone(self):
        self.kyanite("c2d", "send", "d1", "x", "--message-id", "m1", "--ack", "full", "--ttl", "100")
        self.kyanite("c2d", "purge", "d1")
        self.assertIn("m1", self.kyanite("feedback", "--peek").stdout)
        shown = self.kyanite("feedback", "--count", "1", "--timeout", "20", "--json").stdout
        record = json.loads(shown)
        self.assertEqual((record["originalMessageId"], record["statusCode"]), ("m1", "Purged"))
        self.assertEqual(self.kyanite("feedback", "--peek").stdout, "")
        self.kyanite("feedback", "--count", "1", "--timeout", "1", code=3)

    def test_mistakes(self):
        self.assertIn("404 DeviceNotFound", self.kyanite("c2d", "send", "none", "x", code=1).stderr)
        self.assertIn("NAME=VALUE", self.kyanite("c2d", "send", "d1", "x", "--property", "broken", code=1).stderr)
        self.kyanite("c2d", "send", "d1", "x", "--ack", "maybe", code=2)
        self.kyanite("c2d", "send", "d1", "x", "--expiry", "2099-01-01T00:00:00Z", "--ttl", "5", code=2)
        self.assertIn("403", self.kyanite("c2d", "send", "d1", "x", "--expiry", "2020-01-01T00:00:00Z", code=1).stderr)


if __name__ == "__main__":
    unittest.main()
