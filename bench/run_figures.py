"""Measures a hub with kyanite_load and prints Markdown tables for bench/README.md, and JSON. See run_figures.sh."""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from hub_process import Hub  # noqa: E402

BUDGET_SECONDS = 340
STARTS = 7  # of which the median is taken

# name, devices, flags of `kyanite_load publish`
PUBLISHING = [
    ("1 device, window 1, 64 B", 1, ["--window", 1, "--payload", 64]),
    ("100 devices, window 1, 64 B", 100, ["--window", 1, "--payload", 64]),
    ("100 devices, window 16, 64 B", 100, ["--window", 16, "--payload", 64]),
    ("100 devices, window 16, 64 B, over WebSocket", 100, ["--window", 16, "--payload", 64, "--websocket"]),
    ("100 devices, window 16, 1 KiB", 100, ["--window", 16, "--payload", 1024]),
    ("1,000 devices, window 1, 64 B", 1000, ["--window", 1, "--payload", 64]),
    ("1,000 devices, 10,000 messages/s, 64 B", 1000, ["--window", 16, "--payload", 64, "--rate", 10000]),
]
# name, flags of `kyanite_load connect`
CONNECTING = [
    ("TLS 1.3, full", ["--tls", "1.3"]),
    ("TLS 1.3, full, over WebSocket", ["--tls", "1.3", "--websocket"]),
    ("TLS 1.3, resumed", ["--tls", "1.3", "--resume"]),
    ("TLS 1.2, full", ["--tls", "1.2"]),
    ("TLS 1.2, resumed", ["--tls", "1.2", "--resume"]),
]
METHODS = [1, 100, 1000]  # devices, each called once at a time
C2D = [1, 100, 1000]  # devices that take messages
STORM = 5000
IDLE = [1000, 10000]


class Bench:
    def __init__(self, chosen, folder):
        self.chosen = chosen
        self.folder = Path(folder)
        self.deadline = time.monotonic() + BUDGET_SECONDS
        self.not_measured = []
        self.hubs = 0

    def hub(self, durability="fsync"):
        self.hubs += 1
        return Hub(
            self.chosen.kyanite,
            self.folder / f"data-{self.hubs}",
            environment={"KYANITE_STORAGE_DURABILITY": durability},
        )

    def load(self, what, hub, mode, *flags):
        """The figures of one run, or None when there was no time or the run failed."""
        left = self.deadline - time.monotonic()
        if left < 10:
            self.not_measured.append(f"{what}: no time left")
            return None
        command = [self.chosen.load, mode, "--data", hub.data, "--json", *flags]
        print(f"  {what}", file=sys.stderr)
        try:
            ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=left)
        except subprocess.TimeoutExpired:
            self.not_measured.append(f"{what}: did not end in time")
            return None
        if ran.returncode != 0:
            self.not_measured.append(
                f"{what}: exit status {ran.returncode}: {(ran.stderr + ran.stdout).strip()[-400:]}"
            )
            return None
        return json.loads(ran.stdout)

    def devices(self, hub, count):
        """Creates devices once and names the file that holds their keys."""
        file = hub.data.with_name(f"{hub.data.name}-{count}.csv")
        if (
            not file.exists()
            and self.load(
                f"create {count} devices",
                hub,
                "connect",
                "--devices",
                count,
                "--connections",
                1,
                "--concurrency",
                1,
                "--save-devices",
                file,
            )
            is None
        ):
            return None
        return file

    def publishing(self, durability):
        seconds = 1 if self.chosen.quick else 6
        rows = []
        with running(self.hub(durability)) as hub:
            for name, devices, flags in PUBLISHING:
                file = self.devices(hub, devices)
                figures = file and self.load(
                    f"publish, {durability}, {name}",
                    hub,
                    "publish",
                    "--device-list",
                    file,
                    "--devices",
                    devices,
                    "--duration",
                    seconds,
                    *flags,
                )
                if figures:
                    rows.append({"name": name, **figures})
        return rows

    def methods(self):
        seconds = 1 if self.chosen.quick else 6
        rows = []
        with running(self.hub()) as hub:
            for count in METHODS:
                file = self.devices(hub, count)
                flags = ["--device-list", file, "--devices", count, "--duration", seconds]
                figures = file and self.load(f"methods, {count}", hub, "methods", *flags)
                if figures:
                    rows.append({"name": f"{count:,} device{'s' if count > 1 else ''}", **figures})
        return rows

    def messages(self):
        seconds = 1 if self.chosen.quick else 6
        rows = []
        for count in [20] if self.chosen.quick else C2D:
            with running(self.hub()) as hub:  # queues of another run would be in the way
                file = self.devices(hub, count)
                flags = ["--device-list", file, "--devices", count, "--duration", seconds]
                figures = file and self.load(f"c2d, {count}", hub, "c2d", *flags)
                if figures:
                    rows.append({"name": f"{count:,} device{'s' if count > 1 else ''}", **figures})
        return rows

    def connecting(self):
        count = 200 if self.chosen.quick else 3000
        rows = []
        with running(self.hub()) as hub:
            file = self.devices(hub, 200)
            for name, flags in CONNECTING if file else []:
                figures = self.load(
                    f"connect, {name}",
                    hub,
                    "connect",
                    "--device-list",
                    file,
                    "--devices",
                    200,
                    "--connections",
                    count,
                    "--concurrency",
                    64,
                    *flags,
                )
                if figures:
                    rows.append({"name": name, **figures})
            storm = 500 if self.chosen.quick else STORM
            file = self.devices(hub, storm)
            figures = file and self.load(
                "connect, storm",
                hub,
                "connect",
                "--device-list",
                file,
                "--devices",
                storm,
                "--connections",
                storm,
                "--concurrency",
                0,
            )
            if figures:
                rows.append({"name": f"{storm:,} devices at once, full", **figures})
        return rows

    def idling(self):
        rows = []
        for count in [200] if self.chosen.quick else IDLE:
            allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            if allowed < count + 500:
                self.not_measured.append(
                    f"{count} idle connections: only {allowed} open files are allowed (ulimit -n)"
                )
                continue
            for transport, flags in (("", []), (" over WebSocket", ["--websocket"])):
                figures = self.idle(f"{count} idle connections{transport}", count, flags)
                if figures:
                    rows.append({"name": f"{count:,} connections{transport}", **figures})
        return rows

    def idle(self, name, count, flags):
        with running(self.hub()) as hub:
            file = self.devices(hub, count)
            if not file:
                return None
            # A fresh process, so that creating the devices does not count.
            hub.stop()
            hub.start()
            return self.load(
                name, hub, "idle", "--device-list", file, "--devices", count, "--hold", 5, *flags
            )

    def starting(self):
        starts = 3 if self.chosen.quick else STARTS
        rows = []
        empty = []
        for _ in range(starts):
            with running(self.hub()) as hub:
                empty.append(hub.seconds_to_ready)
        rows.append({"name": "empty store", "milliseconds": milliseconds(empty)})
        used = self.hub("os")
        with running(used):
            file = self.devices(used, 1000)
            figures = file and self.load(
                "fill a store",
                used,
                "publish",
                "--device-list",
                file,
                "--window",
                64,
                "--payload",
                256,
                "--messages",
                20_000 if self.chosen.quick else 1_000_000,
                "--duration",
                30,
            )
        if figures:
            stored = f"{figures['acknowledgedTotal']:,} messages, 1,000 devices"
            stopped, killed = [], []
            for _ in range(starts):
                with running(used):
                    stopped.append(used.seconds_to_ready)
            for _ in range(starts):
                used.start()
                killed.append(used.seconds_to_ready)
                used.kill()
            rows.append({"name": f"used store ({stored})", "milliseconds": milliseconds(stopped)})
            rows.append(
                {"name": f"used store after kill -9 ({stored})", "milliseconds": milliseconds(killed[1:])}
            )
        return rows


class running:
    """A hub for the length of a `with`, stopped in order at its end."""

    def __init__(self, hub):
        self.hub = hub

    def __enter__(self):
        return self.hub.start()

    def __exit__(self, *_):
        self.hub.stop()


def milliseconds(seconds):
    return {
        "median": round(statistics.median(seconds) * 1000, 1),
        "min": round(min(seconds) * 1000, 1),
        "max": round(max(seconds) * 1000, 1),
    }


def machine():
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = next(
        int(line.split()[1])
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    return f"{os.cpu_count()} cores ({model}), {memory / (1 << 20):.0f} GiB, Linux {platform.release()}"


def table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def show(results):
    print(f"Machine: {results['machine']}; hub and generator share it.\n")
    for durability in ("fsync", "os"):
        print(f"Publishing, `storage.durability: {durability}`\n")
        table(
            ["load", "messages/s", "CPU s per million, hub", "generator", "p50 / p99 / p99.9 ms"],
            [
                [
                    r["name"],
                    f"{r['messagesPerSecond']:,.0f}",
                    r["serverCpuSecondsPerMillion"],
                    r["clientCpuSecondsPerMillion"],
                    " / ".join(f"{r['latency'][p]:.1f}" for p in ("p50Ms", "p99Ms", "p999Ms")),
                ]
                for r in results["publishing"][durability]
            ],
        )
    print("Direct methods, REST request to REST answer\n")
    table(
        ["one call at a time for each of", "calls/s", "hub ms CPU each", "p50 / p99 ms"],
        [
            [
                r["name"],
                f"{r['callsPerSecond']:,.0f}",
                r["serverCpuMsPerCall"],
                f"{r['latency']['p50Ms']:.1f} / {r['latency']['p99Ms']:.1f}",
            ]
            for r in results["methods"]
        ],
    )
    print("Cloud-to-device messages, from the REST request to the device, and full queues of 50\n")
    table(
        ["devices", "messages/s", "p50 / p99 ms", "filled/s", "drained/s"],
        [
            [
                r["name"],
                f"{r['messagesPerSecond']:,.0f}",
                f"{r['latency']['p50Ms']:.1f} / {r['latency']['p99Ms']:.1f}",
                f"{r['filledPerSecond']:,.0f}",
                f"{r['drainedPerSecond']:,.0f}",
            ]
            for r in results["messages"]
        ],
    )
    print("Connecting (TCP, TLS, CONNECT, CONNACK, close)\n")
    table(
        ["handshake", "connections/s", "hub ms CPU each", "generator", "p50 / p99 ms"],
        [
            [
                r["name"],
                f"{r['connectionsPerSecond']:,.0f}",
                r["serverCpuMsPerConnection"],
                r["clientCpuMsPerConnection"],
                f"{r['latency']['p50Ms']:.0f} / {r['latency']['p99Ms']:.0f}",
            ]
            for r in results["connecting"]
        ],
    )
    print("Idle TLS connections\n")
    table(
        ["connections", "KiB resident each", "hub MiB before", "open", "closed", "CPU %"],
        [
            [
                r["name"],
                r["serverResidentKiBPerConnection"],
                r["serverResidentBeforeKiB"] // 1024,
                r["serverResidentOpenKiB"] // 1024,
                r["serverResidentAfterKiB"] // 1024,
                r["serverIdleCpuPercent"],
            ]
            for r in results["idling"]
        ],
    )
    print("From exec to ready\n")
    table(
        ["store", "median ms", "min", "max"],
        [
            [r["name"], r["milliseconds"]["median"], r["milliseconds"]["min"], r["milliseconds"]["max"]]
            for r in results["starting"]
        ],
    )
    for line in results["notMeasured"]:
        print(f"Not measured: {line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kyanite", default=ROOT / "build/release/server/app/kyanite")
    parser.add_argument("--load", default=ROOT / "build/release/bench/load/kyanite_load")
    parser.add_argument("--json", default=ROOT / "build/figures.json", help="where the JSON goes")
    parser.add_argument("--quick", action="store_true", help="a short run that shows the script works")
    chosen = parser.parse_args()
    for program in (chosen.kyanite, chosen.load):
        if not os.access(program, os.X_OK):
            sys.exit(
                f"{program} is missing: cmake --preset release && ninja -C build/release kyanite kyanite_load"
            )
    with tempfile.TemporaryDirectory(prefix="kyanite-figures-") as folder:
        bench = Bench(chosen, folder)
        results = {
            "machine": machine(),
            "starting": bench.starting(),
            "publishing": {mode: bench.publishing(mode) for mode in ("fsync", "os")},
            "methods": bench.methods(),
            "messages": bench.messages(),
            "connecting": bench.connecting(),
            "idling": bench.idling(),
            "notMeasured": bench.not_measured,
        }
    Path(chosen.json).write_text(json.dumps(results, indent=1) + "\n")
    show(results)
    return 1 if bench.not_measured else 0


if __name__ == "__main__":
    sys.exit(main())
