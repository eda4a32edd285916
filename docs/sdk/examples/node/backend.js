'use strict';
// A back end: sends a message, waits for what became of it, calls a method, sets a property, asks for the devices.
const { promisify } = require('node:util');
const { Message } = require('azure-iot-common'); // comes with azure-iothub
const { Client, Registry } = require('azure-iothub');

const service = process.env.SERVICE_CONNECTION_STRING;
const device = process.argv[2] || 'd1';

async function main() {
  const registry = Registry.fromConnectionString(service);
  const client = Client.fromConnectionString(service);
  await client.open(); // AMQP, port 5671

  const feedback = await promisify(client.getFeedbackReceiver.bind(client))();
  const answered = new Promise((resolve) => feedback.on('message', (message) => {
    for (const record of JSON.parse(message.data.toString())) {
      if (record.originalMessageId === 'hello-1') resolve(record.statusCode);
    }
    feedback.complete(message, () => {});
  }));
  const message = new Message('hello');
  message.messageId = 'hello-1';
  message.ack = 'full';
  await client.send(device, message);
  console.log('message:', await answered);

  const call = { methodName: 'blink', payload: { times: 3 }, responseTimeoutInSeconds: 10, connectTimeoutInSeconds: 10 };
  const { result } = await client.invokeDeviceMethod(device, call); // HTTPS, port 443
  console.log('method:', result.status, result.payload);

  const twin = (await registry.getTwin(device)).responseBody;
  await twin.update({ tags: { site: 'north' }, properties: { desired: { intervalSeconds: 2 } } });
  const query = registry.createQuery("SELECT deviceId, connectionState FROM devices WHERE tags.site = 'north'", 100);
  console.log('query:', (await query.next()).result);
  await client.close();
}

main().then(() => process.exit(0), (problem) => {
  console.error(`${problem.name}: ${problem.message}`);
  process.exit(1);
});
