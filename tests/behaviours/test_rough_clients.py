"""HTTPS clients that stop halfway, dribble, hurry ahead, come in crowds, or all want to be the one."""
import resource
import threading
import unittest

import world
from https_wire import RawHttps, connection, exchange
from world import rest


class RoughClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = world.main()
        cls.owner = world.policy_token(cls.hub, "iothubowner")

    def head(self, method, path, length=None, extra=""):
        head = f"{method} {path}?api-version=2021-04-12 HTTP/1.1\r\nHost: {world.HOST}\r\nAuthorization: {self.owner}\r\n{extra}"
        if length is not None:
            head += f"Content-Length: {length}\r\n"
        return (head + "\r\n").encode()

    def test_half_sent_bodies_leave_nothing_behind(self):
        name = world.new_id()
        body = f'{{"deviceId":"{name}"}}'.encode()
        whole = self.head("PUT", f"/devices/{name}", len(body)) + body
        for cut in range(1, len(whole), 7):
            with RawHttps(self.hub) as link:
                link.send(whole[:cut])
        self.assertEqual(rest(self.hub, "GET", f"/devices/{name}").status, 404)
        chunked = self.head("PUT", f"/devices/{name}", extra="Transfer-Encoding: chunked\r\n") + f"{len(body):x}\r\n".encode() + body + b"\r\n"
        with RawHttps(self.hub) as link:
            link.send(chunked)  # the last chunk never comes
        self.assertEqual(rest(self.hub, "GET", f"/devices/{name}").status, 404)

    def test_a_body_byte_by_byte(self):
        name = world.new_id()
        body = f'{{"deviceId":"{name}"}}'.encode()
        with RawHttps(self.hub) as link:
            for byte in self.head("PUT", f"/devices/{name}", len(body), "Connection: close\r\n") + body:
                link.send(bytes([byte]))
            self.assertTrue(link.read_all().startswith(b"HTTP/1.1 200"))
        name = world.new_id()
        body = f'{{"deviceId":"{name}"}}'.encode()
        with RawHttps(self.hub) as link:
            link.send(self.head("PUT", f"/devices/{name}", extra="Transfer-Encoding: chunked\r\nConnection: close\r\n"))
            for byte in body:
                link.send(b"1\r\n" + bytes([byte]) + b"\r\n")
            link.send(b"0\r\n\r\n")
            self.assertTrue(link.read_all().startswith(b"HTTP/1.1 200"))

    def test_broken_framing_is_refused(self):
        for what, extra, rest_of_it in (
                ("two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"),
                ("a negative length", "Content-Length: -1\r\n", b""),
                ("no number", "Content-Length: x\r\n", b""),
                ("a length and chunks", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
                ("a chunk without a size", "Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
                ("a huge chunk", "Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\n"),
                ("a huge length", "Content-Length: 99999999999\r\n", b"")):
            with self.subTest(what=what), RawHttps(self.hub) as link:
                link.send(self.head("PUT", "/devices/framing", extra=extra) + rest_of_it)
                answer = link.read_all()
                self.assertTrue(answer == b"" or answer.split(b" ")[1] in (b"400", b"413"), answer[:200])
        self.assertEqual(rest(self.hub, "GET", "/devices/framing").status, 404)

    def test_pipelined_writes_take_effect_in_order(self):
        names = [world.new_id() for _ in range(20)]
        data = b""
        for name in names:
            body = f'{{"deviceId":"{name}"}}'.encode()
            data += self.head("PUT", f"/devices/{name}", len(body)) + body
            data += self.head("DELETE", f"/devices/{name}", extra="If-Match: *\r\n")
        data += self.head("GET", "/devices/none", extra="Connection: close\r\n")
        with RawHttps(self.hub) as link:
            link.send(data)
            answers = [piece.split(b" ", 1)[0] for piece in link.read_all().split(b"HTTP/1.1 ")[1:]]
        self.assertEqual(answers, [b"200", b"204"] * len(names) + [b"404"])

    def test_a_crowd_of_connections_that_stay_open(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        crowd = min(2000, hard - 200)
        links = []
        self.addCleanup(lambda: [link.close() for link in links])
        headers = {"Authorization": self.owner}
        for _ in range(crowd):
            link = connection(self.hub)
            links.append(link)
            self.assertEqual(exchange(link, "GET", "/devices/none?api-version=2021-04-12", None, headers).status, 404)
            if len(links) % 250 == 0:  # the hub closes what is idle for two minutes
                for idle in links:
                    self.assertEqual(exchange(idle, "GET", "/devices/none?api-version=2021-04-12", None, headers).status, 404)
        for link in links[::10]:
            self.assertEqual(exchange(link, "GET", "/devices/none?api-version=2021-04-12", None, headers).status, 404)
        device = world.device(self.hub)
        self.assertEqual(device.connack(), 0)


class Races(unittest.TestCase):
    """Of many clients that change one thing with one entity tag exactly one wins."""

    CLIENTS = 16

    def race(self, method, path, body, headers):
        hub = world.main()
        authorization = world.policy_token(hub, "iothubowner")
        gate = threading.Barrier(self.CLIENTS)
        statuses = []

        def client(number):
            link = connection(hub)
            try:
                link.connect()
                gate.wait(30)
                statuses.append(exchange(link, method, path + "?api-version=2021-04-12", body(number), {"Authorization": authorization, **headers}).status)
            finally:
                link.close()
        threads = [threading.Thread(target=client, args=(number,)) for number in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return sorted(statuses)

    def test_one_creates(self):
        for _ in range(5):
            name = world.new_id()
            statuses = self.race("PUT", f"/devices/{name}", lambda n: {"deviceId": name, "statusReason": f"{n}"}, {})
            self.assertEqual(statuses, [200] + [409] * (self.CLIENTS - 1))

    def test_one_replaces_the_identity(self):
        device = world.device()
        for _ in range(5):
            etag = device.show()["etag"]
            statuses = self.race("PUT", f"/devices/{device.device_id}", lambda n: {"deviceId": device.device_id, "statusReason": f"{n}"}, {"If-Match": f'"{etag}"'})
            self.assertEqual(statuses, [200] + [412] * (self.CLIENTS - 1))

    def test_one_changes_the_twin(self):
        device = world.device()
        for _ in range(5):
            twin = rest(device.hub, "GET", f"/twins/{device.device_id}").json
            statuses = self.race("PATCH", f"/twins/{device.device_id}", lambda n: {"tags": {"winner": n}}, {"If-Match": f'"{twin["etag"]}"'})
            self.assertEqual(statuses, [200] + [412] * (self.CLIENTS - 1))
            after = rest(device.hub, "GET", f"/twins/{device.device_id}").json
            self.assertEqual(after["version"], twin["version"] + 1)

    def test_one_deletes(self):
        device = world.device()
        etag = device.show()["etag"]
        statuses = self.race("DELETE", f"/devices/{device.device_id}", lambda n: None, {"If-Match": f'"{etag}"'})
        self.assertEqual(statuses, [204] + [404] * (self.CLIENTS - 1))
