'use strict';
// The official Node service SDK, unmodified, over HTTPS (R113): registry, bulk, queries, twins, methods, jobs and
// configurations. It can be told no CA: the tests run in a child process whose NODE_EXTRA_CA_CERTS names the hub's.
const assert = require('node:assert');
const { test } = require('node:test');
const { hub, inChild, connected, eventually, callback, isDisconnected } = require('./suite.js');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Client, JobClient, Registry } = require('azure-iothub');

inChild(__filename, () => run(hub.info.serviceConnectionString));

async function statusOf(promise) {
  try {
    await promise;
  } catch (refusal) {
    return refusal.response ? refusal.response.statusCode : refusal.name;
  }
  return 'no refusal';
}

// Pages may be more than the rows fill: the hub ends one that took long with what it has.
async function rowsOf(query, size = Infinity) {
  const rows = [];
  for (let pages = 1; ; pages++) {
    const { result } = await query.next(query.continuationToken); // without the token it begins anew
    assert.ok(result.length <= size);
    rows.push(...result);
    if (!query.hasMoreResults) return { rows, pages };
  }
}

function run(service) {
  const registry = Registry.fromConnectionString(service);
  const jobs = JobClient.fromConnectionString(service);
  const select = (text, page) => rowsOf(registry.createQuery(text, page), page);

  test('a device is made, read, changed and deleted', async () => {
    const made = (await registry.create({ deviceId: 'node-life' })).responseBody;
    assert.ok(made.authentication.symmetricKey.primaryKey);
    assert.strictEqual(await statusOf(registry.create({ deviceId: 'node-life' })), 409);
    assert.strictEqual((await registry.get('node-life')).responseBody.status, 'enabled');
    assert.strictEqual((await registry.update({ ...made, status: 'disabled' })).responseBody.status, 'disabled');
    assert.ok((await registry.list()).responseBody.some((device) => device.deviceId === 'node-life'));
    await registry.delete('node-life');
    await assert.rejects(registry.get('node-life'), { name: 'DeviceNotFoundError' });
  });

  test('names of every allowed mark', async () => {
    for (const deviceId of ["node-:.+%_#*?!(),=@;$'", 'node%41', 'node+plus']) {
      await registry.create({ deviceId });
      assert.strictEqual((await registry.get(deviceId)).responseBody.deviceId, deviceId);
      await registry.delete(deviceId);
    }
  });

  test('modules', async () => {
    await registry.create({ deviceId: 'node-modules' });
    const made = (await callback((done) => registry.addModule({ deviceId: 'node-modules', moduleId: 'm' }, done)));
    assert.ok(made.authentication.symmetricKey.primaryKey);
    await callback((done) => registry.updateModule({ ...made, managedBy: 'someone' }, done));
    const modules = await callback((done) => registry.getModulesOnDevice('node-modules', done));
    assert.deepStrictEqual(modules.map((module) => [module.moduleId, module.managedBy]), [['m', 'someone']]);
    const twin = await callback((done) => registry.getModuleTwin('node-modules', 'm', done));
    assert.deepStrictEqual([twin.deviceId, twin.moduleId], ['node-modules', 'm']);
    await callback((done) => registry.removeModule('node-modules', 'm', done));
    assert.deepStrictEqual(await callback((done) => registry.getModulesOnDevice('node-modules', done)), []);
  });

  test('bulk adds, updates and removes', async () => {
    const devices = ['a', 'b', 'c'].map((letter) => ({ deviceId: `node-bulk-${letter}` }));
    assert.strictEqual((await registry.addDevices(devices)).responseBody.isSuccessful, true);
    const refused = await statusOf(registry.addDevices([{ deviceId: 'node-bulk-a' }, { deviceId: 'node-bulk-d' }]));
    assert.strictEqual(refused, 400);
    assert.ok((await registry.get('node-bulk-d')).responseBody);
    const disabled = devices.map((device) => ({ ...device, status: 'disabled' }));
    assert.strictEqual((await registry.updateDevices(disabled, true)).responseBody.isSuccessful, true);
    assert.strictEqual((await registry.get('node-bulk-b')).responseBody.status, 'disabled');
    assert.strictEqual((await registry.removeDevices([...devices, { deviceId: 'node-bulk-d' }], true)).responseBody.isSuccessful, true);
    await assert.rejects(registry.get('node-bulk-a'), { name: 'DeviceNotFoundError' });
  });

  test('twins', async () => {
    await registry.create({ deviceId: 'node-twin' });
    const twin = (await registry.getTwin('node-twin')).responseBody;
    const changed = (await twin.update({ tags: { site: { hall: 3 } }, properties: { desired: { interval: 5 } } })).responseBody ?? twin;
    assert.deepStrictEqual(changed.tags, { site: { hall: 3 } });
    assert.strictEqual(changed.properties.desired.interval, 5);
    assert.strictEqual(await statusOf(registry.updateTwin('node-twin', { tags: { x: 1 } }, '"AAAAAAAAAAE="')), 412);
    assert.strictEqual((await registry.updateTwin('node-twin', { tags: { site: null } }, '*')).responseBody.tags.site, undefined);
  });

  test('queries page, and come as twins', async () => {
    for (let n = 0; n < 5; n++) {
      await registry.create({ deviceId: `node-query-${n}` });
      await registry.updateTwin(`node-query-${n}`, { tags: { lot: 'node', n } }, '*');
    }
    const { rows, pages } = await select("SELECT * FROM devices WHERE tags.lot = 'node'", 2);
    assert.deepStrictEqual(rows.map((row) => row.tags.n), [0, 1, 2, 3, 4]);
    assert.ok(pages >= 3);
    const third = registry.createQuery("SELECT * FROM devices WHERE tags.n = 3 AND tags.lot = 'node'");
    let twins = await third.nextAsTwin();
    while (twins.result.length === 0 && third.hasMoreResults) twins = await third.nextAsTwin(third.continuationToken);
    assert.strictEqual(twins.result[0].deviceId, 'node-query-3');
    const count = await select("SELECT COUNT() AS n FROM devices WHERE tags.lot = 'node'");
    assert.deepStrictEqual(count.rows, [{ n: 5 }]);
    assert.strictEqual(await statusOf(registry.createQuery('SELEC').next()), 400);
    assert.ok((await registry.getRegistryStatistics()).responseBody.totalDeviceCount >= 5);
  });

  test('methods, by a device that answers', async () => {
    const device = await hub.createDevice('node-method');
    const client = await connected(Mqtt, device);
    await client.open();
    client.onDeviceMethod('echo', (request, response) => response.send(201, { saw: request.payload }, () => {}));
    const back = Client.fromConnectionString(service);
    const call = { methodName: 'echo', payload: { x: 1 }, responseTimeoutInSeconds: 60, connectTimeoutInSeconds: 60 };
    const answer = (await back.invokeDeviceMethod('node-method', call)).result;
    assert.deepStrictEqual(answer, { status: 201, payload: { saw: { x: 1 } } });
    await client.close();
    await eventually(() => isDisconnected('node-method'), 'the end of the connection');
    const gone = { methodName: 'echo', responseTimeoutInSeconds: 60, connectTimeoutInSeconds: 0 }; // the SDK waits no longer either
    assert.strictEqual(await statusOf(back.invokeDeviceMethod('node-method', gone)), 404);
  });

  const finished = async (jobId) => {
    let job;
    await eventually(async () => {
      job = (await jobs.getJob(jobId)).jobStatus;
      return ['completed', 'failed', 'cancelled'].includes(job.status);
    }, `job ${jobId}`);
    return job;
  };

  test('jobs: twin update, method, query and cancel', async () => {
    await registry.create({ deviceId: 'node-job-1' });
    await registry.create({ deviceId: 'node-job-2' });
    const condition = "deviceId IN ['node-job-1', 'node-job-2']";
    await jobs.scheduleTwinUpdate('node-job-twin', condition, { etag: '*', tags: { job: 'done' } }, new Date(), 60);
    assert.deepStrictEqual(
      (({ status, deviceJobStatistics: s }) => [status, s.deviceCount, s.succeededCount, s.failedCount])(await finished('node-job-twin')),
      ['completed', 2, 2, 0]);
    assert.strictEqual((await registry.getTwin('node-job-2')).responseBody.tags.job, 'done');
    await jobs.scheduleDeviceMethod('node-job-method', condition, { methodName: 'm', payload: 1, responseTimeoutInSeconds: 5 }, new Date(), 60);
    assert.strictEqual((await finished('node-job-method')).deviceJobStatistics.failedCount, 2);
    const listed = await rowsOf(jobs.createQuery('scheduleDeviceMethod', 'completed'));
    assert.ok(listed.rows.some((job) => job.jobId === 'node-job-method'));
    await jobs.scheduleTwinUpdate('node-job-later', '*', { etag: '*', tags: { a: 1 } }, new Date(Date.now() + 3600e3), 60);
    assert.strictEqual((await jobs.cancelJob('node-job-later')).jobStatus.status, 'cancelled');
    const again = jobs.scheduleTwinUpdate('node-job-twin', '*', { etag: '*', tags: { a: 1 } }, new Date(), 60);
    assert.strictEqual(await statusOf(again), 409);
  });

  test('configurations', async () => {
    await registry.create({ deviceId: 'node-configured' });
    const configuration = {
      id: 'node-cfg', content: { deviceContent: { 'properties.desired.fan': { speed: 3 } } },
      targetCondition: "tags.plant='node'", priority: 10,
    };
    await callback((done) => registry.addConfiguration(configuration, done));
    await registry.updateTwin('node-configured', { tags: { plant: 'node' } }, '*');
    await eventually(async () => {
      const twin = (await registry.getTwin('node-configured')).responseBody;
      return twin.properties.desired.fan && twin.properties.desired.fan.speed === 3;
    }, 'the configuration');
    const read = await callback((done) => registry.getConfiguration('node-cfg', done));
    await callback((done) => registry.updateConfiguration({ ...read, priority: 11 }, done));
    const all = await callback((done) => registry.getConfigurations(done));
    assert.deepStrictEqual(all.map((each) => [each.id, each.priority]), [['node-cfg', 11]]);
    await callback((done) => registry.removeConfiguration('node-cfg', done));
    assert.deepStrictEqual(await callback((done) => registry.getConfigurations(done)), []);
  });

  test('an edge device takes its modules at once', async () => {
    const made = (await registry.create({ deviceId: 'node-edge', capabilities: { iotEdge: true } })).responseBody;
    assert.match(made.deviceScope, /^ms-azure-iot-edge:/);
    const content = { modulesContent: {
      $edgeAgent: { 'properties.desired': { schemaVersion: '1.1' } },
      $edgeHub: { 'properties.desired': { schemaVersion: '1.1' } },
      camera: { 'properties.desired': { rate: 4 } },
    } };
    await callback((done) => registry.applyConfigurationContentOnDevice('node-edge', content, done));
    const modules = await callback((done) => registry.getModulesOnDevice('node-edge', done));
    assert.deepStrictEqual(modules.map((module) => module.moduleId), ['$edgeAgent', '$edgeHub', 'camera']);
    const twin = await callback((done) => registry.getModuleTwin('node-edge', 'camera', done));
    assert.strictEqual(twin.properties.desired.rate, 4);
  });
}
