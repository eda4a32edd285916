'use strict';
// The official Node service SDK over AMQP, unmodified: messages to devices, feedback and notifications of files, on 5671 and
// over WebSocket on 443. It can be told no CA: the tests run in a child process whose NODE_EXTRA_CA_CERTS names the hub's.
const assert = require('node:assert');
const { test } = require('node:test');
const { AmqpWs, Client } = require('azure-iothub');
const { Message } = require('azure-iot-common');
const device = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { hub, inChild, connected, within, eventually, callback } = require('./suite.js');

const WAIT = 60; // seconds: a batch of feedback may fill for 15

inChild(__filename, run);

function opened(transport) {
  return transport ? Client.fromConnectionString(hub.info.serviceConnectionString, transport)
    : Client.fromConnectionString(hub.info.serviceConnectionString);
}

async function receivedBy(identity, count, act) {
  const client = await connected(Mqtt, identity);
  await client.open();
  const messages = [];
  client.on('message', (message) => {
    messages.push(message);
    client.complete(message, () => {});
  });
  await callback((done) => client.getTwin(done)); // answered after the subscription before it
  await act();
  await eventually(() => messages.length >= count, 'the messages');
  await client.close();
  return messages;
}

function run() {
  for (const [word, transport] of [['amqp', undefined], ['amqp-ws', AmqpWs]]) {
    test(`a message reaches its device with all its properties (${word})`, async () => {
      const identity = await hub.createDevice(`service=send@${word}`);
      const client = opened(transport);
      await client.open();
      const [got] = await receivedBy(identity, 1, async () => {
        const message = new Message(JSON.stringify({ a: 'ü' }));
        message.messageId = 'm-1';
        message.correlationId = 'c-1';
        message.ack = 'full';
        message.contentType = 'application/json';
        message.contentEncoding = 'utf-8';
        message.properties.add('p', 'ü 1');
        await within(WAIT, client.send(identity.deviceId, message), 'the answer');
      });
      assert.deepStrictEqual(JSON.parse(got.data.toString()), { a: 'ü' });
      assert.strictEqual(got.messageId, 'm-1');
      assert.strictEqual(got.correlationId, 'c-1');
      assert.strictEqual(got.contentType, 'application/json');
      assert.strictEqual(got.properties.propertyList.find((one) => one.key === 'p').value, 'ü 1');
      await client.close();
    });

    test(`what cannot be sent is refused by the errors of the SDK (${word})`, async () => {
      const client = opened(transport);
      await client.open();
      await assert.rejects(within(WAIT, client.send('service-nobody', new Message('x')), 'the refusal'), { name: 'DeviceNotFoundError' });
      const full = `service-full-${word}`;
      await hub.createDevice(full);
      for (let i = 0; i < 50; i++) await within(WAIT, client.send(full, new Message(String(i))), 'the answer');
      await assert.rejects(within(WAIT, client.send(full, new Message('50')), 'the refusal'), { name: 'DeviceMaximumQueueDepthExceededError' });
      await assert.rejects(within(WAIT, client.send(full, new Message(Buffer.alloc(70000))), 'the refusal'), { name: 'MessageTooLargeError' });
      await client.close();
    });

    test(`feedback names the message as the application did (${word})`, async () => {
      const identity = await hub.createDevice(`service-feedback-${word}`);
      const client = opened(transport);
      await client.open();
      const receiver = await callback((done) => client.getFeedbackReceiver(done));
      const records = [];
      receiver.on('message', (batch) => {
        records.push(...JSON.parse(batch.data.toString()));
        receiver.complete(batch, () => {});
      });
      receiver.on('errorReceived', (problem) => records.push(problem));
      const uuid = '6f9619ff-8b86-4011-b42d-00c04fc964ff';
      await receivedBy(identity, 2, async () => {
        for (const messageId of [uuid, `text-${word}`]) {
          const message = new Message('x');
          message.messageId = messageId;
          message.ack = 'full';
          await within(WAIT, client.send(identity.deviceId, message), 'the answer');
        }
      });
      const mine = () => records.filter((record) => record.deviceId === identity.deviceId);
      for (const last = Date.now() + WAIT * 1000; mine().length < 2 && Date.now() < last;) {
        await new Promise((resolve) => { setTimeout(resolve, 50); });
      }
      assert.deepStrictEqual(mine().map((record) => record.originalMessageId).sort(), [uuid, `text-${word}`].sort());
      assert.ok(mine().every((record) => record.statusCode === 'Success' && record.deviceGenerationId === identity.generationId));
      await client.close();
    });

    test(`a finished upload is told to back ends (${word})`, async () => {
      const identity = await hub.createDevice(`service-file-${word}`);
      const client = opened(transport);
      await client.open();
      const receiver = await callback((done) => client.getFileNotificationReceiver(done));
      const told = new Promise((resolve) => {
        receiver.on('message', (message) => {
          const notification = JSON.parse(message.data.toString());
          receiver.complete(message, () => {});
          if (notification.deviceId === identity.deviceId) resolve(notification);
        });
      });
      const uploader = device.Client.fromConnectionString(hub.connectionString(identity), Mqtt);
      await uploader.setOptions({ ca: hub.ca });
      await uploader.uploadToBlob('a/b.txt', require('node:stream').Readable.from([Buffer.from('content')]), 7);
      const notification = await within(WAIT, told, 'the notification');
      assert.strictEqual(notification.blobName, `${identity.deviceId}/a/b.txt`);
      assert.strictEqual(notification.blobSizeInBytes, 7);
      await client.close();
      await uploader.close().catch(() => {});
    });
  }
}
