"""Commands, folders and namespaces that the tests of this folder share."""
import os
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / "build" / "package-test"
PROGRAM = Path(os.environ["KYANITE_PROGRAM"])
PRESET = os.environ["KYANITE_PRESET"]
# A hub would take our own variables for settings.
INHERITED = {name: value for name, value in os.environ.items() if not name.startswith("KYANITE_")}
IS_ROOT = os.geteuid() == 0
TEST_DOCKER = os.environ.get("KYANITE_TEST_DOCKER", "1") != "0"


def run(*command, check=True, timeout=300, stdin=None, env=None):
    """Runs a command to its end; with `check` a failure is the test's, with all that the command said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout,
                          input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, errors="replace",
                          env={**INHERITED, **(env or {})})
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def wait_for(condition, what, timeout=120):
    """Bounded wait for something another process does; answers what the condition did."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout} s: {what}")


def missing(*programs):
    """The first program that is not here, or None."""
    return next((program for program in programs if shutil.which(program) is None), None)


def publish(inside, port, ca_file, host, device, token, message, timeout=60):
    """mosquitto_pub with QoS 1, led into a network by the words `inside`: True when the hub acknowledged. Ends after `timeout`."""
    command = [*inside, "mosquitto_pub", "-h", "127.0.0.1", "-p", port, "--cafile", ca_file,
               "-V", "mqttv311", "-i", device, "-u", f"{host}/{device}/?api-version=2021-04-12", "-P", token,
               "-t", f"devices/{device}/messages/events/", "-q", "1", "-m", message]
    try:
        return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=timeout).returncode == 0
    except subprocess.TimeoutExpired:
        return False
