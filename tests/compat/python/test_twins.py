"""Twins with the official Python device SDK: read, reported patch, desired notification."""

import threading

import pytest

from device_sdk import WAIT, change_desired, make_client, twin, wait_until

pytestmark = pytest.mark.usefixtures("transport")


class Listener:
    """Desired patches in the order they came."""

    def __init__(self, client):
        self.patches = []
        client.on_twin_desired_properties_patch_received = self.patches.append

    def expect(self, count):
        assert wait_until(lambda: len(self.patches) >= count), self.patches
        return self.patches[:count]


@pytest.fixture
def client(hub, device):
    made = make_client(hub, device)
    yield made
    made.shutdown()


def test_a_new_twin_is_read(client):
    assert client.get_twin() == {"desired": {"$version": 1}, "reported": {"$version": 1}}


def test_desired_properties_are_read(hub, device, client):
    change_desired(hub, device, {"interval": 30, "nested": {"a": [1, "two"]}})
    document = client.get_twin()
    assert document["desired"] == {"interval": 30, "nested": {"a": [1, "two"]}, "$version": 2}


def test_a_reported_patch_reaches_the_twin(hub, device, client):
    client.patch_twin_reported_properties({"fw": "1.2", "old": 1})
    client.patch_twin_reported_properties({"old": None, "battery": 60.5})
    reported = twin(hub, device)["properties"]["reported"]
    assert {name: value for name, value in reported.items() if name != "$metadata"} == {
        "fw": "1.2",
        "battery": 60.5,
        "$version": 3,
    }


def test_a_bad_reported_patch_is_an_error(client):
    with pytest.raises(Exception) as refusal:
        client.patch_twin_reported_properties({"a.b": 1})
    assert "400" in repr(refusal.value) + repr(refusal.value.__cause__)
    client.patch_twin_reported_properties({"a": 1})


def test_desired_patches_arrive_in_order(hub, device, client):
    listener = Listener(client)
    client.get_twin()  # connected and subscribed by now
    for number in range(10):
        change_desired(hub, device, {"n": number, "gone": None})
    assert listener.expect(10) == [{"n": n, "gone": None, "$version": n + 2} for n in range(10)]


def test_both_sides_write_at_once(hub, device, client):
    listener = Listener(client)
    client.get_twin()
    back_end = threading.Thread(
        target=lambda: [change_desired(hub, device, {"n": number}) for number in range(15)]
    )
    back_end.start()
    for number in range(15):
        client.patch_twin_reported_properties({f"k{number}": number})
    back_end.join(WAIT)
    assert [patch["$version"] for patch in listener.expect(15)] == list(range(2, 17))
    document = client.get_twin()
    assert document["desired"] == {"n": 14, "$version": 16}
    assert document["reported"] == {**{f"k{n}": n for n in range(15)}, "$version": 16}


def test_a_module_has_its_own_twin(hub, device_id, device):
    module = {**hub.create_module(device_id, "camera"), "hostName": hub.host_name}
    client = make_client(hub, module)
    listener = Listener(client)
    client.patch_twin_reported_properties({"m": 1})
    client.get_twin()
    change_desired(hub, module, {"x": 1})
    assert listener.expect(1) == [{"x": 1, "$version": 2}]
    client.shutdown()
    assert twin(hub, module)["properties"]["reported"]["m"] == 1
    assert "m" not in twin(hub, device)["properties"]["reported"]


def test_a_twin_survives_kill_9_and_notifications_go_on(hub, device):
    client = make_client(hub, device, connection_retry_interval=1)
    states = []
    client.on_connection_state_change = lambda: states.append(client.connected)
    listener = Listener(client)
    client.patch_twin_reported_properties({"before": 1})
    change_desired(hub, device, {"x": 1})
    listener.expect(1)
    before = states.count(True)
    hub.kill()
    hub.start()
    assert wait_until(lambda: states.count(True) > before and client.connected), "the SDK did not come back"
    document = client.get_twin()
    assert document["reported"] == {"before": 1, "$version": 2}
    assert document["desired"] == {"x": 1, "$version": 2}
    change_desired(hub, device, {"x": 2})
    assert listener.expect(2)[1] == {"x": 2, "$version": 3}
    client.shutdown()
