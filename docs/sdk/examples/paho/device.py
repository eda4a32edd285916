"""A device without an SDK: Paho's MQTT client and the topics of the service.

Usage: device.py HOST DEVICE KEY     (HOST and KEY as in the connection string)
"""
import base64
import hashlib
import hmac
import json
import random
import ssl
import sys
import time
import urllib.parse

import paho.mqtt.client as mqtt

host, device, key = sys.argv[1:4]


def token(seconds=3600):
    """The device's password: a shared access signature."""
    resource = urllib.parse.quote(f"{host}/devices/{device}", safe="")
    expiry = int(time.time()) + seconds
    digest = hmac.new(base64.b64decode(key), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    return f"SharedAccessSignature sr={resource}&sig={urllib.parse.quote(base64.b64encode(digest), safe='')}&se={expiry}"


def on_connect(client, _userdata, _flags, code):
    if code != 0:
        sys.exit(f"refused: {mqtt.connack_string(code)}")
    print("connected", flush=True)
    client.subscribe([(f"devices/{device}/messages/devicebound/#", 1), ("$iothub/methods/POST/#", 0)])
    client.subscribe([("$iothub/twin/res/#", 0), ("$iothub/twin/PATCH/properties/desired/#", 0)])
    client.publish("$iothub/twin/GET/?$rid=1")


def on_message(client, _userdata, message):
    topic, body = message.topic, message.payload.decode()
    if topic.startswith("$iothub/methods/POST/"):
        name, request = topic.split("/")[3], topic.split("$rid=")[1]
        print("method", name, body, flush=True)
        client.publish(f"$iothub/methods/res/200/?$rid={request}", json.dumps({"blinked": True}))
    elif topic.startswith("$iothub/twin/PATCH/properties/desired/"):
        print("desired", body, flush=True)
        client.publish("$iothub/twin/PATCH/properties/reported/?$rid=2", body.split(',"$version"')[0] + "}")
    elif topic.startswith("$iothub/twin/res/"):
        print("twin", topic.split("/")[3], body, flush=True)
    else:
        print("message", body, flush=True)


client = mqtt.Client(client_id=device, clean_session=False, protocol=mqtt.MQTTv311)
client.username_pw_set(f"{host}/{device}/?api-version=2021-04-12", token())
client.tls_set(ca_certs="ca.pem", tls_version=ssl.PROTOCOL_TLS_CLIENT)
client.on_connect, client.on_message = on_connect, on_message
client.connect(host, 8883, keepalive=60)
client.loop_start()
# The bag of properties in the topic: $.ct and $.ce are the body's type and encoding, the others are the application's.
topic = f"devices/{device}/messages/events/$.ct=application%2Fjson&$.ce=utf-8&kind=reading"
while True:
    sent = client.publish(topic, json.dumps({"temperature": round(20 + random.random() * 5, 1)}), qos=1)
    sent.wait_for_publish()  # until the hub has stored it
    print("sent", flush=True)
    client.username_pw_set(f"{host}/{device}/?api-version=2021-04-12", token())  # for the next connection
    time.sleep(1)
