"""Runs the Java tests against a hub of their own on 127.0.0.2.

    run.py PROGRAM JARS CLASSES

The clients trust what a trust store holds that the virtual machine is given at its start, so the hub comes first.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from hub_process import Hub  # noqa: E402

ADDRESS = "127.0.0.2"
PASSWORD = "changeit"


def main():
    program, jars, classes = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="kyanite-compat-java-") as folder:
        store = Path(folder) / "trust.p12"
        hub = Hub(program, Path(folder) / "data", mqtts=f"{ADDRESS}:8883", https=f"{ADDRESS}:443", amqps=f"{ADDRESS}:5671",
                  environment={"KYANITE_HUB_HOST_NAMES": ADDRESS})
        with hub:
            subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "hub", "-file", hub.ca_file, "-keystore", store,
                            "-storetype", "PKCS12", "-storepass", PASSWORD], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            environment = {**os.environ, "COMPAT_SERVICE": hub.info["serviceConnectionString"], "COMPAT_EVENTS": hub.info["eventsConnectionString"]}
            tests = subprocess.run(
                ["java", f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
                 "-cp", f"{classes}{os.pathsep}{jars}/*", "org.junit.platform.console.ConsoleLauncher", "execute",
                 "--scan-classpath", classes, "--disable-banner", "--disable-ansi-colors", "--details=tree", "--details-theme=ascii"],
                env=environment, check=False)
            status = hub.stop()
            if status != 0:
                print(f"the hub ended with {status}: {hub.log_tail()}")
        return tests.returncode or (1 if status else 0)


if __name__ == "__main__":
    sys.exit(main())
