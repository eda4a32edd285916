'use strict';
// The official Node Event Hubs client, unmodified, reading what devices sent: positions, owner levels, all partitions, the
// emulator form, checkpoints. It can be told no CA: the tests run in a child process whose NODE_EXTRA_CA_CERTS names the hub's.
const assert = require('node:assert');
const { test } = require('node:test');
const { hub, inChild, connected, eventually, within } = require('./suite.js');
const { makeSas } = require('./hub.js');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Message } = require('azure-iot-device');
const { Connection, ReceiverEvents } = require('rhea-promise');
const { EventHubConsumerClient, EventHubProducerClient, earliestEventPosition, latestEventPosition } = require('@azure/event-hubs');

const GROUP = '$Default';

hub.environment.KYANITE_LISTEN_AMQP = '127.0.0.1:5672';
inChild(__filename, run);

// A device whose messages "0", "1", ... are in the log.
async function deviceWith(deviceId, bodies) {
  const identity = await hub.createDevice(deviceId);
  await send(identity, bodies);
  return identity;
}

async function send(identity, bodies) {
  const client = await connected(Mqtt, identity);
  for (const body of bodies) {
    const message = new Message(JSON.stringify(body));
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.messageId = `id-${body.n}`;
    message.properties.add('kind', 'reading');
    await client.sendEvent(message);
  }
  await client.close();
}

const numbers = (count, from = 0) => Array.from({ length: count }, (_, index) => ({ n: from + index }));

// Reads until `enough(events)`, which counts only events of this device; answers them with their partition.
async function read(deviceId, { position = earliestEventPosition, enough, connection = hub.info.eventsConnectionString, partition, options = {}, client: given } = {}) {
  const client = given || new EventHubConsumerClient(GROUP, connection);
  const events = [];
  let problem;
  const handlers = {
    async processEvents(batch, context) {
      for (const event of batch) {
        if (event.systemProperties['iothub-connection-device-id'] === deviceId) events.push({ ...event, partition: context.partitionId, context });
      }
    },
    async processError(error) { problem = error; },
  };
  const all = { startPosition: position, maxBatchSize: 50, maxWaitTimeInSeconds: 1, ...options };
  const subscription = partition === undefined ? client.subscribe(handlers, all) : client.subscribe(partition, handlers, all);
  try {
    await eventually(() => problem || enough(events), `events of ${deviceId}`);
  } finally {
    await subscription.close();
    if (!given) await client.close();
  }
  if (problem) throw problem;
  return events;
}

const atLeast = (count) => (events) => events.length >= count;
const ns = (events) => events.map((event) => event.body.n);

function run() {
  test('properties of the hub and its partitions', async () => {
    const client = new EventHubConsumerClient(GROUP, hub.info.eventsConnectionString);
    const properties = await client.getEventHubProperties();
    assert.strictEqual(properties.name, hub.info.eventsEntity);
    assert.deepStrictEqual(properties.partitionIds, ['0', '1', '2', '3']);
    assert.ok(Math.abs(properties.createdOn - Date.now()) < 3600_000);
    const partition = await client.getPartitionProperties('2');
    assert.strictEqual(partition.partitionId, '2');
    assert.strictEqual(typeof partition.lastEnqueuedSequenceNumber, 'number');
    await assert.rejects(client.getPartitionProperties('4'), { code: 'MessagingEntityNotFoundError' });
    await client.close();
  });

  test('all partitions from the start, with everything a device said', async () => {
    await deviceWith('node-eh-all', numbers(20));
    const events = await read('node-eh-all', { enough: atLeast(20) });
    assert.deepStrictEqual(ns(events), numbers(20).map((body) => body.n));
    const [event] = events;
    assert.strictEqual(event.contentType, 'application/json');
    assert.strictEqual(event.messageId, 'id-0');
    assert.deepStrictEqual(event.properties, { kind: 'reading' });
    assert.strictEqual(event.systemProperties['iothub-message-source'], 'Telemetry');
    assert.deepStrictEqual(JSON.parse(event.systemProperties['iothub-connection-auth-method']),
      { scope: 'device', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null });
    assert.ok(Math.abs(event.enqueuedTimeUtc - Date.now()) < 3600_000);
    const ids = events.map((each) => each.sequenceNumber);
    assert.deepStrictEqual(ids, ids.map((_, index) => ids[0] + index), 'one device, one partition, in order');
    assert.strictEqual(event.offset, String(event.sequenceNumber));
  });

  test('from a sequence number, an offset and a time', async () => {
    const identity = await deviceWith('node-eh-from', numbers(5));
    await new Promise((resolve) => { setTimeout(resolve, 20); });
    await send(identity, numbers(5, 5));
    const all = await read('node-eh-from', { enough: atLeast(10) });
    const { partition } = all[0];
    const from = async (position, count) => ns(await read('node-eh-from', { partition, position, enough: atLeast(count) }));
    assert.deepStrictEqual(await from({ sequenceNumber: all[6].sequenceNumber, isInclusive: true }, 4), [6, 7, 8, 9]);
    assert.deepStrictEqual(await from({ sequenceNumber: all[6].sequenceNumber }, 3), [7, 8, 9]);
    assert.deepStrictEqual(await from({ offset: all[7].offset }, 2), [8, 9]);
    assert.deepStrictEqual(await from({ offset: all[7].offset, isInclusive: true }, 3), [7, 8, 9]);
    assert.deepStrictEqual(await from({ enqueuedOn: all[4].enqueuedTimeUtc }, 5), [5, 6, 7, 8, 9]);
  });

  test('from the latest only what comes', async () => {
    const identity = await deviceWith('node-eh-latest', numbers(3));
    const client = new EventHubConsumerClient(GROUP, hub.info.eventsConnectionString);
    const events = [];
    let ready = 0;
    const subscription = client.subscribe({
      async processInitialize() { ready += 1; },
      async processEvents(batch) { for (const event of batch) if (event.systemProperties['iothub-connection-device-id'] === 'node-eh-latest') events.push(event); },
      async processError(error) { throw error; },
    }, { startPosition: latestEventPosition, maxWaitTimeInSeconds: 1 });
    await eventually(() => ready === 4, 'four partitions');
    for (let n = 100; !events.length; n++) await send(identity, [{ n }]); // the links may take a moment to attach
    assert.ok(ns(events).every((n) => n >= 100));
    await subscription.close();
    await client.close();
  });

  test('a higher owner level takes a partition; a lower one does not get it', async () => {
    await deviceWith('node-eh-owner', numbers(1));
    const [{ partition }] = await read('node-eh-owner', { enough: atLeast(1) });
    const problems = [];
    const readers = [];
    const reader = (ownerLevel) => {
      const client = new EventHubConsumerClient(GROUP, hub.info.eventsConnectionString);
      const state = { events: 0 };
      const subscription = client.subscribe(partition, {
        async processEvents(batch) { state.events += batch.length; },
        async processError(error) { problems.push([ownerLevel, error.code]); },
      }, { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1, ...(ownerLevel === undefined ? {} : { ownerLevel }) });
      readers.push([subscription, client]);
      return state;
    };
    const first = reader(5);
    await eventually(() => first.events > 0, 'the first owner reads');
    const second = reader(6);
    await eventually(() => second.events > 0 && problems.length > 0, 'the second owner reads');
    assert.deepStrictEqual(problems[0], [5, 'ReceiverDisconnectedError']);
    const lower = reader(1);
    await eventually(() => problems.some(([level]) => level === 1), 'the lower level is refused');
    assert.strictEqual(lower.events, 0);
    for (const [subscription, client] of readers) {
      await subscription.close();
      await client.close();
    }
  });

  test('nobody sends events there', async () => {
    const producer = new EventHubProducerClient(hub.info.eventsConnectionString, { retryOptions: { maxRetries: 0 } });
    await assert.rejects(producer.sendBatch([{ body: 'x' }]), { code: 'InvalidOperationError' });
    await producer.close();
  });

  test('a consumer group that is not there', async () => {
    await deviceWith('node-eh-group', numbers(1));
    const client = new EventHubConsumerClient('missing', hub.info.eventsConnectionString);
    let problem;
    const subscription = client.subscribe('0', { async processEvents() {}, async processError(error) { problem = error; } }, { startPosition: earliestEventPosition });
    await eventually(() => problem, 'a refusal');
    assert.strictEqual(problem.code, 'MessagingEntityNotFoundError');
    await subscription.close();
    await client.close();
  });

  test('a reader with a checkpoint store goes on where another ended, each event once', async () => {
    const identity = await deviceWith('node-eh-resume', numbers(30));
    const store = new MemoryStore();
    const seen = [];
    await hub.request('PUT', '/kyanite/v1/consumer-groups/resuming');
    const part = async (count) => {
      const client = new EventHubConsumerClient('resuming', hub.info.eventsConnectionString, store,
        { loadBalancingOptions: { strategy: 'greedy', updateIntervalInMs: 300 } });
      let problem;
      const subscription = client.subscribe({
        async processEvents(batch, context) {
          for (const event of batch) {
            if (seen.length >= count) return;
            if (event.systemProperties['iothub-connection-device-id'] === 'node-eh-resume') seen.push(event.body.n);
            await context.updateCheckpoint(event);
          }
        },
        async processError(error) { problem = error; },
      }, { startPosition: earliestEventPosition, maxBatchSize: 7, maxWaitTimeInSeconds: 1 });
      try {
        await eventually(() => problem || seen.length >= count, `${count} events`);
      } finally {
        await subscription.close();
        await client.close();
      }
      if (problem) throw problem;
    };
    await part(11);
    await send(identity, numbers(10, 30));
    await part(40);
    assert.deepStrictEqual(seen, numbers(40).map((body) => body.n));
  });

  test('the last event of the partition is told to those who ask', async () => {
    await deviceWith('node-eh-last', numbers(2));
    const events = await read('node-eh-last', { enough: atLeast(2), options: { trackLastEnqueuedEventProperties: true } });
    const last = events[1].context.lastEnqueuedEventProperties;
    assert.ok(last.sequenceNumber >= events[1].sequenceNumber);
    assert.ok(last.enqueuedOn instanceof Date);
  });

  test('A33: a rhea-promise client that listens only after createReceiver() sees the redirect', async () => {
    const login = Object.fromEntries(hub.info.serviceConnectionString.split(';').map((part) => part.split(/=(.*)/s).slice(0, 2)));
    const connection = new Connection({ transport: 'tls', host: hub.info.hostName, port: 5671, reconnect: false, ca: hub.ca,
      username: `${login.SharedAccessKeyName}@sas.root.${hub.info.hostName.split('.')[0]}`, password: makeSas(hub.info.hostName, login.SharedAccessKey, login.SharedAccessKeyName) });
    await connection.open();
    const receiver = await connection.createReceiver({ source: { address: `amqps://${hub.info.hostName}/messages/events/$management` } });
    const error = await within(60, new Promise((resolve) => {
      receiver.on(ReceiverEvents.receiverError, (context) => resolve(context.receiver.error));
    }), 'the redirect');
    assert.strictEqual(error.condition, 'amqp:link:redirect');
    assert.strictEqual(error.info.hostname, hub.info.eventsHostName);
    assert.strictEqual(/:\d+\/(.*)\/\$management/.exec(error.info.address)[1], hub.info.eventsEntity);
    await connection.close();
  });

  test('over WebSocket', async () => {
    await deviceWith('node-eh-ws', numbers(4));
    const client = new EventHubConsumerClient(GROUP, hub.info.eventsConnectionString, { webSocketOptions: { webSocket: require('ws') } });
    assert.deepStrictEqual(ns(await read('node-eh-ws', { enough: atLeast(4), client })), [0, 1, 2, 3]);
    await client.close();
  });

  test('as from an emulator, without TLS', async () => {
    await deviceWith('node-eh-emulator', numbers(3));
    const events = await read('node-eh-emulator', { enough: atLeast(3), connection: hub.info.eventsEmulatorConnectionString });
    assert.deepStrictEqual(ns(events), [0, 1, 2]);
  });
}

// What Blob Storage keeps for event processors, in memory: ownership with etags, and checkpoints.
class MemoryStore {
  constructor() {
    this.owners = new Map();
    this.checkpoints = new Map();
    this.etag = 0;
  }

  async listOwnership() { return [...this.owners.values()]; }

  async claimOwnership(wanted) {
    return wanted.filter((each) => {
      const known = this.owners.get(each.partitionId);
      return !known || known.etag === each.etag;
    }).map((each) => {
      const owned = { ...each, etag: String(++this.etag), lastModifiedTimeInMs: Date.now() };
      this.owners.set(each.partitionId, owned);
      return owned;
    });
  }

  async updateCheckpoint(checkpoint) { this.checkpoints.set(checkpoint.partitionId, checkpoint); }

  async listCheckpoints() { return [...this.checkpoints.values()]; }
}
