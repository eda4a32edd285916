"""A reader of events: everything that devices send, from now on, or from the start with the argument `start`."""
import os
import sys

from azure.eventhub import EventHubConsumerClient

client = EventHubConsumerClient.from_connection_string(
    os.environ["EVENTS_CONNECTION_STRING"], consumer_group="$Default", connection_verify="ca.pem"
)


def on_events(_context, events):
    for event in events:
        print(event.system_properties[b"iothub-connection-device-id"].decode(), event.body_as_str(), flush=True)


position = "-1" if sys.argv[1:] == ["start"] else "@latest"
with client:
    try:
        client.receive_batch(on_events, starting_position=position, max_wait_time=1)
    except KeyboardInterrupt:
        pass
