"""The Debian package: installed, served from, killed, upgraded, removed and purged in a Debian that runs systemd.

The Debian is a container on the base that images are built on, privileged, since systemd makes namespaces and cgroups
for the unit's hardening; its network is a loopback of its own.
"""
import atexit
import json
import os
import re
import shutil
import unittest
import uuid

from engines import STORAGE, Podman
from machine import PRESET, ROOT, WORK, missing, publish, run, wait_for

UNIT = ROOT / "packaging" / "systemd" / "kyanite.service"
EXPOSURE_MAX = 2.0  # of 10, as systemd-analyze counts
BASE = "localhost/kyanite-test-base:bookworm"
IMAGE = "localhost/kyanite-test-systemd"
KILOBYTE = 1000
podman = Podman()


def project_version():
    return re.search(r"project\(kyanite VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)


class Unit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if absent := missing("systemd-analyze"):
            raise unittest.SkipTest(f"{absent} is not installed")

    def test_systemd_understands_it(self):
        """Offline: of this unit systemd says nothing but that the program of the package is not installed here."""
        done = run("systemd-analyze", "verify", "--man=no", UNIT, check=False)
        said = [line for line in (done.stdout + done.stderr).splitlines()
                if "kyanite.service" in line and "/usr/bin/kyanite is not executable" not in line]
        self.assertEqual(said, [])

    def test_systemd_finds_it_well_hardened(self):
        done = run("systemd-analyze", "security", "--offline=true", UNIT, check=False)
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        self.assertIsNotNone(exposure, done.stdout + done.stderr)
        self.assertLess(float(exposure.group(1)), EXPOSURE_MAX, done.stdout)


class Package(unittest.TestCase):
    """One Debian for all steps, in the order of a package's life."""

    @classmethod
    def setUpClass(cls):
        reason = podman.reason_to_skip()
        if not reason and (absent := missing("dpkg-shlibdeps", "cpack")):
            reason = f"{absent} is not installed"
        if reason:
            raise unittest.SkipTest(reason)
        atexit.register(podman.end)
        cls.version = project_version()
        cls.next_version = cls.version + "+1"
        cls.package = run(ROOT / "scripts" / "package.sh", "--preset", PRESET, "--output", WORK / "packages",
                          timeout=900).stdout.splitlines()[-1]
        cls.next_package = cls.repacked(cls.package)
        cls.build_image()
        cls.machine = f"kyanite-debian-{uuid.uuid4().hex[:8]}"
        podman("run", "-d", "--name", cls.machine, "--network", "none", "--privileged", "--systemd=always", "--ulimit",
               "nofile=4096:4096", "--ulimit", "nproc=4096:4096", "-v", f"{WORK / 'packages'}:/packages:ro", IMAGE)
        cls.addClassCleanup(podman, "rm", "-f", "-t", "0", cls.machine, check=False)
        state = wait_for(lambda: cls.inside("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"),
                         "systemd has started", 300)
        assert state
        cls.pid = json.loads(podman("inspect", cls.machine).stdout)[0]["State"]["Pid"]

    @classmethod
    def repacked(cls, package):
        """The same program as the next version."""
        inside = WORK / "repack"
        shutil.rmtree(inside, ignore_errors=True)
        run("dpkg-deb", "-R", package, inside)
        control = inside / "DEBIAN" / "control"
        control.write_text(control.read_text().replace(f"Version: {cls.version}\n", f"Version: {cls.next_version}\n"))
        target = WORK / "packages" / os.path.basename(package).replace(cls.version, cls.next_version)
        run("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", inside, target)
        shutil.rmtree(inside)
        return str(target)

    @classmethod
    def build_image(cls):
        buildah = ["buildah", "--root", STORAGE / "root", "--runroot", STORAGE / "run"]
        if podman("image", "exists", BASE, check=False).returncode != 0:
            podman("import", run(ROOT / "docker" / "base.sh", timeout=900).stdout.strip(), BASE, timeout=300)
        context = WORK / "systemd"
        context.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "scripts" / "install-packages.sh", context)
        run(*buildah, "bud", "--layers", "--format", "docker", "--isolation", "chroot", "--build-arg", f"BASE={BASE}", "-t", IMAGE,
            "-f", ROOT / "tests" / "package" / "systemd.Dockerfile", context, timeout=900)

    @classmethod
    def inside(cls, *command, check=True):
        return podman("exec", cls.machine, *command, check=check, timeout=300)

    def install(self, package):
        return self.inside("dpkg", "-i", f"/packages/{os.path.basename(package)}")

    def unit(self, name):
        return self.inside("systemctl", "show", "kyanite", "-P", name).stdout.strip()

    def wait_until_active(self):
        wait_for(lambda: self.unit("ActiveState") == "active", "the service is active", 180)

    def journal(self):
        self.inside("journalctl", "--sync")
        return self.inside("journalctl", "-u", "kyanite", "--no-pager").stdout

    def publish(self, message):
        host = self.inside("kyanite", "device", "connection-string", "d1").stdout.split("HostName=")[1].split(";")[0]
        token = self.inside("kyanite", "sas", "generate", "--device", "d1").stdout.strip()
        ca = WORK / "debian-ca.pem"
        ca.write_text(self.inside("kyanite", "ca").stdout)
        return publish(*podman.mqtts(self.machine, self.pid), ca, host, "d1", token, message)

    def bodies(self, count):
        done = self.inside("kyanite", "events", "--from", "start", "--count", str(count), "--timeout", "60", "--json")
        return [json.loads(line)["body"] for line in done.stdout.splitlines()]

    def test_a_its_control_data(self):
        fields = run("dpkg-deb", "-f", self.package).stdout
        for library in ("librocksdb7.8", "libssl3", "libcurl4", "libc6", "adduser"):
            self.assertRegex(fields, rf"(?m)^Depends:.*\b{re.escape(library)}\b")
        self.assertIn(f"Version: {self.version}\n", fields)
        self.assertIn(f"Architecture: {run('dpkg', '--print-architecture').stdout}", fields)
        content = run("dpkg-deb", "-c", self.package).stdout
        for line in content.splitlines():
            self.assertIn(" root/root ", line)
        for path in ("usr/bin/kyanite", "usr/lib/systemd/system/kyanite.service", "etc/kyanite/kyanite.json",
                     "usr/share/doc/kyanite/copyright", "usr/share/doc/kyanite/changelog.Debian.gz", "usr/share/doc/kyanite/reference.md",
                     "usr/share/man/man1/kyanite.1.gz", "usr/share/bash-completion/completions/kyanite"):
            self.assertRegex(content, rf"\./{re.escape(path)}\n")
        print(f"{os.path.basename(self.package)}: {os.path.getsize(self.package) // KILOBYTE} kB")

    def test_b_installed_it_serves(self):
        self.install(self.package)
        self.wait_until_active()
        self.assertEqual(self.unit("UnitFileState"), "enabled")
        self.assertRegex(self.unit("StatusText"), "^serving as ")
        self.assertEqual(self.inside("stat", "-c", "%U:%G %a", "/var/lib/kyanite").stdout, "kyanite:kyanite 700\n")
        self.assertEqual(self.inside("stat", "-c", "%U:%G %a", "/etc/kyanite/kyanite.json").stdout, "root:kyanite 640\n")
        status = self.inside("cat", f"/proc/{self.unit('MainPID')}/status").stdout
        self.assertEqual(int(re.search(r"CapEff:\t(\w+)", status).group(1), 16), 1 << 10, "CAP_NET_BIND_SERVICE alone")
        self.assertRegex(status, r"NoNewPrivs:\t1")
        self.assertRegex(status, r"Seccomp:\t2")
        self.inside("kyanite", "device", "create", "d1")
        self.assertTrue(self.publish("first"))
        self.assertEqual(self.bodies(1), ["first"])
        self.assertEqual(self.inside("kyanite", "health").returncode, 0)
        self.assertNotIn("SharedAccessKey=", self.journal())

    def test_c_a_reload_leaves_it_serving(self):
        pid = self.unit("MainPID")
        self.inside("systemctl", "reload", "kyanite")
        self.wait_until_active()
        self.assertEqual((self.unit("ActiveState"), self.unit("MainPID")), ("active", pid))

    def test_d_killed_or_stuck_it_is_started_anew_with_what_it_had(self):
        self.inside("systemctl", "kill", "-s", "KILL", "kyanite")
        wait_for(lambda: self.unit("NRestarts") == "1", "systemd starts it anew", 180)
        self.wait_until_active()
        self.assertIn("first", self.bodies(1))
        self.inside("mkdir", "-p", "/run/systemd/system/kyanite.service.d")
        self.inside("sh", "-c", "printf '[Service]\\nWatchdogSec=10\\n' > /run/systemd/system/kyanite.service.d/watchdog.conf")
        self.inside("systemctl", "daemon-reload")
        self.inside("systemctl", "restart", "kyanite")

        def stuck():
            pid = self.unit("MainPID")
            # Without a process in between, the watchdog having come before.
            return pid if self.inside("systemctl", "kill", "-s", "STOP", "--kill-whom=main", "kyanite", check=False).returncode == 0 else None

        pid = wait_for(stuck, "a process that is stopped")
        wait_for(lambda: self.unit("MainPID") not in (pid, "0"), "the watchdog's work", 180)
        self.wait_until_active()
        self.assertIn("watchdog", self.journal().lower())
        self.inside("rm", "-r", "/run/systemd/system/kyanite.service.d")
        self.inside("systemctl", "daemon-reload")
        self.inside("systemctl", "restart", "kyanite")

    def test_e_an_upgrade_keeps_the_data_and_what_the_administrator_wrote(self):
        settings = "/etc/kyanite/kyanite.json"
        written = '{"dataDirectory": "/var/lib/kyanite", "hub": {"hostNames": ["hub.example.test"]}}\n'
        self.inside("sh", "-c", f"printf '%s' '{written}' > {settings}")
        pid = self.unit("MainPID")
        self.install(self.next_package)
        self.wait_until_active()
        self.assertNotEqual(self.unit("MainPID"), pid)
        self.assertEqual(self.inside("cat", settings).stdout, written)
        self.assertEqual(self.inside("stat", "-c", "%U:%G %a", settings).stdout, "root:kyanite 640\n")
        self.assertIn("first", self.bodies(1))
        self.assertIn("HostName=hub.example.test;", self.inside("kyanite", "policy", "connection-string", "service").stdout)
        self.assertTrue(self.publish("second"))

    def test_f_wrong_settings_stop_it_with_a_sentence_in_the_journal(self):
        self.inside("sh", "-c", 'printf \'{"dataDirectory": "/var/lib/kyanite", "lisen": {}}\' > /etc/kyanite/kyanite.json')
        self.assertNotEqual(self.inside("systemctl", "restart", "kyanite", check=False).returncode, 0)
        self.assertRegex(self.journal(), "lisen is no known key; did you mean listen")
        self.inside("sh", "-c", 'printf \'{"dataDirectory": "/var/lib/kyanite"}\' > /etc/kyanite/kyanite.json')
        self.inside("systemctl", "reset-failed", "kyanite")
        self.inside("systemctl", "restart", "kyanite")

    def test_g_it_stops_cleanly(self):
        self.inside("systemctl", "stop", "kyanite")
        self.assertEqual((self.unit("Result"), self.unit("ExecMainStatus")), ("success", "0"))
        self.assertIn('"stopped","complete":true', self.journal())
        self.inside("systemctl", "start", "kyanite")

    def test_h_removed_what_was_stored_and_set_stays(self):
        self.inside("dpkg", "--remove", "kyanite")
        self.assertNotEqual(self.unit("ActiveState"), "active")
        self.assertNotEqual(self.inside("test", "-e", "/usr/bin/kyanite", check=False).returncode, 0)
        self.inside("test", "-d", "/var/lib/kyanite/store")
        self.inside("test", "-f", "/etc/kyanite/kyanite.json")

    def test_i_purged_nothing_is_left(self):
        self.inside("dpkg", "--purge", "kyanite")
        left = self.inside("find", "/etc", "/var/lib", "/usr", "/run/systemd", "-name", "*kyanite*", check=False).stdout
        self.assertEqual(left, "")
        self.assertNotEqual(self.inside("getent", "passwd", "kyanite", check=False).returncode, 0)
        self.assertEqual(self.inside("dpkg", "--audit").stdout, "")
