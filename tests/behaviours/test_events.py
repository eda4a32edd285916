"""Reading telemetry: GET /kyanite/v1/events and `kyanite events`, from every starting point."""
import json
import subprocess
import threading
import time
import unittest
import urllib.parse

import world
from https_wire import RawHttps, request
from world import HOST, device, main, policy_token, rest


def read(query, authorization="", accept=None, hub=None):
    hub = hub or main()
    headers = {"Authorization": authorization or policy_token(hub, "iothubowner")}
    if accept:
        headers["Accept"] = accept
    return request(hub, "GET", "/kyanite/v1/events?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote), headers=headers)


def bodies(answer):
    return [json.loads(line)["body"] for line in answer.body.splitlines() if line.strip()]


class Stream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.device = device()
        with cls.device.session() as client:
            for number in range(5):
                client.publish(cls.device.events, f"e{number}")
                time.sleep(0.003)  # so that enqueued times differ
        cls.events = list(main().events(cls.device.device_id, count=5, timeout=20))

    def mine(self, **query):
        return read({"device": self.device.device_id, "timeout": 1, **{name.rstrip("_"): value for name, value in query.items()}})

    def test_each_event_has_its_place(self):
        offsets = [event["offset"] for event in self.events]
        self.assertEqual(offsets, list(range(offsets[0], offsets[0] + 5)))
        self.assertEqual([event["sequenceNumber"] for event in self.events], offsets)
        self.assertEqual(len({event["partition"] for event in self.events}), 1)
        for event in self.events:
            self.assertRegex(event["enqueuedTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
            self.assertEqual(set(event), {"deviceId", "moduleId", "partition", "offset", "sequenceNumber", "enqueuedTime", "systemProperties", "properties", "body"})

    def test_from_start(self):
        self.assertEqual(bodies(self.mine(from_="start")), ["e0", "e1", "e2", "e3", "e4"])

    def test_from_an_offset(self):
        self.assertEqual(bodies(self.mine(from_=self.events[3]["offset"])), ["e3", "e4"])
        self.assertEqual(bodies(self.mine(from_=10**10)), [])

    def test_from_a_time(self):
        time_of = self.events[2]["enqueuedTime"]
        self.assertEqual(bodies(self.mine(from_=time_of))[-3:], ["e2", "e3", "e4"])
        self.assertEqual(bodies(self.mine(from_="2000-01-01T00:00:00Z")), ["e0", "e1", "e2", "e3", "e4"])
        self.assertEqual(bodies(self.mine(from_="2999-01-01T00:00:00Z")), [])
        self.assertEqual(bodies(self.mine(from_=int(time.time() * 1000) + 86_400_000)), [])

    def test_count_and_partition(self):
        self.assertEqual(bodies(self.mine(from_="start", count=2)), ["e0", "e1"])
        partition = self.events[0]["partition"]
        self.assertEqual(len(bodies(self.mine(from_="start", partition=partition))), 5)
        self.assertEqual(bodies(self.mine(from_="start", partition=(partition + 1) % 4)), [])

    def test_from_now_gets_only_what_comes(self):
        listened = device()
        with RawHttps(main()) as raw:
            raw.send((f"GET /kyanite/v1/events?from=now&count=1&device={listened.device_id} HTTP/1.1\r\nHost: {HOST}\r\n"
                      f"Authorization: {policy_token(main(), 'iothubowner')}\r\n\r\n").encode())
            self.assertTrue(raw.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 "))
            fresh = device()
            fresh.send("of another device")
            listened.module("later").send("news")
            answer = raw.read_all()
        self.assertIn(b'"news"', answer)
        self.assertEqual(answer.count(b'"deviceId"'), 1)
        self.assertTrue(answer.endswith(b"0\r\n\r\n"))

    def test_server_sent_events(self):
        answer = read({"device": self.device.device_id, "from": "start", "count": 2}, accept="text/event-stream")
        self.assertIn("text/event-stream", answer.headers["content-type"])
        lines = answer.body.decode().split("\n")
        self.assertEqual(lines[0], f"id: {self.events[0]['partition']}/{self.events[0]['offset']}")
        self.assertEqual([json.loads(line[6:])["body"] for line in lines if line.startswith("data: ")], ["e0", "e1"])

    def test_questions_that_make_no_sense(self):
        for query in ({"from": "yesterday"}, {"from": "-1"}, {"from": "1.5"}, {"count": "0"}, {"count": "x"}, {"timeout": "-1"}, {"timeout": "1e9"},
                      {"partition": "4"}, {"partition": "x"}, {"device": "a b"}, {"module": "é"}, {"from": "2026-13-01T00:00:00Z"}):
            answer = read({"timeout": 1, **query})
            self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"), query)

    def test_the_right_to_read(self):
        self.assertEqual(read({"timeout": 1, "count": 1, "from": "start"}, policy_token(main(), "service")).status, 200)
        for name in ("device", "registryReadWrite"):
            self.assertEqual(read({}, policy_token(main(), name)).status, 401)

    def test_a_reader_that_goes_leaves_no_stream_behind(self):
        for _ in range(80):  # more than may be open at once
            with RawHttps(main()) as raw:
                raw.send((f"GET /kyanite/v1/events?from=now HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {policy_token(main(), 'iothubowner')}\r\n\r\n").encode())
                self.assertTrue(raw.read_until(b"\r\n").startswith(b"HTTP/1.1 200 "))


class CommandLine(unittest.TestCase):
    def kyanite(self, *arguments, code=0):
        result = subprocess.run([world.program(), *map(str, arguments), "--data", main().data], capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout

    def test_events_from_each_starting_point(self):
        made = device()
        for body in ("first", "second"):
            made.send(body)
        second = made.hub.expect_events(made.device_id, 2)[1]

        def events(start, code=0, count=1):
            out = self.kyanite("events", "--device", made.device_id, "--from", start, "--count", count, "--timeout", 1, "--json", code=code)
            return [json.loads(line)["body"] for line in out.splitlines()]

        self.assertEqual(events("start", count=2), ["first", "second"])
        self.assertEqual(events(second["offset"]), ["second"])
        self.assertEqual(events(second["enqueuedTime"])[-1:], ["second"])
        self.assertEqual(events("now", code=3), [])
        self.assertEqual(events("start", code=3, count=3), ["first", "second"])

    def test_events_now_shows_what_comes(self):
        made = device()
        reader = subprocess.Popen([world.program(), "events", "--device", made.device_id, "--from", "now", "--count", "1", "--timeout", "20", "--json",
                                   "--data", main().data], stdout=subprocess.PIPE, text=True)
        stop = threading.Event()

        def send():
            while not stop.is_set():
                made.send("tick")

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        try:
            out, _ = reader.communicate(timeout=60)
            self.assertEqual(json.loads(out)["body"], "tick")
        finally:
            stop.set()
            reader.kill()
            sender.join(60)
