// Reads COUNT events from the start of all partitions with the unmodified Node client, then prints one JSON object.
//   node reader.js CONNECTION_STRING COUNT   (modules by NODE_PATH, the CA by NODE_EXTRA_CA_CERTS)
'use strict';
const { EventHubConsumerClient, earliestEventPosition } = require('@azure/event-hubs');

const [connection, wanted] = [process.argv[2], Number(process.argv[3])];
const client = new EventHubConsumerClient('$Default', connection);
let events = 0;
let bytes = 0;
let first;
let atFirst;
const problem = (error) => {
  console.error(String(error));
  process.exit(1);
};

const subscription = client.subscribe(
  {
    async processEvents(batch) {
      if (batch.length === 0 || events >= wanted) return;
      if (first === undefined) {
        first = process.hrtime.bigint();
        atFirst = process.cpuUsage();
      }
      for (const event of batch) bytes += Buffer.isBuffer(event.body) ? event.body.length : JSON.stringify(event.body).length;
      events += batch.length;
      if (events < wanted) return;
      const seconds = Number(process.hrtime.bigint() - first) / 1e9;
      const cpu = process.cpuUsage(atFirst);
      console.log(JSON.stringify({ events, bytes, seconds, cpuSeconds: (cpu.user + cpu.system) / 1e6 }));
      subscription.close().then(() => client.close()).then(() => process.exit(0), problem);
    },
    async processError(error) {
      problem(error);
    },
  },
  { startPosition: earliestEventPosition, maxBatchSize: 300, maxWaitTimeInSeconds: 1 },
);
