// What the tests share: a hub, its devices, its service API, and a browser.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import mqtt from 'mqtt';
import { chromium } from 'playwright-core';

const BINARY = process.env.KYANITE_BINARY;
export const RESULTS = process.env.DASHBOARD_RESULTS ?? 'results';
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const API = 'api-version=2021-04-12';

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function eventually(check, what, seconds = 60) {
  const ends = Date.now() + seconds * 1000;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > ends) throw new Error(`${what} did not happen in ${seconds} s`);
    await sleep(20);
  }
}

export function sas(resource, key, policy, lifetime = 3600) {
  const encoded = encodeURIComponent(resource);
  const expiry = Math.floor(Date.now() / 1000) + lifetime;
  const signature = crypto
    .createHmac('sha256', Buffer.from(key, 'base64'))
    .update(`${encoded}\n${expiry}`)
    .digest('base64');
  return `SharedAccessSignature sr=${encoded}&sig=${encodeURIComponent(signature)}&se=${expiry}${policy ? `&skn=${policy}` : ''}`;
}

const canListen = (port) =>
  new Promise((resolve) => {
    const probe = net.createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

// A free one of the six thousand ports from `first` on.
async function freePort(first) {
  for (let tries = 0; tries < 100; ++tries) {
    const port = first + crypto.randomInt(6000);
    if (await canListen(port)) return port;
  }
  throw new Error(`no port is free from ${first} on`);
}

// One hub on ports of the loopback that it keeps when it is started again. They are below those that the system gives to
// others while the hub is down.
export class Hub {
  constructor(settings = {}, args = []) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kyanite-dashboard-'));
    this.config = path.join(this.folder, 'kyanite.json');
    fs.writeFileSync(this.config, JSON.stringify(settings));
    this.args = args;
    this.ports = null; // from its first start
    this.devices = [];
  }

  async start() {
    this.ports ??= { mqtts: await freePort(20_000), https: await freePort(26_000) };
    const data = path.join(this.folder, 'data');
    const file = path.join(data, 'hub.json');
    fs.rmSync(file, { force: true });
    const log = fs.openSync(path.join(this.folder, 'log'), 'a');
    const environment = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('KYANITE_')),
    );
    this.process = spawn(
      BINARY,
      [
        'serve',
        '--config',
        this.config,
        '--data',
        data,
        '--mqtts',
        `127.0.0.1:${this.ports.mqtts}`,
        '--https',
        `127.0.0.1:${this.ports.https}`,
        '--amqps',
        'off',
        '--admin',
        '127.0.0.1:0',
        '--hostname',
        'hub.test',
        '--quiet',
        ...this.args,
      ],
      { env: environment, stdio: ['ignore', log, log] },
    );
    fs.closeSync(log);
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    await eventually(
      () => {
        if (this.process.exitCode !== null) throw new Error(`the hub ended: ${this.log().slice(-2000)}`);
        try {
          this.info = JSON.parse(fs.readFileSync(file));
          return this.info.pid === this.process.pid;
        } catch {
          return false;
        }
      },
      'the hub’s start',
      180,
    ).catch((error) => {
      this.process.kill('SIGKILL'); // else it would keep this process
      throw error;
    });
    this.url = `https://127.0.0.1:${this.ports.https}/`;
    this.owner = parse(this.info.ownerConnectionString ?? this.info.serviceConnectionString);
    return this;
  }

  log() {
    return fs.readFileSync(path.join(this.folder, 'log'), 'utf8');
  }

  kill() {
    this.process.kill('SIGKILL');
    return this.ended;
  }

  async stop() {
    for (const device of this.devices) device.end(true);
    this.process.kill('SIGTERM');
    await Promise.race([this.ended, sleep(10000).then(() => this.kill())]);
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  get connectionString() {
    return this.policyString(this.owner.SharedAccessKeyName, this.owner.SharedAccessKey);
  }

  policyString(name, key) {
    return `HostName=hub.test;SharedAccessKeyName=${name};SharedAccessKey=${key}`;
  }

  // The service's API as a back end uses it.
  rest(method, target, body, headers = {}) {
    const token = sas('hub.test', this.owner.SharedAccessKey, this.owner.SharedAccessKeyName);
    const where = target.startsWith('/kyanite/') ? target : `${target}${target.includes('?') ? '&' : '?'}${API}`;
    return new Promise((resolve, reject) => {
      const request = https.request(
        {
          host: '127.0.0.1',
          port: this.ports.https,
          method,
          path: where,
          rejectUnauthorized: false,
          headers: { Authorization: token, ...headers },
        },
        (answer) => {
          const pieces = [];
          answer.on('data', (piece) => pieces.push(piece));
          answer.on('end', () => {
            const text = Buffer.concat(pieces).toString();
            resolve({
              status: answer.statusCode,
              headers: answer.headers,
              text,
              get json() {
                return JSON.parse(text);
              },
            });
          });
        },
      );
      request.on('error', reject);
      request.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
    });
  }

  // The same, where nothing else than a success will do.
  async must(method, target, body, headers) {
    const answer = await this.rest(method, target, body, headers);
    if (answer.status >= 300) throw new Error(`${method} ${target}: ${answer.status} ${answer.text}`);
    return answer;
  }

  async policy(name) {
    const answer = await this.rest('GET', `/kyanite/v1/policies/${name}`);
    if (answer.status !== 200) throw new Error(`policy ${name}: ${answer.status} ${answer.text}`);
    return this.policyString(name, answer.json.primaryKey);
  }

  async create(id, more = {}) {
    const answer = await this.rest('PUT', `/devices/${encodeURIComponent(id)}`, { deviceId: id, ...more });
    if (answer.status !== 200) throw new Error(`create ${id}: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  // A connected device with what it got: messages, patches; answers methods by `methods`.
  async connect(identity, { modelId, key, client = 'test%2F1.0' } = {}) {
    const id = identity.moduleId ? `${identity.deviceId}/${identity.moduleId}` : identity.deviceId;
    const resource = identity.moduleId
      ? `hub.test/devices/${identity.deviceId}/modules/${identity.moduleId}`
      : `hub.test/devices/${identity.deviceId}`;
    const device = mqtt.connect(`mqtts://127.0.0.1:${this.ports.mqtts}`, {
      clientId: id,
      username: `hub.test/${id}/?api-version=2021-04-12&DeviceClientType=${client}${modelId ? `&model-id=${encodeURIComponent(modelId)}` : ''}`,
      password: sas(resource, key ?? identity.authentication.symmetricKey.primaryKey),
      protocolVersion: 4,
      rejectUnauthorized: false,
      reconnectPeriod: 0,
      clean: true,
      keepalive: 60,
    });
    this.devices.push(device);
    await new Promise((resolve, reject) => {
      device.once('connect', resolve);
      device.once('error', reject);
      device.once('close', () => reject(new Error(`${id} was not let in`)));
    });
    device.on('error', () => {});
    device.got = [];
    device.on('message', (topic, payload) => {
      device.got.push({ topic, payload: payload.toString() });
      const call = /^\$iothub\/methods\/POST\/([^/]+)\/\?\$rid=(.+)$/.exec(topic);
      if (!call || !device.methods) return;
      const [status, answer] = device.methods(decodeURIComponent(call[1]), payload.toString()) ?? [];
      if (status !== undefined)
        device.publish(`$iothub/methods/res/${status}/?$rid=${call[2]}`, JSON.stringify(answer));
    });
    device.send = (body, bag = '') =>
      device.publishAsync(
        `devices/${id.replace('/', '/modules/')}/messages/events/${bag}`,
        typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
        { qos: 1 },
      );
    device.report = (patch) =>
      device.publishAsync('$iothub/twin/PATCH/properties/reported/?$rid=1', JSON.stringify(patch), { qos: 0 });
    return device;
  }
}

export const parse = (text) =>
  Object.fromEntries(
    text.split(';').map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );

// The browser. DASHBOARD_WEB names a folder whose files are served in place of those of the program, for work on them.
export async function openBrowser() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

// A page with its own storage. Everything that a page says to the console, and every violation of its policy, is in
// page.complaints.
export async function openPage(browser, hub, options = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width: 1280, height: 800 },
    ...options,
  });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']).catch(() => {});
  // Toasts stay for long, so that one that is waited for is not gone before somebody looked.
  await context.addInitScript(() => {
    const { remove } = Element.prototype;
    Element.prototype.remove = function () {
      if (this.matches('.toast.good')) setTimeout(() => remove.call(this), 60_000);
      else remove.call(this);
    };
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(`page error: ${error.stack ?? error}`));
  page.on('dialog', (dialog) => {
    page.complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('console', (message) => {
    const isRefusal = /Failed to load resource/.test(message.text());
    if (message.type() === 'error' && !isRefusal) page.complaints.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    const isHub =
      ['127.0.0.1', 'localhost'].includes(url.hostname) &&
      [hub.ports.https, hub.info.ports.admin].includes(Number(url.port));
    if (!isHub && url.protocol !== 'data:' && url.protocol !== 'blob:')
      page.complaints.push(`asked somebody else: ${request.url()}`);
    if (/SharedAccess|sig=/.test(request.url())) page.complaints.push(`a secret in an address: ${request.url()}`);
  });
  if (process.env.DASHBOARD_WEB) await serveFromDisk(page);
  return page;
}

export async function serveFromDisk(page) {
  const types = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html', '.svg': 'image/svg+xml' };
  await page.route(/^https:\/\/[^/]+\/(dashboard\/.*)?$/, (route) => {
    const name = path.basename(new URL(route.request().url()).pathname) || 'index.html';
    const file = [name, `vendor/${name}`].map((one) => path.join(process.env.DASHBOARD_WEB, one)).find(fs.existsSync);
    if (!file) return route.fallback();
    return route.fulfill({
      body: fs.readFileSync(file),
      contentType: types[path.extname(name)],
      headers: {
        'Content-Security-Policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      },
    });
  });
}

export async function signIn(page, hub, text = hub.connectionString, { keep = false } = {}) {
  await page.goto(hub.url);
  await page.getByLabel('Connection string of the service').fill(text);
  if (keep) await page.getByLabel('Stay signed in').check();
  await page.getByRole('button', { name: 'Sign in' }).click();
}

export async function shoot(page, name, options = {}) {
  fs.mkdirSync(RESULTS, { recursive: true });
  await page.screenshot({ path: path.join(RESULTS, `${name}.png`), ...options });
}
