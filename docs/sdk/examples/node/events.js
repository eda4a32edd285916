'use strict';
// A reader of events: everything that devices send, from now on.
const { EventHubConsumerClient, earliestEventPosition, latestEventPosition } = require('@azure/event-hubs');

const client = new EventHubConsumerClient('$Default', process.env.EVENTS_CONNECTION_STRING);
const startPosition = process.argv[2] === 'start' ? earliestEventPosition : latestEventPosition;

client.subscribe({
  async processEvents(events) {
    for (const event of events) {
      console.log(event.systemProperties['iothub-connection-device-id'], event.body);
    }
  },
  async processError(problem) {
    console.error(`${problem.name}: ${problem.message}`);
  },
}, { startPosition });

process.on('SIGINT', () => client.close().then(() => process.exit(0)));
