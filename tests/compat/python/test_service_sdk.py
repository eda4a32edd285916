"""The official Python service SDK, unmodified, over HTTPS (R114): registry, bulk, queries, twins, methods, jobs,
configurations and digital twins. It trusts what REQUESTS_CA_BUNDLE names."""

import json
import time

import pytest
from azure.iot.hub import (
    DigitalTwinClient,
    IoTHubConfigurationManager,
    IoTHubHttpRuntimeManager,
    IoTHubJobManager,
    IoTHubRegistryManager,
)
from azure.iot.hub.models import (
    CloudToDeviceMethod,
    Configuration,
    ConfigurationContent,
    ConfigurationQueriesTestInput,
    ExportImportDevice,
    JobRequest,
    QuerySpecification,
    Twin,
    TwinProperties,
)
from azure.iot.device import MethodResponse
from msrest.exceptions import HttpOperationError

from device_sdk import WAIT, make_client, send_to_device, wait_until


@pytest.fixture(autouse=True)
def trusted(hub, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", hub.ca_file)


@pytest.fixture
def service(hub):
    return hub.info["serviceConnectionString"]


@pytest.fixture
def registry(service):
    return IoTHubRegistryManager.from_connection_string(service)


def status_of(action, *arguments):
    """The HTTP status with which an operation is refused."""
    with pytest.raises(HttpOperationError) as refusal:
        action(*arguments)
    return refusal.value.response.status_code


def members(row):
    """A row as it came: the SDK makes a Twin of each, whatever was selected, and keeps other members beside it."""
    known = {wire["key"]: getattr(row, name) for name, wire in row._attribute_map.items()}
    return {name: value for name, value in known.items() if value is not None} | row.additional_properties


def query(registry, text, page=None):
    """All rows and the number of pages, which may be more than they fill: the hub ends one that took long with what it has."""
    rows, pages, token = [], 0, None
    while True:
        answer = registry.query_iot_hub(QuerySpecification(query=text), token, page)
        assert page is None or len(answer.items) <= page
        rows += [members(row) for row in answer.items]
        pages += 1
        token = answer.continuation_token
        if token is None:
            return rows, pages


def answer_methods(client, status=200):
    def answer(request):
        client.send_method_response(
            MethodResponse.create_from_method_request(request, status, {"saw": request.payload})
        )

    client.on_method_request_received = answer


def test_a_device_is_made_read_changed_and_deleted(registry, device_id):
    made = registry.create_device_with_sas(device_id, "", "", "enabled")
    assert made.authentication.symmetric_key.primary_key and made.status == "enabled"
    assert status_of(registry.create_device_with_sas, device_id, "", "", "enabled") == 409
    changed = registry.update_device_with_sas(
        device_id,
        made.etag,
        made.authentication.symmetric_key.primary_key,
        made.authentication.symmetric_key.secondary_key,
        "disabled",
    )
    assert changed.status == "disabled" and changed.etag != made.etag
    assert status_of(registry.delete_device, device_id, made.etag) == 412
    registry.delete_device(device_id, changed.etag)
    assert status_of(registry.get_device, device_id) == 404


def test_certificate_devices_and_modules(registry, device_id):
    thumbprint = "A1" * 20
    made = registry.create_device_with_x509(device_id, thumbprint, thumbprint, "enabled")
    assert made.authentication.x509_thumbprint.primary_thumbprint == thumbprint
    registry.create_module_with_sas(device_id, "m", "someone", "", "")
    registry.create_module_with_certificate_authority(device_id, "n", "")
    assert [module.module_id for module in registry.get_modules(device_id)] == ["m", "n"]
    assert registry.get_module(device_id, "m").managed_by == "someone"
    registry.delete_module(device_id, "m")
    assert status_of(registry.get_module, device_id, "m") == 404
    assert [device.device_id for device in registry.get_devices() if device.device_id == device_id] == [device_id]


def test_statistics(registry, device):
    before = registry.get_device_registry_statistics()
    assert before.total_device_count >= 1 and before.enabled_device_count >= 1
    assert registry.get_service_statistics().connected_device_count >= 0


def test_edge_devices_have_a_scope_and_children(registry, device_id):
    parent = registry.create_device_with_sas(f"{device_id}-parent", "", "", "enabled", iot_edge=True)
    assert parent.capabilities.iot_edge and parent.device_scope.startswith("ms-azure-iot-edge://")
    names = [module.module_id for module in registry.get_modules(parent.device_id)]
    assert names == ["$edgeAgent", "$edgeHub"]
    registry.create_device_with_sas(
        f"{device_id}-child", "", "", "enabled", device_scope=parent.device_scope
    )
    rows, _ = query(
        registry,
        f"SELECT deviceId FROM devices WHERE array_contains(parentScopes, '{parent.device_scope}')",
    )
    assert rows == [{"deviceId": f"{device_id}-child"}]


def test_bulk(registry, device_id):
    names = [f"{device_id}-{n}" for n in range(5)]

    def items(mode, **more):
        return [ExportImportDevice(id=name, import_mode=mode, status="enabled", **more) for name in names]

    assert registry.bulk_create_or_update_devices(items("create")).is_successful
    again = registry.bulk_create_or_update_devices
    refused = again(items("create"))  # the SDK takes 400 for an answer here
    assert not refused.is_successful and {int(error.error_code) for error in refused.errors} == {409001}
    assert again(items("createOrUpdate")).is_successful
    assert again(items("updateTwin", tags={"site": device_id})).is_successful
    rows, _ = query(registry, f"SELECT * FROM devices WHERE tags.site = '{device_id}'")
    assert [row["deviceId"] for row in rows] == names
    assert again(items("delete")).is_successful
    assert query(registry, f"SELECT * FROM devices WHERE tags.site = '{device_id}'")[0] == []


def test_queries_page_project_and_aggregate(registry, device_id):
    for n in range(7):
        registry.create_device_with_sas(f"{device_id}-{n}", "", "", "enabled")
        patch = Twin(tags={"lot": device_id, "n": n}, properties=TwinProperties(desired={"even": n % 2 == 0}))
        registry.update_twin(f"{device_id}-{n}", patch)
    where = f"WHERE tags.lot = '{device_id}'"
    rows, pages = query(registry, f"SELECT * FROM devices {where}", 3)
    assert pages >= 3 and [row["tags"]["n"] for row in rows] == list(range(7))
    assert query(registry, f"SELECT deviceId AS id, tags.n FROM devices {where} AND tags.n >= 5")[0] == [
        {"id": f"{device_id}-5", "n": 5},
        {"id": f"{device_id}-6", "n": 6},
    ]
    assert query(registry, f"SELECT COUNT() AS number FROM devices {where}")[0] == [{"number": 7}]
    groups, _ = query(
        registry,
        "SELECT properties.desired.even, COUNT() AS number FROM devices "
        f"{where} GROUP BY properties.desired.even",
    )
    assert sorted((row["even"], row["number"]) for row in groups) == [(False, 3), (True, 4)]
    assert status_of(registry.query_iot_hub, QuerySpecification(query="SELEC * FROM devices")) == 400


def test_twins(registry, device, device_id):
    twin = registry.get_twin(device_id)
    assert twin.version == 2 and twin.tags in ({}, None)
    changed = registry.update_twin(
        device_id, Twin(tags={"a": 1}, properties=TwinProperties(desired={"interval": 30})), twin.etag
    )
    assert changed.tags == {"a": 1} and changed.properties.desired["interval"] == 30
    assert status_of(registry.update_twin, device_id, Twin(tags={"a": 2}), twin.etag) == 412
    replaced = registry.replace_twin(device_id, Twin(tags={"b": 2}))
    assert replaced.tags == {"b": 2} and "interval" not in replaced.properties.desired
    registry.create_module_with_sas(device_id, "m", "", "", "")
    module = registry.update_module_twin(device_id, "m", Twin(tags={"c": 3}))
    assert module.module_id == "m" and registry.get_module_twin(device_id, "m").tags == {"c": 3}


def test_methods(hub, registry, device, device_id):
    call = CloudToDeviceMethod(
        method_name="echo", payload={"x": [1]}, response_timeout_in_seconds=WAIT, connect_timeout_in_seconds=0
    )
    assert status_of(registry.invoke_device_method, device_id, call) == 404
    client = make_client(hub, device)
    try:
        answer_methods(client, 207)
        client.connect()
        call.connect_timeout_in_seconds = WAIT
        answer = registry.invoke_device_method(device_id, call)
        assert (answer.status, answer.payload) == (207, {"saw": {"x": [1]}})
    finally:
        client.shutdown()


def test_feedback_is_received_and_completed(hub, service, device, device_id):
    runtime = IoTHubHttpRuntimeManager.from_connection_string(service)
    client = make_client(hub, device)
    received = []
    client.connect()
    client.on_message_received = received.append
    send_to_device(hub, device, "x", iothub_ack="full", iothub_messageid=device_id)
    assert wait_until(lambda: received)

    def outcomes():
        raw = runtime.protocol.cloud_to_device_messages.receive_feedback_notification(raw=True)
        if raw.response.status_code != 200:
            return None
        runtime.complete_feedback_notification(raw.response.headers["ETag"].strip('"'))
        return [r["statusCode"] for r in raw.response.json() if r["originalMessageId"] == device_id]

    assert wait_until(lambda: outcomes() == ["Success"])
    client.shutdown()


def utc(seconds_ahead):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_ahead))


def finished(jobs, job_id):
    done = {}

    def look():
        done["job"] = jobs.get_scheduled_job(job_id)
        return done["job"].status in ("completed", "failed", "cancelled")

    assert wait_until(look, 3 * WAIT), done["job"]
    return done["job"]


def test_scheduled_jobs(hub, registry, service, device, device_id):
    jobs = IoTHubJobManager.from_connection_string(service)
    other = f"{device_id}-offline"
    registry.create_device_with_sas(other, "", "", "enabled")
    condition = f"deviceId IN ['{device_id}', '{other}']"
    request = JobRequest(
        job_id=f"{device_id}-twin",
        type="scheduleUpdateTwin",
        update_twin=Twin(etag="*", tags={"job": 1}, properties=TwinProperties(desired={"job": 2})),
        query_condition=condition,
        start_time=utc(0),
        max_execution_time_in_seconds=60,
    )
    assert jobs.create_scheduled_job(request.job_id, request).status in ("queued", "running", "completed")
    assert status_of(jobs.create_scheduled_job, request.job_id, request) == 409
    statistics = finished(jobs, request.job_id).device_job_statistics
    assert (statistics.device_count, statistics.succeeded_count, statistics.failed_count) == (2, 2, 0)
    assert registry.get_twin(other).tags == {"job": 1}
    assert registry.get_twin(device_id).properties.desired["job"] == 2

    client = make_client(hub, device)
    try:
        answer_methods(client)
        client.connect()
        request = JobRequest(
            job_id=f"{device_id}-method",
            type="scheduleDeviceMethod",
            cloud_to_device_method=CloudToDeviceMethod(
                method_name="echo", payload=1, response_timeout_in_seconds=WAIT, connect_timeout_in_seconds=0
            ),
            query_condition=condition,
            start_time=utc(0),
            max_execution_time_in_seconds=5 * WAIT,
        )
        jobs.create_scheduled_job(request.job_id, request)
        statistics = finished(jobs, request.job_id).device_job_statistics
        assert (statistics.succeeded_count, statistics.failed_count) == (1, 1)
    finally:
        client.shutdown()
    rows, _ = query(registry, f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{request.job_id}'")
    assert {row["deviceId"]: row["status"] for row in rows} == {device_id: "completed", other: "failed"}
    assert jobs.get_scheduled_job("never-made").status == "unknown"


def test_a_job_of_later_is_cancelled(service, device_id):
    jobs = IoTHubJobManager.from_connection_string(service)
    request = JobRequest(
        job_id=device_id.replace("_", "-"),
        type="scheduleUpdateTwin",
        update_twin=Twin(etag="*", tags={"job": 1}),
        query_condition="*",
        start_time=utc(3600),
        max_execution_time_in_seconds=60,
    )
    assert jobs.create_scheduled_job(request.job_id, request).status == "scheduled"
    assert jobs.cancel_scheduled_job(request.job_id).status == "cancelled"


def test_configurations_reach_twins(registry, service, device, device_id):
    manager = IoTHubConfigurationManager.from_connection_string(service)
    name = device_id.replace("_", "-")

    def configuration(number, priority):
        return Configuration(
            id=f"{name}-{number}",
            schema_version="1.0",
            content=ConfigurationContent(device_content={"properties.desired.fan": {"speed": number}}),
            target_condition=f"tags.plant = '{device_id}'",
            priority=priority,
            metrics=None,
        )

    low = manager.create_configuration(configuration(1, 1))
    assert status_of(manager.create_configuration, configuration(1, 1)) == 409
    manager.create_configuration(configuration(5, 5))
    registry.update_twin(device_id, Twin(tags={"plant": device_id}))

    def speed():
        return (registry.get_twin(device_id).properties.desired.get("fan") or {}).get("speed")

    assert wait_until(lambda: speed() == 5)
    assert wait_until(
        lambda: manager.get_configuration(f"{name}-5").system_metrics.results.get("appliedCount") == 1
    )
    manager.delete_configuration(f"{name}-5")
    assert wait_until(lambda: speed() == 1)
    assert {low.id} <= {each.id for each in manager.get_configurations()}
    tested = manager.test_configuration_queries(
        ConfigurationQueriesTestInput(target_condition="tags.a = ", custom_metric_queries={})
    )
    assert tested.target_condition_error
    manager.delete_configuration(low.id)
    assert status_of(manager.get_configuration, low.id) == 404


def test_digital_twins(hub, registry, service, device, device_id):
    client = DigitalTwinClient.from_connection_string(service)
    model = "dtmi:com:example:Thermostat;1"
    plugged = make_client(hub, device, product_info=model)
    try:
        answer_methods(plugged, 202)
        plugged.connect()
        plugged.get_twin()
        assert client.get_digital_twin(device_id)["$metadata"]["$model"] == model
        client.update_digital_twin(device_id, [{"op": "add", "path": "/target", "value": 42}])
        assert registry.get_twin(device_id).properties.desired["target"] == 42
        answer = client.invoke_command(device_id, "reboot", json.dumps({"delay": 3}), WAIT, WAIT)
        assert answer == {"saw": json.dumps({"delay": 3})} or answer == {"saw": {"delay": 3}}
        answer = client.invoke_component_command(device_id, "sensor", "getMax", 7, WAIT, WAIT)
        assert answer == {"saw": 7}
    finally:
        plugged.shutdown()
