'use strict';
// What the Node tests share: one hub for the tests of a file, clients, bounded waits and the back end's calls.
const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { Client } = require('azure-iot-device');
const { NoRetry } = require('azure-iot-common');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { Hub, pause } = require('./hub.js');
const { RELAY } = require('./relay.js');

const SAS_GRACE_SECONDS = 3; // short, so that a token's end can be seen
const WAIT = 60; // seconds
const API = 'api-version=2021-04-12';
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kyanite-compat-node-'));
const hub = new Hub(process.env.COMPAT_BINARY, folder,
  { KYANITE_AUTH_SAS_GRACE_SECONDS: String(SAS_GRACE_SECONDS), KYANITE_HUB_HOST_NAMES: `127.0.0.1,${RELAY}` });

// Tests run one after another; the first and the last of a file are the hub's own. (Hooks outside of a suite differ
// between Node 18 and 20.)
function begin() {
  test('the hub starts', () => hub.start());
  process.on('exit', () => { if (hub.process) hub.process.kill('SIGKILL'); });
}

// An SDK may leave a timer that keeps the process alive (the HTTPS transport does): it is ended a little later. In steps: after a
// pause of the machine a single timer would be over before what is to be told is written.
function exitSoon(steps = 6) {
  setTimeout(() => (steps > 1 ? exitSoon(steps - 1) : process.exit()), 500).unref();
}

function end() {
  test('the hub ends in order', async () => {
    assert.strictEqual(await hub.stop(), 0);
    fs.rmSync(folder, { recursive: true });
    exitSoon();
  });
}

// For SDKs that can be told no CA: starts the hub and runs `tests` of `file` in a process of its own, whose NODE_EXTRA_CA_CERTS
// names the hub's CA.
function inChild(file, tests) {
  if (process.env.COMPAT_CHILD_HUB) {
    hub.info = JSON.parse(process.env.COMPAT_CHILD_HUB);
    hub.ca = fs.readFileSync(hub.info.caFile, 'utf8');
    tests();
    test('the hub is still there', async () => {
      assert.strictEqual((await hub.exchange('GET', `/kyanite/v1/status?${API}`)).status, 200);
      exitSoon();
    });
    return;
  }
  hub.start().then(async () => {
    const environment = { ...process.env, NODE_EXTRA_CA_CERTS: hub.info.caFile, COMPAT_CHILD_HUB: JSON.stringify(hub.info) };
    delete environment.NODE_TEST_CONTEXT;
    // The loop stays blocked meanwhile; the hub is a process of its own.
    const child = spawnSync(process.execPath, ['--test-reporter=tap', file], { env: environment, stdio: 'inherit' });
    const ended = await hub.stop();
    process.exitCode = child.status === 0 && ended === 0 ? 0 : 1;
  }).catch((problem) => {
    console.error(problem);
    process.exitCode = 1;
  });
}

// A test for each transport; `name` makes ids of the test's own.
function overBoth(title, body, options = {}) {
  for (const [word, transport] of [['mqtt', Mqtt], ['websocket', MqttWs]]) {
    test(`${title} (${word})`, options, () => body(transport, (name) => `${name}-${word}`));
  }
}

async function connected(transport, identity, { key, retry = true, kind = Client, host = hub.info.hostName } = {}) {
  const text = hub.connectionString(identity, key).replace(/^HostName=[^;]*/, `HostName=${host}`);
  const client = kind.fromConnectionString(text, transport);
  await client.setOptions({ ca: hub.ca });
  if (!retry) client.setRetryPolicy(new NoRetry());
  return client;
}

async function within(seconds, promise, what) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${what} took too long`)), seconds * 1000); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function eventually(condition, what, seconds = WAIT) {
  for (const last = Date.now() + seconds * 1000; !await condition();) {
    assert.ok(Date.now() < last, `${what} took too long`);
    await pause(20);
  }
}

function disconnected(client) {
  return within(WAIT, new Promise((resolve) => { client.on('disconnect', resolve); }), 'the disconnect');
}

// The SDK lets an error of open() reach the retry policy; without one it comes back at once.
async function refusalOf(client) {
  try {
    await within(WAIT, client.open(), 'open');
  } catch (refusal) {
    return refusal;
  } finally {
    client.close().catch(() => {});
  }
  throw new assert.AssertionError({ message: 'the connection was accepted' });
}

function callback(start) {
  return within(WAIT, new Promise((resolve, reject) => {
    start((error, result) => (error ? reject(error) : resolve(result)));
  }), 'the answer');
}

// The back end's side. `id` is a device's, or `device/modules/module`.

async function changeTwin(id, body) {
  return JSON.parse(await hub.request('PATCH', `/twins/${id}?${API}`, body));
}

// Waits for the device to connect, but for as long as the answer may take.
async function invoke(id, methodName, payload, connectTimeoutInSeconds = WAIT) {
  return JSON.parse(await hub.request('POST', `/twins/${id}/methods?${API}`,
    { methodName, payload, responseTimeoutInSeconds: WAIT, connectTimeoutInSeconds }));
}

function sendToDevice(deviceId, body, headers) {
  return hub.request('POST', `/devices/${deviceId}/messages/deviceBound?${API}`, body, headers);
}

async function waitingMessages(deviceId) {
  return JSON.parse(await hub.request('GET', `/devices/${deviceId}?${API}`)).cloudToDeviceMessageCount;
}

// The hub may see the end of a connection later than the client.
async function isDisconnected(deviceId) {
  return JSON.parse(await hub.request('GET', `/devices/${deviceId}?${API}`)).connectionState === 'Disconnected';
}

// Takes feedback until there is some of each message: all that came, as statuses by message id.
async function feedback(messageIds) {
  const found = {};
  await eventually(async () => {
    const answer = await hub.exchange('GET', `/messages/serviceBound/feedback?${API}`);
    if (answer.status === 200) {
      await hub.request('DELETE', `/messages/serviceBound/feedback/${answer.headers.etag.replaceAll('"', '')}?${API}`);
      for (const record of JSON.parse(answer.content)) {
        (found[record.originalMessageId] ??= []).push(record.statusCode);
      }
    }
    return messageIds.every((name) => found[name]);
  }, 'the feedback');
  return found;
}

module.exports = { hub, folder, begin, end, inChild, overBoth, connected, within, eventually, disconnected, refusalOf, callback,
  changeTwin, invoke, sendToDevice, waitingMessages, isDisconnected, feedback };
