#!/usr/bin/env python3
"""How many events a second the unmodified Event Hubs clients of Node and Python read, and what the hub spends on them.

  bench/sdk_readers.py PROGRAM --load KYANITE_LOAD [--sdks DIR] [--events N] [--payload BYTES] [--rounds N]

Starts a hub on 127.0.0.9 and the ports that the clients dial (443 and 5671; binding 443 has to be allowed), stores N events
through MQTT, and has each client read them all from the start, over TLS, in turns. DIR holds the clients as
tests/compat/run.sh PROGRAM --install leaves them (build/compat). Time counts from a client's first event to its last.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "bench/sdk_readers"
ADDRESS = "127.0.0.9"


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_hub(program, data):
    hub = subprocess.Popen([program, "serve", "--data", data, "--hostname", ADDRESS, "--mqtts", f"{ADDRESS}:8883", "--https",
                            f"{ADDRESS}:443", "--amqps", f"{ADDRESS}:5671", "--admin", "off", "--quiet", "--log-level", "warning"], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (Path(data) / "hub.json").exists():
        if hub.poll() is not None or time.monotonic() > deadline:
            hub.kill()
            raise SystemExit("the hub did not start")
        time.sleep(0.05)
    return hub, json.loads((Path(data) / "hub.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--load", required=True)
    parser.add_argument("--sdks", default=ROOT / "build/compat", type=Path)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--payload", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    readers = {
        "Node @azure/event-hubs": lambda info: ["node", HERE / "reader.js", info["eventsConnectionString"], str(options.events)],
        "Python azure-eventhub": lambda info: [options.sdks / "venv/bin/python", HERE / "reader.py", info["eventsConnectionString"],
                                               str(options.events), info["caFile"]],
    }
    with tempfile.TemporaryDirectory() as folder:
        hub, info = start_hub(options.program, folder)
        try:
            subprocess.run([options.load, "publish", "--data", folder, "--mqtts", f"{ADDRESS}:8883", "--https", f"{ADDRESS}:443", "--devices", "100", "--messages", str(options.events),
                            "--payload", str(options.payload)], check=True, stdout=subprocess.DEVNULL)
            environment = {**os.environ, "NODE_PATH": str(options.sdks / "node/node_modules"), "NODE_EXTRA_CA_CERTS": info["caFile"]}
            rows = {name: [] for name in readers}
            for _ in range(options.rounds):
                for name, command in readers.items():
                    before = cpu_seconds(hub.pid)
                    done = subprocess.run(command(info), env=environment, check=True, timeout=600, stdout=subprocess.PIPE, text=True)
                    rows[name].append({**json.loads(done.stdout), "hubSeconds": cpu_seconds(hub.pid) - before})
        finally:
            hub.terminate()
            hub.wait(30)
    print(f"{options.events} events of {options.payload} bytes, 4 partitions, TLS; medians of {options.rounds}:")
    print("| Reader | Events/s | its CPU s per million | the hub's CPU s per million | Ratio |")
    print("|---|---|---|---|---|")
    for name, runs in rows.items():
        def median(of):
            return statistics.median(of(run) for run in runs)
        own = median(lambda run: run["cpuSeconds"] / run["events"] * 1e6)
        hubs = median(lambda run: run["hubSeconds"] / run["events"] * 1e6)
        print(f"| {name} | {median(lambda run: run['events'] / run['seconds']):,.0f} | {own:.1f} | {hubs:.2f} | {own / hubs:.0f} |")


if __name__ == "__main__":
    main()
