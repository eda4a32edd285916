'use strict';
// What a started hub does, the same for a process and a container, with unmodified device, service and Event Hubs SDKs.
const assert = require('node:assert');
const { webcrypto } = require('node:crypto');
const { after, before, describe, it } = require('node:test');
globalThis.crypto ??= webcrypto; // Node 18 has it only as a module; the Event Hubs client wants it
const { EventHubConsumerClient, earliestEventPosition } = require('@azure/event-hubs');
const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { bodyOf, KyaniteError, KyaniteTimeoutError } = require('../build/index.js');
const { kinds, runTrusting, within } = require('./hubs.js');

const WAIT = 60;

async function connect(hub, connectionString) {
  const client = Client.fromConnectionString(connectionString, Mqtt);
  await client.setOptions({ ca: hub.getCaCertificate() });
  await client.open();
  return client;
}

for (const { kind, make, skip } of kinds) {
  describe(`a hub as a ${kind}`, { skip }, () => {
    let hub;
    before(async () => {
      hub = await make().withSeed([{ id: 'seeded', tags: { site: 'north' } }]).withSettings({ 'events.twinChanges': true }).start();
    });
    after(() => hub?.stop());

    it('takes telemetry of a device SDK and gives it as events', async () => {
      const device = await connect(hub, await hub.createDevice('sender'));
      const message = new Message(JSON.stringify({ t: 21.5 }));
      message.properties.add('alarm', 'true');
      message.messageId = 'm1';
      await device.sendEvent(message);
      await device.sendEvent(new Message(Buffer.from([0xff, 0x00, 0xfe])));
      await hub.waitUntilConnected('sender');
      const found = [];
      for await (const event of hub.events({ device: 'sender', count: 2, timeoutSeconds: WAIT })) found.push(event);
      assert.deepStrictEqual(JSON.parse(found[0].body), { t: 21.5 });
      assert.strictEqual(found[0].properties.alarm, 'true');
      assert.deepStrictEqual([...bodyOf(found[1])], [0xff, 0x00, 0xfe]);
      const again = await hub.waitForEvent({ device: 'sender' }, (event) => event.properties.alarm === 'true');
      assert.strictEqual(again.sequenceNumber, found[0].sequenceNumber);
      await device.close();
      await hub.waitUntilDisconnected('sender');
    });

    it('says when no event came', async () => {
      await assert.rejects(hub.waitForEvent({ device: 'seeded', timeoutSeconds: 0.3 }),
        (problem) => problem instanceof KyaniteTimeoutError && /"seeded" in 0\.3 s/.test(problem.message));
      const aborter = new AbortController();
      setTimeout(() => aborter.abort(), 50);
      await assert.rejects(async () => { for await (const event of hub.events({ device: 'seeded', signal: aborter.signal })) assert.fail(event); },
        { name: 'AbortError' });
    });

    it('calls methods, patches twins and sends messages', async () => {
      const device = await connect(hub, await hub.createDevice('worker', { tags: { hall: 3 }, desired: { interval: 30 } }));
      device.onDeviceMethod('reboot', (request, response) => response.send(200, { got: request.payload }));
      const message = new Promise((resolve) => {
        device.on('message', (received) => device.complete(received, () => resolve(received)));
      });
      const twin = await device.getTwin();
      assert.strictEqual(twin.properties.desired.interval, 30);
      const changed = new Promise((resolve) => { twin.on('properties.desired.mode', resolve); });
      await device.getTwin(); // answered after the subscription before it
      const patched = await hub.patchTwin('worker', { properties: { desired: { mode: 'night' } } });
      assert.strictEqual(patched.tags.hall, 3);
      assert.strictEqual(await within(WAIT, changed, 'the desired property'), 'night');
      await new Promise((resolve, reject) => { twin.properties.reported.update({ mode: 'night' }, (error) => (error ? reject(error) : resolve())); });
      assert.strictEqual(await hub.waitForTwin('worker', 'properties.reported.mode', 'night'), 'night');
      assert.deepStrictEqual(await hub.invokeMethod('worker', 'reboot', { delay: 1 }, { connectTimeoutSeconds: WAIT }),
        { status: 200, payload: { got: { delay: 1 } } });
      await hub.sendCloudToDevice('worker', 'hello', { messageId: 'c1', properties: { kind: 'grüße', count: '2' } });
      const received = await within(WAIT, message, 'the message');
      assert.strictEqual(received.data.toString(), 'hello');
      assert.strictEqual(received.messageId, 'c1');
      assert.strictEqual(received.properties.getValue('kind'), 'grüße');
      await hub.waitUntilDelivered('worker');
      await hub.waitForEvent({ device: 'worker', source: 'twinChangeEvents' });
      await device.close();
    });

    it('has the devices of its start file and finds them by a query', async () => {
      assert.deepStrictEqual(await hub.query("SELECT deviceId FROM devices WHERE tags.site = 'north'"), [{ deviceId: 'seeded' }]);
      assert.match(await hub.getDeviceConnectionString('seeded'), /^HostName=[^;]+;DeviceId=seeded;SharedAccessKey=.+$/);
      assert.strictEqual((await hub.getDevice('seeded')).status, 'enabled');
    });

    it('makes devices with keys, thumbprints, authorities and modules', async () => {
      const key = Buffer.alloc(32, 7).toString('base64');
      assert.ok((await hub.createDevice('a/b', { primaryKey: key, secondaryKey: key }).catch((problem) => problem)) instanceof KyaniteError);
      assert.ok((await hub.createDevice('keyed', { primaryKey: key, secondaryKey: key })).endsWith(`;SharedAccessKey=${key}`));
      assert.ok((await hub.createDevice('printed', { thumbprints: { primary: 'A'.repeat(40) } })).endsWith(';DeviceId=printed;x509=true'));
      assert.ok((await hub.createDevice('chained', { certificateAuthority: true })).endsWith(';x509=true'));
      const module = await hub.createModule('keyed', 'filter', { desired: { level: 2 } });
      assert.match(module, /;DeviceId=keyed;ModuleId=filter;SharedAccessKey=.+$/);
      assert.strictEqual(await hub.getDeviceConnectionString('keyed', 'filter'), module);
      assert.strictEqual((await hub.getTwin('keyed', 'filter')).properties.desired.level, 2);
      await assert.rejects(hub.createDevice('x', { primaryKey: key }), /go together/);
      await assert.rejects(hub.createDevice('x', { certificateAuthority: true, thumbprints: { primary: 'A'.repeat(40) } }), /only one/);
      await hub.deleteDevice('keyed');
      await assert.rejects(hub.getDevice('keyed'), (problem) => problem.status === 404 && problem.code === 'DeviceNotFound' && problem.trackingId !== '');
    });

    it('tells what it refused, and what cannot be sent', async () => {
      await assert.rejects(hub.deleteDevice('nobody'), (problem) => problem instanceof KyaniteError && problem.status === 404);
      await assert.rejects(hub.invokeMethod('seeded', 'reboot'), (problem) => problem instanceof KyaniteError && problem.status === 404);
      await assert.rejects(hub.sendCloudToDevice('seeded', 'x', { properties: { a: 'b\r\nx: y' } }), /control characters/);
      await assert.rejects(hub.waitForTwin('seeded', 'tags.site', 'south', { timeoutSeconds: 0.2 }), KyaniteTimeoutError);
      await assert.rejects(hub.addFault({ kind: 'explode' }), (problem) => problem.status === 400);
      await assert.rejects(hub.query('SELEC'), (problem) => problem.status === 400);
      await assert.rejects(async () => { for await (const event of hub.events({ partition: 99 })) assert.fail(event); }, (problem) => problem.status === 400);
    });

    it('fails as it is told to, until it is told otherwise', async () => {
      const fault = await hub.addFault({ kind: 'httpError', status: 503, routes: ['GET /twins/*'] });
      assert.deepStrictEqual((await hub.listFaults()).map((one) => one.id), [fault.id]);
      await assert.rejects(hub.getTwin('seeded'), (problem) => problem.status === 503);
      await hub.clearFaults(fault.id);
      await hub.getTwin('seeded');
      await hub.addFault({ kind: 'httpError', status: 429, routes: ['GET /twins/*'], count: 1 });
      await hub.clearFaults();
      await hub.getTwin('seeded');
    });

    it('shifts its clock and is still driven', async () => {
      const ahead = await hub.shiftClock(7 * 86400);
      assert.ok(ahead.now.getTime() - Date.now() > 6 * 86400_000);
      await hub.getTwin('seeded'); // with a token of that time
      assert.ok((await hub.advanceClock(60)).shiftSeconds > 7 * 86400);
      await hub.waitUntilDisconnected('seeded');
      assert.strictEqual((await hub.resetClock()).shiftSeconds, 0);
      await hub.getTwin('seeded');
      assert.strictEqual((await hub.getClock()).shiftSeconds, 0);
    });

    it('goes back to a snapshot, and to nothing but its start file', async () => {
      await hub.createDevice('kept');
      await hub.takeSnapshot('one');
      await hub.deleteDevice('kept');
      await hub.createDevice('new');
      await hub.restoreSnapshot('one');
      await hub.getDevice('kept');
      await assert.rejects(hub.getDevice('new'), { status: 404 });
      assert.deepStrictEqual(await hub.listSnapshots(), ['one']);
      await hub.deleteSnapshot('one');
      await hub.reset();
      assert.deepStrictEqual(await hub.query('SELECT deviceId FROM devices'), [{ deviceId: 'seeded' }]);
    });

    it('is the hub of a service SDK', async () => {
      const script = `
        const { Registry } = require('azure-iothub');
        Registry.fromConnectionString(process.env.HUB).create({ deviceId: 'by-sdk' })
          .then(({ responseBody }) => console.log(responseBody.deviceId), (problem) => { console.error(problem); process.exitCode = 1; });`;
      const login = await hub.getServiceConnectionString('registryReadWrite');
      assert.match(login, /;SharedAccessKeyName=registryReadWrite;/);
      assert.strictEqual((await runTrusting(hub.getCaCertificate(), script, { HUB: login })).trim(), 'by-sdk');
      await hub.getDevice('by-sdk');
    });

    it('is read by an Event Hubs client without TLS', async () => {
      const device = await connect(hub, await hub.createDevice('streamed'));
      await device.sendEvent(new Message('one'));
      await device.close();
      const reader = new EventHubConsumerClient('$Default', await hub.getEventHubsConnectionString({ emulator: true }));
      try {
        const body = await within(WAIT, new Promise((resolve, reject) => {
          reader.subscribe({
            processEvents: async (events) => {
              for (const event of events) if (event.systemProperties['iothub-connection-device-id'] === 'streamed') resolve(event.body);
            },
            processError: async (problem) => reject(problem),
          }, { startPosition: earliestEventPosition });
        }), 'the event');
        assert.strictEqual(String(body), 'one');
      } finally {
        await reader.close();
      }
      assert.match(await hub.getEventHubsConnectionString(), /^Endpoint=sb:\/\/[^;]+;SharedAccessKeyName=iothubowner;.*;EntityPath=/);
    });

    it('starts again with what it had', async () => {
      await hub.createDevice('lasting');
      await hub.restart();
      await hub.getDevice('lasting');
      assert.strictEqual(typeof (await hub.getStatus()).version, 'string');
      assert.strictEqual((await fetch(`${hub.getAdminUrl()}/readyz`)).status, 200);
    });
  });
}
