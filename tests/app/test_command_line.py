"""The subcommands against a running hub: what they print, and what they answer to mistakes."""
import json
import shutil
import subprocess
import threading
import unittest

from program import HubCase, run


class Devices(HubCase):
    def setUp(self):
        super().setUp()
        self.running = self.hub()

    def kyanite(self, *arguments, code=0, **options):
        result = self.cli(self.running, *arguments, **options)
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stdout}{result.stderr}")
        return result

    def document(self, *arguments):
        return json.loads(self.kyanite(*arguments, "--json").stdout)

    def test_a_device_lives_from_create_to_delete(self):
        created = self.document("device", "create", "d1")
        self.assertEqual(created["deviceId"], "d1")
        key = created["authentication"]["symmetricKey"]["primaryKey"]
        self.assertIn(key, self.kyanite("device", "show", "d1").stdout)
        self.assertIn("d1", self.kyanite("device", "list").stdout)
        self.assertEqual(len(self.document("device", "list")), 1)
        updated = self.document("device", "update", "d1", "--status", "disabled", "--status-reason", "in repair")
        self.assertEqual((updated["status"], updated["statusReason"]), ("disabled", "in repair"))
        self.assertEqual(updated["authentication"]["symmetricKey"]["primaryKey"], key)
        renewed = self.document("device", "update", "d1", "--new-keys")
        self.assertNotEqual(renewed["authentication"]["symmetricKey"]["primaryKey"], key)
        self.kyanite("device", "delete", "d1")
        self.assert_refused(self.kyanite("device", "show", "d1", code=1), "404 DeviceNotFound")

    def test_a_second_create_is_refused(self):
        self.kyanite("device", "create", "d1")
        self.assert_refused(self.kyanite("device", "create", "d1", code=1), "409", "DeviceAlreadyExists")

    def test_refusals_are_one_line(self):
        result = self.kyanite("device", "create", "not an id", code=1)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_ids_with_characters_of_a_url_work(self):
        for device in ("a#b", "a?b", "a%25b", "a:b", "a+b", "a'b", ".", ".."):
            self.kyanite("device", "create", device)
            self.assertEqual(self.document("device", "show", device)["deviceId"], device)

    def test_own_keys_are_kept_and_bad_ones_refused(self):
        key = "AAECAwQFBgcICQoLDA0ODw=="
        made = self.document("device", "create", "d1", "--primary-key", key, "--secondary-key", key)
        self.assertEqual(made["authentication"]["symmetricKey"]["primaryKey"], key)
        self.assert_refused(self.kyanite("device", "create", "d2", "--primary-key", "short", code=1), "400")

    def test_modules_live_below_their_device(self):
        self.kyanite("device", "create", "d1")
        module = self.document("module", "create", "d1", "m1")
        self.assertEqual((module["deviceId"], module["moduleId"]), ("d1", "m1"))
        self.assertIn("m1", self.kyanite("module", "list", "d1").stdout)
        string = self.kyanite("module", "connection-string", "d1", "m1").stdout
        self.assertIn("ModuleId=m1", string)
        self.kyanite("module", "delete", "d1", "m1")
        self.kyanite("module", "show", "d1", "m1", code=1)

    def test_a_connection_string_is_ready_to_paste_and_its_hint_stands_apart(self):
        key = self.document("device", "create", "d1")["authentication"]["symmetricKey"]
        result = self.kyanite("device", "connection-string", "d1")
        host = self.running.host_name
        self.assertEqual(result.stdout, f"HostName={host};DeviceId=d1;SharedAccessKey={key['primaryKey']}\n")
        self.assertIn(self.running.ca_file, result.stderr)
        self.assertIn("mosquitto_pub", result.stderr)
        self.assertIn(str(self.running.mqtts_port), result.stderr)
        self.assertIn(key["secondaryKey"], self.kyanite("device", "connection-string", "d1", "--secondary").stdout)

    def test_x509_devices_get_a_string_without_key(self):
        self.kyanite("device", "create", "x1", "--primary-thumbprint", "A" * 40)
        self.assertEqual(self.kyanite("device", "connection-string", "x1").stdout,
                         f"HostName={self.running.host_name};DeviceId=x1;x509=true\n")
        self.assertEqual(self.document("device", "create", "x2", "--auth", "ca")["authentication"]["type"], "certificateAuthority")
        shown = self.document("device", "create", "x3", "--certificate", str(self.running.ca_file))
        self.assertEqual(len(shown["authentication"]["x509Thumbprint"]["primaryThumbprint"]), 64)

    def test_ca_certificates_are_added_listed_and_removed(self):
        self.kyanite("cert", "add", "plant", self.running.ca_file, "--trusted")
        self.assertEqual([entry["name"] for entry in self.document("cert", "list")["caCertificates"]], ["plant"])
        self.kyanite("cert", "delete", "plant")
        self.assertEqual(self.document("cert", "list")["caCertificates"], [])
        self.kyanite("cert", "delete", "plant", code=1)

    def test_status_counts_devices(self):
        self.kyanite("device", "create", "d1")
        self.assertEqual(self.document("status")["devices"]["total"], 1)
        self.assertIn("1 registered", self.kyanite("status").stdout)

    def test_the_ca_is_printed_whether_the_hub_runs_or_not(self):
        printed = self.kyanite("ca").stdout
        self.assertTrue(printed.startswith("-----BEGIN CERTIFICATE-----"))
        self.running.stop()
        self.assertEqual(self.kyanite("ca").stdout, printed)

    def test_the_login_may_come_from_flag_or_environment(self):
        login = self.running.info["serviceConnectionString"].replace(self.running.host_name, "127.0.0.1", 1)
        result = run("status", "--login", login, "--ca", self.running.ca_file)
        self.assertEqual(result.returncode, 0, result.stderr)
        result = run("status", env={"KYANITE_CONNECTION_STRING": login, "KYANITE_CA_FILE": self.running.ca_file})
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_wrong_key_is_refused_in_clear_words(self):
        login = f"HostName=127.0.0.1:{self.running.info['ports']['https']};SharedAccessKeyName=iothubowner;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw=="
        self.assert_refused(run("status", "--login", login, "--ca", self.running.ca_file), "401", "is the key right")
        self.assert_refused(run("status", "--login", login), "not trusted")
        self.assert_refused(run("status", "--login", "nonsense"), "cannot be read")

    def test_a_command_that_is_not_there_is_named(self):
        for words, sentence in (
            (("devices", "list"), "there is no `kyanite devices`; `kyanite --help` lists what there is"),
            (("device", "find"), "there is no `kyanite device find`; `kyanite device --help` lists what there is"),
        ):
            done = run(*words)
            self.assertEqual((done.returncode, done.stderr), (2, f"kyanite: {sentence}\n"))
        self.assertIn("A subcommand is required", run("device").stderr)

    def test_a_stopped_hub_is_named(self):
        self.running.stop()
        self.assert_refused(self.kyanite("status", code=1), "no running hub", "kyanite serve")

    def test_a_killed_hub_is_named(self):
        self.running.kill()
        self.assert_refused(self.kyanite("status", code=1), "no hub answers", "is it running?")


class Twins(HubCase):
    def setUp(self):
        super().setUp()
        self.running = self.hub()
        self.kyanite("device", "create", "d1")

    def kyanite(self, *arguments, code=0):
        result = self.cli(self.running, *arguments)
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stdout}{result.stderr}")
        return result

    def document(self, *arguments):
        return json.loads(self.kyanite("twin", *arguments).stdout)

    def test_a_twin_is_shown_updated_and_replaced(self):
        self.assertEqual(self.document("show", "d1", "--json")["version"], 2)
        twin = self.document("update", "d1", "--desired", '{"a":1,"b":{"c":2}}', "--tags", '{"site":"x"}')
        self.assertEqual((twin["tags"], twin["properties"]["desired"]["b"]), ({"site": "x"}, {"c": 2}))
        twin = self.document("update", "d1", "--desired", '{"a":null}')
        self.assertNotIn("a", twin["properties"]["desired"])
        self.assertEqual(twin["tags"], {"site": "x"})
        twin = self.document("replace", "d1", "--tags", '{"t":1}')
        self.assertEqual((twin["tags"], twin["properties"]["desired"]["$version"]), ({"t": 1}, 4))
        self.assertNotIn("b", twin["properties"]["desired"])

    def test_a_section_may_come_from_a_file(self):
        path = self.folder / "desired.json"
        path.write_text('{"from":"file"}')
        self.assertEqual(self.document("update", "d1", "--desired", f"@{path}")["properties"]["desired"]["from"], "file")
        self.assert_refused(self.kyanite("twin", "update", "d1", "--desired", f"@{path}.none", code=1), "none")

    def test_a_module_has_its_own(self):
        self.kyanite("module", "create", "d1", "m1")
        self.assertEqual(self.document("update", "d1", "--module", "m1", "--tags", '{"m":1}')["moduleId"], "m1")
        self.assertEqual(self.document("show", "d1")["tags"], {})

    def test_a_stale_etag_is_refused(self):
        etag = self.document("update", "d1", "--tags", '{"a":1}')["etag"]
        self.document("update", "d1", "--tags", '{"a":2}', "--if-match", etag)
        result = self.kyanite("twin", "update", "d1", "--tags", '{"a":3}', "--if-match", etag, code=1)
        self.assert_refused(result, "412 PreconditionFailed")

    def test_mistakes_are_named(self):
        self.assert_refused(self.kyanite("twin", "update", "d1", code=1), "--desired")
        self.assert_refused(self.kyanite("twin", "update", "d1", "--tags", "[1]", code=1), "--tags must be a JSON object")
        self.assert_refused(self.kyanite("twin", "update", "d1", "--tags", '{"a.b":1}', code=1), "400", "tags.a.b")
        self.assert_refused(self.kyanite("twin", "show", "none", code=1), "404 DeviceNotFound")


class Policies(HubCase):
    def setUp(self):
        super().setUp()
        self.running = self.hub("--quiet", env={"KYANITE_LOG_LEVEL": "debug"})

    def kyanite(self, *arguments, code=0):
        result = self.cli(self.running, "policy", *arguments)
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stdout}{result.stderr}")
        return result

    def document(self, *arguments):
        return json.loads(self.kyanite(*arguments, "--json").stdout)

    def login(self, login, *arguments):
        return run(*arguments, "--login", login.strip(), "--data", self.running.data)

    def test_they_are_listed_without_keys_and_shown_with_them(self):
        shown = self.document("show", "service")
        listed = self.kyanite("list").stdout
        for name in ("iothubowner", "service", "device", "registryRead", "registryReadWrite"):
            self.assertIn(name, listed)
        self.assertIn("RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect", listed)
        self.assertNotIn(shown["primaryKey"], listed)
        text = self.kyanite("show", "service").stdout
        self.assertIn(shown["primaryKey"], text)
        self.assertIn(shown["secondaryKey"], text)
        self.assertEqual(len(self.document("list")["policies"]), 5)

    def test_a_connection_string_is_ready_to_paste(self):
        shown = self.document("show", "registryRead")
        host = f"{self.running.host_name}:{self.running.info['ports']['https']}"
        start = f"HostName={host};SharedAccessKeyName=registryRead;SharedAccessKey="
        string = self.kyanite("connection-string", "registryRead").stdout
        self.assertEqual(string, f"{start}{shown['primaryKey']}\n")
        self.assertEqual(self.kyanite("connection-string", "registryRead", "--secondary").stdout,
                         f"{start}{shown['secondaryKey']}\n")
        self.assertEqual(self.login(string, "device", "list").returncode, 0)
        self.assert_refused(self.login(string, "device", "create", "d1"), "401")
        self.assertEqual(self.kyanite("connection-string", "iothubowner").stdout.strip(),
                         self.running.info["serviceConnectionString"])

    def test_only_a_login_with_every_right_sees_them(self):
        for name in ("service", "device", "registryRead", "registryReadWrite"):
            string = self.kyanite("connection-string", name).stdout
            self.assert_refused(self.login(string, "policy", "list"), "401")
            self.assert_refused(self.login(string, "policy", "show", name), "401")
            self.assert_refused(self.login(string, "policy", "regenerate", name, "--key", "primary"), "401")

    def test_an_old_key_is_refused_at_once_and_the_new_one_outlives_a_kill(self):
        old = self.kyanite("connection-string", "service").stdout
        other = self.kyanite("connection-string", "service", "--secondary").stdout
        self.assertEqual(self.login(old, "status").returncode, 0)
        new = self.document("regenerate", "service", "--key", "primary")
        self.assert_refused(self.login(old, "status"), "401")
        self.assertEqual(self.login(other, "status").returncode, 0)
        self.running.kill()
        self.running.start()
        self.assertEqual(self.document("show", "service")["primaryKey"], new["primaryKey"])

    def test_a_new_owners_key_is_in_hub_json_before_the_old_one_is_refused(self):
        old = self.running.info["serviceConnectionString"]
        for _ in range(3):
            new = self.document("regenerate", "iothubowner", "--key", "primary")
            written = json.loads((self.running.data / "hub.json").read_text())
            self.assertEqual(written["serviceConnectionString"], new["connectionString"])
            self.assertEqual((written["pid"], written["ports"]), (self.running.process.pid, self.running.info["ports"]))
            self.assertEqual((self.running.data / "hub.json").stat().st_mode & 0o777, 0o600)
        self.assert_refused(self.login(old, "status"), "401")
        self.document("regenerate", "iothubowner", "--key", "secondary")
        self.assertEqual(self.document("show", "iothubowner")["primaryKey"], new["primaryKey"])
        self.assertEqual(self.running.stop(), 0)
        self.assertFalse((self.running.data / "hub.json").exists())

    def test_mistakes_are_named(self):
        self.assert_refused(self.kyanite("show", "none", code=1), "404", "no policy has this name")
        self.assert_refused(self.kyanite("regenerate", "none", "--key", "primary", code=1), "404")
        self.kyanite("regenerate", "service", code=2)
        self.kyanite("regenerate", "service", "--key", "both", code=2)

    def test_no_key_is_logged(self):
        before = self.document("list")["policies"]
        self.document("regenerate", "service", "--key", "primary")
        after = self.document("list")["policies"]
        self.wait_for_log(self.running, "regenerate-key")
        self.assertEqual(self.running.stop(), 0)
        log = self.running.log_file.read_text()
        for policy in before + after:
            self.assertNotIn(policy["primaryKey"], log)
            self.assertNotIn(policy["secondaryKey"], log)


@unittest.skipUnless(shutil.which("mosquitto_pub"), "needs mosquitto_pub")
class Telemetry(HubCase):
    def setUp(self):
        super().setUp()
        self.running = self.hub()
        self.assertEqual(self.cli(self.running, "device", "create", "d1").returncode, 0)

    def publish(self, body, topic="devices/d1/messages/events/"):
        token = self.cli(self.running, "sas", "generate", "--device", "d1").stdout.strip()
        host = self.running.host_name
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.running.mqtts_port), "--cafile", self.running.ca_file,
                   "-V", "mqttv311", "-i", "d1", "-u", f"{host}/d1/?api-version=2021-04-12", "-P", token, "-t", topic,
                   "-q", "1", "-m", body]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.running.log_tail())

    def events(self, *arguments, code=0):
        result = self.cli(self.running, "events", *arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def test_what_a_device_sends_is_printed(self):
        self.publish("{id=123}", "devices/d1/messages/events/alert=yes&plain")
        event = json.loads(self.events("--from", "start", "--count", "1", "--json").stdout)
        self.assertEqual((event["deviceId"], event["body"]), ("d1", "{id=123}"))
        self.assertEqual(event["properties"]["alert"], "yes")
        line = self.events("--from", "start", "--count", "1").stdout
        self.assertIn("d1", line)
        self.assertIn("{id=123}", line)

    def test_a_reader_that_waits_gets_what_comes(self):
        results = []
        reader = threading.Thread(target=lambda: results.append(self.cli(
            self.running, "events", "--from", "now", "--count", "1", "--timeout", "20", "--json")))
        reader.start()
        while reader.is_alive() and not results:
            self.publish("late")
            reader.join(0.2)
        reader.join(20)
        self.assertEqual(json.loads(results[0].stdout)["body"], "late", results[0].stderr)

    def test_too_few_events_in_time_have_their_own_exit_code(self):
        self.publish("one")
        result = self.events("--from", "start", "--count", "2", "--timeout", "1", code=3)
        self.assertIn("1 of 2 events", result.stderr)

    def test_without_count_the_timeout_is_a_normal_end(self):
        self.assertEqual(self.events("--from", "start", "--timeout", "1").stdout, "")

    def test_a_wrong_start_is_refused(self):
        self.assertIn("from must be", self.events("--from", "yesterday", code=1).stderr)

    def test_events_outlive_a_kill(self):
        self.publish("kept")
        self.running.kill()
        self.running.start()
        self.assertIn("kept", self.events("--from", "start", "--count", "1").stdout)


class Tokens(HubCase):
    def test_tokens_are_made_and_explained_offline(self):
        key = "AAECAwQFBgcICQoLDA0ODw=="
        string = f"HostName=h.test;DeviceId=d1;SharedAccessKey={key}"
        made = json.loads(run("sas", "generate", "--connection-string", string, "--ttl", "60", "--json").stdout)
        self.assertTrue(made["token"].startswith("SharedAccessSignature "))
        explained = run("sas", "explain", made["token"], "--key", key)
        self.assertEqual(explained.returncode, 0, explained.stderr)
        self.assertIn("h.test / devices / d1", explained.stdout)
        self.assertEqual(run("sas", "explain", made["token"], "--key", "////////////////////////").returncode, 1)
        self.assertEqual(run("sas", "explain", "nonsense").returncode, 1)
        self.assertIn("as IoT SDKs sign", explained.stdout)
        self.assertEqual(run("sas", "generate", "--connection-string", string, "--ttl", "0").returncode, 2)

    def explain(self, token, *arguments):
        return run("sas", "explain", token, "--ask", "--data", self.running.data, *arguments)

    def test_the_hub_says_whose_key_signed(self):
        self.running = self.hub()
        run("device", "create", "explained", "--data", self.running.data)
        own = run("sas", "generate", "--device", "explained", "--data", self.running.data).stdout.strip()
        good = self.explain(own)
        self.assertEqual(good.returncode, 0, good.stdout + good.stderr)
        self.assertIn("the identity's primary key", good.stdout)
        owner = run("sas", "generate", "--data", self.running.data).stdout.strip()
        policy = self.explain(owner)
        self.assertEqual(policy.returncode, 0, policy.stdout + policy.stderr)
        self.assertIn("the policy's primary key", policy.stdout)
        self.assertIn("ServiceConnect", policy.stdout)
        at = own.index("sig=") + 4
        while "%" in own[at - 2:at + 1]:  # an escaped character of the signature would become none
            at += 1
        forged = self.explain(own[:at] + ("A" if own[at] != "A" else "B") + own[at + 1:])
        self.assertEqual(forged.returncode, 1)
        self.assertIn("NOT made with a key of the hub's", forged.stdout)
        foreign = run("sas", "generate", "--connection-string", "HostName=other.test;DeviceId=explained;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==")
        self.assertIn("NOT one of the hub's names", self.explain(foreign.stdout.strip()).stdout)
        gone = run("sas", "generate", "--connection-string", f"HostName={self.running.host_name};DeviceId=nobody;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==")
        self.assertIn("cannot be checked", self.explain(gone.stdout.strip()).stdout)

    def test_status_counts_connections_by_protocol(self):
        self.running = self.hub()
        status = json.loads(run("status", "--json", "--data", self.running.data).stdout)
        self.assertEqual(status["amqp"]["connections"], 0)
        self.assertGreaterEqual(status["https"]["requests"], 1)
        self.assertEqual((status["https"]["refused"], status["https"]["failed"]), (0, 0))
        self.assertNotEqual(run("device", "show", "nobody", "--data", self.running.data).returncode, 0)
        status = json.loads(run("status", "--json", "--data", self.running.data).stdout)
        self.assertEqual((status["https"]["refused"], status["https"]["failed"]), (1, 0))
        self.assertIn("amqp       0 connections, 0 links, 0 devices", run("status", "--data", self.running.data).stdout)
