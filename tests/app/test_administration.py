"""Policies, device CAs with proof of possession, reload, log level, the support bundle, completion and manual page."""
import base64
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tarfile
import unittest

import device_certificates as certificates
from hub_content import fill, secrets_of, send_telemetry
from hub_process import API, make_sas
from program import PROGRAM, SIGHUP, HubCase, environment, run, send, wait_for


class Administration(HubCase):
    def done(self, result):
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result

    def document(self, hub, *arguments):
        return json.loads(self.done(self.cli(hub, *arguments, "--json")).stdout)

    def status_with(self, hub, policy, method="GET", path=f"/devices?{API}", key="primaryKey"):
        token = make_sas(hub.host_name, policy[key], policy["name"])
        return hub.rest(method, path, headers={"Authorization": token})[0]


class Policies(Administration):
    def test_a_policy_of_ones_own_opens_what_its_rights_say_until_it_is_deleted(self):
        hub = self.hub("--shards", "3")
        policy = self.document(hub, "policy", "add", "plant-a", "--rights", "RegistryRead,ServiceConnect")
        self.assertEqual(policy["rights"], "RegistryRead, ServiceConnect")
        self.assertIn("SharedAccessKeyName=plant-a;", policy["connectionString"])
        for _ in range(8):  # connections are dealt over the shards: it is in force on all of them
            self.assertEqual(self.status_with(hub, policy), 200)
            self.assertEqual(self.status_with(hub, policy, key="secondaryKey"), 200)
        self.assertEqual(self.status_with(hub, policy, "DELETE", f"/devices/none?{API}"), 401)
        self.assertEqual([entry["name"] for entry in self.document(hub, "policy", "list")["policies"]][-1], "plant-a")
        hub.kill()
        hub.start()
        self.assertEqual(self.status_with(hub, policy), 200)
        changed = self.document(hub, "policy", "update", "plant-a", "--rights", "DeviceConnect")
        self.assertEqual(changed["primaryKey"], policy["primaryKey"])
        self.assertEqual(self.status_with(hub, policy), 401)
        self.done(self.cli(hub, "policy", "update", "plant-a", "--rights", "RegistryRead"))
        self.assertEqual(self.status_with(hub, policy), 200)
        new = self.document(hub, "policy", "regenerate", "plant-a", "--key", "primary")
        self.assertEqual((self.status_with(hub, policy), self.status_with(hub, new)), (401, 200))
        self.done(self.cli(hub, "policy", "delete", "PLANT-A"))
        for _ in range(8):
            self.assertEqual(self.status_with(hub, new), 401)
        self.assert_refused(self.cli(hub, "policy", "delete", "plant-a"), "no policy has this name")

    def test_keys_of_ones_own_come_from_files(self):
        hub = self.hub()
        key = base64.b64encode(os.urandom(32)).decode()
        (self.folder / "key").write_text(key + "\n")
        policy = self.document(hub, "policy", "add", "mine", "--rights", "ServiceConnect", "--primary-key-file", str(self.folder / "key"))
        self.assertEqual(policy["primaryKey"], key)
        self.assertNotEqual(policy["secondaryKey"], key)
        (self.folder / "key").write_text("short")
        self.assert_refused(self.cli(hub, "policy", "add", "bad", "--rights", "ServiceConnect", "--primary-key-file",
                                     self.folder / "key"), "base64 of 16 to 64 bytes")

    def test_what_is_no_policy_is_refused(self):
        hub = self.hub()
        path = "/kyanite/v1/policies"
        for name, body in (("a%20b", {"rights": "RegistryRead"}), ("x" * 65, {"rights": "RegistryRead"}), ("a;b", {"rights": "RegistryRead"}), ("a=b", {"rights": "RegistryRead"}), ("ok", {}), ("ok", {"rights": ""}),
                           ("ok", {"rights": "Everything"}), ("ok", {"rights": []}), ("ok", {"rights": 7}), ("ok", ["RegistryRead"]),
                           ("ok", {"rights": "RegistryRead", "primaryKey": "x"}), ("ok", {"rights": "RegistryRead", "secondaryKey": 5})):
            status, answer = hub.rest("PUT", f"{path}/{name}", body)
            self.assertEqual(status, 400, (name, body, answer))
        for name in ("iothubowner", "SERVICE", "device", "registryRead", "registryReadWrite"):
            self.assertEqual(hub.rest("PUT", f"{path}/{name}", {"rights": "RegistryRead"})[0], 409)
            self.assertEqual(hub.rest("DELETE", f"{path}/{name}")[0], 409)
        self.assertEqual(hub.rest("PUT", f"{path}/service", {"rights": "RegistryRead"}, {"If-Match": "*"})[0], 409)
        self.assertEqual(hub.rest("PUT", f"{path}/none", {"rights": "RegistryRead"}, {"If-Match": "*"})[0], 404)
        for number in range(11):
            self.assertEqual(hub.rest("PUT", f"{path}/p{number}", {"rights": ["RegistryRead"]})[0], 201)
        status, answer = hub.rest("PUT", f"{path}/one-more", {"rights": "RegistryRead"})
        self.assertEqual(status, 400, answer)
        self.assertEqual(len(hub.rest("GET", path)[1]["policies"]), 16)

    def test_etags_guard_changes(self):
        hub = self.hub()
        path = "/kyanite/v1/policies/guarded"
        status, made, headers = hub.exchange("PUT", path, {"rights": "RegistryRead"})
        self.assertEqual((status, headers["etag"]), (201, f'"{made["etag"]}"'))
        self.assertEqual(hub.rest("PUT", path, {"rights": "RegistryRead"})[0], 409)
        self.assertEqual(hub.rest("PUT", path, {"rights": "RegistryWrite"}, {"If-Match": '"other"'})[0], 412)
        status, changed = hub.rest("PUT", path, {"rights": "RegistryWrite"}, {"If-Match": headers["etag"]})
        self.assertEqual((status, changed["rights"]), (200, "RegistryRead, RegistryWrite"))
        self.assertNotEqual(changed["etag"], made["etag"])
        self.assertEqual(hub.rest("DELETE", path, headers={"If-Match": headers["etag"]})[0], 412)
        self.assertEqual(hub.rest("DELETE", path, headers={"If-Match": f'"{changed["etag"]}"'})[0], 204)


class DeviceAuthorities(Administration):
    def handshake(self, hub, device, certificate):
        """The CONNACK code of an MQTT connection with a client certificate."""
        context = ssl.create_default_context(cafile=hub.ca_file)
        context.load_cert_chain(certificate.certificate, certificate.key)
        with context.wrap_socket(socket.create_connection(("127.0.0.1", hub.mqtts_port), 60), server_hostname="127.0.0.1") as link:
            text = lambda value: len(value).to_bytes(2, "big") + value.encode()
            body = text("MQTT") + b"\x04\x82\x00\x3c" + text(device) + text(f"{hub.host_name}/{device}/?api-version=2021-04-12")
            link.sendall(b"\x10" + bytes([len(body)]) + body)
            answer = link.recv(4)
            return answer[3] if len(answer) == 4 else None

    def test_a_device_may_chain_to_a_ca_once_its_possession_is_proved(self):
        hub = self.hub("--shards", "2")
        folder = self.folder
        ca, stranger = certificates.authority(folder, "plant"), certificates.authority(folder, "stranger")
        hub.create_device("pump", ca_signed=True)
        leaf = certificates.signed_by(ca, folder, "pump")
        added = self.cli(hub, "cert", "add", "plant", ca.certificate)
        self.assertIn("unverified", self.done(added).stdout)
        self.assertIn("kyanite cert challenge plant", added.stderr)
        self.assertEqual(self.handshake(hub, "pump", leaf), 5)
        # Without a code there is nothing to prove.
        self.assert_refused(self.cli(hub, "cert", "verify", "plant", leaf.certificate), "verification code")
        first = self.done(self.cli(hub, "cert", "challenge", "plant")).stdout.strip()
        code = self.done(self.cli(hub, "cert", "challenge", "plant")).stdout.strip()
        self.assertRegex(code, "^[0-9a-f]{48}$")
        hub.kill()  # the code outlives the process
        hub.start()
        for proof, text in ((certificates.signed_by(ca, folder, first), "not the verification code"),
                            (certificates.signed_by(stranger, folder, code), "not signed by the CA"),
                            (certificates.self_signed(folder, code), "not signed by the CA"), (ca, "not the verification code")):
            self.assert_refused(self.cli(hub, "cert", "verify", "plant", proof.certificate), text)
            self.assertEqual(self.handshake(hub, "pump", leaf), 5)
        proof = certificates.signed_by(ca, folder, code)
        self.assertIn("  verified", self.done(self.cli(hub, "cert", "verify", "plant", proof.certificate)).stdout)
        for _ in range(4):
            self.assertEqual(self.handshake(hub, "pump", leaf), 0)
        entry = self.document(hub, "cert", "list")["caCertificates"][0]
        self.assertNotIn("verificationCode", entry)
        for command in (["challenge", "plant"], ["verify", "plant", str(proof.certificate)]):
            self.assert_refused(self.cli(hub, "cert", *command), "verified already")
        self.assert_refused(self.cli(hub, "cert", "challenge", "none"), "no CA certificate")

    def test_trusted_needs_no_proof(self):
        hub = self.hub()
        ca = certificates.authority(self.folder, "plant")
        self.done(self.cli(hub, "cert", "add", "plant", ca.certificate, "--trusted"))
        hub.create_device("pump", ca_signed=True)
        leaf = certificates.signed_by(ca, self.folder, "pump")
        self.assertEqual(self.handshake(hub, "pump", leaf), 0)
        self.done(self.cli(hub, "cert", "delete", "plant"))
        self.assertEqual(self.handshake(hub, "pump", leaf), 5)

    def test_etags_and_bad_bodies(self):
        hub = self.hub()
        ca = certificates.authority(self.folder, "plant")
        path = "/kyanite/v1/ca-certificates/plant"
        self.assertEqual(hub.rest("PUT", path, {"certificate": ca.certificate.read_text(), "isVerified": "yes"})[0], 400)
        status, entry, headers = hub.exchange("PUT", path, {"certificate": ca.certificate.read_text()})
        self.assertEqual((status, entry["isVerified"], headers["etag"]), (200, False, f'"{entry["etag"]}"'))
        self.assertEqual(hub.rest("POST", f"{path}/challenge", headers={"If-Match": '"old"'})[0], 412)
        status, challenged = hub.rest("POST", f"{path}/challenge", headers={"If-Match": headers["etag"]})
        self.assertEqual(status, 200)
        for body in ({}, {"certificate": 5}, {"certificate": "x"}, [], {"certificate": ca.certificate.read_text() * 2}):
            self.assertEqual(hub.rest("POST", f"{path}/verify", body)[0], 400, body)
        self.assertEqual(hub.rest("DELETE", path, headers={"If-Match": headers["etag"]})[0], 412)
        self.assertEqual(hub.rest("DELETE", path, headers={"If-Match": f'"{challenged["etag"]}"'})[0], 204)


class Operation(Administration):
    def test_reload_says_what_it_changed_and_what_needs_a_restart(self):
        config = self.folder / "kyanite.json"
        config.write_text('{"log": {"level": "info"}}')
        hub = self.hub("--config", str(config))
        self.assertEqual(self.document(hub, "reload"), {"changed": [], "needsRestart": [], "kept": []})
        config.write_text('{"log": {"level": "debug"}, "storage": {"retentionHours": 48}, "c2d": {"maxDeliveryCount": 3}}')
        (hub.data / "pki" / "server.pem").unlink()
        report = self.document(hub, "reload")
        self.assertEqual(report["changed"], ["log.level", "certificate"])
        self.assertEqual(sorted(report["needsRestart"]), ["c2d.maxDeliveryCount", "storage.retentionHours"])
        plain = self.done(self.cli(hub, "reload")).stdout
        self.assertIn("needs a restart  storage.retentionHours", plain)

    def test_a_bad_file_changes_nothing(self):
        config = self.folder / "kyanite.json"
        config.write_text('{"log": {"level": "info"}}')
        hub = self.hub("--config", str(config))
        serial = (hub.data / "pki" / "server.pem").read_bytes()
        for text, what in (("{", "kyanite.json"), ('{"log": {"level": "loud"}}', "log.level"), ('{"nonsense": 1, "log": {"level": "debug"}}', "nonsense")):
            config.write_text(text)
            self.assert_refused(self.cli(hub, "reload"), "nothing changed", what)
            self.assertEqual(self.done(self.cli(hub, "log-level")).stdout, "info\n")
        config.unlink()
        self.assert_refused(self.cli(hub, "reload"), "nothing changed")
        self.assertEqual((hub.data / "pki" / "server.pem").read_bytes(), serial)
        self.assertEqual(hub.stop(), 0)

    def test_a_key_that_cannot_be_used_is_kept_and_said(self):
        maker = self.hub(data="maker")
        maker.stop()
        pem, key = self.folder / "hub.pem", self.folder / "hub.key"
        shutil.copy(maker.data / "pki" / "server.pem", pem)
        shutil.copy(maker.data / "pki" / "server.key", key)
        hub = self.hub("--certificate", str(pem), "--key", str(key), "--ca", str(maker.data / "pki" / "ca.pem"))
        key.write_text("broken")
        report = self.document(hub, "reload")
        self.assertEqual(report["changed"], [])
        self.assertIn("certificate:", report["kept"][0])

    def test_the_log_level_is_set_while_the_hub_runs(self):
        hub = self.hub()
        self.assertEqual(self.done(self.cli(hub, "log-level")).stdout, "info\n")
        self.assertEqual(self.done(self.cli(hub, "log-level", "debug")).stdout, "debug\n")
        hub.rest("GET", f"/statistics/devices?{API}")
        self.wait_for_log(hub, '"level":"debug"')
        self.done(self.cli(hub, "log-level", "error"))
        size = hub.log_file.stat().st_size
        hub.rest("GET", f"/devices?{API}", headers={"Authorization": "SharedAccessSignature sr=x&sig=y&se=1"})
        self.done(self.cli(hub, "log-level", "info"))
        self.wait_for_log(hub, '"from":"error","to":"info"')
        self.assertNotIn('"status":401', hub.log_file.read_text()[size:])
        send(hub, SIGHUP)  # the configuration counts again
        for body in ({"level": "loud"}, {"level": 1}, {}, [], "debug"):
            self.assertEqual(hub.rest("PUT", "/kyanite/v1/log-level", body)[0], 400, body)
        self.assert_refused(self.cli(hub, "log-level", "loud"), "LEVEL", code=2)

    def test_log_lines_are_json_objects_and_text_on_a_terminal(self):
        hub = self.hub()
        hub.rest("GET", f"/devices?{API}", headers={"Authorization": "SharedAccessSignature sr=x&sig=y&se=1"})
        hub.stop()
        lines = [line for line in hub.log_file.read_text().splitlines() if line.startswith("{")]
        self.assertGreater(len(lines), 3)
        for line in lines:
            document = json.loads(line)
            self.assertLessEqual({"time", "level", "event"}, document.keys())
        master, terminal = os.openpty()
        process = subprocess.Popen([PROGRAM, "serve", "--quiet", "--data", str(self.folder / "tty"), "--mqtts", "127.0.0.1:0", "--https",
                                    "127.0.0.1:0", "--amqps", "127.0.0.1:0"], stderr=terminal, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, env=environment())
        os.close(terminal)
        try:
            wait_for((self.folder / "tty" / "hub.json").exists, "the hub", 60)
            process.terminate()
            process.wait(120)
            text = b""
            with os.fdopen(master, "rb", 0) as reader:
                try:
                    while piece := reader.read(65536):
                        text += piece
                except OSError:  # how a terminal says that nobody writes any more
                    pass
        finally:
            process.kill()
            process.wait()
        self.assertRegex(text.decode(), r"(?m)^\S+Z info ready version=")


class Bundle(Administration):
    def read(self, path):
        with tarfile.open(path) as archive:
            return {member.name.split("/", 1)[1]: archive.extractfile(member).read().decode() for member in archive}

    def make(self, hub, *more):
        path = self.folder / "bundle.tar.gz"
        self.done(self.cli(hub, "support-bundle", path, *more, timeout=60))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        return self.read(path)

    def assert_no_secret(self, parts, secrets):
        self.assertGreater(len(secrets), 15)
        for name, text in parts.items():
            for secret in secrets:
                self.assertNotIn(secret, text, name)
            self.assertNotRegex(text, r"SharedAccessKey=[^*\s]|sig=[^*\s]|PRIVATE KEY", name)

    def test_it_says_much_and_no_secret(self):
        hub = self.hub("--log-level", "debug", env={"KYANITE_AUTH_TEST_TOKENS": "hidden-token=iothubowner"}, start=False)
        hub.command += ["--test-control"]
        hub.start()
        fill(hub)
        send_telemetry(hub, "d1", "a-payload-nobody-may-see")
        secrets = secrets_of(hub) | {"hidden-token", "a-payload-nobody-may-see"}
        # What an operator's own tools may have put into the same file.
        with open(hub.log_file, "a") as log:
            policy = hub.rest("GET", "/kyanite/v1/policies/service")[1]
            print(policy["connectionString"], make_sas(hub.host_name, policy["primaryKey"], "service"), policy["secondaryKey"], file=log)
        parts = self.make(hub)
        self.assert_no_secret(parts, secrets)
        self.assertIn('"devices"', parts["status.json"])
        self.assertIn('"registryRead"', parts["policies.json"])
        self.assertIn('"ready"', parts["log.txt"])
        self.assertIn("Max open files", parts["process.txt"])
        self.assertIn("kernel: Linux", parts["system.txt"])
        self.assertIn("bytes free", parts["system.txt"])
        self.assertIn('"keyIsThere": true', parts["certificates.json"])
        self.assertIn("pki/ca.key", parts["files.txt"])
        self.assertIn('"storage"', parts["settings.json"])
        hub.stop()

    def test_a_hub_that_is_down_gives_one_too(self):
        hub = self.hub()
        fill(hub)
        secrets = secrets_of(hub)
        hub.kill()
        parts = self.make(hub, "--log", hub.log_file)
        self.assert_no_secret(parts, secrets)
        self.assertIn("not there: no hub answers", parts["status.json"])
        self.assertIn('"devices": 2', parts["store.json"])
        self.assertIn("no hub runs here", parts["process.txt"])
        self.assertIn('"ready"', parts["log.txt"])
        (hub.data / "store" / "CURRENT").unlink()
        self.assertIn("not there: there is no store", self.make(hub)["store.json"])

    def test_without_a_hub_and_where_it_cannot_be_written(self):
        path = self.folder / "bundle.tar.gz"
        self.done(run("support-bundle", path, "--data", self.folder / "none", timeout=60))
        self.assertIn("no running hub", self.read(path)["status.json"])
        self.assertIn("journalctl", self.read(path)["log.txt"])
        self.assert_refused(run("support-bundle", self.folder / "no" / "x.tar.gz", "--data", self.folder / "none", timeout=60), "cannot write")

    def test_any_tar_reads_it(self):
        path = self.folder / "bundle.tar.gz"
        self.done(run("support-bundle", path, "--data", self.folder / "none", timeout=60))
        listed = subprocess.run(["tar", "tzf", path], capture_output=True, text=True, check=True).stdout.splitlines()
        self.assertIn("kyanite-support/version.txt", listed)


class Shells(HubCase):
    @classmethod
    def setUpClass(cls):
        cls.commands = {}  # path: (names of its options, its commands)
        cls.read_help(())

    @classmethod
    def read_help(cls, path):
        text = run(*path, "--help").stdout
        options = set(re.findall(r"^ {2,}(?:-\w,)?(--[a-z0-9][a-z0-9-]*)", text, re.M))
        commands = re.findall(r"^  ([a-z][a-z0-9-]*)", text.split("Subcommands:\n")[1], re.M) if "Subcommands:\n" in text else []
        cls.commands[path] = (options, commands)
        for name in commands:
            cls.read_help((*path, name))

    def complete(self, script, *words):
        """What bash offers for the last of the words."""
        program = (f"source {script}; COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
                   '_kyanite 2> /dev/null; printf "%s\\n" "${COMPREPLY[@]}"')
        result = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True, check=True, cwd=self.folder)
        return set(result.stdout.split())

    def test_bash_completes_every_command_and_option(self):
        script = self.folder / "kyanite.bash"
        script.write_text(run("completion", "bash").stdout)
        self.assertEqual(subprocess.run(["bash", "-n", script], capture_output=True).stderr, b"")
        self.assertEqual(self.complete(script, "kyanite", "dev"), {"device"})
        self.assertEqual(self.complete(script, "kyanite", "device", ""), set(self.commands[("device",)][1]) | self.commands[("device",)][0] | {"-h"})
        self.assertEqual(self.complete(script, "kyanite", "policy", "regenerate", "service", "--key", ""), {"primary", "secondary"})
        (self.folder / "some.pem").write_text("")
        self.assertEqual(self.complete(script, "kyanite", "cert", "add", "plant", "so"), {"some.pem"})
        self.assertEqual(self.complete(script, "kyanite", "serve", "--config", "so"), {"some.pem"})
        self.assertGreater(len(self.commands), 60)
        text = script.read_text()
        for path, (options, commands) in self.commands.items():
            line = re.search(rf"^    '{' '.join(('kyanite', *path))}'\) words='([^']*)'", text, re.M)
            self.assertIsNotNone(line, path)
            self.assertLessEqual(options | set(commands), set(line.group(1).split()), path)

    def test_zsh_and_fish_name_every_command_and_option(self):
        zsh, fish = run("completion", "zsh").stdout, run("completion", "fish").stdout
        for path, (options, commands) in self.commands.items():
            line = re.search(rf"^    '{' '.join(('kyanite', *path))}'\) entries=\((.*)\)", zsh, re.M)
            for word in options | set(commands):
                self.assertIn(f"'{word}:", line.group(1), path)
            mine = [line for line in fish.splitlines() if f'"{" ".join(("kyanite", *path))}"' in line]
            for option in options:
                self.assertTrue(any(f" -l {option[2:]} " in line for line in mine), (path, option))
            for command in commands:
                self.assertTrue(any(f" -a {command} " in line for line in mine), (path, command))
        for shell, script in (("zsh", zsh), ("fish", fish)):
            if shutil.which(shell):
                (self.folder / shell).write_text(script)
                self.assertEqual(subprocess.run([shell, "-n", self.folder / shell], capture_output=True).stderr, b"")

    def test_the_manual_page_names_everything_and_has_no_fault(self):
        page = run("man").stdout
        plain = page.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
        for path, (options, commands) in self.commands.items():
            if commands:
                continue
            section = plain.split(f'.SS "{" ".join(("kyanite", *path))}"\n')
            self.assertEqual(len(section), 2, path)
            section = section[1].split("\n.SS ")[0].split("\n.SH ")[0]
            for option in options:
                self.assertRegex(section, rf"(?m)^(-\w, )?.*{option}\b", path)
        self.assertEqual([line for line in page.splitlines() if line.startswith(("'", "\\")) and not line.startswith("\\f") and line != "\\&"], [])
        if not shutil.which("groff"):
            self.skipTest("no groff here to judge the page")
        judged = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8"], input=page, capture_output=True, text=True)
        self.assertEqual((judged.returncode, judged.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
