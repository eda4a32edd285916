'use strict';
// Every feature of the Node SDK at once, and again after restarts, renewals, takeovers and lost networks.
const assert = require('node:assert');
const { Client, ModuleClient } = require('azure-iot-device');
const { makeSas, selfSigned } = require('./hub.js');
const { RELAY, Relay } = require('./relay.js');
const { hub, folder, begin, end, overBoth, connected, disconnected, eventually,
  sendToDevice } = require('./suite.js');
const { Application } = require('./application.js');

begin();

async function withRelay(body) {
  const relay = await new Relay().start(8883, 443);
  try {
    await body(relay);
  } finally {
    relay.close();
  }
}

overBoth('everything survives an orderly restart of the hub', async (transport, id) => {
  const device = await hub.createDevice(id('node-restart'));
  const application = await new Application(await connected(transport, device), device).open();
  await application.expectWorking('before');
  assert.strictEqual(await hub.stop(), 0);
  await hub.start();
  await application.expectWorking('after');
  await application.client.close();
});

overBoth('everything survives kill -9', async (transport, id) => {
  const device = await hub.createDevice(id('node-kill-all'));
  const application = await new Application(await connected(transport, device), device).open();
  await application.expectWorking('before');
  await hub.kill();
  await hub.start();
  await application.expectWorking('after');
  await application.client.close();
});

overBoth('a module has everything but messages after a restart', async (transport, id) => {
  await hub.createDevice(id('node-restart-module'));
  const module = await hub.createModule(id('node-restart-module'), 'camera');
  const application = await new Application(await connected(transport, module, { kind: ModuleClient }), module).open();
  await application.expectWorking('before');
  assert.strictEqual(await hub.stop(), 0);
  await hub.start();
  await application.expectWorking('after');
  await application.client.close();
});

overBoth('a certified device has everything', async (transport, id) => {
  const made = selfSigned(folder, id('node-certified'));
  const device = await hub.createDevice(id('node-certified'),
    { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: made.thumbprint } });
  const client = Client.fromConnectionString(`HostName=${hub.info.hostName};DeviceId=${device.deviceId};x509=true`, transport);
  await client.setOptions({ ca: hub.ca, cert: made.certPem, key: made.keyPem });
  const application = await new Application(client, device).open();
  await application.expectWorking('certified');
  await client.close();
});

overBoth('everything survives the renewal of a given token', (transport, id) => withRelay(async (relay) => {
  const device = await hub.createDevice(id('node-renew-all'));
  const resource = `${RELAY}/devices/${device.deviceId}`;
  const key = device.authentication.symmetricKey.primaryKey;
  const client = Client.fromSharedAccessSignature(makeSas(resource, key), transport);
  await client.setOptions({ ca: hub.ca });
  const application = await new Application(client, device).open();
  await application.expectWorking('before');
  const before = relay.opened;
  await client.updateSharedAccessSignature(makeSas(resource, key, undefined, Math.floor(Date.now() / 1000) + 7200));
  await eventually(() => relay.opened >= before + 2, 'the new connection'); // this call makes the SDK reconnect twice
  await application.expectWorking('after');
  await client.close();
}));

overBoth("everything survives the SDK's own renewal of its token", (transport, id) => withRelay(async (relay) => {
  const device = await hub.createDevice(id('node-renew-itself'));
  const client = await connected(transport, device, { host: RELAY });
  // Renewed every 15 seconds; what follows the first renewal takes far less, unless the machine is slow.
  await client.setOptions({ ca: hub.ca, tokenRenewal: { tokenValidTimeInSeconds: 75, tokenRenewalMarginInSeconds: 60 } });
  const application = await new Application(client, device).open();
  const before = relay.opened;
  await eventually(() => relay.opened > before, 'the renewal');
  await application.expectWorkingAtLast('renewed', relay);
  await client.close();
}));

overBoth('a takeover inherits the session', async (transport, id) => {
  const device = await hub.createDevice(id('node-takeover-all'));
  const first = await connected(transport, device, { retry: false });
  await new Application(first, device).open();
  const lost = disconnected(first);
  const second = await new Application(await connected(transport, device, { retry: false }), device).open();
  await lost;
  await second.expectWorking('second');
  await second.client.close();
});

overBoth('everything survives cut connections', (transport, id) => withRelay(async (relay) => {
  const device = await hub.createDevice(id('node-cut'));
  const application = await new Application(await connected(transport, device, { host: RELAY }), device).open();
  for (const mark of ['first', 'second']) {
    await application.expectWorking(mark);
    const before = relay.opened;
    relay.cut();
    await eventually(() => relay.opened > before, 'the new connection');
  }
  await application.expectWorking('third');
  await application.client.close();
}));

// The SDK pings every keep-alive and gives the network up when no answer comes before the next one.
overBoth('everything survives a silent network', (transport, id) => withRelay(async (relay) => {
  const device = await hub.createDevice(id('node-silent'));
  const client = await connected(transport, device, { host: RELAY });
  await client.setOptions({ ca: hub.ca, keepalive: 5 }); // so short that a slow machine may end a connection, too
  const application = await new Application(client, device).open();
  await application.expectWorkingAtLast('before', relay);
  const before = relay.opened;
  relay.silence();
  await sendToDevice(device.deviceId, 'sent into the silence');
  await eventually(() => relay.opened > before, 'the new connection');
  await application.expectMessage('sent into the silence');
  await application.expectWorkingAtLast('after', relay);
  await client.close();
}), { timeout: 480000 });

end();
