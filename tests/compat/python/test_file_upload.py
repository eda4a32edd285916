"""Uploads with the official Python device SDK and the official storage client."""

import hashlib
import os

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient

from device_sdk import make_client


@pytest.fixture
def client(hub, device, transport):
    made = make_client(hub, device)
    made.connect()
    yield made
    made.shutdown()


def blob_client(hub, info, **options):
    url = f"https://{info['hostName']}/{info['containerName']}/{info['blobName']}{info['sasToken']}"
    return BlobClient.from_blob_url(url, connection_verify=hub.ca_file, **options)


def kyanite(hub, path):
    status, document = hub.rest("GET", path)
    assert status == 200, document
    return document


@pytest.mark.parametrize("size", [5, 3 * 1024 * 1024, 9 * 1024 * 1024])
def test_a_file_is_uploaded_and_read_back(hub, device, client, size):
    info = client.get_storage_info_for_blob(f"logs/{size}.bin")
    content = os.urandom(size)
    # As whole and, with the small limit, in blocks.
    blob = blob_client(hub, info, max_single_put_size=4 * 1024 * 1024, max_block_size=4 * 1024 * 1024)
    blob.upload_blob(content)
    client.notify_blob_upload_status(info["correlationId"], True, 201, "done")
    downloaded = blob.download_blob().readall()
    assert hashlib.sha256(downloaded).digest() == hashlib.sha256(content).digest()
    assert blob.get_blob_properties().size == size
    told = [entry for entry in kyanite(hub, "/kyanite/v1/file-notifications?limit=1000") if entry["deviceId"] == device["deviceId"]]
    assert [(entry["blobName"], entry["blobSizeInBytes"]) for entry in told] == [(info["blobName"], size)]


def test_the_storage_client_does_not_overwrite_unless_told(hub, client):
    blob = blob_client(hub, client.get_storage_info_for_blob("a.txt"))
    blob.upload_blob(b"one")
    with pytest.raises(ResourceExistsError):
        blob.upload_blob(b"two")
    blob.upload_blob(b"three", overwrite=True)
    assert blob.download_blob().readall() == b"three"


def test_an_upload_that_failed_is_ended(hub, device, client):
    info = client.get_storage_info_for_blob("b.txt")
    client.notify_blob_upload_status(info["correlationId"], False, 500, "the disk was full")
    told = [entry for entry in kyanite(hub, "/kyanite/v1/file-notifications?limit=1000") if entry["deviceId"] == device["deviceId"]]
    assert told == []


def test_a_back_end_deletes_a_file_with_the_storage_client(hub, device, client):
    info = client.get_storage_info_for_blob("gone.txt")
    uploaded = blob_client(hub, info)
    uploaded.upload_blob(b"gone")
    with pytest.raises(HttpResponseError) as refused:
        uploaded.delete_blob()  # the device's own signature does not reach so far
    assert refused.value.status_code == 403
    [listed] = kyanite(hub, f"/kyanite/v1/files?device={device['deviceId']}&access=rd")
    blob = BlobClient.from_blob_url(listed["url"], connection_verify=hub.ca_file)
    assert blob.download_blob().readall() == b"gone"
    blob.delete_blob()
    with pytest.raises(ResourceNotFoundError):
        blob.delete_blob()
    assert not blob.exists()
    assert kyanite(hub, f"/kyanite/v1/files?device={device['deviceId']}") == []
