"""The image: what is in it, and a container of it through bad days."""
import datetime
import json
import re
import threading
import unittest
from pathlib import Path

import yaml

import container
from container import Container, UID, Volume, engine
from engines import IMAGE
from machine import ROOT, run, wait_for
from test_compose import substituted

COMPRESSED_KB_MAX = 60_000
built = None


def setUpModule():
    global built
    if not engine():
        raise unittest.SkipTest(container.found[1])
    built = container.build()


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.config = json.loads(engine()("inspect", "--type", "image", IMAGE).stdout)[0]

    def test_it_is_small_and_says_what_is_in_it(self):
        size = int(re.search(r"(\d+) kB compressed", built).group(1))
        self.assertLess(size, COMPRESSED_KB_MAX)
        self.assertRegex(built, r"KiB  kyanite\n")
        self.assertIn("librocksdb", built)

    def test_its_configuration_is_what_users_rely_on(self):
        config = self.config["Config"]
        self.assertEqual(config["User"], f"{UID}:{UID}")
        self.assertEqual(set(config["ExposedPorts"]), {"443/tcp", "8883/tcp", "5671/tcp", "8080/tcp"})
        self.assertEqual(set(config["Volumes"]), {"/data"})
        self.assertEqual(config["Entrypoint"], ["/usr/bin/kyanite"])
        self.assertEqual(config["Cmd"], ["serve"])
        self.assertEqual(config["StopSignal"], "SIGTERM")
        self.assertEqual((config.get("Healthcheck") or self.config["Healthcheck"])["Test"], ["CMD", "/usr/bin/kyanite", "health"])
        self.assertIn("KYANITE_DATA=/data", config["Env"])
        self.assertIn("KYANITE_LISTEN_ADMIN=*:8080", config["Env"])
        labels = config["Labels"]
        version = re.search(r"project\(kyanite VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
        self.assertEqual(labels["org.opencontainers.image.version"], version)
        self.assertEqual(labels["org.opencontainers.image.licenses"], "Apache-2.0")
        created = datetime.datetime.strptime(labels["org.opencontainers.image.created"], "%Y-%m-%dT%H:%M:%S%z")
        age = datetime.datetime.now(datetime.timezone.utc) - created
        self.assertLess(age, datetime.timedelta(hours=1), "labels of an earlier build")
        self.assertRegex(labels["org.opencontainers.image.revision"], r"^[0-9a-f]{40}$")

    def test_nothing_is_in_it_that_is_not_needed(self):
        mounted = engine().unpack(self)
        files = run("find", mounted, "-xdev", "-printf", "%y %m %U %P\\n").stdout.splitlines()
        paths = {line.split(" ", 3)[3] for line in files}
        for program in ("sh", "bash", "dash", "busybox", "apt", "dpkg", "gcc", "g++", "cc", "ld", "perl", "python3"):
            self.assertFalse({f"bin/{program}", f"usr/bin/{program}", f"usr/sbin/{program}"} & paths, program)
        for line in files:
            kind, mode, owner, path = line.split(" ", 3)
            self.assertFalse(int(mode, 8) & 0o6000, f"{path} is setuid or setgid")
            if kind != "l" and path != "tmp":
                self.assertFalse(int(mode, 8) & 0o002, f"{path} is open to everybody")
            self.assertEqual(owner, str(UID) if path == "data" else "0", path)
        libraries = [path for path in paths if ".so" in path]
        self.assertGreater(len(libraries), 10)
        packages = {path.removeprefix("var/lib/dpkg/status.d/") for path in paths if path.startswith("var/lib/dpkg/status.d/")}
        self.assertIn("libssl3", packages)
        for package in packages:
            self.assertIn(f"usr/share/doc/{package}/copyright", paths)
        self.assertIn("usr/share/doc/kyanite/LICENSE", paths)
        notices = Path(mounted, "usr/share/doc/kyanite/copyright").read_text()
        for holder in ("Leon Sorokin", "Niels Lohmann", "University of Cincinnati", "Tristan Penman"):  # compiled in
            self.assertIn(holder, notices)


class Serving(unittest.TestCase):
    def test_hardened_it_is_healthy_serves_devices_and_stops_in_time(self):
        hub = Container(self, Volume(self)).start()
        hub.engine.check_health(hub.name, self)
        self.assertRegex(hub.logs(), r"(?m)^hub ready mqtt=8883 https=443 amqp=5671 admin=8080 start_ms=\d+$")
        with open(f"/proc/{hub.pid}/status") as status:
            facts = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        self.assertEqual(facts["Uid"].split()[0], str(UID))
        self.assertEqual(int(facts["CapEff"], 16), 0)
        self.assertEqual(facts["NoNewPrivs"], "1")
        send = hub.device("d1")
        self.assertTrue(send("hello"))
        self.assertEqual(hub.bodies(), ["hello"])
        self.assertEqual(hub.stop(), 0)
        self.assertIn('"stopped","complete":true', hub.logs())

    def test_its_log_tells_how_to_get_the_keys_but_has_none(self):
        hub = Container(self, Volume(self)).start()
        string = hub.exec("policy", "connection-string", "iothubowner").stdout.strip()
        self.assertIn("SharedAccessKeyName=iothubowner", string)
        logs = hub.logs()
        self.assertNotIn(string.split("SharedAccessKey=")[1], logs)
        self.assertNotIn("SharedAccessKey=", logs)
        self.assertIn("kyanite policy connection-string iothubowner", logs)

    def test_the_owners_key_comes_from_a_file_and_follows_it(self):
        volume = Volume(self)
        for key in ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="):
            (volume.path / "secret").write_text(key + "\n")
            (volume.path / "secret").chmod(0o444)
            hub = Container(self, volume, env={"KYANITE_OWNER_KEY_FILE": "/data/secret"}).start()
            self.assertIn(f"SharedAccessKey={key}", hub.exec("policy", "connection-string", "iothubowner").stdout)
            self.assertNotIn(key, hub.logs())
            hub.stop()


    def test_a_suite_in_a_second_container_makes_a_device_with_what_it_is_given(self):
        """The service `tests` of compose.test.yaml, as far as this network goes: the hub's name is the loopback's."""
        compose = yaml.safe_load(substituted((ROOT / "docker" / "compose.test.yaml").read_text(), HUB_NAME="localhost"))["services"]
        volume = Volume(self)
        hub = Container(self, volume, env=compose["hub"]["environment"]).start()
        suite = compose["tests"]
        environment = [word for name, value in suite["environment"].items() for word in ("-e", f"{name}={value}")]
        engine()("run", "--rm", "--network", f"container:{hub.name}", "--user", suite["user"], "-v", f"{volume.path}:/hub:ro",
                 *engine().limits, *environment, IMAGE, *suite["command"])
        self.assertIn("first", hub.exec("device", "list").stdout)


class BadDays(unittest.TestCase):
    def test_a_killed_and_replaced_container_has_what_was_acknowledged(self):
        volume = Volume(self)
        hub = Container(self, volume).start()
        ca = hub.exec("ca").stdout
        senders = {f"d{i}": hub.device(f"d{i}") for i in range(4)}
        acknowledged, stop = [], threading.Event()

        def send_until_killed(name, send):
            number = 0
            while not stop.is_set():
                if not send(f"{name}/{number}", timeout=60):
                    return
                acknowledged.append(f"{name}/{number}")
                number += 1

        threads = [threading.Thread(target=send_until_killed, args=item) for item in senders.items()]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: len(acknowledged) >= 20, "some messages", 180)
            hub.kill()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        engine()("rm", "-f", hub.name)
        successor = Container(self, volume).start()
        self.assertEqual(successor.exec("ca").stdout, ca)
        stored = successor.bodies()
        self.assertEqual(set(acknowledged) - set(stored), set())
        self.assertTrue(successor.client("d1")("after"))
        self.assertEqual(successor.stop(), 0)

    def test_a_volume_that_is_read_only_is_refused_by_name(self):
        done = Container(self, Volume(self), mount=":ro").run_to_end()
        self.assertEqual(done.returncode, 1)
        self.assertIn("/data cannot be written: Read-only file system; mount it writable", done.stderr)

    def test_a_volume_of_another_user_is_refused_with_both_numbers(self):
        done = Container(self, Volume(self, owner=1234)).run_to_end()
        self.assertEqual(done.returncode, 1)
        self.assertIn("/data belongs to uid 1234 and the hub runs as uid 10001: run `chown -R 10001:10001 /data`", done.stderr)

    def test_a_volume_that_others_own_and_write_is_used_by_a_folder_below_it(self):
        volume = Volume(self, owner=0)
        volume.path.chmod(0o777)
        done = Container(self, volume).run_to_end()
        self.assertEqual(done.returncode, 1)
        self.assertIn("--data /data/hub", done.stderr)
        hub = Container(self, volume, env={"KYANITE_DATA": "/data/hub"}).start()
        self.assertTrue(hub.device("d1")("hello"))

    def test_port_443_without_the_permission_says_what_to_give(self):
        options = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"]
        done = Container(self, Volume(self), options=options).run_to_end()
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot listen on [::]:443: Permission denied", done.stderr)
        self.assertIn("--sysctl net.ipv4.ip_unprivileged_port_start=443", done.stderr)
        permitted = Container(self, Volume(self), options=[*options, *engine().port_permission]).start()
        self.assertEqual(permitted.stop(), 0)

    def test_a_full_volume_refuses_devices_and_then_goes_on(self):
        volume = Volume(self).on_small_disk(self, 96)
        hub = Container(self, volume, env={"KYANITE_STORAGE_FREE_BYTES_FLOOR": str(32 << 20)}).start()
        if volume.path.stat().st_dev != Path(f"/proc/{hub.pid}/root/data").stat().st_dev:
            self.skipTest("the engine does not see the small disk, having mounts of its own")
        send = hub.device("d1")
        self.assertTrue(send("before"))
        ballast = volume.path / "ballast"
        free = int(run("stat", "-f", "-c", "%a", volume.path).stdout) * int(run("stat", "-f", "-c", "%S", volume.path).stdout)
        ballast.write_bytes(bytes(free - (8 << 20)))
        wait_for(lambda: '"disk_low"' in hub.logs(), "the hub says that the disk is low")
        self.assertFalse(send("while full", timeout=3))
        ballast.unlink()
        wait_for(lambda: '"disk_recovered"' in hub.logs(), "the hub says that there is room again")
        self.assertTrue(send("after"))
        # What the device sent meanwhile may have waited in its socket.
        self.assertEqual(set(hub.bodies()) - {"while full"}, {"before", "after"})
        self.assertEqual(hub.stop(), 0)

    def test_a_clock_that_was_ahead_keeps_nothing_from_working(self):
        volume = Volume(self)
        hub = Container(self, volume, env={"KYANITE_TEST_CONTROL": "true"}).start()
        hub.device("d1")
        hub.exec("clock", "shift", "1800")
        self.assertTrue(hub.client("d1")("in half an hour"))
        hub.kill()
        engine()("rm", "-f", hub.name)
        hub = Container(self, volume).start()
        self.assertTrue(hub.client("d1")("now"))
        events = [json.loads(line) for line in
                  hub.exec("events", "--from", "start", "--count", "2", "--timeout", "60", "--json").stdout.splitlines()]
        self.assertEqual([event["body"] for event in events], ["in half an hour", "now"])
        self.assertLessEqual(events[0]["enqueuedTime"], events[1]["enqueuedTime"])

    def test_wrong_settings_name_the_variable(self):
        done = Container(self, Volume(self), env={"KYANITE_LOG_LEVLE": "debug"}).run_to_end()
        self.assertEqual(done.returncode, 1)
        self.assertIn("did you mean KYANITE_LOG_LEVEL?", done.stderr)
