"""kyanite serve: start, stop, bad input, ports, files, signals."""
import json
import os
import socket
import ssl
import stat
import subprocess
import unittest

from program import PROGRAM, SIGHUP, SIGINT, SIGTERM, HubCase, environment, occupied_port, run, send, wait_for, without_ipv6

ANY = ["--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0", "--amqps", "127.0.0.1:0", "--admin", "127.0.0.1:0"]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def served_certificate(hub, port="mqtts"):
    """The certificate a client gets, checked against the hub's CA."""
    context = ssl.create_default_context(cafile=hub.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_connection(("127.0.0.1", hub.info["ports"][port]), timeout=60) as raw:
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            return tls.getpeercert()


class FirstStart(HubCase):
    def test_it_makes_everything_and_says_so(self):
        hub = self.hub()
        self.assertEqual(mode(hub.data), 0o700)
        self.assertEqual(mode(hub.data / "hub.json"), 0o600)
        self.assertEqual(mode(hub.data / "pki" / "ca.key"), 0o600)
        info = hub.info
        self.assertEqual(info["pid"], hub.process.pid)
        self.assertEqual(info["dataDirectory"], str(hub.data))
        self.assertIn("SharedAccessKeyName=iothubowner", info["serviceConnectionString"])
        self.assertTrue(os.path.exists(info["caFile"]))
        self.assertIn(info["hostName"], ("kyanite.localhost", "127.0.0.1"))
        self.wait_for_log(hub, '"ready"')
        text = hub.log_file.read_text()
        self.assertIn(info["caFile"], text)
        # Not on a terminal: what is kept somewhere names the command, and no secret.
        self.assertNotIn("SharedAccessKey=", text)
        self.assertIn("policy connection-string iothubowner", text)

    def test_one_log_line_says_ready_with_the_time_it_took(self):
        hub = self.hub()
        self.wait_for_log(hub, '"ready"')
        lines = [json.loads(line) for line in self.log_lines(hub) if line.startswith("{")]
        ready = [line for line in lines if line["event"] == "ready"]
        self.assertEqual(len(ready), 1)
        self.assertGreaterEqual(ready[0]["start_ms"], 0)

    def test_quiet_prints_no_secret(self):
        hub = self.hub("--quiet")
        self.wait_for_log(hub, '"ready"')
        self.assertNotIn("SharedAccessKey=", hub.log_file.read_text())

    def test_a_strict_client_accepts_the_certificate_with_all_its_names(self):
        hub = self.hub("--hostname", "hub.test", "--hostname", "alias.test")
        names = [value for _, value in served_certificate(hub)["subjectAltName"]]
        for name in ("hub.test", "alias.test", "localhost", "127.0.0.1", "kyanite.localhost"):
            self.assertIn(name, names)
        self.assertEqual(names[0], "hub.test")
        self.assertEqual(hub.info["hostName"], "hub.test")
        self.assertEqual(names, [value for _, value in served_certificate(hub, "https")["subjectAltName"]])

    def test_both_tls_versions_are_served_and_older_ones_are_not(self):
        hub = self.hub()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=hub.ca_file)
            context.minimum_version = context.maximum_version = version
            with socket.create_connection(("127.0.0.1", hub.mqtts_port), timeout=60) as raw:
                context.wrap_socket(raw, server_hostname="localhost").close()

    def test_the_newest_tls_version_can_be_1_2_on_every_port(self):
        hub = self.hub(env={"KYANITE_TLS_MAX_VERSION": "1.2"})
        for port in (hub.info["ports"][name] for name in ("mqtts", "https", "amqps")):
            context = ssl.create_default_context(cafile=hub.ca_file)
            with self.subTest(port), socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
                with context.wrap_socket(raw, server_hostname="localhost") as client:
                    self.assertEqual(client.version(), "TLSv1.2")
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            with self.subTest(port), socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
                with self.assertRaisesRegex(ssl.SSLError, "PROTOCOL_VERSION"):
                    context.wrap_socket(raw, server_hostname="localhost")

    def test_settings_may_come_from_the_environment_alone(self):
        hub = self.hub(env={"KYANITE_HOSTNAME": "from.environment.test", "KYANITE_LOG_LEVEL": "debug"})
        self.assertEqual(hub.info["hostName"], "from.environment.test")

    def test_rsa_certificates_can_be_chosen(self):
        hub = self.hub(env={"KYANITE_TLS_KEY_TYPE": "rsa-2048"})
        served_certificate(hub)
        text = subprocess.run(["openssl", "x509", "-in", hub.data / "pki" / "server.pem", "-noout", "-text"],
                              capture_output=True, text=True, check=True).stdout
        self.assertIn("2048 bit", text)


class WithoutIpv6(HubCase):
    """A kernel without IPv6 has no [::], and most who meet it did not choose to."""

    def any_address(self, **listen):
        return self.hub(before=without_ipv6(), **{"mqtts": "*:0", "https": "*:0", "amqps": "*:0", "admin": "*:0", **listen})

    def test_all_interfaces_are_those_of_ipv4_and_one_line_says_so(self):
        hub = self.any_address()
        self.assertEqual(hub.rest("GET", "/devices?api-version=2021-04-12")[0], 200)
        self.assertTrue(hub.info["httpsConnect"].startswith("127.0.0.1:"), hub.info)
        self.assertTrue(hub.info["adminConnect"].startswith("127.0.0.1:"), hub.info)
        served_certificate(hub)
        self.wait_for_log(hub, '"ready"')
        lines = [json.loads(line) for line in self.log_lines(hub) if line.startswith("{")]
        told = [line for line in lines if line["event"] == "ipv6_missing"]
        self.assertEqual([line["listen"] for line in told], ["0.0.0.0:0, 0.0.0.0:0, 0.0.0.0:0, 0.0.0.0:0"])
        ready = [line for line in lines if line["event"] == "ready"][0]
        self.assertEqual(ready["mqtts"], f"0.0.0.0:{hub.mqtts_port}")
        self.assertIn(f"0.0.0.0:{hub.mqtts_port}", hub.log_file.read_text())

    def test_the_commands_reach_it(self):
        hub = self.any_address()
        self.assertEqual(self.cli(hub, "health", "--timeout", "60").returncode, 0)
        printed = self.cli(hub, "device", "create", "d1")
        self.assertEqual(printed.returncode, 0, printed.stderr)
        self.assertEqual(self.cli(hub, "policy", "connection-string", "service").returncode, 0)
        reloaded = self.cli(hub, "reload", "--json")
        self.assertEqual(json.loads(reloaded.stdout)["needsRestart"], [], reloaded.stderr)

    def test_the_defaults_give_way_as_well(self):
        # In a network of its own: the ports of the defaults may be another hub's here.
        alone = ["unshare", "--net"]
        if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
            self.skipTest("a network of its own is not allowed here")
        answer = subprocess.run([*alone, PROGRAM, "serve", "--data", self.folder / "data", "--admin", "[::1]:0"], env=environment(),
                                capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, preexec_fn=without_ipv6())
        self.assert_refused(answer, "listen.admin (--admin) cannot listen on [::1]:0")
        for port in ("8883", "443", "5671"):
            self.assertNotIn(f"[::]:{port}", answer.stderr)

    def test_an_ipv6_address_that_was_chosen_stays_a_mistake(self):
        answer = run("serve", "--data", self.folder / "data", *ANY[2:], "--mqtts", "[::]:0", before=without_ipv6())
        self.assert_refused(answer, "listen.mqtts (--mqtts) cannot listen on [::]:0", "this machine has no IPv6", "--mqtts *:0")


class SecondStart(HubCase):
    def test_policies_certificate_and_name_stay(self):
        hub = self.hub()
        first = dict(hub.info)
        certificate = (hub.data / "pki" / "server.pem").read_text()
        self.assertEqual(hub.stop(), 0)
        hub.start()
        key = "SharedAccessKey="
        self.assertEqual(hub.info["serviceConnectionString"].split(key)[1], first["serviceConnectionString"].split(key)[1])
        self.assertEqual(hub.info["hostName"], first["hostName"])
        self.assertEqual((hub.data / "pki" / "server.pem").read_text(), certificate)

    def test_another_name_makes_another_certificate_by_the_same_ca(self):
        hub = self.hub()
        ca = (hub.data / "pki" / "ca.pem").read_text()
        hub.stop()
        again = self.hub("--hostname", "other.test")
        self.assertEqual((hub.data / "pki" / "ca.pem").read_text(), ca)
        self.assertIn(("DNS", "other.test"), served_certificate(again)["subjectAltName"])

    def test_after_a_kill_it_starts_again(self):
        hub = self.hub()
        hub.kill()
        self.assertTrue((hub.data / "hub.json").exists())
        hub.start()
        self.assertEqual(hub.info["pid"], hub.process.pid)

    def test_a_second_process_on_the_directory_is_refused_and_the_first_lives_on(self):
        hub = self.hub()
        second = run("serve", "--data", hub.data, *ANY)
        self.assert_refused(second, "in use by another hub", str(hub.process.pid))
        self.assertTrue(hub.is_running())
        self.assertEqual(json.loads((hub.data / "hub.json").read_text())["pid"], hub.process.pid)


class BadInput(HubCase):
    def test_all_problems_come_at_once_each_with_its_place(self):
        config = self.folder / "kyanite.json"
        config.write_text('{ // comment\n "listen": {"mqts": "x"}, "storage": {"durability": "maybe"} }')
        with occupied_port() as port:
            result = run("serve", "--config", config, "--data", "/proc/nowhere", "--mqtts", f"127.0.0.1:{port}",
                         "--https", "127.0.0.1:0", "--amqps", "off", env={"KYANITE_LOG_LEVEL": "loud", "KYANITE_NONSENSE": "1"})
        self.assert_refused(result, "listen.mqts", "did you mean listen.mqtts?", "storage.durability", '"fsync" or "os"',
                            "KYANITE_LOG_LEVEL", "KYANITE_NONSENSE", "data directory /proc/nowhere", "--mqtts",
                            "another program has port")

    def test_an_address_this_machine_lacks_is_named(self):
        result = run("serve", "--data", self.folder / "d", "--mqtts", "192.0.2.1:0", "--https", "127.0.0.1:0", "--amqps", "off")
        self.assert_refused(result, "192.0.2.1", "no such address")
        self.assertFalse((self.folder / "d" / "hub.json").exists())

    def test_broken_json_names_line_and_column(self):
        config = self.folder / "kyanite.json"
        config.write_text('{\n  "hub" {}\n}')
        self.assert_refused(run("config", "check", "--config", config), "line 2")

    def test_a_missing_configuration_file_is_named(self):
        self.assert_refused(run("serve", "--config", "/nowhere.json", *ANY, "--data", self.folder / "d"), "/nowhere.json")

    def test_wrong_use_has_its_own_exit_code(self):
        self.assertEqual(run("serve", "--nonsense").returncode, 2)
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("nonsense").returncode, 2)

    def test_user_certificate_files_that_do_not_fit_are_refused(self):
        wrong = self.folder / "hub.pem"
        wrong.write_text("no certificate")
        result = run("serve", "--data", self.folder / "d", *ANY, "--certificate", wrong, "--key", wrong)
        self.assert_refused(result, "no certificate in PEM form")
        self.assertFalse((self.folder / "d" / "hub.json").exists())

    @unittest.skipUnless(os.geteuid() == 0, "needs another user to run as")
    def test_a_directory_that_cannot_be_written_is_refused(self):
        os.chmod(self.folder, 0o755)
        result = run("serve", "--data", self.folder / "d", *ANY, user="nobody")
        self.assert_refused(result, "cannot be made", f"install -d -m 0700 -o 65534 -g {os.getegid()} {self.folder / 'd'}", "--data DIR")
        self.assertNotIn("chown", result.stderr, "of a folder that is not the hub's")

    @unittest.skipUnless(os.geteuid() == 0, "needs another user to run as")
    def test_a_low_port_without_the_right_says_exactly_what_to_do(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as limit:
            if int(limit.read()) <= 443:
                self.skipTest("everyone may bind 443 here")
        data = self.folder / "d"
        data.mkdir()
        os.chmod(self.folder, 0o755)
        os.chown(data, 65534, 65534)
        result = run("serve", "--data", data, "--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:443", "--amqps", "off", user="nobody")
        self.assert_refused(result, "setcap cap_net_bind_service", "net.ipv4.ip_unprivileged_port_start=443", "container",
                            "--https ADDR:PORT")


class Signals(HubCase):
    def test_sigterm_and_sigint_end_cleanly_and_take_hub_json_away(self):
        for number in (SIGTERM, SIGINT):
            hub = self.hub(data=f"data-{number}")
            send(hub, number)
            self.assertEqual(hub.process.wait(120), 0)
            self.assertFalse((hub.data / "hub.json").exists())
            self.assertIn('"stopped"', hub.log_file.read_text())

    def test_sighup_serves_a_new_certificate_to_new_connections(self):
        hub = self.hub()
        before = served_certificate(hub)["serialNumber"]
        (hub.data / "pki" / "server.pem").unlink()
        send(hub, SIGHUP)
        self.wait_for_log(hub, '"certificate_loaded"')
        self.assertNotEqual(served_certificate(hub)["serialNumber"], before)

    def test_sighup_reads_the_log_level_again(self):
        config = self.folder / "kyanite.json"
        config.write_text('{"log": {"level": "info"}}')
        hub = self.hub("--config", str(config))
        config.write_text('{"log": {"level": "debug"}}')
        send(hub, SIGHUP)

        def debug_line_seen():
            hub.rest("GET", "/statistics/devices?api-version=2021-04-12")
            return '"level":"debug"' in hub.log_file.read_text()

        wait_for(debug_line_seen, "a debug line")

    def test_sighup_with_a_broken_file_changes_nothing(self):
        config = self.folder / "kyanite.json"
        config.write_text("{}")
        hub = self.hub("--config", str(config))
        config.write_text("{")
        send(hub, SIGHUP)
        self.wait_for_log(hub, '"reload_refused"')
        served_certificate(hub)

    def test_a_users_certificate_is_read_again_on_sighup(self):
        maker = self.hub(data="maker")
        maker.stop()
        pem, key = self.folder / "hub.pem", self.folder / "hub.key"
        pki = maker.data / "pki"
        pem.write_text((pki / "server.pem").read_text())
        key.write_text((pki / "server.key").read_text())
        hub = self.hub("--certificate", str(pem), "--key", str(key), "--ca", str(pki / "ca.pem"))
        self.assertEqual(hub.ca_file, str(pki / "ca.pem"))
        before = served_certificate(hub)["serialNumber"]
        (pki / "server.pem").unlink()
        maker.start()
        maker.stop()
        pem.write_text((pki / "server.pem").read_text())
        key.write_text((pki / "server.key").read_text())
        send(hub, SIGHUP)
        self.wait_for_log(hub, '"certificate_loaded"')
        self.assertNotEqual(served_certificate(hub)["serialNumber"], before)
        key.write_text("broken")
        send(hub, SIGHUP)
        self.wait_for_log(hub, '"certificate_kept"')
        served_certificate(hub)


class Ports(HubCase):
    def test_nothing_listens_on_1883(self):
        self.hub()
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", 1883)), 0)

    def test_each_listener_has_its_own_address(self):
        hub = self.hub(mqtts="127.0.0.2:0", https="127.0.0.3:0")
        for address, port in (("127.0.0.2", hub.mqtts_port), ("127.0.0.3", hub.info["ports"]["https"])):
            socket.create_connection((address, port), timeout=60).close()
        self.assertEqual(self.cli(hub, "status").returncode, 0)

    def test_a_plain_text_peer_gets_no_answer(self):
        hub = self.hub()
        with socket.create_connection(("127.0.0.1", hub.mqtts_port), timeout=60) as plain:
            plain.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00")
            try:
                self.assertEqual(plain.recv(1), b"")
            except ConnectionResetError:
                pass  # closed with our bytes unread: no answer either


class Configuration(HubCase):
    def test_check_and_print_agree_with_serve(self):
        result = run("config", "print", "--mqtts", "127.0.0.1:1", env={"KYANITE_HOSTNAME": "a.test,b.test"})
        self.assertEqual(result.returncode, 0, result.stderr)
        shown = json.loads(result.stdout)
        self.assertEqual(shown["listen"]["mqtts"], "127.0.0.1:1")
        self.assertEqual(shown["hub"]["hostNames"], ["a.test", "b.test"])
        self.assertEqual(run("config", "check").returncode, 0)

    def test_version_is_printed(self):
        self.assertRegex(run("version").stdout, r"^kyanite \d+\.\d+\.\d+\n$")
        self.assertEqual(run("--version").returncode, 0)


class Files(HubCase):
    def test_the_program_needs_no_environment(self):
        result = subprocess.run([PROGRAM, "version"], env={}, capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_directory_open_to_others_is_closed_with_a_warning(self):
        data = self.folder / "data"
        data.mkdir(mode=0o755)
        hub = self.hub()
        self.assertEqual(mode(data), 0o700)
        self.wait_for_log(hub, '"ready"')
        self.assertIn("data_directory_closed", hub.log_file.read_text())
