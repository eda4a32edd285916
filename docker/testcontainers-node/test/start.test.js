'use strict';
// Starting: names, addresses, settings, and clear words for what cannot be.
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { KyaniteClient, KyaniteContainer, KyaniteProcess, KyaniteStartError } = require('../build/index.js');
const { engine } = require('./hubs.js');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kyanite-start-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));

function occupy(host, port) {
  const server = net.createServer();
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen({ host, port }, () => resolve(server));
  });
}

test('two hubs run beside each other, each at an address of its own', async () => {
  const hubs = await Promise.all([new KyaniteProcess().start(), new KyaniteProcess().start()]);
  assert.notStrictEqual(hubs[0].getHostName(), hubs[1].getHostName());
  for (const hub of hubs) {
    assert.deepStrictEqual([hub.getMqttsPort(), hub.getHttpsPort(), hub.getAmqpsPort()], [8883, 443, 5671]);
    await hub.createDevice('d');
  }
  await Promise.all(hubs.map((hub) => hub.stop()));
});

test('a port that is taken is named, with what to do', async () => {
  const other = await occupy('127.0.0.77', 5671);
  await assert.rejects(new KyaniteProcess().withAddress('127.0.0.77').start(),
    (problem) => problem instanceof KyaniteStartError && /port 5671 on 127\.0\.0\.77 is taken.*withAddress/s.test(problem.message));
  other.close();
});

test('free ports, and a stop that leaves nothing', async () => {
  const hub = await new KyaniteProcess().withoutFixedPorts().start();
  assert.ok(![hub.getMqttsPort(), hub.getHttpsPort(), hub.getAmqpsPort(), hub.getAmqpPort()].some((port) => [0, 8883, 443, 5671].includes(port)));
  await hub.createDevice('d');
  assert.match(await hub.getServiceConnectionString(), /^HostName=127\.0\.0\.1/);
  const data = hub.getDataDirectory();
  await hub.restart({ kill: true });
  await hub.getDevice('d');
  await hub.stop();
  assert.ok(!fs.existsSync(data));
});

test('a data directory of the user stays, without test control no hub can be reset', async () => {
  const data = path.join(folder, 'mine');
  const make = () => new KyaniteProcess().withoutFixedPorts().withDataDirectory(data).withTestControl(false);
  const first = await make().start();
  await first.createDevice('d');
  await assert.rejects(first.reset(), { status: 404 });
  await first.stop();
  const second = await make().start();
  await second.getDevice('d');
  await second.stop();
});

test('a hub that cannot start says why', async () => {
  await assert.rejects(new KyaniteProcess('/nowhere/kyanite').start(), /no program "\/nowhere\/kyanite".*KYANITE_BINARY/);
  await assert.rejects(new KyaniteProcess().withoutFixedPorts().withSettings({ 'limits.units': 'many' }).start(),
    (problem) => problem instanceof KyaniteStartError && /LIMITS_UNITS/.test(problem.message));
  await assert.rejects(new KyaniteProcess().withoutFixedPorts().withSettings({ noSuchThing: 1 }).start(), /KYANITE_NO_SUCH_THING/);
  await assert.rejects(new KyaniteProcess().withoutFixedPorts().withSeed([{ id: 'a', status: 'asleep' }]).start(), KyaniteStartError);
  await assert.rejects(new KyaniteProcess().withHostName('nowhere.invalid').start(), /does not resolve.*hosts file/s);
  await assert.rejects(new KyaniteProcess().withAddress('127.0.0.78').withHostName('localhost').start(), /leads to .*withAddress/s);
});

test('wrong use is told before anything starts', () => {
  assert.throws(() => new KyaniteProcess().withAddress('localhost'), /no IP address/);
  assert.throws(() => new KyaniteProcess().withHostName('a b'), /no host name/);
  assert.throws(() => new KyaniteProcess().withSettings({ 'listen.https': 'x' }), /not for withSettings/);
  assert.throws(() => new KyaniteProcess().withSettings({ 'Not a key': 1 }), /neither a setting/);
  assert.throws(() => new KyaniteProcess().withSeed([]).withSeed([]), /exclude each other/);
  assert.throws(() => new KyaniteProcess().withSeedFile('/nowhere.jsonl'), { code: 'ENOENT' });
  assert.throws(() => new KyaniteClient({ connectionString: 'HostName=h', ca: '' }), /SharedAccessKeyName/);
});

test('settings, limits and a start file reach the hub', async () => {
  const file = path.join(folder, 'seed.jsonl');
  fs.writeFileSync(file, '{"id":"one"}\n{"id":"two"}\n');
  const hub = await new KyaniteProcess().withoutFixedPorts().withSeedFile(file).withLimits('S1', 2)
    .withSettings({ 'storage.telemetryPartitions': 8, 'hub.shards': 1 }).start();
  assert.deepStrictEqual((await hub.query('SELECT deviceId FROM devices')).map((row) => row.deviceId), ['one', 'two']);
  const status = JSON.stringify(await hub.getStatus());
  assert.match(status, /"S1"/);
  await hub.stop();
});

test('a client alone drives a hub by its connection string', async () => {
  const hub = await new KyaniteProcess().withoutFixedPorts().start();
  const login = (await hub.getServiceConnectionString()).replace(/HostName=[^;]*/, `HostName=127.0.0.1:${hub.getHttpsPort()}`);
  const client = new KyaniteClient({ connectionString: login, ca: hub.getCaCertificate() });
  await client.createDevice('d');
  await hub.shiftClock(86400); // the client does not know
  await client.getDevice('d');
  await hub.resetClock();
  await client.getDevice('d');
  await hub.stop();
  await assert.rejects(client.getDevice('d'), /127\.0\.0\.1:\d+: .*ECONNREFUSED/);
});

const skip = engine === 'none' ? 'no container engine here' : false;

test('two containers that start at once get an address each', { skip }, async () => {
  const make = () => new KyaniteContainer().withEnvironment({ KYANITE_LOG_LEVEL: 'debug' });
  const hubs = await Promise.all([make().start(), make().start()]);
  try {
    assert.notStrictEqual(hubs[0].getHostName(), hubs[1].getHostName());
    for (const hub of hubs) assert.ok((await hub.createDevice('d')).startsWith(`HostName=${hub.getHostName()};`));
  } finally {
    await Promise.all(hubs.map((hub) => hub.stop()));
  }
});

test('a container without fixed ports, by an alias of its network', { skip }, async () => {
  const { Network } = require('testcontainers');
  const network = await new Network().start();
  const hub = await new KyaniteContainer().withNetwork(network).withNetworkAliases('hub.test').withoutFixedPorts().start();
  try {
    assert.strictEqual(hub.getHostName(), 'hub.test');
    assert.ok(![8883, 443].includes(hub.getHttpsPort()));
    assert.match(await hub.createDevice('d'), /^HostName=hub\.test;/);
    await hub.restart();
    await hub.getDevice('d');
  } finally {
    await hub.stop();
    await network.stop();
  }
});

test('a container says what is wrong', { skip }, async () => {
  await assert.rejects(new KyaniteContainer().withSettings({ 'limits.units': 'many' }).start(),
    (problem) => problem instanceof KyaniteStartError && /LIMITS_UNITS/.test(problem.message));
  await assert.rejects(new KyaniteContainer('localhost/no-such-image:1').start(), /there is no image "localhost\/no-such-image:1": build it/);
  const other = await occupy('127.0.0.79', 443);
  await assert.rejects(new KyaniteContainer().withAddress('127.0.0.79').start(),
    (problem) => problem instanceof KyaniteStartError && /443.*withAddress/s.test(problem.message));
  other.close();
});
