"""The Debian package: installed, started as its unit says, upgraded, removed and purged, in a Debian of its own.

The Debian is the base that images are built on, unpacked; systemd does not run in it, so the test starts what the unit
starts: the same command, user and capability, with a notify socket.
"""
import os
import re
import shutil
import socket
import subprocess
import unittest

from machine import IS_ROOT, PRESET, ROOT, WORK, missing, publish, run, wait_for

UNIT = ROOT / "packaging" / "systemd" / "kyanite.service"
VERSIONS = ("0.1.0", "0.1.1")  # the project's own, and the same program as the next one


def unit_value(name):
    return re.findall(rf"(?m)^{name}=(.*)$", UNIT.read_text())[-1]


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
        done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", UNIT, check=False)
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        self.assertIsNotNone(exposure, done.stdout + done.stderr)
        self.assertLess(float(exposure.group(1)), 2.0, done.stdout)


class Debian(unittest.TestCase):
    """One Debian for all steps, in the order of a package's life."""

    @classmethod
    def setUpClass(cls):
        if not IS_ROOT:
            raise unittest.SkipTest("installing a package needs root")
        if absent := missing("debootstrap", "dpkg-shlibdeps", "cpack", "unshare", "setpriv", "nsenter", "mosquitto_pub"):
            raise unittest.SkipTest(f"{absent} is not installed")
        cls.packages = {VERSIONS[0]: cls.make_package()}
        cls.packages[VERSIONS[1]] = cls.next_version(cls.packages[VERSIONS[0]])
        base = run(ROOT / "docker" / "base.sh", timeout=900).stdout.strip()
        cls.root = WORK / "debian"
        shutil.rmtree(cls.root, ignore_errors=True)
        cls.root.mkdir(parents=True)
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        run("tar", "-C", cls.root, "-xf", base)
        for name in ("resolv.conf", "hosts"):
            if os.path.exists(f"/etc/{name}"):
                shutil.copy(f"/etc/{name}", cls.root / "etc" / name)
        for package in cls.packages.values():
            shutil.copy(package, cls.root / "root")
        cls.chroot("apt-get", "update", "-q", timeout=300)

    @classmethod
    def make_package(cls):
        return run(ROOT / "scripts" / "package.sh", "--preset", PRESET, "--output", WORK / "packages",
                   timeout=900).stdout.splitlines()[-1]

    @classmethod
    def next_version(cls, package):
        inside = WORK / "repack"
        shutil.rmtree(inside, ignore_errors=True)
        run("dpkg-deb", "-R", package, inside)
        control = inside / "DEBIAN" / "control"
        control.write_text(control.read_text().replace(f"Version: {VERSIONS[0]}\n", f"Version: {VERSIONS[1]}\n"))
        target = WORK / "packages" / os.path.basename(package).replace(VERSIONS[0], VERSIONS[1])
        run("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", inside, target)
        shutil.rmtree(inside)
        return str(target)

    @classmethod
    def chroot(cls, *command, check=True, timeout=300):
        return run("chroot", cls.root, *command, check=check, timeout=timeout,
                   env={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def install(self, version):
        name = os.path.basename(self.packages[version])
        return self.chroot("apt-get", "install", "-y", "-q", "--no-install-recommends", f"/root/{name}")

    def owner_of(self, path):
        facts = (self.root / path).stat()
        return (self.chroot("stat", "-c", "%U:%G", f"/{path}").stdout.strip(), oct(facts.st_mode & 0o7777))

    def start(self):
        """What systemd does with the unit, as far as the hub can tell: user, capability, folder, socket, limits."""
        notify = self.root / "run" / "notify"
        notify.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(str(notify))
        notify.chmod(0o777)
        listener.settimeout(30)
        capability = unit_value("AmbientCapabilities").removeprefix("CAP_").lower()
        script = (f"ip link set lo up 2> /dev/null || /sbin/ifconfig lo up; umask {unit_value('UMask')}; exec chroot {self.root} "
                  f"/usr/bin/setpriv --reuid {unit_value('User')} --regid {unit_value('Group')} --clear-groups --no-new-privs "
                  f"--bounding-set -all,+{capability} --inh-caps -all,+{capability} --ambient-caps -all,+{capability} "
                  f"--reset-env /usr/bin/env -C {unit_value('WorkingDirectory')} NOTIFY_SOCKET=/run/notify {unit_value('ExecStart')}")
        log = open(WORK / "debian.log", "w+")
        self.addCleanup(log.close)
        hub = subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(lambda: hub.poll() is None and (hub.kill(), hub.wait()))
        try:
            said = listener.recv(1024).decode()
        except TimeoutError:
            log.seek(0)
            raise AssertionError(f"not ready: {log.read()}") from None
        self.assertIn("READY=1", said)
        return hub, listener

    def stop(self, hub, listener):
        hub.terminate()
        self.assertIn("STOPPING=1", listener.recv(1024).decode())
        self.assertEqual(hub.wait(10), 0)

    def kyanite(self, hub, *arguments):
        """As root on that machine, without saying where the hub's data are."""
        return run("nsenter", f"--net=/proc/{hub.pid}/ns/net", "chroot", self.root, "/usr/bin/kyanite", *arguments)

    def bodies(self, hub, count):
        return self.kyanite(hub, "events", "--from", "start", "--count", count, "--timeout", "10", "--json").stdout

    def test_a_packages_life(self):
        with self.subTest("its control data"):
            fields = run("dpkg-deb", "-f", self.packages[VERSIONS[0]]).stdout
            for library in ("librocksdb7.8", "libssl3", "libcurl4", "libc6", "adduser"):
                self.assertRegex(fields, rf"(?m)^Depends:.*\b{re.escape(library)}\b")
            self.assertIn(f"Architecture: {run('dpkg', '--print-architecture').stdout}", fields)
            content = run("dpkg-deb", "-c", self.packages[VERSIONS[0]]).stdout
            for line in content.splitlines():
                self.assertIn(" root/root ", line)
            for path in ("usr/bin/kyanite", "usr/lib/systemd/system/kyanite.service", "etc/kyanite/kyanite.json",
                         "usr/share/doc/kyanite/copyright", "usr/share/doc/kyanite/changelog.Debian.gz",
                         "usr/share/doc/kyanite/reference.md"):
                self.assertRegex(content, rf"\./{re.escape(path)}\n")

        self.install(VERSIONS[0])
        self.assertEqual(self.owner_of("var/lib/kyanite"), ("kyanite:kyanite", "0o700"))
        self.assertEqual(self.chroot("kyanite", "version").stdout, f"kyanite {VERSIONS[0]}\n")
        self.chroot("kyanite", "config", "check", "--config", "/etc/kyanite/kyanite.json")
        enabled = self.root / "etc/systemd/system/multi-user.target.wants/kyanite.service"
        self.assertTrue(enabled.is_symlink())

        hub, listener = self.start()
        with open(f"/proc/{hub.pid}/status") as status:
            text = status.read()
        self.assertEqual(int(re.search(r"CapEff:\t(\w+)", text).group(1), 16), 1 << 10, "CAP_NET_BIND_SERVICE alone")
        self.assertNotIn("SharedAccessKey=", (WORK / "debian.log").read_text())
        self.kyanite(hub, "device", "create", "d1")
        token = self.kyanite(hub, "sas", "generate", "--device", "d1").stdout.strip()
        host = self.kyanite(hub, "device", "connection-string", "d1").stdout.split("HostName=")[1].split(";")[0]
        self.assertTrue(publish(hub.pid, self.root / "var/lib/kyanite/pki/ca.pem", host, "d1", token, "before the upgrade"))
        self.stop(hub, listener)

        with self.subTest("an upgrade keeps the data and what the administrator wrote"):
            settings = self.root / "etc/kyanite/kyanite.json"
            changed = settings.read_text().replace('"/var/lib/kyanite"', '"/var/lib/kyanite",\n  "hub": {"hostNames": ["hub.example.test"]}')
            settings.write_text(changed)
            self.install(VERSIONS[1])
            self.assertEqual(settings.read_text(), changed)
            hub, listener = self.start()
            self.assertIn("before the upgrade", self.bodies(hub, 1))
            self.assertIn("HostName=hub.example.test;", self.kyanite(hub, "policy", "connection-string", "service").stdout)
            self.stop(hub, listener)

        with self.subTest("removed, what was stored and set stays"):
            self.chroot("dpkg", "--remove", "kyanite")
            self.assertFalse((self.root / "usr/bin/kyanite").exists())
            self.assertTrue((self.root / "var/lib/kyanite/store").is_dir())
            self.assertTrue((self.root / "etc/kyanite/kyanite.json").is_file())

        with self.subTest("purged, nothing is left"):
            self.chroot("dpkg", "--purge", "kyanite")
            for path in ("var/lib/kyanite", "etc/kyanite", "usr/share/doc/kyanite", "etc/systemd/system/multi-user.target.wants/kyanite.service"):
                self.assertFalse(os.path.lexists(self.root / path), path)
            self.assertNotIn("kyanite", (self.root / "etc/passwd").read_text())
            self.assertEqual(self.chroot("dpkg", "--audit").stdout, "")
