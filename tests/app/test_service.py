"""The hub under a service manager: what it tells the notify socket, and the owner's key from outside."""
import os
import socket
import time

from program import SIGHUP, HubCase, halted, run, send, shard_threads, wait_for

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER_KEY = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class NotifySocket:
    def __init__(self, case, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        case.addCleanup(self.socket.close)
        self.socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.socket.settimeout(30)

    def next(self, skip=""):
        while True:
            text = self.socket.recv(1024).decode()
            if not skip or skip not in text:
                return text


class Notifies(HubCase):
    def test_ready_reload_and_stop_are_told_in_order(self):
        for address in (str(self.folder / "notify"), f"@kyanite-test-{os.getpid()}"):
            with self.subTest(address):
                told = NotifySocket(self, address)
                hub = self.hub(data="data" + address[-1], env={"NOTIFY_SOCKET": address})
                self.assertTrue((hub.data / "hub.json").exists())
                self.assertTrue(told.next().startswith("READY=1\n"))
                send(hub, SIGHUP)
                self.assertRegex(told.next(), r"^RELOADING=1\nMONOTONIC_USEC=\d+\n")
                self.assertTrue(told.next().startswith("READY=1\n"))
                hub.stop()
                self.assertTrue(told.next().startswith("STOPPING=1\n"))

    def test_the_watchdog_hears_of_the_hub_again_and_again(self):
        address = str(self.folder / "notify")
        told = NotifySocket(self, address)
        hub = self.hub(env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"})
        self.assertTrue(told.next(skip="WATCHDOG").startswith("READY=1\n"))
        for _ in range(3):
            self.assertEqual(told.next(), "WATCHDOG=1\n")
        hub.stop()

    def test_the_watchdog_hears_nothing_while_any_shard_hangs(self):
        address = str(self.folder / "notify")
        told = NotifySocket(self, address)
        hub = self.hub("--shards", "2", env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"})
        self.assertTrue(told.next(skip="WATCHDOG").startswith("READY=1\n"))
        threads = shard_threads(hub)
        self.assertEqual(len(threads), 2)
        for thread in threads:
            with halted(thread):
                told.socket.settimeout(2)  # ten times as long as it takes
                began = time.monotonic()
                with self.assertRaises(TimeoutError):
                    while True:  # first comes what was told before the thread stood still
                        told.next()
                        self.assertLess(time.monotonic(), began + 30)
            told.socket.settimeout(30)
            self.assertEqual(told.next(), "WATCHDOG=1\n")
        self.assertEqual(hub.stop(), 0)

    def test_an_address_that_cannot_be_one_is_said_and_the_hub_serves(self):
        hub = self.hub(env={"NOTIFY_SOCKET": "no/path"})
        self.wait_for_log(hub, "service_manager_not_told")
        nobody = self.hub(data="other", env={"NOTIFY_SOCKET": str(self.folder / "nobody")})
        self.assertEqual(self.cli(nobody, "status").returncode, 0)


class OwnerKey(HubCase):
    def owner(self, hub):
        return self.cli(hub, "policy", "connection-string", "iothubowner").stdout

    def test_it_is_the_owners_primary_key_at_each_start(self):
        file = self.folder / "key"
        file.write_text(KEY + "\n")
        hub = self.hub(env={"KYANITE_OWNER_KEY_FILE": str(file)})
        self.assertIn(f"SharedAccessKey={KEY}", self.owner(hub))
        self.assertEqual(self.cli(hub, "status").returncode, 0)
        self.cli(hub, "policy", "regenerate", "iothubowner", "--key", "primary")
        self.assertNotIn(KEY, self.owner(hub))
        hub.stop()
        hub = self.hub(env={"KYANITE_OWNER_KEY": OTHER_KEY})
        self.assertIn(f"SharedAccessKey={OTHER_KEY}", self.owner(hub))
        self.wait_for_log(hub, "owner_key_set")
        log = hub.log_file.read_text()
        self.assertNotIn(KEY, log)
        self.assertNotIn(OTHER_KEY, log)

    def test_what_cannot_be_a_key_is_refused_without_being_shown(self):
        serve = ["serve", "--data", self.folder / "d", "--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0", "--amqps", "off"]
        missing = self.folder / "missing"
        empty = self.folder / "empty"
        empty.write_text("\n")
        for env, texts in (({"KYANITE_OWNER_KEY": "hunter2hunter2"}, ["KYANITE_OWNER_KEY", "openssl rand -base64 32"]),
                           ({"KYANITE_OWNER_KEY": "A" * 43 + "="}, ["anybody can guess"]),
                           ({"KYANITE_OWNER_KEY_FILE": str(missing)}, ["KYANITE_OWNER_KEY_FILE", "No such file"]),
                           ({"KYANITE_OWNER_KEY_FILE": str(empty)}, ["is empty"]),
                           ({"KYANITE_OWNER_KEY": KEY, "KYANITE_AUTH_OWNER_KEY": KEY}, ["give one of the two"])):
            with self.subTest(env=env):
                result = run(*serve, env=env)
                self.assert_refused(result, *texts)
                self.assertNotIn("hunter2", result.stderr)
                self.assertNotIn(KEY, result.stderr)
        shown = run("config", "print", env={"KYANITE_OWNER_KEY": KEY})
        self.assertIn('"ownerKey": "***"', shown.stdout)
        self.assertNotIn(KEY, shown.stdout)


class StartBlock(HubCase):
    def test_output_that_is_kept_has_no_secrets(self):
        hub = self.hub()
        string = self.cli(hub, "policy", "connection-string", "iothubowner").stdout
        key = string.split("SharedAccessKey=")[1].strip()
        wait_for(lambda: "policy connection-string iothubowner" in hub.log_file.read_text(), "the block")
        self.assertNotIn(key, hub.log_file.read_text())

    def test_a_terminal_shows_them(self):
        import pty
        import subprocess
        from program import PROGRAM, environment
        leader, follower = pty.openpty()
        hub = subprocess.Popen([PROGRAM, "serve", "--data", str(self.folder / "d"), "--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0",
                                "--amqps", "off", "--admin", "off"], stdin=subprocess.DEVNULL, stdout=follower,
                               stderr=subprocess.DEVNULL, env=environment())
        self.addCleanup(lambda: (hub.kill(), hub.wait(), os.close(leader)))
        os.close(follower)
        text = b""
        while b"SharedAccessKey=" not in text:
            text += os.read(leader, 4096)  # fails when the hub ends first
        self.assertIn(b"SharedAccessKeyName=iothubowner", text)
