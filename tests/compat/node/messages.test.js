'use strict';
// Cloud-to-device messages and direct methods of the Node SDK: queueing, redelivery, feedback, who answers and how.
const assert = require('node:assert');
const { RELAY, Relay } = require('./relay.js');
const { hub, begin, end, overBoth, connected, eventually, feedback, invoke, sendToDevice, waitingMessages,
  isDisconnected } = require('./suite.js');
const { Application } = require('./application.js');

begin();

overBoth('a message arrives with its properties', async (transport, id) => {
  const device = await hub.createDevice(id('node-c2d'));
  const application = await new Application(await connected(transport, device), device).open();
  await sendToDevice(device.deviceId, { a: 1 }, {
    'iothub-messageid': 'm-1', 'iothub-correlationid': 'c-1', 'iothub-userid': 'back end',
    'iothub-contenttype': 'application/json', 'iothub-contentencoding': 'utf-8', 'iothub-app-colour': 'deep blue/green',
  });
  await application.expectMessage({ a: 1 });
  const [message] = application.messages;
  assert.deepStrictEqual([message.messageId, message.correlationId, message.userId, message.contentType, message.contentEncoding],
    ['m-1', 'c-1', 'back end', 'application/json', 'utf-8']);
  assert.strictEqual(message.properties.getValue('colour'), 'deep blue/green');
  await application.client.close();
});

overBoth('messages wait for an offline device', async (transport, id) => {
  const device = await hub.createDevice(id('node-c2d-offline'));
  const application = await new Application(await connected(transport, device), device).open();
  await application.client.close();
  const again = await connected(transport, device);
  const messages = [];
  for (let i = 0; i < 10; ++i) await sendToDevice(device.deviceId, i);
  assert.strictEqual(await waitingMessages(device.deviceId), 10);
  again.on('message', (message) => { messages.push(Number(message.data)); again.complete(message, () => {}); });
  await again.open();
  await eventually(async () => await waitingMessages(device.deviceId) === 0, 'the acknowledgement');
  assert.deepStrictEqual(messages, Array.from({ length: 10 }, (_, i) => i));
  await again.close();
});

overBoth('a message whose acknowledgement is lost comes again', async (transport, id) => {
  const relay = await new Relay().start(8883, 443);
  const device = await hub.createDevice(id('node-c2d-again'));
  const application = await new Application(await connected(transport, device, { host: RELAY }), device).open();
  relay.silenceDevices();
  await sendToDevice(device.deviceId, 'again', { 'iothub-messageid': id('again'), 'iothub-ack': 'full' });
  await eventually(() => application.messages.length === 1, 'the message');
  assert.strictEqual(await waitingMessages(device.deviceId), 1);
  relay.cut();
  await eventually(() => application.messages.length === 2, 'the second delivery');
  await application.expectMessage('again');
  assert.deepStrictEqual(application.messages.map((message) => message.messageId), [id('again'), id('again')]);
  assert.deepStrictEqual((await feedback([id('again')]))[id('again')], ['Success']);
  await application.client.close();
  relay.close();
});

overBoth('feedback tells of success to those who asked', async (transport, id) => {
  const device = await hub.createDevice(id('node-feedback'));
  const application = await new Application(await connected(transport, device), device).open();
  for (const ack of ['none', 'negative', 'positive', 'full']) {
    await sendToDevice(device.deviceId, ack, { 'iothub-messageid': id(ack), 'iothub-ack': ack });
    await application.expectMessage(ack);
  }
  const found = await feedback([id('positive'), id('full')]);
  assert.deepStrictEqual([found[id('positive')], found[id('full')]], [['Success'], ['Success']]);
  assert.deepStrictEqual([found[id('none')], found[id('negative')]], [undefined, undefined]);
  await application.client.close();
});

overBoth("a device's own status and want of a payload reach the caller", async (transport, id) => {
  const device = await hub.createDevice(id('node-method-fails'));
  const application = await new Application(await connected(transport, device), device).open();
  assert.deepStrictEqual(await invoke(device.deviceId, 'fail', { a: 1 }), { status: 500, payload: null });
  assert.deepStrictEqual(application.calls, [['fail', { a: 1 }]]);
  await application.client.close();
});

overBoth('a method of an absent device is not found, and one that waits is answered', async (transport, id) => {
  const device = await hub.createDevice(id('node-method-waits'));
  await assert.rejects(invoke(device.deviceId, 'echo', 1, 0), /404/);
  const waiting = invoke(device.deviceId, 'echo', 2);
  const application = await new Application(await connected(transport, device), device).open();
  assert.deepStrictEqual(await waiting, { status: 200, payload: { saw: 2 } });
  await application.client.close();
  await eventually(() => isDisconnected(device.deviceId), 'the end of the connection');
  await assert.rejects(invoke(device.deviceId, 'echo', 3, 0), /404/);
  assert.deepStrictEqual(application.calls, [['echo', 2]]);
});

end();
