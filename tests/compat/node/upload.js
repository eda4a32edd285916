'use strict';
// upload.js uploadToBlob|steps TRANSPORT CONNECTION_STRING BLOB SIZE: uploads random bytes and prints their SHA-256. A process
// of its own, since the storage client trusts what NODE_EXTRA_CA_CERTS named when the process began.
const crypto = require('node:crypto');
const fs = require('node:fs');
const { Readable } = require('node:stream');
const { Client } = require('azure-iot-device');
const transports = require('azure-iot-device-mqtt');
const { AnonymousCredential, BlockBlobClient, newPipeline } = require('@azure/storage-blob');

async function main([how, transport, connectionString, blob, size]) {
  const content = crypto.randomBytes(Number(size));
  const client = Client.fromConnectionString(connectionString, transports[transport]);
  await client.setOptions({ ca: fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, 'utf8') });
  if (how === 'uploadToBlob') {
    await client.uploadToBlob(blob, Readable.from([content.subarray(0, 100000), content.subarray(100000)]), content.length);
  } else {
    const info = await client.getBlobSharedAccessSignature(blob);
    const url = `https://${info.hostName}/${info.containerName}/${encodeURIComponent(info.blobName)}${info.sasToken}`;
    const uploaded = await new BlockBlobClient(url, newPipeline(new AnonymousCredential())).upload(content, content.length);
    await client.notifyBlobUploadStatus(info.correlationId, true, uploaded._response.status, 'done');
  }
  console.log(crypto.createHash('sha256').update(content).digest('hex'));
  await client.close();
}

main(process.argv.slice(2)).then(() => process.exit(0), (problem) => {
  console.error(problem);
  process.exit(1);
});
