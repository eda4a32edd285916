'use strict';
// A device: a reading each second, messages and a method from the back end, a setting from its twin.
const fs = require('node:fs');
const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const client = Client.fromConnectionString(process.env.DEVICE_CONNECTION_STRING, Mqtt);
let intervalSeconds = 1;
let timer;

async function report() {
  const message = new Message(JSON.stringify({ temperature: 20 + Math.random() * 5 }));
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  message.properties.add('kind', 'reading');
  await client.sendEvent(message); // resolves when the hub has stored it
  console.log('sent', message.getData());
}

function start() {
  clearInterval(timer);
  timer = setInterval(() => report().catch((problem) => console.error('not sent:', problem.message)), intervalSeconds * 1000);
}

async function main() {
  await client.setOptions({ ca: fs.readFileSync('ca.pem', 'utf8') }); // before open
  await client.open();
  console.log('connected');

  client.on('message', (message) => {
    console.log('message:', message.getData().toString());
    client.complete(message, () => {});
  });
  client.onDeviceMethod('blink', (request, response) => {
    console.log('blink', request.payload);
    response.send(200, { blinked: request.payload.times }, () => {});
  });

  const twin = await client.getTwin();
  twin.on('properties.desired.intervalSeconds', (seconds) => {
    intervalSeconds = seconds;
    console.log('interval is now', seconds);
    twin.properties.reported.update({ intervalSeconds: seconds }, () => {});
    start();
  });
  start();
}

process.on('SIGINT', () => client.close(() => process.exit(0)));
main().catch((problem) => {
  console.error(`${problem.name}: ${problem.message}`);
  process.exit(1);
});
