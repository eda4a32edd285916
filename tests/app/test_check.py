"""kyanite check: a store, certificates and rights that are in order, and what is found when they are not."""
import json
import os
import shutil
import unittest

from hub_content import fill, send_telemetry
from program import HubCase, run


def fingerprint(folder):
    """Every file with its content and times: what a check must leave as it is."""
    return sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
                  for path in folder.rglob("*"))


class Check(HubCase):
    def setUp(self):
        super().setUp()
        self.running = self.hub()
        fill(self.running)
        for _ in range(20):
            send_telemetry(self.running, "d1", os.urandom(20_000).hex())
        self.assertEqual(self.running.stop(), 0)
        self.data = self.running.data

    def check(self, path=None, code=0, *more):
        result = run("check", path or self.data, "--json", *more, timeout=120)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return json.loads(result.stdout)

    def assert_found(self, where, what, path=None):
        findings = self.check(path, 1)["findings"]
        self.assertTrue(any(where in finding["where"] and what in finding["what"] for finding in findings), findings)

    def test_a_good_directory_is_clean_and_left_as_it_is(self):
        before = fingerprint(self.data)
        document = self.check()
        self.assertEqual(fingerprint(self.data), before)
        self.assertEqual(document["findings"], [])
        counts = document["counts"]
        self.assertEqual((counts["devices"], counts["modules"], counts["twins"]), (2, 1, 3))
        self.assertEqual((counts["cloudToDeviceMessages"], counts["events"], counts["uploadedFiles"]), (3, 23, 1))
        plain = run("check", "--data", self.data)
        self.assertEqual(plain.returncode, 0)
        self.assertIn("nothing is wrong", plain.stdout)

    def test_a_killed_hub_leaves_a_clean_directory(self):
        self.running.start()
        send_telemetry(self.running, "d1", "last")
        self.running.kill()
        document = self.check()
        self.assertEqual(document["counts"]["events"], 24)
        self.assertIn("hub.json is there", " ".join(document["notes"]))

    def test_what_cannot_be_checked_is_wrong_use(self):
        self.assert_refused(run("check", self.folder / "none"), "is no directory", code=2)
        (self.folder / "empty").mkdir()
        self.assert_refused(run("check", self.folder / "empty"), "neither a data directory", code=2)
        self.running.start()
        self.assert_refused(run("check", self.data), "a hub uses", code=2)
        self.assertEqual(self.running.stop(), 0)

    def test_a_flipped_bit_in_any_table_is_found(self):
        tables = list((self.data / "store").glob("*.sst"))
        if not tables:  # little data stays in the log
            result = run("backup", self.folder / "unused", "--data", self.data)
            self.skipTest(f"no tables yet: {result.stdout}")
        table = max(tables, key=lambda path: path.stat().st_size)
        good = table.read_bytes()
        for part in (0.1, 0.5):
            content = bytearray(good)
            content[int(len(content) * part)] ^= 4
            table.write_bytes(content)
            findings = self.check(None, 1)["findings"]
            self.assertTrue(any(table.name in finding["where"] or "orrupt" in finding["what"] for finding in findings), findings)
        table.write_bytes(good)
        self.check()

    def test_a_flipped_bit_in_the_log_is_found(self):
        """In the words with which a start is refused; test_damage.py has those."""
        self.running.start()
        for number in range(5):
            send_telemetry(self.running, "d1", f"unmistakable-{number}")
        self.running.kill()
        self.assertEqual(self.check()["findings"], [])
        logs = [(path, path.read_bytes()) for path in (self.data / "store").glob("*.log")]
        log, good = next((path, content) for path, content in logs if b"unmistakable-2" in content)
        content = bytearray(good)
        content[good.index(b"unmistakable-2")] ^= 4
        log.write_bytes(content)
        self.assert_found("write-ahead log", " lost")
        log.write_bytes(good)
        self.assertEqual(self.check()["findings"], [])

    def test_missing_files_of_the_store_are_found(self):
        for pattern in ("*.sst", "MANIFEST-*", "CURRENT"):
            for path in list((self.data / "store").glob(pattern))[:1]:
                with self.subTest(pattern):
                    aside = self.folder / "aside"
                    path.rename(aside)
                    self.assertNotEqual(self.check(None, 1)["findings"], [])
                    aside.rename(path)

    def test_rights_that_are_too_wide_are_found(self):
        for path, wide, tight in ((self.data, 0o755, 0o700), (self.data / "pki" / "ca.key", 0o644, 0o600),
                                  (self.data / "store" / "files" / "account.key", 0o640, 0o600)):
            path.chmod(wide)
            self.assert_found(path.name, "other users may")
            path.chmod(tight)
        self.running.start()
        self.running.kill()
        (self.data / "hub.json").chmod(0o644)
        self.assert_found("hub.json", "other users may read")

    def test_certificates_that_do_not_fit_are_found(self):
        other = self.hub(data="other")
        other.stop()
        pki, others = self.data / "pki", other.data / "pki"
        for name, where, what in (("ca.key", "pki/ca.pem", "not the one of the certificate"),
                                  ("server.key", "pki/server.pem", "not the one of the certificate")):
            good = (pki / name).read_bytes()
            (pki / name).write_bytes((others / name).read_bytes())
            self.assert_found(where, what)
            (pki / name).write_bytes(good)
        for name in ("server.key", "server.pem"):
            shutil.copy(others / name, pki / name)
        self.assert_found("pki/server.pem", "does not lead to pki/ca.pem")
        (pki / "ca.key").unlink()
        self.assert_found("pki/ca.key", "No such file")

    def test_damaged_uploaded_files_are_found(self):
        blob = next((self.data / "store" / "files" / "blobs").iterdir())
        good = blob.read_bytes()
        blob.write_bytes(b"x" + good[1:])
        self.assert_found("uploaded file", "head is damaged")
        blob.write_bytes(good)
        blob.rename(blob.with_name("0" * 64))
        self.assert_found("uploaded file", "that of another file")

    def test_a_backup_is_checked_against_its_manifest(self):
        backup = self.folder / "backup"
        made = run("backup", backup, "--data", self.data, timeout=120)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(self.check(backup)["counts"]["kind"], "backup")
        (backup / "pki" / "ca.pem").write_text((backup / "pki" / "ca.pem").read_text() + "\n")
        self.assert_found("pki/ca.pem", "not what the manifest says", backup)
        (backup / "store" / "extra").write_text("x")
        self.assert_found("store/extra", "does not name it", backup)
        (backup / "manifest.json").write_text("{}")
        self.assert_found("manifest", "not one of a backup", backup)


if __name__ == "__main__":
    unittest.main()
