"""The official Python Event Hubs client, unmodified, reads what devices sent."""
import threading
import time

import pytest
from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from azure.eventhub.exceptions import EventHubError
from azure.iot.device import Message
from device_sdk import make_client

GROUP = "$Default"


def consumer(hub, **options):
    options.setdefault("consumer_group", GROUP)
    options.setdefault("retry_total", 1)
    return EventHubConsumerClient.from_connection_string(
        hub.info["eventsConnectionString"], connection_verify=hub.info["caFile"], **options
    )


def read(hub, device_id, enough, client=None, timeout=120, last=None, **options):
    """Events of one device, until `enough(events)`; each as (partition, event). By batches: one event at a time the
    client waits for every empty partition in between. It gives an attempt up after a second or two, tells of that and
    begins another half a minute later: such a problem counts where nothing came in time."""
    events, done, problems = [], threading.Event(), []
    tracks, last = last is not None, {} if last is None else last

    def on_batch(context, batch):
        for event in batch:
            if event.system_properties.get(b"iothub-connection-device-id") == device_id.encode():
                events.append((context.partition_id, event))
                last.update(context.last_enqueued_event_properties or {} if tracks else {})
        if enough(events):
            done.set()

    def on_error(_, problem):
        problems.append(problem)

    client = client or consumer(hub)
    options.setdefault("starting_position", "-1")
    thread = threading.Thread(
        target=client.receive_batch, args=(on_batch,), kwargs={"on_error": on_error, "max_wait_time": 1, **options}
    )
    thread.start()
    in_time = done.wait(timeout)
    client.close()
    thread.join(60)
    if problems and not in_time:
        raise problems[0]
    assert in_time, f"{len(events)} events of {device_id} came in time"
    return events


def bodies(events):
    return [event.body_as_str() for _, event in events]


@pytest.fixture
def sent(hub, device):
    """A device with ten messages in the log."""
    client = make_client(hub, device)
    client.connect()
    for number in range(10):
        message = Message(f"m{number}")
        message.custom_properties["kind"] = "reading"
        client.send_message(message)
        time.sleep(0.003)  # so that enqueued times differ
    client.shutdown()
    return device["deviceId"]


def test_properties(hub):
    with consumer(hub, retry_total=6) as client:
        properties = client.get_eventhub_properties()
        assert properties["eventhub_name"] == hub.info["eventsEntity"]
        assert properties["partition_ids"] == ["0", "1", "2", "3"]
        partition = client.get_partition_properties("1")
        assert partition["id"] == "1"
        assert isinstance(partition["last_enqueued_sequence_number"], int)


def test_all_partitions_from_the_start(hub, sent):
    events = read(hub, sent, lambda found: len(found) >= 10)
    assert bodies(events) == [f"m{number}" for number in range(10)]
    first = events[0][1]
    assert first.properties[b"kind"] == b"reading"
    assert first.system_properties[b"iothub-message-source"] == b"Telemetry"
    assert [event.sequence_number for _, event in events] == list(
        range(first.sequence_number, first.sequence_number + 10)
    )
    assert first.offset == str(first.sequence_number)


def test_from_an_offset_a_sequence_number_and_a_time(hub, sent):
    events = read(hub, sent, lambda found: len(found) >= 10)
    partition = events[0][0]

    def start(position, count, inclusive=False):
        return bodies(
            read(
                hub,
                sent,
                lambda found: len(found) >= count,
                partition_id=partition,
                starting_position=position,
                starting_position_inclusive=inclusive,
            )
        )

    seventh = events[7][1]
    assert start(seventh.offset, 2) == ["m8", "m9"]
    assert start(seventh.sequence_number, 2) == ["m8", "m9"]
    assert start(seventh.sequence_number, 3, inclusive=True) == ["m7", "m8", "m9"]
    assert start(seventh.enqueued_time, 2) == ["m8", "m9"]


def test_an_owner_level_puts_out_a_lower_one(hub, sent):
    partition = read(hub, sent, lambda found: len(found) >= 1)[0][0]
    put_out, reads = threading.Event(), threading.Event()
    old = consumer(hub)
    thread = threading.Thread(
        target=old.receive,
        args=(lambda *_: reads.set(),),
        kwargs={
            "partition_id": partition,
            "owner_level": 1,
            "starting_position": "-1",
            "on_error": lambda *_: put_out.set(),
        },
    )
    thread.start()
    assert reads.wait(60)
    read(hub, sent, lambda found: len(found) >= 1, partition_id=partition, owner_level=2)
    assert put_out.wait(60)
    old.close()
    thread.join(60)


def test_the_last_event_is_told(hub, sent):
    last = {}
    read(hub, sent, lambda found: len(found) >= 10, last=last, track_last_enqueued_event_properties=True)
    assert last["sequence_number"] >= 9
    assert last["offset"] == str(last["sequence_number"])


def test_over_websocket(hub, sent):
    from azure.eventhub import TransportType

    client = consumer(hub, transport_type=TransportType.AmqpOverWebsocket)
    assert len(read(hub, sent, lambda found: len(found) >= 10, client=client)) == 10


def test_nobody_sends_events_there(hub):
    producer = EventHubProducerClient.from_connection_string(
        hub.info["eventsConnectionString"], connection_verify=hub.info["caFile"], retry_total=0
    )
    with producer, pytest.raises(EventHubError):
        producer.send_batch([EventData("x")])
