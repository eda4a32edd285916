'use strict';
// The Node device SDK over HTTPS, and its file upload, whose REST calls and storage client use HTTPS whatever the transport is.
const assert = require('node:assert');
const { execFile } = require('node:child_process');
const crypto = require('node:crypto');
const path = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { Client, Message } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { hub, begin, end, overBoth, eventually, feedback, sendToDevice, waitingMessages } = require('./suite.js');

begin();

// Over this transport setOptions() is answered only when it says how to poll.
async function polling(device) {
  const client = Client.fromConnectionString(hub.connectionString(device), Http);
  await client.setOptions({ ca: hub.ca, http: { receivePolicy: { interval: 1 } } });
  return client;
}

const called = (client, name, ...words) => promisify(client[name].bind(client))(...words);

test('telemetry with its properties, and a batch', async () => {
  const device = await hub.createDevice('node-http-events');
  const client = await polling(device);
  const message = new Message('{"t":1}');
  message.messageId = 'm-1';
  message.correlationId = 'c-1';
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  message.properties.add('colour', 'deep blue/green');
  await called(client, 'sendEvent', message);
  const two = new Message('two');
  two.properties.add('n', '2');
  await called(client, 'sendEventBatch', [two, new Message('three')]);
  const events = await hub.events(device.deviceId, 3);
  assert.deepStrictEqual(events.map((event) => event.body), ['{"t":1}', 'two', 'three']);
  assert.deepStrictEqual(events.map((event) => event.properties), [{ colour: 'deep blue/green' }, { n: '2' }, {}]);
  const system = events[0].systemProperties;
  assert.deepStrictEqual([system['message-id'], system['correlation-id'], system['content-type'], system['content-encoding']],
    ['m-1', 'c-1', 'application/json', 'utf-8']);
});

test('messages are polled, abandoned, rejected and completed', async () => {
  const device = await hub.createDevice('node-http-messages');
  const client = await polling(device);
  const headers = (id) => ({ 'iothub-messageid': id, 'iothub-ack': 'full', 'iothub-app-colour': 'blue' });
  await sendToDevice(device.deviceId, { a: 1 }, { ...headers('node-http-1'), 'iothub-correlationid': 'c-1' });
  await client.open();
  const messages = [];
  const turns = ['abandon', 'complete', 'reject'];
  let settled = 0;
  client.on('message', (message) => {
    messages.push(message);
    called(client, turns[messages.length - 1], message).then(() => { ++settled; });
  });
  await eventually(() => settled === 2, 'the second delivery completed');
  assert.deepStrictEqual(messages.map((message) => message.messageId), ['node-http-1', 'node-http-1']);
  assert.strictEqual(messages[0].data.toString(), JSON.stringify({ a: 1 }));
  assert.strictEqual(messages[0].correlationId, 'c-1');
  assert.strictEqual(messages[0].properties.getValue('iothub-app-colour'), 'blue'); // the SDK leaves the prefix on
  await sendToDevice(device.deviceId, 'second', headers('node-http-2'));
  await eventually(() => settled === 3, 'the rejection');
  assert.strictEqual(await waitingMessages(device.deviceId), 0);
  const found = await feedback(['node-http-1', 'node-http-2']);
  assert.deepStrictEqual([found['node-http-1'], found['node-http-2']], [['Success'], ['Rejected']]);
  await client.close();
});

// The storage client reads its trust from the environment of the process.
async function upload(words) {
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(__dirname, 'upload.js'), ...words],
    { env: { ...process.env, NODE_EXTRA_CA_CERTS: hub.info.caFile }, timeout: 180000 });
  return stdout;
}

async function stored(deviceId) {
  return JSON.parse(await hub.request('GET', `/kyanite/v1/files?device=${deviceId}`));
}

overBoth('uploadToBlob of more than one block, and the notification', async (transport, id) => {
  const device = await hub.createDevice(id('node-upload'));
  const size = 9 * 1024 * 1024 + 17;
  const digest = (await upload(['uploadToBlob', transport.name, hub.connectionString(device), 'logs/a.bin', String(size)])).trim();
  const [file] = await stored(device.deviceId);
  assert.deepStrictEqual([file.blobName, file.size], [`${device.deviceId}/logs/a.bin`, size]);
  const url = new URL(file.url);
  const hash = crypto.createHash('sha256');
  await new Promise((resolve, reject) => {
    require('node:https').get({ host: '127.0.0.1', port: 443, path: url.pathname + url.search, ca: hub.ca }, (answer) => {
      answer.on('data', (piece) => hash.update(piece)).on('end', resolve).on('error', reject);
    }).on('error', reject);
  });
  assert.strictEqual(hash.digest('hex'), digest);
  const notifications = JSON.parse(await hub.request('GET', '/kyanite/v1/file-notifications?limit=1000'));
  const [told] = notifications.filter((entry) => entry.deviceId === device.deviceId);
  assert.deepStrictEqual([told.blobName, told.blobSizeInBytes], [file.blobName, size]);
});

overBoth('getBlobSharedAccessSignature, the storage client, notifyBlobUploadStatus', async (transport, id) => {
  const device = await hub.createDevice(id('node-upload-steps'));
  await upload(['steps', transport.name, hub.connectionString(device), 'a.txt', '5']);
  const [file] = await stored(device.deviceId);
  assert.deepStrictEqual([file.blobName, file.size], [`${device.deviceId}/a.txt`, 5]);
});

end();
