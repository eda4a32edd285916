"""What the crash tests share: a hub, kyanite_load beside it, and the comparison of what was promised and stored."""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from hub_process import Hub, HubDidNotStart  # noqa: E402,F401

LOST_CONNECTIONS = 3  # kyanite_load's exit status when links broke while publishing


def arguments(description, **defaults):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--kyanite", required=True, help="the program")
    parser.add_argument("--load", required=True, help="kyanite_load")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(1 << 32), help="printed, to run the same again"
    )
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    return chosen


def start_load(program, hub, mode, *flags):
    command = [program, mode, "--data", str(hub.data), "--json", *map(str, flags)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish_load(process, allowed=(0,), timeout=900):
    """Its figures; anything but an allowed exit status is a failure of the test."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"kyanite_load did not end: {err}")
    if process.returncode not in allowed:
        raise AssertionError(f"kyanite_load ended with {process.returncode}: {err} {out}")
    return json.loads(out)


class Promises:
    """The acknowledged and the sent sequence numbers of each device, from ack logs."""

    def __init__(self):
        self.acknowledged = {}
        self.sent = {}

    def read(self, ack_log):
        for line in Path(ack_log).read_text().splitlines():
            kind, device, *numbers = line.split()
            if kind == "ack":
                self.acknowledged.setdefault(device, set()).add(int(numbers[0]))
            else:
                self.sent.setdefault(device, []).append((int(numbers[0]), int(numbers[1])))

    def count(self):
        return sum(map(len, self.acknowledged.values()))

    def violations(self, events, first_sequence=0):
        """Every way in which the stored events (of sequences from first_sequence on) break the promises."""
        found = []
        last = {}
        missing = {
            device: {s for s in numbers if s >= first_sequence}
            for device, numbers in self.acknowledged.items()
        }
        for event in events:
            body = json.loads(event["body"])
            device, sequence = body["device"], body["sequence"]
            if sequence < first_sequence:
                continue
            if device != event["deviceId"]:
                found.append(f"{event['deviceId']} carries a body of {device}")
            if not any(first <= sequence <= final for first, final in self.sent.get(device, [])):
                found.append(f"{device} {sequence} was never sent")
            if sequence <= last.get(device, -1):
                found.append(f"{device} {sequence} stands after {last[device]}")
            last[device] = sequence
            missing.get(device, set()).discard(sequence)
        for device, sequences in missing.items():
            found += [
                f"{device} {sequence} was acknowledged and is not stored" for sequence in sorted(sequences)
            ]
        return found


def check(violations, what):
    if violations:
        print(f"FAILED {what}: {len(violations)} violations, the first:", *violations[:10], sep="\n  ")
        sys.exit(1)
