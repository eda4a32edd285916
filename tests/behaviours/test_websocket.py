"""MQTT over WebSocket on the HTTPS port (B3, B4): the upgrade, the frames, and the other behaviours over it once more."""
import json
import socket
import ssl
import struct
import time
import unittest

import mqtt_wire as wire
import test_connect
import test_sas
import test_telemetry
import test_x509
import websocket_wire as ws
import world


def bare(hub):
    """A WebSocket to the hub before its upgrade."""
    context = ssl.create_default_context(cafile=hub.ca_file)
    raw = socket.create_connection(("127.0.0.1", hub.info["ports"]["https"]), timeout=wire.TIMEOUT)
    return ws.WebSocket(context.wrap_socket(raw, server_hostname="127.0.0.1"))


class Upgrade(unittest.TestCase):
    def setUp(self):
        self.device = world.device()

    def refused(self, **head):
        link = bare(self.device.hub)
        try:
            status = link.upgrade(**head)
            self.assertIn("Message", json.loads(link.body))
            return status, link
        finally:
            link.close()

    def test_B3_upgrade_and_connack(self):
        with self.device.session(link={"over": wire.WEBSOCKET}) as client:
            self.assertEqual(client.socket.headers["sec-websocket-protocol"], "mqtt")
            self.assertEqual(client.socket.headers["sec-websocket-accept"], ws.ACCEPT)
            self.assertNotIn("sec-websocket-extensions", client.socket.headers)
            client.publish(self.device.events + "a=1", "over websocket")
        event = self.device.received()[0]
        self.assertEqual((event["body"], event["properties"]), ("over websocket", {"a": "1"}))

    def test_B4_capitals_and_javas_query(self):
        link = {"over": wire.WEBSOCKET, "protocol": "MQTT", "path": ws.PATH + "?iothub-no-client-cert=true"}
        with self.device.session(link=link) as client:
            self.assertEqual(client.socket.headers["sec-websocket-protocol"], "MQTT")
            client.ping()

    def test_other_forms_of_a_good_upgrade(self):
        for head in ({"path": "/%24iothub/websocket"}, {"path": "/%24iothub/websocket?x=1&y"}, {"protocol": "wamp, mQtT"},
                     {"extra": {"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade"}}, {"protocol": None},
                     {"extra": {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}},
                     {"extra": {"Authorization": "nonsense"}}):
            with self.device.session(link={"over": wire.WEBSOCKET, **head}) as client:
                client.ping()

    def test_a_wrong_path_is_404_without_credentials(self):
        for path in ("/$iothub/websockets", "/$IOTHUB/websocket", "/websocket", "/mqtt"):
            self.assertEqual(self.refused(path=path)[0], 404, path)

    def test_broken_upgrades(self):
        self.assertEqual(self.refused(drop=("Upgrade", "Connection"))[0], 426)
        self.assertEqual(self.refused(drop=("Upgrade",))[0], 400)
        self.assertEqual(self.refused(drop=("Connection",))[0], 400)
        self.assertEqual(self.refused(drop=("Sec-WebSocket-Key",))[0], 400)
        self.assertEqual(self.refused(key="short")[0], 400)
        self.assertEqual(self.refused(drop=("Host",))[0], 400)
        self.assertEqual(self.refused(extra={"Content-Length": "3"}, follow=b"abc")[0], 400)
        status, link = self.refused(version="8")
        self.assertEqual((status, link.headers["sec-websocket-version"], link.headers["upgrade"]), (426, "13", "websocket"))
        status, link = self.refused(method="POST", extra={"Content-Length": "0"})
        self.assertEqual((status, link.headers["allow"]), (405, "GET"))

    def test_other_sub_protocols_are_refused_by_name(self):
        status, link = self.refused(protocol="wamp")
        self.assertEqual(status, 400)
        self.assertIn(b"wamp", link.body)

    def test_a_strict_hub_wants_the_sub_protocol(self):
        with world.new_hub("strict-websocket", {"ws": {"requireSubprotocol": True}}) as hub:
            link = bare(hub)
            self.assertEqual(link.upgrade(protocol=None), 400)
            link.close()
            device = world.device(hub)
            self.assertEqual(device.connack(link={"over": wire.WEBSOCKET}), 0)

    def test_a_rest_request_may_come_first_on_the_connection(self):
        link = bare(self.device.hub)
        self.assertEqual(link.upgrade(path="/nothing"), 404)
        self.assertEqual(link.upgrade(), 101)
        link.close()

    def test_the_log_names_the_transport(self):
        self.assertEqual(self.device.connack(link={"over": wire.WEBSOCKET}, password="nonsense"), 5)
        world.wait_for(lambda: any("connect_refused" in line and "websocket" in line and self.device.device_id in line
                                   for line in world.log_text(self.device.hub).splitlines()), "the refusal and its transport in the log")


class Frames(unittest.TestCase):
    def setUp(self):
        self.device = world.device()
        self.hello = wire.connect(self.device.client_id, self.device.username(), self.device.token())

    def opened(self):
        link = bare(self.device.hub)
        self.assertEqual(link.upgrade(), 101)
        return link

    def bytes_of(self, link, count):
        data = b""
        while len(data) < count:
            piece = link.recv(65536)
            self.assertTrue(piece, "closed")
            data += piece
        return data

    def test_connect_may_follow_the_upgrade_at_once(self):
        link = bare(self.device.hub)
        self.assertEqual(link.upgrade(follow=ws.frame(ws.BINARY, self.hello + wire.PINGREQ)), 101)
        self.assertEqual(self.bytes_of(link, 6), b"\x20\x02\x00\x00\xd0\x00")
        link.close()

    def test_packets_over_many_frames_and_frames_with_many_packets(self):
        link = self.opened()
        for byte in self.hello:
            link.below.sendall(ws.frame(ws.BINARY, bytes([byte])))
        self.assertEqual(self.bytes_of(link, 4), b"\x20\x02\x00\x00")
        messages = b"".join(wire.publish(self.device.events, str(i), packet_id=i + 1) for i in range(1000))
        link.sendall(messages)
        acks = self.bytes_of(link, 4000)
        self.assertEqual(acks, b"".join(wire.puback(i + 1) for i in range(1000)))
        # Fragments, with control frames between them, and a packet cut where the fragments are.
        packet = wire.publish(self.device.events, b"x" * 5000, packet_id=7)
        pieces = [packet[i:i + 700] for i in range(0, len(packet), 700)]
        for index, piece in enumerate(pieces):
            link.below.sendall(ws.frame(ws.PING, b"p") + ws.frame(ws.PONG, b"unasked") +
                               ws.frame(ws.CONTINUATION if index else ws.BINARY, piece, fin=index == len(pieces) - 1))
        seen = []
        while (ws.BINARY, wire.puback(7)) not in seen:
            seen.append(link.frame())
        self.assertLessEqual(seen.count((ws.PONG, b"p")), len(pieces))
        self.assertIn((ws.PONG, b"p"), seen)
        link.close()
        self.assertEqual([event["body"] for event in self.device.received()][:1000], [str(i) for i in range(1000)])

    def test_a_text_frame_is_closed_with_1003(self):
        for text in (self.hello, b"hello", b""):
            link = self.opened()
            link.below.sendall(ws.frame(ws.TEXT, text))
            self.assertEqual(link.recv(100), b"")
            self.assertEqual(link.close_code, 1003)
            link.close()

    def test_an_unmasked_frame_is_closed_with_1002(self):
        link = self.opened()
        link.below.sendall(ws.frame(ws.BINARY, self.hello, masked=False))
        self.assertEqual(link.recv(100), b"")
        self.assertEqual(link.close_code, 1002)
        link.close()

    def test_a_close_frame_is_answered_and_fires_the_will(self):
        link = self.opened()
        will = (self.device.events, b"gone", 1)
        link.sendall(wire.connect(self.device.client_id, self.device.username(), self.device.token(), will=will))
        self.assertEqual(self.bytes_of(link, 4), b"\x20\x02\x00\x00")
        link.below.sendall(ws.close_frame(1000))
        self.assertEqual(link.frame(), (ws.CLOSE, struct.pack(">H", 1000)))
        self.assertEqual(link.below.recv(1), b"")
        link.close()
        self.assertEqual([event["body"] for event in self.device.received()], ["gone"])

    def test_disconnect_is_answered_with_a_close_frame(self):
        link = self.opened()
        link.sendall(self.hello)
        self.bytes_of(link, 4)
        link.sendall(wire.DISCONNECT)
        self.assertEqual(link.recv(100), b"")
        self.assertEqual(link.close_code, 1000)
        link.close()

    def test_websocket_pings_do_not_keep_a_silent_device(self):
        device = world.device(world.impatient())
        with device.session(link={"over": wire.WEBSOCKET}, keep_alive=2) as client:
            begin = time.monotonic()
            client.socket.settimeout(0.2)
            while time.monotonic() - begin < 120:
                try:
                    client.socket.below.sendall(ws.frame(ws.PING, b"still here"))
                    if not client.socket.recv(100):
                        break
                except TimeoutError:
                    pass
                except OSError:
                    break
            self.assertLess(time.monotonic() - begin, 100)

    def test_without_connect_the_connection_ends_in_time(self):
        def opened():
            link = bare(world.hurried())
            self.addCleanup(link.close)
            self.assertEqual(link.upgrade(), 101)
            return link

        link = world.in_time(opened)
        begin = time.monotonic()
        self.assertEqual(link.recv(100), b"")
        self.assertLess(time.monotonic() - begin, 55)  # the default is 60

    def test_a_stop_of_the_hub_closes_websockets(self):
        with world.new_hub("stopping-websocket") as hub:
            device = world.device(hub)
            with device.session(link={"over": wire.WEBSOCKET}) as client:
                self.assertEqual(hub.stop(), 0)
                client.expect_closed()


class Takeover(unittest.TestCase):
    def test_either_transport_takes_over_from_the_other(self):
        device = world.device()
        for first, second in ((wire.TCP, wire.WEBSOCKET), (wire.WEBSOCKET, wire.TCP)):
            with device.session(link={"over": first}) as old, device.session(link={"over": second}) as new:
                old.expect_closed()
                new.ping()


class OverWebSocket:
    """Runs the tests of another class over WebSocket."""

    def run(self, result=None):
        wire.transport = wire.WEBSOCKET
        try:
            return super().run(result)
        finally:
            wire.transport = wire.TCP


class Usernames(OverWebSocket, test_connect.Usernames):
    pass


class Answers(OverWebSocket, test_connect.Answers):
    pass


class Tokens(OverWebSocket, test_sas.Tokens):
    pass


class WhileConnected(OverWebSocket, test_sas.WhileConnected):
    pass


class KeepAlive(OverWebSocket, test_sas.KeepAlive):
    pass


class Telemetry(OverWebSocket, test_telemetry.Telemetry):
    pass


class Wills(OverWebSocket, test_telemetry.Wills):
    pass


class Subscriptions(OverWebSocket, test_telemetry.Subscriptions):
    pass


class X509(OverWebSocket, test_x509.X509):
    pass
