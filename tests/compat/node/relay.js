'use strict';
// The network between a device and the hub: listens where the SDK dials and carries bytes to the hub, until told not to.
const net = require('node:net');

const HUB = '127.0.0.1';
const RELAY = '127.0.0.2'; // one of the hub's names; see suite.js

class Relay {
  constructor() {
    this.links = new Set();
    this.opened = 0; // links so far
    this.sides = new Set(); // sockets of links that are silent too
  }

  async start(...ports) {
    this.servers = await Promise.all(ports.map((port) => new Promise((resolve, reject) => {
      const server = net.createServer((device) => this.accept(device, port));
      server.on('error', reject);
      server.listen(port, RELAY, () => resolve(server));
    })));
    return this;
  }

  accept(device, port) {
    const hub = net.connect(port, HUB);
    const link = { device, hub, heard: true };
    this.links.add(link);
    this.sides.add(device).add(hub);
    this.opened += 1;
    device.on('data', (piece) => { if (link.heard && !link.silent) hub.write(piece); });
    hub.on('data', (piece) => { if (!link.silent) device.write(piece); });
    const end = () => {
      this.links.delete(link);
      if (link.silent) return; // the end does not come through either
      device.destroy();
      hub.destroy();
    };
    for (const side of [device, hub]) side.on('close', end).on('error', end);
  }

  // Both ends of every link see their connection end, without a word before.
  cut() {
    for (const link of this.links) {
      link.device.destroy();
      link.hub.destroy();
    }
  }

  // Nothing comes through the links of now any more, and neither end is told.
  silence() {
    for (const link of this.links) link.silent = true;
  }

  // On the links of now the device still hears the hub; the hub hears nothing.
  silenceDevices() {
    for (const link of this.links) link.heard = false;
  }

  close() {
    for (const server of this.servers) server.close();
    for (const side of this.sides) side.destroy();
  }
}

module.exports = { Relay, RELAY };
