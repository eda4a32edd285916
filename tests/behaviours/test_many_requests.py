"""Many HTTPS connections and many requests at once (R13, service-rest.md 1.1)."""
import resource
import socket
import ssl
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import world
from world import HOST, VERSION, rest

CONNECTIONS = 10_000
# Of this process and of the hub, with room for what else they open.
DESCRIPTORS = CONNECTIONS + 2_000
WORKERS = 8
IDLE = 30  # seconds


def read_status(link):
    """The status of one answer, which is read to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = link.recv(16384)
        assert piece, f"the connection ended behind {data[:200]}"
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        piece = link.recv(16384)
        assert piece, "the connection ended within an answer"
        body += piece
    return int(head.split(b" ", 2)[1])


def is_sanitized():
    """The sanitizer surrounds and keeps what is allocated."""
    return b"__asan_init" in Path(world.program()).read_bytes()


class ManyConnections(unittest.TestCase):
    def test_ten_thousand_are_kept_alive_and_all_go_on(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertGreaterEqual(hard, DESCRIPTORS, "raise the descriptor limit (ulimit -n) to run this test")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        hub = world.new_hub("many")
        hub.start()
        self.addCleanup(hub.kill)
        device = world.device(hub)
        context = ssl.create_default_context(cafile=hub.ca_file)
        ask = (f"GET /devices/{device.device_id}?api-version={VERSION} HTTP/1.1\r\nHost: {HOST}\r\n"
               f"Authorization: {world.policy_token(hub, 'iothubowner')}\r\n\r\n").encode()
        links, used, lock = [], {}, threading.Lock()
        self.addCleanup(lambda: [link.close() for link in links])

        def exchange(link):
            link.sendall(ask)
            status = read_status(link)
            assert status == 200, status
            used[link] = time.monotonic()

        def connect(session):
            raw = socket.create_connection(("127.0.0.1", hub.info["ports"]["https"]), timeout=60)
            link = context.wrap_socket(raw, server_hostname="127.0.0.1", session=session)
            exchange(link)
            with lock:
                links.append(link)
            return link

        before = hub.resident_bytes()
        session = connect(None).session
        with ThreadPoolExecutor(WORKERS) as pool:
            while len(links) < CONNECTIONS:
                list(pool.map(lambda _: connect(session), range(min(500, CONNECTIONS - len(links)))))
                # The hub closes what is idle for two minutes, and a slow machine takes longer than that.
                list(pool.map(exchange, [link for link in links if time.monotonic() - used[link] > IDLE]))
            idle = (hub.resident_bytes() - before) / CONNECTIONS
            list(pool.map(exchange, links))  # each of them is still there, and answers
        print(f"{idle / 1024:.0f} KiB a connection", end=" ")
        self.assertLess(idle, (192 if is_sanitized() else 48) * 1024)
        self.assertEqual(hub.stop(timeout=120), 0)


class ManyRequests(unittest.TestCase):
    def test_a_burst_for_one_device_that_nobody_asked_about_waits_its_turn(self):
        hub = world.new_hub("burst")
        hub.start()
        self.addCleanup(hub.kill)
        device = world.device(hub)
        context = ssl.create_default_context(cafile=hub.ca_file)
        ask = (f"GET /twins/{device.device_id}?api-version={VERSION} HTTP/1.1\r\nHost: {HOST}\r\n"
               f"Authorization: {world.policy_token(hub, 'iothubowner')}\r\n\r\n").encode()
        links = []
        for _ in range(600):
            raw = socket.create_connection(("127.0.0.1", hub.info["ports"]["https"]), timeout=60)
            links.append(context.wrap_socket(raw, server_hostname="127.0.0.1"))
        self.addCleanup(lambda: [link.close() for link in links])
        for _ in range(3):
            for link in links:
                link.sendall(ask)
            self.assertEqual({read_status(link) for link in links}, {200})
        self.assertEqual(rest(hub, "GET", f"/twins/{device.device_id}").status, 200)
        self.assertEqual(hub.stop(), 0)
