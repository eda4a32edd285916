'use strict';
// The official Node device SDK, unmodified: telemetry, twins, certificates and refusals, over MQTT on 8883 and over
// WebSocket on 443.
const assert = require('node:assert');
const { Client, ModuleClient, Message } = require('azure-iot-device');
const { NoRetry, errors } = require('azure-iot-common');
const { makeSas, selfSigned, signedBy, pause } = require('./hub.js');
const { hub, folder, begin, end, overBoth, connected, within, eventually, disconnected, refusalOf, callback, changeTwin } = require('./suite.js');

begin();

overBoth('telemetry arrives with its properties', async (transport, id) => {
  const device = await hub.createDevice(id('node-properties'));
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
  const [event] = await hub.events(id('node-properties'), 1);
  assert.deepStrictEqual(JSON.parse(event.body), { t: 21.5 });
  assert.deepStrictEqual(event.properties, { plain: 'value', 'blank and + & = / ?': 'ü%20 +&=?#' });
  assert.strictEqual(event.systemProperties['message-id'], 'message 1');
  assert.strictEqual(event.systemProperties['correlation-id'], 'correlation 1');
  assert.strictEqual(event.systemProperties['content-type'], 'application/json');
  assert.strictEqual(event.systemProperties['content-encoding'], 'utf-8');
  assert.strictEqual(event.systemProperties['iothub-connection-device-id'], id('node-properties'));
  assert.strictEqual(event.systemProperties['iothub-connection-auth-generation-id'], device.generationId);
});

overBoth('messages sent at once arrive once', async (transport, id) => {
  const client = await connected(transport, await hub.createDevice(id('node-at-once')));
  await client.open();
  await Promise.all(Array.from({ length: 100 }, (_, i) => client.sendEvent(new Message(String(i)))));
  await client.close();
  const bodies = (await hub.events(id('node-at-once'), 100)).map((event) => Number(event.body));
  assert.deepStrictEqual(bodies.sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i));
});

overBoth('a self-signed certificate opens by its thumbprint', async (transport, id) => {
  const made = selfSigned(folder, id('node-thumbprint'));
  await hub.createDevice(id('node-thumbprint'), { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: made.thumbprint } });
  const client = Client.fromConnectionString(`HostName=${hub.info.hostName};DeviceId=${id('node-thumbprint')};x509=true`, transport);
  await client.setOptions({ ca: hub.ca, cert: made.certPem, key: made.keyPem });
  await client.sendEvent(new Message('certified'));
  await client.close();
  const [event] = await hub.events(id('node-thumbprint'), 1);
  assert.strictEqual(event.body, 'certified');
  assert.strictEqual(JSON.parse(event.systemProperties['iothub-connection-auth-method']).type, 'x509');
});

overBoth('a certificate of a known authority opens', async (transport, id) => {
  const ca = selfSigned(folder, id('node-plant-ca'));
  await hub.addCaCertificate(id('node-plant'), ca.certPem);
  const made = signedBy(ca, folder, id('node-authority'));
  await hub.createDevice(id('node-authority'), { type: 'certificateAuthority' });
  const client = Client.fromConnectionString(`HostName=${hub.info.hostName};DeviceId=${id('node-authority')};x509=true`, transport);
  await client.setOptions({ ca: hub.ca, cert: made.certPem, key: made.keyPem });
  await client.sendEvent(new Message('signed'));
  await client.close();
  assert.strictEqual((await hub.events(id('node-authority'), 1))[0].body, 'signed');
});

overBoth('another certificate is unauthorised', async (transport, id) => {
  const made = selfSigned(folder, id('node-other-certificate'));
  await hub.createDevice(id('node-wrong-certificate'), { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: 'A'.repeat(40) } });
  const client = Client.fromConnectionString(`HostName=${hub.info.hostName};DeviceId=${id('node-wrong-certificate')};x509=true`, transport);
  client.setRetryPolicy(new NoRetry());
  await client.setOptions({ ca: hub.ca, cert: made.certPem, key: made.keyPem });
  assert.ok(await refusalOf(client) instanceof errors.UnauthorizedError);
});

overBoth('a module sends as itself', async (transport, id) => {
  await hub.createDevice(id('node-module'));
  const client = await connected(transport, await hub.createModule(id('node-module'), 'camera'), { kind: ModuleClient });
  await client.sendEvent(new Message('from a module'));
  await client.close();
  const [event] = await hub.events(id('node-module'), 1);
  assert.strictEqual(event.body, 'from a module');
  assert.strictEqual(event.moduleId, 'camera');
});

for (const kind of ['device', 'module']) {
  overBoth(`direct methods of a ${kind} are answered`, async (transport, id) => {
    const name = id(`node-methods-${kind}`);
    const device = await hub.createDevice(name);
    const identity = kind === 'module' ? await hub.createModule(name, 'camera') : device;
    const client = await connected(transport, identity, { kind: kind === 'module' ? ModuleClient : Client });
    await client.open();
    const calls = [];
    const handle = (request, response) => {
      calls.push([request.methodName, request.payload]);
      response.send(request.methodName === 'fail' ? 500 : 200, { saw: request.payload });
    };
    const handler = kind === 'module' ? 'onMethod' : 'onDeviceMethod';
    client[handler]('echo', handle);
    client[handler]('fail', handle);
    const target = `/twins/${name}${kind === 'module' ? '/modules/camera' : ''}/methods?api-version=2021-04-12`;
    const invoke = async (methodName, payload) => JSON.parse(await hub.request('POST', target,
      { methodName, payload, responseTimeoutInSeconds: 60, connectTimeoutInSeconds: 60 }));
    assert.deepStrictEqual(await invoke('echo', { a: [1, 'ü', null] }), { status: 200, payload: { saw: { a: [1, 'ü', null] } } });
    assert.deepStrictEqual(await invoke('fail', 'text'), { status: 500, payload: { saw: 'text' } });
    const many = await Promise.all(Array.from({ length: 50 }, (_, i) => invoke('echo', i)));
    assert.deepStrictEqual(many.map((answer) => answer.payload.saw), Array.from({ length: 50 }, (_, i) => i));
    assert.strictEqual(calls.length, 52);
    await client.close();
  });
}

overBoth('a second connection takes over', async (transport, id) => {
  const device = await hub.createDevice(id('node-takeover'));
  const first = await connected(transport, device, { retry: false });
  const second = await connected(transport, device, { retry: false });
  await first.open();
  const lost = disconnected(first);
  await second.open();
  await lost;
  await second.sendEvent(new Message('mine'));
  await second.close();
  assert.strictEqual((await hub.events(id('node-takeover'), 1))[0].body, 'mine');
});

overBoth('a wrong key is unauthorised', async (transport, id) => {
  const device = await hub.createDevice(id('node-wrong-key'));
  const client = await connected(transport, device, { key: Buffer.alloc(32, 7).toString('base64'), retry: false });
  assert.ok(await refusalOf(client) instanceof errors.UnauthorizedError);
});

overBoth('an unknown device is unauthorised', async (transport, id) => {
  const device = await hub.createDevice(id('node-known'));
  const client = await connected(transport, { ...device, deviceId: id('node-nobody') }, { retry: false });
  assert.ok(await refusalOf(client) instanceof errors.UnauthorizedError);
});

overBoth('a disabled device finds the service unavailable', async (transport, id) => {
  const device = await hub.createDevice(id('node-disabled'), { type: 'sas' }, { status: 'disabled' });
  const client = await connected(transport, device, { retry: false });
  assert.ok(await refusalOf(client) instanceof errors.ServiceUnavailableError);
});

overBoth('a server that is not trusted is refused by the SDK', async (transport, id) => {
  const device = await hub.createDevice(id('node-untrusting'));
  const client = Client.fromConnectionString(hub.connectionString(device), transport);
  client.setRetryPolicy(new NoRetry());
  assert.match((await refusalOf(client)).message, /certificate|self.signed/i);
});

overBoth('a given token opens and its end closes', async (transport, id) => {
  const device = await hub.createDevice(id('node-token'));
  const resource = `${hub.info.hostName}/devices/${id('node-token')}`;
  const key = device.authentication.symmetricKey.primaryKey;
  let isLost = false;
  for (const lifetime of [10, 40, 160]) { // the longer ones where the machine was too slow for the one before
    const expiry = Math.floor(Date.now() / 1000) + lifetime;
    const client = Client.fromSharedAccessSignature(makeSas(resource, key, undefined, expiry), transport);
    client.setRetryPolicy(new NoRetry());
    await client.setOptions({ ca: hub.ca });
    client.on('disconnect', () => { isLost = true; });
    try {
      await within(60, client.open(), 'open');
      await within(60, client.sendEvent(new Message('in time')), 'the message');
    } catch (problem) {
      client.close().catch(() => {});
      if (lifetime === 160 || Date.now() / 1000 < expiry) throw problem;
      isLost = false;
      continue;
    }
    await eventually(() => isLost, 'the disconnect', lifetime + 60);
    break;
  }
  assert.strictEqual((await hub.events(id('node-token'), 1))[0].body, 'in time');
});

overBoth('a renewed token goes on', async (transport, id) => {
  const device = await hub.createDevice(id('node-renew'));
  const resource = `${hub.info.hostName}/devices/${id('node-renew')}`;
  const key = device.authentication.symmetricKey.primaryKey;
  const client = Client.fromSharedAccessSignature(makeSas(resource, key), transport);
  await client.setOptions({ ca: hub.ca });
  await client.sendEvent(new Message('before'));
  await client.updateSharedAccessSignature(makeSas(resource, key, undefined, Math.floor(Date.now() / 1000) + 7200));
  await client.sendEvent(new Message('after'));
  await client.close();
  assert.deepStrictEqual((await hub.events(id('node-renew'), 2)).map((event) => event.body), ['before', 'after']);
});

overBoth('a twin is read, reported to and notified', async (transport, id) => {
  const client = await connected(transport, await hub.createDevice(id('node-twin')));
  await client.open();
  await changeTwin(id('node-twin'), { properties: { desired: { interval: 30, nested: { a: [1, 'two'] } } } });
  const twin = await callback((done) => client.getTwin(done));
  assert.deepStrictEqual(twin.properties.desired, { interval: 30, nested: { a: [1, 'two'] }, $version: 2 });

  const patches = [];
  const third = new Promise((resolve) => {
    twin.on('properties.desired', (patch) => { patches.push(patch); if (patch.$version === 4) resolve(); });
  });
  await callback((done) => twin.properties.reported.update({ fw: '1.2', old: 1 }, done));
  await callback((done) => twin.properties.reported.update({ old: null, battery: 60.5 }, done));
  await callback((done) => client.getTwin(done)); // the notifications are subscribed by now
  await changeTwin(id('node-twin'), { properties: { desired: { interval: 60 } } });
  await changeTwin(id('node-twin'), { properties: { desired: { nested: null } } });
  await within(60, third, 'the notification');
  assert.deepStrictEqual(patches.slice(-2), [{ interval: 60, $version: 3 }, { nested: null, $version: 4 }]);

  const { properties: { reported } } = await changeTwin(id('node-twin'), {});
  assert.deepStrictEqual([reported.fw, reported.battery, reported.old, reported.$version], ['1.2', 60.5, undefined, 3]);
  await client.close();
});

overBoth('a bad reported patch is an error', async (transport, id) => {
  const client = await connected(transport, await hub.createDevice(id('node-twin-bad')));
  await client.open();
  const twin = await callback((done) => client.getTwin(done));
  await assert.rejects(callback((done) => twin.properties.reported.update({ 'a.b': 1 }, done)));
  await callback((done) => twin.properties.reported.update({ a: 1 }, done));
  await client.close();
});

overBoth('every confirmed message survives kill -9', async (transport, id) => {
  const client = await connected(transport, await hub.createDevice(id('node-kill')));
  await client.open();
  const confirmed = [];
  let stop = false;
  const sending = (async () => {
    for (let i = 0; !stop; ++i) {
      try {
        await client.sendEvent(new Message(String(i)));
        confirmed.push(String(i));
      } catch {
        await pause(50); // not confirmed: it may be stored or not
      }
    }
  })();
  const more = async (count) => {
    const wanted = confirmed.length + count;
    for (const end = Date.now() + 120000; confirmed.length < wanted;) {
      assert.ok(Date.now() < end, 'the SDK did not come back');
      await pause(10);
    }
  };
  for (let round = 0; round < 2; ++round) {
    await more(20);
    await hub.kill();
    await hub.start();
  }
  await more(20);
  stop = true;
  await sending;
  await client.close();
  const stored = new Set((await hub.events(id('node-kill'))).map((event) => event.body));
  assert.deepStrictEqual(confirmed.filter((number) => !stored.has(number)), []);
}, { timeout: 480000 });

end();
