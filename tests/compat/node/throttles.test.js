'use strict';
// The Node SDK against the service's rate limits: what is over the rate is late, what is over the quota is refused.
const assert = require('node:assert');
const { test } = require('node:test');
const { Message } = require('azure-iot-device');
const { errors } = require('azure-iot-common');
const { Mqtt } = require('azure-iot-device-mqtt');
const { pause } = require('./hub.js');
const { hub, begin, end, connected, within, callback, eventually, refusalOf } = require('./suite.js');

const RATE = 100; // messages a second of one unit of S1; as many may come at once
const QUOTA = 8000; // messages a day of F1

hub.environment.KYANITE_LIMITS_TIER = 'S1';
hub.environment.KYANITE_TEST_CONTROL = 'true';
begin();

test('telemetry over the rate is delivered late and complete', async () => {
  const device = await hub.createDevice('node-shaped');
  const client = await connected(Mqtt, device);
  await client.open();
  const count = 4 * RATE;
  const began = Date.now();
  await within(60, Promise.all(Array.from({ length: count }, (_, i) => client.sendEvent(new Message(`m${i}`)))), 'the messages');
  assert.ok(Date.now() - began > 1500, `shaped to ${RATE} a second, not sent in ${Date.now() - began} ms`);
  await client.close();
  const bodies = (await hub.events(device.deviceId, count)).map((event) => event.body);
  assert.deepStrictEqual([...bodies].sort(), Array.from({ length: count }, (_, i) => `m${i}`).sort());
});

test('twin reads over the rate fail with the reason and work again a moment later', async () => {
  const device = await hub.createDevice('node-twin-rate');
  const client = await connected(Mqtt, device, { retry: false });
  await client.open();
  const twin = await callback((done) => client.getTwin(done));
  const asked = [];
  const refused = [];
  // Until one is refused: while a slow hub answers, the rate lets more of them in.
  for (let i = 0; i < 10 * RATE && refused.length === 0; ++i) {
    asked.push(callback((done) => twin.get(done)).catch((reason) => refused.push(reason)));
    if (i % RATE === 0) await pause(1); // for the answers
  }
  await within(60, Promise.all(asked), 'the answers');
  assert.ok(refused.length > 0, 'some are refused');
  for (const reason of refused) assert.match(reason.message, /Too many requests/); // all that this SDK passes on
  await eventually(() => callback((done) => twin.get(done)).then(() => true, () => false), 'a read that works');
  await client.sendEvent(new Message('still connected'));
  await client.close();
});

test('a connection beyond the daily quota is refused, retried, and comes in the next day', async () => {
  assert.strictEqual(await hub.stop(), 0);
  hub.environment.KYANITE_LIMITS_TIER = 'F1';
  await hub.start();
  // A little before midnight of yesterday, so that the SDK's tokens are good on both days.
  const yesterday = new Date(Date.now() - 24 * 3600 * 1000).toISOString().slice(0, 10);
  await hub.request('PUT', '/kyanite/v1/clock', { now: `${yesterday}T23:50:00Z` });
  const device = await hub.createDevice('node-quota');
  const twin = `/twins/${device.deviceId}?api-version=2021-04-12`;
  const spender = await connected(Mqtt, device, { retry: false });
  await spender.open();
  // 64 KB are 128 messages of F1.
  const large = 'x'.repeat(64 * 1024 - 100);
  await assert.rejects(within(60, (async () => {
    for (let i = 0; i <= QUOTA / 128; i += 1) await spender.sendEvent(new Message(large));
    await spender.sendEvent(new Message('one more'));
  })(), 'the quota'));
  spender.close().catch(() => {});
  assert.strictEqual((await hub.exchange('GET', twin)).status, 403);
  assert.ok(await refusalOf(await connected(Mqtt, device, { retry: false })) instanceof errors.ServiceUnavailableError);
  const client = await connected(Mqtt, device); // with the SDK's own retries
  const open = client.open();
  await hub.request('PUT', '/kyanite/v1/clock', { advanceSeconds: 1200 });
  await within(60, open, 'open');
  await within(60, client.sendEvent(new Message('a new day')), 'the message');
  await client.close();
});

end();
