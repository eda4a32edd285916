"""A device: a reading each second, messages and a method from the back end, a setting from its twin."""
import json
import os
import random
import threading

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse

with open("ca.pem") as file:
    client = IoTHubDeviceClient.create_from_connection_string(
        os.environ["DEVICE_CONNECTION_STRING"], server_verification_cert=file.read()
    )
interval = 1.0


def on_message(message):
    print("message:", message.data.decode(), flush=True)


def on_method(request):
    print(request.name, request.payload, flush=True)
    client.send_method_response(MethodResponse.create_from_method_request(request, 200, {"blinked": request.payload["times"]}))


def on_desired(patch):
    global interval
    interval = patch.get("intervalSeconds", interval)
    print("interval is now", interval, flush=True)
    client.patch_twin_reported_properties({"intervalSeconds": interval})


client.connect()
print("connected", flush=True)
client.on_message_received = on_message
client.on_method_request_received = on_method
client.on_twin_desired_properties_patch_received = on_desired
try:
    while True:
        message = Message(json.dumps({"temperature": round(20 + random.random() * 5, 1)}), content_encoding="utf-8", content_type="application/json")
        message.custom_properties["kind"] = "reading"
        client.send_message(message)  # returns when the hub has stored it
        print("sent", message.data, flush=True)
        threading.Event().wait(interval)
except KeyboardInterrupt:
    client.shutdown()
