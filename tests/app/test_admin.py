"""The admin port: health, readiness, the CA, the REST API without TLS; and `kyanite health`."""
import contextlib
import http.client
import json
import os
import random
import socket
import ssl
import subprocess
import threading
import time
import unittest
import urllib.parse

from hub_process import API
from program import (
    PROGRAM, SIGHUP, SIGTERM, HubCase, environment, halted, occupied_port, run, send, shard_threads, wait_for,
)

PAGES = ("/healthz", "/readyz", "/health", "/ca.pem")
PATIENT = ("--timeout", "60")  # of `health`, where the hub has to answer


def free_port():
    """One that is still free when the hub comes for it: the system gives those from 32768 to outgoing connections."""
    for port in random.sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def ask(port, method="GET", path="/health", body=None, headers=None, address="127.0.0.1"):
    """(status, headers by lower-case name, body) of one request."""
    connection = http.client.HTTPConnection(address, port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def exchange(port, text):
    """What comes back for these bytes until the hub closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        raw.sendall(text)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := raw.recv(65536):
                got += piece
        return got


class AdminCase(HubCase):
    def admin(self, hub):
        return hub.info["ports"]["admin"]

    def ready_line(self, hub):
        self.wait_for_log(hub, "hub ready ")
        return [line for line in hub.log_file.read_text().splitlines() if line.startswith("hub ready ")]


class Paths(AdminCase):
    def test_each_path_answers_without_a_credential(self):
        hub = self.hub()
        port = self.admin(hub)
        self.assertEqual(hub.info["adminConnect"], f"127.0.0.1:{port}")
        for path, body in (("/healthz", {"status": "alive"}), ("/readyz", {"status": "ready"}), ("/health", {"status": "healthy"})):
            status, headers, text = ask(port, path=path)
            self.assertEqual((status, json.loads(text)), (200, body), path)
            self.assertEqual(headers["cache-control"], "no-store")
        status, headers, pem = ask(port, path="/ca.pem")
        self.assertEqual((status, headers["content-type"]), (200, "application/x-pem-file"))
        self.assertEqual(pem.decode(), open(hub.ca_file).read())
        ssl.create_default_context(cadata=pem.decode())

    def test_head_has_the_length_and_no_body(self):
        port = self.admin(self.hub())
        for path in PAGES:
            status, headers, body = ask(port, "HEAD", path)
            self.assertEqual((status, body), (200, b""), path)
            self.assertEqual(int(headers["content-length"]), len(ask(port, path=path)[2]), path)

    def test_they_only_read(self):
        port = self.admin(self.hub())
        for path in PAGES:
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                for body in (None, b"{}"):
                    status, headers, _ = ask(port, method, path, body)
                    self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"), (method, path))
            self.assertEqual(ask(port, "GET", path, b"body")[0], 400)

    def test_unknown_paths_are_the_rest_apis(self):
        port = self.admin(self.hub())
        for path in ("/nowhere", "/health/more", "/metrics/more", "/devices", "/HEALTH", "/$iothub/websocket"):
            status, _, text = ask(port, path=path)
            self.assertEqual(status, 401 if path == "/devices" else 404, f"{path}: {text}")
        for path, kind in (("/", "text/html"), ("/healthz/", "application/json")):
            status, headers, _ = ask(port, path=path)
            self.assertEqual((status, headers["content-type"].split(";")[0]), (200, kind), path)

    def test_the_rest_api_asks_for_the_same_credentials(self):
        hub = self.hub()
        port = self.admin(hub)
        path = f"/devices/d1?{API}"
        token = {"Authorization": hub._authorization(), "Content-Type": "application/json"}
        document = json.dumps({"deviceId": "d1"})
        self.assertEqual(ask(port, "PUT", path, document)[0], 401)
        self.assertEqual(ask(port, "PUT", path, document, token)[0], 200)
        self.assertEqual(json.loads(ask(port, "GET", path, headers=token)[2])["deviceId"], "d1")
        self.assertEqual(hub.rest("GET", path)[0], 200)  # the same hub

    def test_no_websocket_is_offered(self):
        port = self.admin(self.hub())
        got = exchange(port, b"GET /$iothub/websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                             b"Sec-WebSocket-Protocol: mqtt\r\n\r\n" + b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assertNotIn(b" 101 ", got)
        self.assertRegex(got, rb"^HTTP/1.1 40[14] ")

    def test_an_event_stream_runs_over_it_and_ends_with_the_hub(self):
        hub = self.hub()
        connection = http.client.HTTPConnection("127.0.0.1", self.admin(hub), timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/kyanite/v1/events?from=start&timeout=60", headers={"Authorization": hub._authorization()})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertEqual(hub.stop(), 0)
        answer.read()  # raises IncompleteRead for a stream that was cut

    def test_a_certificate_of_the_users_shows_its_ca_and_never_a_key(self):
        maker = self.hub(data="maker")
        maker.stop()
        pki = maker.data / "pki"
        both = self.folder / "ca-and-key.pem"
        both.write_text((pki / "ca.key").read_text() + (pki / "ca.pem").read_text())
        hub = self.hub("--certificate", str(pki / "server.pem"), "--key", str(pki / "server.key"), "--ca", str(both))
        status, _, text = ask(self.admin(hub), path="/ca.pem")
        self.assertEqual((status, text.decode()), (200, (pki / "ca.pem").read_text()))
        hub.stop()
        without = self.hub("--certificate", str(pki / "server.pem"), "--key", str(pki / "server.key"))
        status, _, text = ask(self.admin(without), path="/ca.pem")
        self.assertEqual(status, 404)
        self.assertIn("tls.caFile", text.decode())

    def test_a_reset_that_is_asked_for_here_is_answered(self):
        hub = self.hub("--test-control")
        port = self.admin(hub)
        token = {"Authorization": hub._authorization()}
        hub.create_device("d1")
        status, _, text = ask(port, "POST", "/kyanite/v1/reset", headers=token)
        self.assertEqual(status, 200, text)
        self.assertEqual(ask(port, path=f"/devices/d1?{API}", headers=token)[0], 404)
        self.assertEqual(ask(port, path="/readyz")[0], 200)
        self.assertEqual(len(self.ready_line(hub)), 1)


class RoughPeers(AdminCase):
    def test_bad_requests_are_refused_and_the_port_lives_on(self):
        port = self.admin(self.hub())
        for text, wanted in (
                (b"GET /healthz HTTP/1.1\r\n\r\n", b" 400 "),  # no Host
                (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b" 431 "),
                (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b" 431 "),
                (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200, b" 400 "),  # TLS
                (b"nonsense\r\n\r\n", b" 400 "),
                (b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", b" 400 "),
                (b"POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", b" 405 "),
                (b"", b"")):
            with self.subTest(text[:40]):
                with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
                    raw.sendall(text)
                    raw.shutdown(socket.SHUT_WR)
                    with contextlib.suppress(ConnectionResetError):
                        self.assertIn(wanted, raw.recv(65536))
        self.assertEqual(ask(port)[0], 200)

    def test_a_strange_host_header_does_no_harm(self):
        port = self.admin(self.hub())
        for host in ("", "[::1]:99999", "\xff"):  # names of others: test_pages_of_other_sites_get_nothing
            self.assertEqual(ask(port, headers={"Host": host})[0], 200, host)

    def test_connections_over_the_bound_are_closed_and_room_comes_back(self):
        hub = self.hub("--shards", "1")
        port = self.admin(hub)
        held = []
        self.addCleanup(lambda: [peer.close() for peer in held])

        def one(keep):
            peer = socket.create_connection(("127.0.0.1", port), timeout=60)
            if keep:
                held.append(peer)
            try:
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                return peer.recv(4096).startswith(b"HTTP/1.1 200")
            except ConnectionError:
                return False

        self.assertTrue(all(one(True) for _ in range(256)))
        self.assertFalse(any(one(False) for _ in range(20)))
        self.assertEqual(hub.rest("GET", f"/devices?{API}")[0], 200)  # the others do not care
        for peer in held:
            peer.close()
        wait_for(lambda: one(False), "room again")


    def test_scrapes_that_wait_for_a_shard_are_bounded_even_when_nobody_waits_for_them(self):
        hub = self.hub("--shards", "2")
        port = self.admin(hub)

        def begin():
            peer = socket.create_connection(("127.0.0.1", port), timeout=60)
            peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            return peer

        with halted(shard_threads(hub)[1]):
            for _ in range(200):  # every other one is the halted shard's
                begin().close()

            def is_refused():
                with begin() as peer, contextlib.suppress(TimeoutError):
                    peer.settimeout(2)
                    return peer.recv(4096).startswith(b"HTTP/1.1 503 ")

            wait_for(is_refused, "a scrape is refused")
        wait_for(lambda: ask(port, path="/metrics")[0] == 200, "metrics again")


class Ports(AdminCase):
    def command(self, *arguments, data="data"):
        return [PROGRAM, "serve", "--data", str(self.folder / data), "--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0", "--amqps", "off",
                *arguments]

    def test_a_chosen_port_that_is_taken_keeps_the_hub_from_starting(self):
        with occupied_port() as port:
            done = subprocess.run(self.command("--admin", f"127.0.0.1:{port}"), env=environment(), capture_output=True, text=True,
                                  timeout=60)
            self.assert_refused(done, "listen.admin (--admin)", f"another program has port {port}", "--admin ADDR:PORT")
            done = subprocess.run(self.command(), env=environment({"KYANITE_LISTEN_ADMIN": f"127.0.0.1:{port}"}), capture_output=True,
                                  text=True, timeout=60)
            self.assert_refused(done, "listen.admin (--admin)")

    def take(self, port):
        """Listens there as another program would. One that does already may go at any moment: then it is waited for."""
        until = time.monotonic() + 30
        while True:
            try:
                return socket.create_server(("127.0.0.1", port))
            except OSError as problem:
                if time.monotonic() > until:
                    self.skipTest(f"127.0.0.1:{port} cannot be taken: {problem}")
                time.sleep(0.1)

    def test_the_default_port_gives_way_with_a_warning(self):
        with self.take(8080):
            hub = self.hub(start=False)
            at = hub.command.index("--admin")
            del hub.command[at:at + 2]
            hub.start()
            self.assertEqual(self.admin(hub), 0)
            self.assertEqual(hub.info["adminConnect"], "")
            self.wait_for_log(hub, '"ready"')
            self.wait_for_log(hub, "hub ready ")
            text = hub.log_file.read_text()
            self.assertIn('"admin_port_taken"', text)
            self.assertIn("health and metrics (HTTP)  off, since its port is another program's", text)
            self.assertIn(" admin=off ", self.ready_line(hub)[0])
            self.assertEqual(hub.rest("GET", f"/devices?{API}")[0], 200)
            self.assert_refused(self.cli(hub, "health"), "has no admin port")

    def test_it_can_be_off(self):
        hub = self.hub(admin="off")
        self.assertEqual(self.admin(hub), 0)
        self.assertNotIn("admin_port_taken", hub.log_file.read_text())
        self.assertIn(" admin=off ", self.ready_line(hub)[0])

    def test_its_address_may_be_all_interfaces(self):
        for address, connect in (("[::]:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.1"), ("127.0.0.4:0", "127.0.0.4")):
            hub = self.hub(admin=address, data=f"data{connect}{len(address)}")
            self.assertEqual(hub.info["adminConnect"], f"{connect}:{self.admin(hub)}")
            self.assertEqual(ask(self.admin(hub), address=connect)[0], 200)
            self.assertEqual(self.cli(hub, "health", *PATIENT).returncode, 0)
            hub.stop()

    def test_two_settings_may_not_share_a_port(self):
        self.assert_refused(run("config", "check", "--admin", "127.0.0.1:8883"), "listen.admin uses port 8883 like listen.mqtts")
        self.assertEqual(run("config", "check", "--https", "127.0.0.1:8080").returncode, 0)  # the default gives way
        for bad in ("8080", "localhost:8080", "127.0.0.1:99999", ""):
            self.assert_refused(run("config", "check", "--admin", bad), "--admin")

    def test_pages_of_other_sites_get_nothing(self):
        hub = self.hub("--hostname", "hub.test")
        port = self.admin(hub)
        authorization = {"Authorization": hub._authorization()}
        for path in (*PAGES, "/metrics", "/", f"/devices?{API}"):
            for headers, status in (({"Host": f"evil.test:{port}"}, 421), ({"Origin": "http://evil.test"}, 403), ({"Origin": "null"}, 403)):
                answer = ask(port, path=path, headers={**authorization, **headers})
                self.assertEqual(answer[0], status, (path, headers))
                self.assertIn("error", json.loads(answer[2]))
        self.assertEqual(ask(port, "PUT", f"/devices/d1?{API}", "{}", {**authorization, "Origin": "http://evil.test"})[0], 403)
        own = {**authorization, "Origin": f"http://127.0.0.1:{port}"}
        self.assertEqual(ask(port, "PUT", f"/devices/d1?{API}", '{"deviceId":"d1"}', own)[0], 200)
        for host in ("localhost", f"LocalHost:{port}", "kyanite", f"kyanite.localhost:{port}", "hub.test", f"192.0.2.1:{port}", f"[::1]:{port}"):
            self.assertEqual(ask(port, path="/metrics", headers={"Host": host})[0], 200, host)

    def test_who_opens_it_to_a_network_may_call_it_by_any_name(self):
        hub = self.hub(admin="0.0.0.0:0")
        self.assertEqual(ask(self.admin(hub), path="/metrics", headers={"Host": "hub.example.org"})[0], 200)
        self.assertEqual(ask(self.admin(hub), path="/metrics", headers={"Origin": "http://evil.test"})[0], 403)

    def test_one_line_says_ready_with_all_ports(self):
        hub = self.hub("--quiet")
        self.wait_for_log(hub, "hub ready ")
        ports = hub.info["ports"]
        self.assertRegex(self.ready_line(hub)[0],
                         rf"^hub ready mqtt={ports['mqtts']} https={ports['https']} amqp={ports['amqps']} admin={ports['admin']} "
                         r"start_ms=\d+$")


class Readiness(AdminCase):
    def hold_drain(self, hub):
        """A request whose body does not come: the hub waits for it when it stops."""
        context = ssl.create_default_context(cafile=hub.ca_file)
        raw = socket.create_connection(("127.0.0.1", hub.info["ports"]["https"]), timeout=30)
        tls = context.wrap_socket(raw, server_hostname="127.0.0.1")
        self.addCleanup(tls.close)
        tls.sendall(f"POST /devices/query?{API} HTTP/1.1\r\nHost: a\r\nAuthorization: {hub._authorization()}\r\n"
                    "Content-Type: application/json\r\nContent-Length: 33\r\nExpect: 100-continue\r\n\r\n".encode())
        self.assertIn(b"100 Continue", tls.recv(4096))
        return tls

    def test_it_is_not_ready_while_it_drains(self):
        hub = self.hub(env={"KYANITE_DRAIN_TIMEOUT_SECONDS": "300"})
        port = self.admin(hub)
        tls = self.hold_drain(hub)
        send(hub, SIGTERM)
        wait_for(lambda: ask(port, path="/readyz")[0] == 503, "not ready")
        status, _, text = ask(port, path="/readyz")
        self.assertEqual((status, json.loads(text)["missing"]),
                         (503, [{"check": "listeners", "reason": "closed: the hub is shutting down"}]))
        self.assertEqual(ask(port, path="/healthz")[0], 200)
        self.assertEqual(json.loads(ask(port, path="/health")[2])["status"], "unhealthy")
        self.assertEqual(ask(port, path=f"/devices?{API}", headers={"Authorization": hub._authorization()})[0], 503)
        sick = run("health", "--url", f"127.0.0.1:{port}", *PATIENT)
        self.assert_refused(sick, "unhealthy: listeners: closed: the hub is shutting down")
        self.assertEqual(len(sick.stderr.splitlines()), 1)
        tls.sendall(b'{"query": "SELECT * FROM devices"}'[:33])
        tls.recv(4096)
        self.assertEqual(hub.process.wait(120), 0)
        self.assertIn('"complete":true', hub.log_file.read_text())

    def test_a_client_that_stays_connected_does_not_hold_up_the_stop(self):
        hub = self.hub(env={"KYANITE_DRAIN_TIMEOUT_SECONDS": "120"})
        port = self.admin(hub)
        idle = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(5)]
        idle[0].sendall(b"GET /healthz HTTP/1.1\r\n")
        idle[1].sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        idle[1].recv(4096)
        began = time.monotonic()
        self.assertEqual(hub.stop(timeout=100), 0)
        self.assertLess(time.monotonic() - began, 60)
        for peer in idle:
            peer.close()

    def test_it_says_what_it_waits_for_while_it_starts(self):
        seed = self.folder / "seed.json"
        seed.write_text("\n".join(json.dumps({"id": f"d{i}"}) for i in range(2000)))
        port = free_port()
        # With 64 devices at a time and the longest pace of commits it takes seconds, however fast the machine is.
        hub = self.hub("--seed", str(seed), start=False, admin=f"127.0.0.1:{port}",
                       env={"KYANITE_STORAGE_COMMIT_PACE_MILLISECONDS": "100"})
        seen = []
        refused = []

        def watch():
            until = time.monotonic() + 180
            while time.monotonic() < until and not (seen and seen[-1][0] == 200):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    status, _, text = ask(port, path="/readyz")
                    if status == 503 and not refused:
                        refused.append(ask(port, path=f"/devices?{API}")[0])
                    seen.append((status, json.loads(text)))
                time.sleep(0.002)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            hub.start(timeout=180)
        finally:
            watcher.join()
        self.assertEqual(seen[-1], (200, {"status": "ready"}))
        checks = [[missing["check"] for missing in answer["missing"]] for status, answer in seen if status == 503]
        self.assertIn(["seed", "listeners"], checks)
        self.assertIn(refused[0], (503, 401))  # 401 only if it became ready in between

    def test_a_store_that_takes_no_writes_is_not_ready(self):
        hub = self.hub()
        hub.stop()
        full = self.hub(env={"KYANITE_STORAGE_FREE_BYTES_FLOOR": str(2**50)})
        status, _, text = ask(self.admin(full), path="/readyz")
        self.assertEqual(status, 503)
        self.assertEqual([missing["check"] for missing in json.loads(text)["missing"]], ["store"])
        self.assert_refused(self.cli(full, "health", *PATIENT), "store: takes no writes")


class HealthCommand(AdminCase):
    def test_it_finds_the_hub_by_hub_json(self):
        hub = self.hub()
        done = self.cli(hub, "health", *PATIENT)
        self.assertEqual((done.returncode, done.stdout), (0, f"healthy (http://127.0.0.1:{self.admin(hub)}/health)\n"))
        self.assertEqual(run("health", *PATIENT, env={"KYANITE_DATA": str(hub.data)}).returncode, 0)

    def test_it_takes_an_address_in_every_form(self):
        port = self.admin(self.hub())
        for url in (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/", f"http://localhost:{port}/readyz"):
            self.assertEqual(run("health", "--url", url, *PATIENT).returncode, 0, url)
        self.assert_refused(run("health", "--url", f"http://127.0.0.1:{port}/nowhere", *PATIENT), "unhealthy: the answer was 4")

    def test_without_hub_json_it_goes_by_the_settings(self):
        port = self.admin(self.hub())
        elsewhere = str(self.folder / "elsewhere")
        for name, value in (("KYANITE_LISTEN_ADMIN", f"127.0.0.1:{port}"), ("KYANITE_LISTEN_ADMIN", f"0.0.0.0:{port}")):
            self.assertEqual(run("health", "--data", elsewhere, *PATIENT, env={name: value}).returncode, 0, value)
        config = self.folder / "kyanite.json"
        config.write_text(json.dumps({"listen": {"admin": f"[::]:{port}"}}))
        self.assertEqual(run("health", "--data", elsewhere, *PATIENT, env={"KYANITE_CONFIG": str(config)}).returncode, 0)
        self.assert_refused(run("health", "--data", elsewhere, env={"KYANITE_LISTEN_ADMIN": "off"}), "the admin port is off")
        self.assert_refused(run("health", "--data", elsewhere, env={"KYANITE_LISTEN_ADMIN": "127.0.0.1:0"}), "any free one")

    @unittest.skipUnless(os.geteuid() == 0, "needs another user to run as")
    def test_any_user_may_ask(self):
        hub = self.hub()
        os.chmod(self.folder, 0o755)
        done = run("health", "--data", hub.data, *PATIENT, env={"KYANITE_LISTEN_ADMIN": f"127.0.0.1:{self.admin(hub)}"}, user="nobody")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_hub_that_is_gone_is_unhealthy(self):
        hub = self.hub()
        hub.kill()  # hub.json stays
        self.assert_refused(self.cli(hub, "health"), "unhealthy: no answer from http://127.0.0.1:")

    def test_no_proxy_is_asked(self):
        hub = self.hub()
        done = self.cli(hub, "health", *PATIENT, env={"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_peer_that_never_answers_is_given_up_in_time(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            began = time.monotonic()
            done = run("health", "--url", f"127.0.0.1:{silent.getsockname()[1]}", "--timeout", "7")  # 5 unless given
            self.assert_refused(done, "unhealthy: no answer")
            took = time.monotonic() - began
            self.assertTrue(6 < took < 60, took)

    def test_wrong_use_is_told(self):
        for value in ("0", "x", "999999"):
            self.assertEqual(run("health", "--timeout", value).returncode, 2)
        self.assert_refused(run("health", "--url", "ftp://127.0.0.1/"), "unhealthy: no answer")


class ProcessMetrics(AdminCase):
    def test_the_start_of_the_process_is_known_where_proc_shows_processes_only(self):
        """As under systemd's ProcSubset=pid, which the packaged unit has."""
        alone = ["unshare", "--mount", "sh", "-c", 'mount -t proc -o subset=pid proc /proc && exec "$@"', "sh"]
        tried = subprocess.run([*alone, "test", "!", "-e", "/proc/stat"], capture_output=True)
        if tried.returncode != 0:
            self.skipTest("mounting a /proc of its own is not allowed here")
        hub = self.hub(start=False)
        hub.command = [*alone, *hub.command]
        began = time.time()
        hub.start()
        values = dict(line.rsplit(" ", 1) for line in ask(self.admin(hub), path="/metrics")[2].decode().splitlines()
                      if line.startswith("process_"))
        self.assertLess(abs(float(values["process_start_time_seconds"]) - began), 30)
        for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds"):
            self.assertGreater(float(values[name]), 0, name)


class Renewal(AdminCase):
    def test_a_new_ca_is_shown_after_sighup(self):
        maker = self.hub(data="maker")
        maker.stop()
        pki = maker.data / "pki"
        pem, key, ca = self.folder / "hub.pem", self.folder / "hub.key", self.folder / "ca.pem"
        for target, source in ((pem, "server.pem"), (key, "server.key"), (ca, "ca.pem")):
            target.write_text((pki / source).read_text())
        hub = self.hub("--certificate", str(pem), "--key", str(key), "--ca", str(ca))
        other = self.hub(data="other")
        other.stop()
        for target, source in ((pem, "server.pem"), (key, "server.key"), (ca, "ca.pem")):
            target.write_text((other.data / "pki" / source).read_text())
        send(hub, SIGHUP)
        wanted = ca.read_text()
        wait_for(lambda: ask(self.admin(hub), path="/ca.pem")[2].decode() == wanted, "the new CA")
