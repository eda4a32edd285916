"""A first device: sends a reading each second, prints what the back end sends, answers its calls."""
import os
import time

from azure.iot.device import IoTHubDeviceClient, MethodResponse

client = IoTHubDeviceClient.create_from_connection_string(
    os.environ["DEVICE_CONNECTION_STRING"], server_verification_cert=open("ca.pem").read()
)


def on_message(message):
    print("message:", message.data.decode(), flush=True)


def on_method(request):
    print("method:", request.name, request.payload, flush=True)
    client.send_method_response(MethodResponse.create_from_method_request(request, 200, "done"))


client.on_message_received = on_message
client.on_method_request_received = on_method
client.connect()
print("connected", flush=True)
while True:
    client.send_message('{"temperature": 21.5}')
    time.sleep(1)
