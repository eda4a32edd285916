"""Events the hub itself makes, and who of those can be chosen: sections 10 of the device contract and 5 of routing."""
import json
import re
import subprocess
import time
import unittest
import urllib.parse

import mqtt_wire as wire
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
    query = urllib.parse.urlencode({"device": device_id, "source": source, "from": "start", "count": count, "timeout": 50})
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
        hub.start()
        try:
            made = world.device(hub)
            with made.session():
                self.assertEqual(hub.stop(), 0)
            hub.start()
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
        events(made.device_id, "operationsMonitoringEvents", 2)  # another shard may serve what comes next
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


    def test_messages_that_are_not_taken_leave_records_of_their_own_categories(self):
        settings = {"events": {"deviceTelemetry": "error", "c2dCommands": "error"}}
        with world.new_hub("monitored", settings) as hub:
            made = world.device(hub)
            made.send("taken")
            with made.session() as client:
                client.send(wire.publish(made.events, b"x" * 262145))
                client.expect_closed()
            events(made.device_id, "operationsMonitoringEvents", 1, hub)
            path = f"/devices/{made.device_id}/messages/deviceBound"
            self.assertEqual(rest(hub, "POST", path, b"x" * 65537, headers={"iothub-ack": "full"}).status, 413)
            for _ in range(50):
                self.assertEqual(rest(hub, "POST", path, b"x").status, 204)
            self.assertEqual(rest(hub, "POST", path, b"x", headers={"iothub-ack": "full"}).status, 403)
            records = [json.loads(event["body"]) for event in events(made.device_id, "operationsMonitoringEvents", 3, hub)]
        self.assertEqual([(r["category"], r["operationName"], r["level"], r["statusCode"], r["statusType"]) for r in records],
                         [("DeviceTelemetry", "ingress", "Error", 413, 413001), ("C2DCommands", "ingress", "Error", 413, 413001),
                          ("C2DCommands", "ingress", "Error", 403, 403004)])
        self.assertEqual((records[0]["messageSizeInBytes"], records[0]["batching"], records[0]["protocol"]), (262145, 0, "Mqtt"))
        self.assertEqual((records[2]["deliveryAcknowledgement"], records[2]["protocol"]), (3, "Https"))
        for record in records:
            self.assertEqual(record["deviceId"], made.device_id)
            for time_ in ("time", "EventProcessedUtcTime", "EventEnqueuedUtcTime"):
                self.assertRegex(record[time_], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$")


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
                                 "--timeout", "50", "--data", talkative().data], capture_output=True, text=True, timeout=120)
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

    def test_R48_the_times_survive_a_restart_and_go_with_the_identity(self):
        fields = ("connectionState", "connectionStateUpdatedTime", "lastActivityTime", "etag")
        with world.new_hub("activity") as hub:
            made, other = world.device(hub), world.device(hub)
            module = made.module("m")
            made.send("x")
            with module.session() as client:
                client.disconnect()
            link = other.link()
            self.assertEqual(link.connect()[0], 0)  # still there when the hub stops
            wanted = world.wait_for(lambda: (shown := made.show())["connectionState"] == "Disconnected" and shown, "disconnected")
            self.assertEqual(hub.stop(), 0)
            link.cut()
            hub.start()
            listed = {device["deviceId"]: device for device in rest(hub, "GET", "/devices").json}
            for shown in (made.show(), listed[made.device_id]):
                self.assertEqual([shown[name] for name in fields], [wanted[name] for name in fields])
            self.assertEqual(other.show()["connectionState"], "Disconnected")
            self.assertNotEqual(other.show()["lastActivityTime"], "0001-01-01T00:00:00")
            twin = rest(hub, "GET", f"/twins/{made.device_id}").json
            self.assertNotEqual(twin["lastActivityTime"], "0001-01-01T00:00:00Z")
            shown = rest(hub, "GET", f"/devices/{made.device_id}/modules/m").json
            self.assertNotEqual(shown["connectionStateUpdatedTime"], "0001-01-01T00:00:00")
            made.delete()
            again = world.device(hub, made.device_id)
            self.assertEqual(again.show()["lastActivityTime"], "0001-01-01T00:00:00")
