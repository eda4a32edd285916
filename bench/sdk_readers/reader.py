"""Reads COUNT events from the start of all partitions with the unmodified Python client, then prints one JSON object.

  python reader.py CONNECTION_STRING COUNT CA_FILE
"""
import json
import os
import sys
import threading
import time

from azure.eventhub import EventHubConsumerClient


def main():
    connection, wanted, ca_file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    client = EventHubConsumerClient.from_connection_string(connection, consumer_group="$Default", connection_verify=ca_file)
    lock = threading.Lock()
    state = {"events": 0, "bytes": 0}

    def on_batch(_, batch):
        size = sum(len(part) for event in batch for part in event.body)
        with lock:
            if not batch or state["events"] >= wanted:
                return
            state.setdefault("first", time.monotonic())
            state.setdefault("cpu", time.process_time())
            state["events"] += len(batch)
            state["bytes"] += size
            if state["events"] < wanted:
                return
            print(json.dumps({
                "events": state["events"],
                "bytes": state["bytes"],
                "seconds": time.monotonic() - state["first"],
                "cpuSeconds": time.process_time() - state["cpu"],
            }), flush=True)
        os._exit(0)  # its threads would take their time to notice

    def on_error(_, error):
        print(error, file=sys.stderr, flush=True)
        os._exit(1)

    client.receive_batch(on_batch, on_error=on_error, starting_position="-1", max_batch_size=300, max_wait_time=1)


if __name__ == "__main__":
    main()
