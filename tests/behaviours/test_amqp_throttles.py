"""The service's rate limits over AMQP: telemetry is shaped by late settlement, the rest is told."""
import json
import time
import unittest

import amqp_peers
import amqp_wire as wire
import test_amqp_service as service
import world
from amqp_peers import Twin, address, device as connected
from amqp_wire import SENDER

THROTTLED = "com.microsoft:device-container-throttled"


class Throttles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = world.new_hub("amqp-throttled", environment={"KYANITE_LIMITS_TIER": "F1"})
        cls.hub.start()
        cls.devices = [world.device(cls.hub) for _ in range(5)]

    @classmethod
    def tearDownClass(cls):
        status = cls.hub.stop()
        assert status == 0, cls.hub.log_tail()

    def test_telemetry_over_the_rate_is_settled_later_and_none_is_lost(self):
        device = self.devices[0]
        with connected(device) as client:
            link = client.attach(SENDER, address(device, "messages/events"))
            client.wait_for(wire.FLOW)
            first = client.next_delivery
            began = time.monotonic()
            for number in range(250):  # the rate is 100 a second, and so many at once
                link.send(wire.message(data=str(number).encode()))
            settled = set()
            while len(settled) < 250:
                code, _, low, high, _ = link.outcome()
                self.assertEqual(code, wire.ACCEPTED)
                settled.update(range(low, (low if high is None else high) + 1))
            self.assertGreater(time.monotonic() - began, 1.2)
            self.assertEqual(settled, set(range(first, first + 250)))
        stored = [event["body"] for event in self.hub.events(device.device_id, count=250, timeout=50)]
        self.assertEqual(stored, [str(number) for number in range(250)])

    def test_messages_to_devices_over_the_rate_are_rejected(self):
        with service.sender(self.hub) as link:
            seen = set()
            for number in range(1000):  # 100 a minute, and 100 that are saved up
                if number % 50 == 0:
                    device = world.device(self.hub)  # a queue holds 50
                outcome = amqp_peers.send(link, amqp_peers.c2d(device))[:2]
                seen.add(outcome)
                if outcome[0] == "rejected":
                    break
            self.assertEqual(seen, {("accepted", None), ("rejected", THROTTLED)})

    def test_twin_reads_over_the_rate_are_told_so(self):
        device = self.devices[4]
        with connected(device) as client:
            twin = Twin(client, device)
            seen = set()
            asked, began = 0, time.monotonic()
            while seen != {200, 429} and asked < 3000:  # the bucket holds 100 and gets 100 each second
                asked += 50
                twin.receiver.credit(100)
                for number in range(50):
                    twin.sender.send(wire.message(properties={"correlation_id": str(number)}, annotations={"operation": "GET"}, data=b" "),
                                     settled=True)
                for _ in range(50):
                    answer = twin.answer()
                    seen.add(int(answer.annotations["status"]))
                    if answer.annotations["status"] == 429:
                        self.assertEqual(json.loads(answer.data)["errorCode"], 429001)
            if seen == {200}:
                world.skip_unless_fast(self, asked, began)
            self.assertEqual(seen, {200, 429})

    def test_devices_that_come_too_fast_are_refused(self):
        device = self.devices[3]
        with connected(device) as client:
            refused = None
            asked, began = 0, time.monotonic()
            while not refused and asked < 2000:  # the bucket holds 100 and gets 100 each second
                asked += 1
                link = client.attach(SENDER, address(device, "messages/events"))
                if link.attached.field(6) is None:
                    refused = str(link.refused()[0])
                    break
                client.wait_for(wire.FLOW)
                link.detach()
                client.wait_for(wire.DETACH)
            if not refused:
                world.skip_unless_fast(self, asked, began)
            self.assertEqual(refused, THROTTLED)


if __name__ == "__main__":
    unittest.main()
