"""Events the hub itself makes, and who of those can be chosen: sections 10 of the device contract and 5 of routing."""
import json
import re
import subprocess
import time
import unittest
import urllib.parse

import world
from https_wire import request
from world import policy_token, rest

ALL = {"events": {"deviceLifecycle": True, "twinChanges": True, "connectionState": True, "connections": "information"}}


def talkative():
    """A hub with every source of events switched on."""
    return world._shared("talkative", ALL)


def events(device_id, source, count, hub=None):
    """The first `count` events of a source; fails when fewer come."""
    hub = hub or talkative()
    query = urllib.parse.urlencode({"device": device_id, "source": source, "from": "start", "count": count, "timeout": 10})
    answer = request(hub, "GET", "/kyanite/v1/events?" + query, headers={"Authorization": policy_token(hub, "iothubowner")})
    assert answer.status == 200, answer
    found = [json.loads(line) for line in answer.body.splitlines() if line.strip()]
    assert len(found) == count, found
    return found


def op_types(found):
    return [event["properties"]["opType"] for event in found]


class LifeCycle(unittest.TestCase):
    def test_routing_21_created_and_deleted(self):
        made = world.device(talkative())
        made.delete()
        created, deleted = events(made.device_id, "deviceLifecycleEvents", 2)
        self.assertEqual(op_types([created, deleted]), ["createDeviceIdentity", "deleteDeviceIdentity"])
        for event in (created, deleted):
            system = event["systemProperties"]
            self.assertEqual(system["iothub-message-source"], "deviceLifecycleEvents")
            self.assertEqual(system["content-type"], "application/json")
            self.assertEqual(system["content-encoding"], "utf-8")
            self.assertEqual(system["user-id"], world.HOST)
            self.assertEqual(system["iothub-connection-device-id"], made.device_id)
            self.assertNotIn("iothub-connection-auth-method", system)
            self.assertEqual(event["properties"]["iothub-message-schema"], "deviceLifecycleNotification")
            self.assertEqual((event["properties"]["hubName"], event["properties"]["deviceId"]), (world.HOST, made.device_id))
            self.assertRegex(event["properties"]["operationTimestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$")
            body = json.loads(event["body"])
            self.assertEqual((body["deviceId"], body["etag"], body["version"]), (made.device_id, "AAAAAAAAAAE=", 2))
        self.assertNotEqual(created["systemProperties"]["correlation-id"], deleted["systemProperties"]["correlation-id"])

    def test_modules(self):
        made = world.device(talkative())
        made.module("m")
        made.delete()
        found = events(made.device_id, "deviceLifecycleEvents", 4)
        self.assertEqual(op_types(found), ["createDeviceIdentity", "createModuleIdentity", "deleteModuleIdentity", "deleteDeviceIdentity"])
        self.assertEqual(found[1]["moduleId"], "m")
        self.assertEqual(found[1]["systemProperties"]["iothub-connection-module-id"], "m")
        self.assertEqual(found[1]["properties"]["iothub-message-schema"], "moduleLifecycleNotification")

    def test_what_is_refused_tells_nothing(self):
        made = world.device(talkative())
        self.assertEqual(rest(talkative(), "PUT", f"/devices/{made.device_id}", {"deviceId": made.device_id}).status, 409)
        made.update(statusReason="because")
        made.delete()
        self.assertEqual(op_types(events(made.device_id, "deviceLifecycleEvents", 2)), ["createDeviceIdentity", "deleteDeviceIdentity"])


class ConnectionState(unittest.TestCase):
    def test_B81_connect_disconnect_connect(self):
        made = world.device(talkative())
        for _ in range(2):
            with made.session() as client:
                client.disconnect()
        found = events(made.device_id, "deviceConnectionStateEvents", 4)
        self.assertEqual(op_types(found), ["deviceConnected", "deviceDisconnected"] * 2)
        numbers = [json.loads(event["body"])["sequenceNumber"] for event in found]
        for number in numbers:
            self.assertTrue(re.fullmatch("[0-9A-F]{64}", number), number)
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(found[0]["properties"]["iothub-message-schema"], "deviceConnectionStateNotification")

    def test_routing_24_takeover(self):
        made = world.device(talkative())
        with made.session():
            with made.session() as second:
                second.disconnect()
        self.assertEqual(op_types(events(made.device_id, "deviceConnectionStateEvents", 4)), ["deviceConnected", "deviceDisconnected"] * 2)

    def test_sequence_numbers_rise_across_restarts_and_a_stop_tells_of_each_end(self):
        hub = world.new_hub("restarted", ALL)
        hub.start(timeout=60)
        try:
            made = world.device(hub)
            with made.session():
                self.assertEqual(hub.stop(), 0)
            hub.start(timeout=60)
            with made.session() as client:
                client.disconnect()
            found = events(made.device_id, "deviceConnectionStateEvents", 4, hub)
            self.assertEqual(op_types(found), ["deviceConnected", "deviceDisconnected"] * 2)
            numbers = [json.loads(event["body"])["sequenceNumber"] for event in found]
            self.assertEqual(numbers, sorted(set(numbers)))
        finally:
            if hub.is_running():
                self.assertEqual(hub.stop(), 0)


class OperationsMonitoring(unittest.TestCase):
    def test_B80_connect_refuse_disconnect(self):
        made = world.device(talkative())
        with made.session() as client:
            client.disconnect()
        self.assertEqual(made.connack(password=made.token(key=world.other_key())), 5)
        found = [json.loads(event["body"]) for event in events(made.device_id, "operationsMonitoringEvents", 3)]
        self.assertEqual([(record["operationName"], record["level"]) for record in found],
                         [("deviceConnect", "Information"), ("deviceDisconnect", "Information"), ("deviceConnect", "Error")])
        self.assertEqual((found[2]["statusCode"], found[2]["statusType"]), (401, 401003))
        self.assertTrue(found[2]["statusDescription"].startswith("IotHubUnauthorized"))
        for record in found:
            self.assertEqual((record["category"], record["protocol"], record["deviceId"]), ("Connections", "Mqtt", made.device_id))
            self.assertEqual(json.loads(record["authType"]), {"scope": "device", "type": "sas", "issuer": "iothub"})
            self.assertGreaterEqual(record["durationMs"], 0)


class Sources(unittest.TestCase):
    def test_routing_35_telemetry_and_events_have_their_own_source(self):
        made = world.device(talkative())
        made.send("hello")
        telemetry, = events(made.device_id, "DeviceMessages", 1)
        self.assertEqual((telemetry["body"], telemetry["systemProperties"]["iothub-message-source"]), ("hello", "Telemetry"))
        mixed = events(made.device_id, "telemetry,devicelifecycleevents", 2)
        self.assertEqual([event["systemProperties"]["iothub-message-source"] for event in mixed], ["deviceLifecycleEvents", "Telemetry"])

    def test_the_command_line_chooses_and_marks(self):
        made = world.device(talkative())
        made.send("hello")
        result = subprocess.run([world.program(), "events", "--device", made.device_id, "--source", "deviceLifecycleEvents", "--from", "start", "--count", "1",
                                 "--timeout", "10", "--data", talkative().data], capture_output=True, text=True, timeout=30)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("[deviceLifecycleEvents]", result.stdout)

    def test_an_unknown_source_is_refused(self):
        answer = request(talkative(), "GET", "/kyanite/v1/events?source=weather", headers={"Authorization": policy_token(talkative(), "iothubowner")})
        self.assertEqual((answer.status, answer.error), (400, "ArgumentInvalid"))

    def test_by_default_there_is_telemetry_alone(self):
        made = world.device()
        made.send("only")
        made.delete()
        time.sleep(0.2)  # for what must not come
        self.assertEqual([event["body"] for event in made.hub.expect_events(made.device_id, 1)], ["only"])


class LiveFields(unittest.TestCase):
    def test_R48_connection_state_and_activity_follow_the_device(self):
        made = world.device()
        self.assertEqual(made.show()["lastActivityTime"], "0001-01-01T00:00:00")
        with made.session() as client:
            connected = made.show()
            self.assertEqual(connected["connectionState"], "Connected")
            self.assertNotEqual(connected["connectionStateUpdatedTime"], "0001-01-01T00:00:00")
            self.assertNotEqual(connected["lastActivityTime"], "0001-01-01T00:00:00")
            time.sleep(1.1)  # activity counts once a second
            client.publish(made.events, "x")
            world.wait_for(lambda: made.show()["lastActivityTime"] > connected["lastActivityTime"], "activity of a message")
            self.assertEqual(made.show()["etag"], connected["etag"])
            client.disconnect()
        gone = world.wait_for(lambda: (shown := made.show())["connectionState"] == "Disconnected" and shown, "disconnected")
        self.assertGreater(gone["connectionStateUpdatedTime"], connected["connectionStateUpdatedTime"])
