"""Starting: names, addresses, settings, and clear words for what cannot be."""
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import needs_engine

from kyanite_testcontainers import KyaniteClient, KyaniteContainer, KyaniteError, KyaniteProcess, KyaniteStartError

pytest_plugins = ["pytester"]


def test_two_hubs_run_beside_each_other(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        hubs = list(pool.map(lambda _: KyaniteProcess().start(), range(2)))
    try:
        assert hubs[0].host_name != hubs[1].host_name
        for hub in hubs:
            assert (hub.mqtts_port, hub.https_port, hub.amqps_port) == (8883, 443, 5671)
            hub.create_device("d")
    finally:
        for hub in hubs:
            hub.stop()


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.87", 5671)):
        with pytest.raises(KyaniteStartError, match=r"port 5671 on 127\.0\.0\.87 is taken.*with_address"):
            KyaniteProcess().with_address("127.0.0.87").start()


def test_free_ports_and_nothing_left_behind():
    with KyaniteProcess().without_fixed_ports() as hub:
        assert not {hub.mqtts_port, hub.https_port, hub.amqps_port, hub.amqp_port} & {0, 8883, 443, 5671}
        hub.create_device("d")
        data = hub.data_directory
        login = hub.get_service_connection_string().split(";", 1)[1]
        client = KyaniteClient(f"HostName=127.0.0.1:{hub.https_port};{login}", hub.ca_certificate)
        hub.shift_clock(86400)  # the client does not know
        assert client.get_device("d")["deviceId"] == "d"
        hub.reset_clock()
        assert client.get_device("d")["deviceId"] == "d"
    assert not data.exists()
    with pytest.raises(KyaniteStartError, match="not started"):
        hub.get_device("d")
    with pytest.raises(ConnectionRefusedError):
        client.get_device("d")


def test_a_data_directory_of_the_user_stays(tmp_path):
    def make():
        return KyaniteProcess().without_fixed_ports().with_data_directory(tmp_path / "mine").with_test_control(False)

    with make() as hub:
        hub.create_device("d")
        with pytest.raises(KyaniteError, match="404"):
            hub.reset()
    with make() as hub:
        hub.get_device("d")


def test_a_hub_that_cannot_start_says_why():
    def free():
        return KyaniteProcess().without_fixed_ports()

    with pytest.raises(KyaniteStartError, match='no program "/nowhere/kyanite".*KYANITE_BINARY'):
        KyaniteProcess("/nowhere/kyanite").start()
    with pytest.raises(KyaniteStartError, match="KYANITE_LIMITS_UNITS"):
        free().with_settings({"limits.units": "many"}).start()
    with pytest.raises(KyaniteStartError, match="KYANITE_NO_SUCH_THING"):
        free().with_settings(KYANITE_NO_SUCH_THING=1).start()
    with pytest.raises(KyaniteStartError):
        free().with_seed([{"id": "a", "status": "asleep"}]).start()
    with pytest.raises(ValueError, match="does not resolve.*hosts file"):
        KyaniteProcess().with_host_name("nowhere.invalid").start()
    with pytest.raises(ValueError, match="leads to .*with_address"):
        KyaniteProcess().with_address("127.0.0.88").with_host_name("localhost").start()


def test_wrong_use_is_told_before_anything_starts(tmp_path):
    for wrong, words in (
        (lambda hub: hub.with_address("localhost"), "no IP address"),
        (lambda hub: hub.with_host_name("a b"), "no host name"),
        (lambda hub: hub.with_settings({"listen.https": "x"}), "not for with_settings"),
        (lambda hub: hub.with_settings({"Not a key": 1}), "neither a setting"),
        (lambda hub: hub.with_seed([]).with_seed([]), "exclude each other"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong(KyaniteProcess())
    with pytest.raises(FileNotFoundError):
        KyaniteProcess().with_seed_file(tmp_path / "nowhere.jsonl")
    with pytest.raises(ValueError, match="SharedAccessKeyName"):
        KyaniteClient("HostName=h", "")


def test_settings_limits_and_a_start_file_reach_the_hub(tmp_path):
    seed = tmp_path / "seed.jsonl"
    seed.write_text('{"id":"one"}\n{"id":"two"}\n')
    hub = KyaniteProcess().without_fixed_ports().with_seed_file(seed).with_limits("S1", 2)
    with hub.with_settings({"storage.telemetryPartitions": 8, "hub.shards": 1}):
        assert [row["deviceId"] for row in hub.query("SELECT deviceId FROM devices")] == ["one", "two"]
        assert '"S1"' in str(hub.get_status()).replace("'", '"')


def test_the_fixture_gives_each_test_an_empty_hub(pytester):
    pytester.makepyfile(
        """
        def test_one(kyanite_hub):
            kyanite_hub.create_device("d")

        def test_two(kyanite_hub):
            assert kyanite_hub.query("SELECT deviceId FROM devices") == []
            kyanite_hub.create_device("d")
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


@needs_engine
def test_two_containers_that_start_at_once_get_an_address_each():
    with ThreadPoolExecutor(2) as pool:
        hubs = list(pool.map(lambda _: KyaniteContainer().with_env("KYANITE_LOG_LEVEL", "debug").start(), range(2)))
    try:
        assert hubs[0].host_name != hubs[1].host_name
        for hub in hubs:
            assert hub.create_device("d").startswith(f"HostName={hub.host_name};")
    finally:
        for hub in hubs:
            hub.stop()


@needs_engine
def test_a_container_without_fixed_ports_by_an_alias():
    from testcontainers.core.network import Network

    with Network() as network:
        with KyaniteContainer().with_network(network).with_network_aliases("hub.test").without_fixed_ports() as hub:
            assert hub.host_name == "hub.test"
            assert hub.https_port not in (443, 8883)
            assert hub.create_device("d").startswith("HostName=hub.test;")
            hub.restart()
            hub.get_device("d")


@needs_engine
def test_a_container_says_what_is_wrong():
    with pytest.raises(KyaniteStartError, match="KYANITE_LIMITS_UNITS"):
        KyaniteContainer().with_settings({"limits.units": "many"}).start()
    with pytest.raises(KyaniteStartError, match='there is no image "localhost/no-such-image:1": build it'):
        KyaniteContainer("localhost/no-such-image:1").start()
    with socket.create_server(("127.0.0.89", 443)):
        with pytest.raises(KyaniteStartError, match="443.*with_address"):
            KyaniteContainer().with_address("127.0.0.89").start()
