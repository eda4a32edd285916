'use strict';
// A device application (or a module's, which has no cloud-to-device messages) that uses every feature at once.
// The SDK subscribes to the twin here and never again, so what works of it after a reconnect is the stored session.
const assert = require('node:assert');
const { Message } = require('azure-iot-device');
const { hub, eventually, callback, changeTwin, invoke, sendToDevice, waitingMessages } = require('./suite.js');

class Application {
  constructor(client, identity) {
    this.client = client;
    this.identity = identity;
    this.address = identity.moduleId ? `${identity.deviceId}/modules/${identity.moduleId}` : identity.deviceId;
    this.messages = [];
    this.calls = [];
    this.patches = [];
  }

  async open() {
    const { client } = this;
    await client.open();
    if (!this.identity.moduleId) {
      client.on('message', (message) => {
        this.messages.push(message);
        client.complete(message, () => {});
      });
    }
    const register = this.identity.moduleId ? 'onMethod' : 'onDeviceMethod';
    client[register]('echo', (request, response) => this.answer(request, response, 200, { saw: request.payload }));
    client[register]('fail', (request, response) => this.answer(request, response, 500));
    this.twin = await callback((done) => client.getTwin(done));
    this.twin.on('properties.desired', (patch) => this.patches.push(patch));
    await callback((done) => client.getTwin(done)); // answered after the subscriptions before it
    return this;
  }

  answer(request, response, status, payload) {
    this.calls.push([request.methodName, request.payload]);
    response.send(status, payload, () => {}); // no answer reaches a caller who has gone
  }

  // A method, telemetry, twin reads, both kinds of patches and a message, each seen at its other end. The method comes
  // first: it waits for the SDK to come back.
  async expectWorking(mark) {
    const { client, identity, address } = this;
    assert.deepStrictEqual(await invoke(address, 'echo', mark), { status: 200, payload: { saw: mark } });
    await client.sendEvent(new Message(`telemetry ${mark}`));
    this.sent = (this.sent ?? 0) + 1;
    const events = await hub.events(identity.deviceId, this.sent);
    assert.strictEqual(events[this.sent - 1].body, `telemetry ${mark}`);
    await callback((done) => this.twin.properties.reported.update({ mark }, done));
    const seen = await changeTwin(address, { properties: { desired: { mark } } });
    assert.strictEqual(seen.properties.reported.mark, mark);
    await eventually(() => this.patches.some((patch) => patch.mark === mark), 'the desired patch');
    const twin = await callback((done) => client.getTwin(done));
    assert.strictEqual(twin.properties.desired.mark, mark);
    if (!identity.moduleId) {
      await sendToDevice(identity.deviceId, mark);
      await this.expectMessage(mark);
    }
  }

  // The same for a client that may connect anew by itself at any time: what a new connection came into begins again.
  async expectWorkingAtLast(mark, relay) {
    for (let attempt = 1; ; ++attempt) {
      const before = relay.opened;
      try {
        await this.expectWorking(`${mark} ${attempt}`);
        return;
      } catch (problem) {
        if (attempt === 5) throw problem;
        await eventually(() => relay.opened > before, 'a new connection').catch(() => { throw problem; });
        this.sent = (await hub.events(this.identity.deviceId)).length; // the telemetry of this attempt may be among them
      }
    }
  }

  async expectMessage(body) {
    await eventually(() => this.messages.some((message) => message.data.toString() === JSON.stringify(body)), 'the message');
    await eventually(async () => await waitingMessages(this.identity.deviceId) === 0, 'the acknowledgement');
  }
}

module.exports = { Application };
