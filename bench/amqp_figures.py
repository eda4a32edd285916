#!/usr/bin/env python3
"""Figures of AMQP that one C++ program alone does not give: what an idle connection costs, how long a message takes from a
device to a reader, and what telemetry costs over AMQP beside MQTT.

  bench/amqp_figures.py PROGRAM idle [--connections N]
  bench/amqp_figures.py PROGRAM ingest --load PROGRAM [--seconds N] [--rounds N]
  bench/amqp_figures.py PROGRAM latency --load PROGRAM [--rate N] [--seconds N]

Each starts a hub of its own on free ports of the loopback and ends it. The client is the one of the tests
(tests/behaviours/amqp_wire.py).
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/behaviours"), str(ROOT / "tests/support")]

import amqp_wire as amqp  # noqa: E402
import mqtt_wire  # noqa: E402
import world  # noqa: E402
from amqp_wire import RECEIVER, SENDER, Client, Symbol  # noqa: E402
from hub_process import parse_connection_string  # noqa: E402


def resident_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise SystemExit("the hub is gone")


def settled_kib(pid):
    """Resident memory when it has stopped changing."""
    last = resident_kib(pid)
    for _ in range(20):
        time.sleep(0.25)
        now = resident_kib(pid)
        if abs(now - last) < 64:
            return now
        last = now
    return last


def device_connection(hub, device):
    """As the Node SDK holds one: a session, $cbs, and the links of telemetry, messages, twin and methods."""
    client = Client(hub.info["ports"]["amqps"])
    client.open()
    client.begin()
    answer = client.cbs().put_token(device.token(), f"{world.HOST}/devices/{device.client_id}")
    if answer.application["status-code"] != 200:
        raise SystemExit(f"no token: {answer.application}")
    base = f"/devices/{device.client_id}"
    client.attach(SENDER, f"{base}/messages/events")
    client.attach(RECEIVER, f"{base}/messages/devicebound").credit(50)
    for node, word in (("/twin", "twin:"), ("/methods/devicebound", "methods:")):
        mark = {Symbol("com.microsoft:channel-correlation-id"): word + device.client_id}
        client.attach(SENDER, base + node, properties=mark)
        client.attach(RECEIVER, base + node, properties=mark).credit(50)
    return client


def idle(options):
    hub = world.main()
    warm = [device_connection(hub, world.device()) for _ in range(20)]
    devices = [world.device() for _ in range(options.connections)]
    before = settled_kib(hub.process.pid)
    clients = [device_connection(hub, device) for device in devices]
    with_links = settled_kib(hub.process.pid)
    bare = []
    for _ in range(options.connections):
        client = Client(hub.info["ports"]["amqps"])
        client.open()
        client.begin()
        bare.append(client)
    after = settled_kib(hub.process.pid)
    count = options.connections
    print(f"idle AMQP connections over TLS, {count} each:")
    print(f"  with one session                                 {(after - with_links) / count:6.1f} KiB")
    print(f"  with a device and its eight links                {(with_links - before) / count:6.1f} KiB, its identity in memory included")
    for client in clients + bare + warm:
        client.close()


def latency(options):
    hub = world.main()
    device = world.device()
    samples = []
    ready = threading.Event()
    with device.session(clean=True) as first:
        first.publish(device.events, b"first")
    partition = next(iter(world.main().events(device.device_id, count=1, timeout=20)))["partition"]

    def read(count):
        with Client(hub.info["ports"]["amqps"]) as client:
            client.open()
            client.begin(incoming_window=2048)
            client.cbs().put_token(world.policy_token(hub, "service"), world.HOST)
            entity = parse_connection_string(hub.info["eventsConnectionString"])["EntityPath"]
            where = {Symbol("apache.org:selector-filter:string"): amqp.Described(
                Symbol("apache.org:selector-filter:string"), "amqp.annotation.x-opt-offset > '@latest'")}
            link = client.attach(RECEIVER, f"{entity}/ConsumerGroups/$Default/Partitions/{partition}", filters=where)
            link.credit(1000, incoming_window=2048)
            ready.set()
            since = 0
            while len(samples) < count:
                _, message = link.receive(60)
                since += 1
                if since % 250 == 0:
                    link.credit(1000, incoming_window=2048)
                if message.data.startswith(b"probe "):
                    samples.append(time.monotonic() - float(message.data[6:]))

    count = options.seconds * 40
    reader = threading.Thread(target=read, args=(count,), daemon=True)
    reader.start()
    ready.wait(30)
    load = subprocess.Popen([options.load, "publish", "--data", str(hub.data), "--devices", "50", "--rate", str(options.rate), "--duration",
                             str(options.seconds + 6), "--payload", "200"], stdout=subprocess.PIPE, text=True) if options.rate else None
    time.sleep(3)
    with device.session(clean=True) as client:
        begin = time.monotonic()
        for number in range(count):
            client.publish(device.events, f"probe {time.monotonic():.6f}".encode())
            time.sleep(max(0.0, begin + (number + 1) / 40 - time.monotonic()))
    reader.join(60)
    if load:
        print(load.communicate(timeout=120)[0].strip())
    if len(samples) < count:
        raise SystemExit(f"only {len(samples)} of {count} probes came")
    samples.sort()
    print(f"from a device's PUBLISH to an AMQP reader, {count} probes beside {options.rate} messages a second, durability fsync:")
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        print(f"  {name} {samples[min(count - 1, int(count * share))] * 1000:7.1f} ms")


# name, flags of `kyanite_load publish`: by pairs, since each AMQP row is compared with the MQTT row above it
INGEST = [
    ("MQTT, 100 devices, window 16", ["--devices", "100", "--window", "16"]),
    ("AMQP, the same", ["--devices", "100", "--window", "16", "--amqp"]),
    ("AMQP, in batches of 16", ["--devices", "100", "--window", "16", "--amqp", "--batch", "16"]),
    ("MQTT, 1 device, window 100", ["--devices", "1", "--window", "100"]),
    ("AMQP, the same", ["--devices", "1", "--window", "100", "--amqp"]),
    ("AMQP, in batches of 16", ["--devices", "1", "--window", "100", "--amqp", "--batch", "16"]),
]


def publish(options, hub, flags):
    done = subprocess.run([options.load, "publish", "--data", str(hub.data), "--payload", "200", "--duration", str(options.seconds), "--json",
                           *flags], stdout=subprocess.PIPE, text=True, timeout=options.seconds + 120)
    if done.returncode != 0:
        raise SystemExit(f"kyanite_load ended with {done.returncode}: {done.stdout}")
    return json.loads(done.stdout)


def ingest(options):
    """The ways in turns on one hub, so that what else the machine does meets them all; medians of the rounds."""
    hub = world.main()
    runs = [[] for _ in INGEST]
    for _ in range(options.rounds):
        for (_, flags), figures in zip(INGEST, runs):
            figures.append(publish(options, hub, flags))

    def median(figures, name):
        return statistics.median(run[name] for run in figures)

    print("| 200 B, over TLS, durability fsync | messages/s | to MQTT | hub CPU s per million | to MQTT | p50 / p99 ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (name, flags), figures in zip(INGEST, runs):
        rate, cpu = median(figures, "messagesPerSecond"), median(figures, "serverCpuSecondsPerMillion")
        if "--amqp" not in flags:
            base_rate, base_cpu = rate, cpu
        times = " / ".join(f"{statistics.median(run['latency'][at] for run in figures):.1f}" for at in ("p50Ms", "p99Ms"))
        print(f"| {name} | {rate:,.0f} | {rate / base_rate:.2f} | {cpu:.2f} | {cpu / base_cpu:.2f} | {times} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("figure", choices=("idle", "ingest", "latency"))
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--load", help="kyanite_load")
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.figure != "idle" and not options.load:
        parser.error(f"{options.figure} needs --load, the path of kyanite_load")
    world.begin(options.program)
    try:
        {"idle": idle, "ingest": ingest, "latency": latency}[options.figure](options)
    finally:
        world.kill_all()


if __name__ == "__main__":
    main()
