"""scripts/allow-low-ports.sh, which run.sh calls: what a user who is not root is given, and when."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/allow-low-ports.sh"
NOBODY = 65534
FIRST_OPEN_PORT = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())


@unittest.skipUnless(os.geteuid() == 0, "only root becomes another user")
@unittest.skipIf(FIRST_OPEN_PORT <= 443, "everybody may listen on 443 here")
class AllowLowPorts(unittest.TestCase):
    """With a sudo and a getcap of its own, which say what they were asked."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.folder.chmod(0o777)
        self.program("program", "true")
        # The checkout may lie where nobody else may look.
        self.script = self.folder / "script.sh"
        self.script.write_text(SCRIPT.read_text())

    def program(self, name, body):
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)

    def asked(self, user=NOBODY):
        """What sudo was asked, a line each."""
        log = self.folder / "log"
        done = subprocess.run(["sh", self.script, self.folder / "program"], env={"PATH": f"{self.folder}:/usr/bin:/bin"},
                              user=user, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return log.read_text().splitlines() if log.exists() else []

    def test_a_program_without_the_capability_is_given_it(self):
        self.program("getcap", "true")
        self.program("sudo", f'echo "$*" >> {self.folder}/log')
        self.assertEqual(self.asked(), ["-n true", f"setcap cap_net_bind_service=+ep {self.folder}/program"])

    def test_one_that_has_it_is_left_alone_and_so_is_roots(self):
        self.program("sudo", f'echo "$*" >> {self.folder}/log')
        self.program("getcap", 'echo "$1 cap_net_bind_service=ep"')
        self.assertEqual(self.asked(), [])
        self.program("getcap", "true")
        self.assertEqual(self.asked(user=0), [])

    def test_nobody_is_asked_for_a_password_where_nobody_is(self):
        self.program("getcap", "true")
        self.program("sudo", f'echo "$*" >> {self.folder}/log; exit 1')
        self.assertEqual(self.asked(), ["-n true"])


if __name__ == "__main__":
    unittest.main()
