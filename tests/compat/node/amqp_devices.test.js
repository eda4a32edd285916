'use strict';
// The official Node device SDK over AMQP, unmodified: 5671 and WebSocket on 443.
const assert = require('node:assert');
const { test } = require('node:test');
const { Client, ModuleClient, Message } = require('azure-iot-device');
const { errors } = require('azure-iot-common');
const { Amqp, AmqpWs } = require('azure-iot-device-amqp');
const { hub, folder, begin, end, connected, within, eventually, refusalOf, callback, changeTwin, invoke, sendToDevice,
  feedback, disconnected } = require('./suite.js');
const { selfSigned } = require('./hub.js');

const WAIT = 60; // seconds

function overAmqp(title, body) {
  for (const [word, transport] of [['amqp', Amqp], ['amqp-ws', AmqpWs]]) {
    test(`${title} (${word})`, () => body(transport, (name) => `${name}-${word}`));
  }
}

begin();

overAmqp('telemetry arrives with its properties', async (transport, id) => {
  const device = await hub.createDevice(id('amqp-properties'));
  const client = await connected(transport, device);
  const message = new Message(JSON.stringify({ t: 21.5 }));
  message.properties.add('plain', 'value');
  message.properties.add('blank and + & = / ?', 'ü%20 +&=?#');
  message.messageId = 'message 1';
  message.correlationId = 'correlation 1';
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  await client.sendEvent(message);
  await client.close();
  const [event] = await hub.events(id('amqp-properties'), 1);
  assert.deepStrictEqual(JSON.parse(event.body), { t: 21.5 });
  assert.deepStrictEqual(event.properties, { plain: 'value', 'blank and + & = / ?': 'ü%20 +&=?#' });
  assert.strictEqual(event.systemProperties['message-id'], 'message 1');
  assert.strictEqual(event.systemProperties['correlation-id'], 'correlation 1');
  assert.strictEqual(event.systemProperties['content-type'], 'application/json');
  assert.strictEqual(event.systemProperties['content-encoding'], 'utf-8');
  assert.strictEqual(event.systemProperties['iothub-connection-device-id'], id('amqp-properties'));
});

overAmqp('messages sent at once arrive once', async (transport, id) => {
  const client = await connected(transport, await hub.createDevice(id('amqp-at-once')));
  await client.open();
  await Promise.all(Array.from({ length: 300 }, (_, i) => client.sendEvent(new Message(String(i)))));
  await client.close();
  const bodies = (await hub.events(id('amqp-at-once'), 300)).map((event) => Number(event.body));
  assert.deepStrictEqual(bodies.sort((a, b) => a - b), Array.from({ length: 300 }, (_, i) => i));
});

overAmqp('a large message arrives and one that is too large is refused', async (transport, id) => {
  const client = await connected(transport, await hub.createDevice(id('amqp-large')), { retry: false });
  await client.sendEvent(new Message(Buffer.alloc(200000, 'x')));
  await assert.rejects(within(WAIT, client.sendEvent(new Message(Buffer.alloc(262145, 'x'))), 'the refusal'), errors.MessageTooLargeError);
  await client.close();
  assert.strictEqual((await hub.events(id('amqp-large'), 1))[0].body.length, 200000);
});

overAmqp('messages are completed, rejected and abandoned, and feedback tells so', async (transport, id) => {
  const name = id('amqp-ends');
  const client = await connected(transport, await hub.createDevice(name));
  await client.open();
  const deliveries = {};
  client.on('message', (message) => {
    const word = JSON.parse(message.data.toString());
    deliveries[word] = (deliveries[word] || 0) + 1;
    assert.strictEqual(message.messageId, `${name}-${word}`);
    assert.strictEqual(message.properties.propertyList.find((one) => one.key === 'p').value, 'a 1');
    if (word === 'reject') client.reject(message);
    else if (word === 'abandon') client.abandon(message);
    else client.complete(message);
  });
  // One after the other: the SDK's AMQP library writes an acceptance and the outcome behind it, both of one turn, as one
  // acceptance of two.
  for (const body of ['complete', 'reject', 'abandon']) {
    await sendToDevice(name, body, { 'iothub-ack': 'full', 'iothub-messageid': `${name}-${body}`, 'iothub-app-p': 'a 1' });
    await eventually(() => deliveries[body], 'the message');
  }
  const found = await feedback(['complete', 'reject', 'abandon'].map((word) => `${name}-${word}`));
  assert.deepStrictEqual([found[`${name}-complete`], found[`${name}-reject`], found[`${name}-abandon`]],
    [['Success'], ['Rejected'], ['DeliveryCountExceeded']]);
  assert.deepStrictEqual(deliveries, { complete: 1, reject: 1, abandon: 10 });
  await client.close();
});

for (const kind of ['device', 'module']) {
  overAmqp(`the twin of a ${kind} is read, reported and watched`, async (transport, id) => {
    const name = id(`amqp-twin-${kind}`);
    const device = await hub.createDevice(name);
    const identity = kind === 'module' ? await hub.createModule(name, 'camera') : device;
    const twinId = kind === 'module' ? `${name}/modules/camera` : name;
    const client = await connected(transport, identity, { kind: kind === 'module' ? ModuleClient : Client });
    await client.open();
    await changeTwin(twinId, { properties: { desired: { before: 1 } } });
    const twin = await within(WAIT, client.getTwin(), 'the twin');
    assert.strictEqual(twin.properties.desired.before, 1);
    const told = new Promise((resolve) => {
      twin.on('properties.desired', (delta) => { if (delta.after) resolve(delta); });
    });
    await callback((done) => twin.properties.reported.update({ state: { on: true, text: 'ü' } }, done));
    // The listener is subscribed when the SDK has its answer: a change is repeated until it is seen.
    let value = 1;
    const timer = setInterval(() => changeTwin(twinId, { properties: { desired: { after: ++value } } }).catch(() => {}), 300);
    const delta = await within(WAIT, told, 'the desired properties').finally(() => clearInterval(timer));
    assert.ok(delta.after > 1 && delta.$version > 1);
    const stored = JSON.parse(await hub.request('GET', `/twins/${twinId}?api-version=2021-04-12`));
    assert.deepStrictEqual(stored.properties.reported.state, { on: true, text: 'ü' });
    await client.close();
  });

  overAmqp(`direct methods of a ${kind} are answered`, async (transport, id) => {
    const name = id(`amqp-methods-${kind}`);
    const device = await hub.createDevice(name);
    const identity = kind === 'module' ? await hub.createModule(name, 'camera') : device;
    const client = await connected(transport, identity, { kind: kind === 'module' ? ModuleClient : Client });
    await client.open();
    const handle = (request, response) => {
      response.send(request.methodName === 'fail' ? 500 : 200, { saw: request.payload });
    };
    const handler = kind === 'module' ? 'onMethod' : 'onDeviceMethod';
    client[handler]('echo', handle);
    client[handler]('fail', handle);
    const target = kind === 'module' ? `${name}/modules/camera` : name;
    assert.deepStrictEqual(await invoke(target, 'echo', { a: [1, 'ü', null] }), { status: 200, payload: { saw: { a: [1, 'ü', null] } } });
    assert.deepStrictEqual(await invoke(target, 'fail', 'text'), { status: 500, payload: { saw: 'text' } });
    const many = await Promise.all(Array.from({ length: 50 }, (_, i) => invoke(target, 'echo', i)));
    assert.deepStrictEqual(many.map((answer) => answer.payload.saw), Array.from({ length: 50 }, (_, i) => i));
    await client.close();
  });
}

overAmqp('a module sends as itself', async (transport, id) => {
  await hub.createDevice(id('amqp-module'));
  const client = await connected(transport, await hub.createModule(id('amqp-module'), 'camera'), { kind: ModuleClient });
  await client.sendEvent(new Message('from a module'));
  await client.close();
  const [event] = await hub.events(id('amqp-module'), 1);
  assert.strictEqual(event.body, 'from a module');
  assert.strictEqual(event.moduleId, 'camera');
});

overAmqp('a self-signed certificate opens by its thumbprint', async (transport, id) => {
  const made = selfSigned(folder, id('amqp-thumbprint'));
  await hub.createDevice(id('amqp-thumbprint'), { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: made.thumbprint } });
  const client = Client.fromConnectionString(`HostName=${hub.info.hostName};DeviceId=${id('amqp-thumbprint')};x509=true`, transport);
  await client.setOptions({ ca: hub.ca, cert: made.certPem, key: made.keyPem });
  await client.sendEvent(new Message('certified'));
  await client.close();
  const [event] = await hub.events(id('amqp-thumbprint'), 1);
  assert.strictEqual(event.body, 'certified');
  assert.strictEqual(JSON.parse(event.systemProperties['iothub-connection-auth-method']).type, 'x509');
});

overAmqp('a second connection takes over', async (transport, id) => {
  const device = await hub.createDevice(id('amqp-takeover'));
  const first = await connected(transport, device, { retry: false });
  const second = await connected(transport, device, { retry: false });
  await first.sendEvent(new Message('first'));
  first.on('message', () => {});
  const lost = disconnected(first);
  await second.sendEvent(new Message('second'));
  await lost;
  await second.sendEvent(new Message('third'));
  await second.close();
  await first.close().catch(() => {});
  assert.deepStrictEqual((await hub.events(id('amqp-takeover'), 3)).map((event) => event.body), ['first', 'second', 'third']);
});

overAmqp('a wrong key is unauthorised', async (transport, id) => {
  const device = await hub.createDevice(id('amqp-wrong-key'));
  const client = await connected(transport, device, { key: Buffer.alloc(32, 7).toString('base64'), retry: false });
  assert.ok(await refusalOf(client) instanceof errors.UnauthorizedError);
});

end();
