"""A back end over HTTPS: makes sure of a device, calls a method, sets a property, asks for the devices."""
import os
import sys

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification, Twin, TwinProperties

device = sys.argv[1] if len(sys.argv) > 1 else "d1"
manager = IoTHubRegistryManager.from_connection_string(os.environ["SERVICE_CONNECTION_STRING"])

print("device:", manager.get_device(device).connection_state)

call = CloudToDeviceMethod(method_name="blink", payload={"times": 3}, response_timeout_in_seconds=10, connect_timeout_in_seconds=10)
answer = manager.invoke_device_method(device, call)
print("method:", answer.status, answer.payload)

twin = Twin(tags={"site": "north"}, properties=TwinProperties(desired={"intervalSeconds": 2}))
manager.update_twin(device, twin, "*")
found = manager.query_iot_hub(QuerySpecification(query="SELECT * FROM devices WHERE tags.site = 'north'"))
print("query:", [twin.device_id for twin in found.items])
