'use strict';
// A kyanite process for the Node suite: start, kill -9, restart, REST and stored events; see tests/support/hub_process.py.
const { spawn, execFileSync } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');

function makeSas(resource, key, policy, expiry = Math.floor(Date.now() / 1000) + 3600) {
  const scope = encodeURIComponent(resource);
  const signature = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(`${scope}\n${expiry}`).digest('base64');
  const token = `SharedAccessSignature sr=${scope}&sig=${encodeURIComponent(signature)}&se=${expiry}`;
  return policy ? `${token}&skn=${policy}` : token;
}

function parseConnectionString(text) {
  return Object.fromEntries(text.split(';').filter(Boolean).map((part) => {
    const at = part.indexOf('=');
    return [part.slice(0, at), part.slice(at + 1)];
  }));
}

class Hub {
  constructor(binary, folder, environment) {
    this.data = path.join(folder, 'data');
    this.binary = binary;
    this.log = path.join(process.env.HUB_LOGS || folder, process.env.HUB_LOGS ? `${path.basename(folder)}.log` : 'hub.log');
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('KYANITE_'));
    const level = process.env.HUB_LOGS ? { KYANITE_LOG_LEVEL: 'debug' } : {};
    this.environment = { ...Object.fromEntries(inherited), ...level, ...environment };
  }

  async start() {
    const hubFile = path.join(this.data, 'hub.json');
    fs.rmSync(hubFile, { force: true });
    const log = fs.openSync(this.log, 'a');
    this.process = spawn(this.binary, ['serve', '--data', this.data, '--mqtts', '127.0.0.1:8883', '--https', '127.0.0.1:443', '--amqps', '127.0.0.1:5671', '--admin', '127.0.0.1:0'],
      { env: this.environment, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    this.ended = new Promise((resolve) => { this.process.on('exit', (code, signal) => resolve(signal || code)); });
    let over = false;
    this.ended.then(() => { over = true; });
    for (const end = Date.now() + 120000; Date.now() < end && !over;) {
      try {
        this.info = JSON.parse(fs.readFileSync(hubFile, 'utf8'));
        if (this.info.pid === this.process.pid) {
          this.ca = fs.readFileSync(this.info.caFile, 'utf8');
          return;
        }
      } catch (problem) {
        if (problem.code !== 'ENOENT' && !(problem instanceof SyntaxError)) throw problem;
      }
      await pause(5);
    }
    this.process.kill('SIGKILL');
    throw new Error(`the hub did not become ready: ${fs.readFileSync(this.log, 'utf8').slice(-2000)}`);
  }

  kill() { return this.end('SIGKILL'); }

  async stop() {
    if (process.env.HUB_LOGS) await this.keepSecrets();
    return this.end('SIGTERM');
  }

  // What must not be in the log, for tests/support/log_secrecy.py.
  async keepSecrets() {
    const secrets = [];
    for (const policy of JSON.parse(await this.request('GET', '/kyanite/v1/policies')).policies) {
      secrets.push(["a policy's key", policy.primaryKey], ["a policy's key", policy.secondaryKey]);
    }
    for (const device of JSON.parse(await this.request('GET', '/devices?top=1000&api-version=2021-04-12'))) {
      const keys = (device.authentication || {}).symmetricKey || {};
      for (const key of [keys.primaryKey, keys.secondaryKey]) if (key) secrets.push(["a device's key", key]);
    }
    const events = await this.request('GET', '/kyanite/v1/events?from=start&timeout=1');
    for (const line of events.split('\n').filter((text) => text.trim())) {
      const event = JSON.parse(line);
      if (!event.bodyEncoding && typeof event.body === 'string') secrets.push(['a body', event.body]);
    }
    fs.writeFileSync(`${this.log}.secrets.json`, JSON.stringify(secrets));
  }

  end(signal) {
    this.process.kill(signal);
    return this.ended;
  }

  authorization() {
    const login = parseConnectionString(this.info.serviceConnectionString);
    return makeSas(login.HostName, login.SharedAccessKey, login.SharedAccessKeyName);
  }

  async request(method, target, body, headers) {
    const { status, content } = await this.exchange(method, target, body, headers);
    if (status >= 300) throw new Error(`${method} ${target}: ${status} ${content}`);
    return content;
  }

  exchange(method, target, body, headers = {}) {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const request = https.request({
        host: '127.0.0.1', port: this.info.ports.https, method, path: target, ca: this.ca, agent: false, timeout: 180000,
        headers: { Authorization: this.authorization(), 'Content-Type': 'application/json; charset=utf-8', ...headers },
      }, (answer) => {
        let content = '';
        answer.setEncoding('utf8');
        answer.on('data', (piece) => { content += piece; });
        answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, content }));
      });
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error(`${method} ${target}: timed out`)));
      request.end(text);
    });
  }

  async createDevice(deviceId, authentication = { type: 'sas' }, more = {}) {
    const target = `/devices/${encodeURIComponent(deviceId)}?api-version=2021-04-12`;
    return JSON.parse(await this.request('PUT', target, { deviceId, authentication, ...more }));
  }

  async createModule(deviceId, moduleId) {
    const target = `/devices/${encodeURIComponent(deviceId)}/modules/${moduleId}?api-version=2021-04-12`;
    return JSON.parse(await this.request('PUT', target, { deviceId, moduleId, authentication: { type: 'sas' } }));
  }

  addCaCertificate(name, pem) {
    return this.request('PUT', `/kyanite/v1/ca-certificates/${name}`, { certificate: pem, isVerified: true });
  }

  connectionString(identity, key = identity.authentication.symmetricKey.primaryKey) {
    const module = identity.moduleId ? `ModuleId=${identity.moduleId};` : '';
    return `HostName=${this.info.hostName};DeviceId=${identity.deviceId};${module}SharedAccessKey=${key}`;
  }

  // Every stored event of a device; waits until there are `count`, or a second passes without one.
  async events(deviceId, count) {
    const query = new URLSearchParams({ from: 'start', device: deviceId, timeout: count ? 60 : 1 });
    if (count) query.set('count', count);
    const lines = await this.request('GET', `/kyanite/v1/events?${query}`);
    return lines.split('\n').filter((line) => line.trim()).map((line) => JSON.parse(line));
  }
}

const ecKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function openssl(...words) { execFileSync('openssl', words, { stdio: 'pipe' }); }

function readPair(files) {
  const cert = fs.readFileSync(files.cert, 'utf8');
  return { ...files, certPem: cert, keyPem: fs.readFileSync(files.key, 'utf8'),
    thumbprint: new crypto.X509Certificate(cert).fingerprint.replaceAll(':', '') };
}

function selfSigned(folder, commonName) {
  const files = { cert: path.join(folder, `${commonName}.pem`), key: path.join(folder, `${commonName}.key`) };
  openssl('req', '-x509', ...ecKey, '-keyout', files.key, '-out', files.cert, '-days', '2', '-subj', `/CN=${commonName}`);
  return readPair(files);
}

function signedBy(ca, folder, commonName) {
  const files = { cert: path.join(folder, `${commonName}-signed.pem`), key: path.join(folder, `${commonName}-signed.key`) };
  const csr = path.join(folder, `${commonName}.csr`);
  openssl('req', ...ecKey, '-keyout', files.key, '-out', csr, '-subj', `/CN=${commonName}`);
  openssl('x509', '-req', '-in', csr, '-CA', ca.cert, '-CAkey', ca.key, '-CAcreateserial', '-days', '2', '-out', files.cert);
  return readPair(files);
}

function pause(ms) { return new Promise((resolve) => { setTimeout(resolve, ms); }); }

module.exports = { Hub, makeSas, selfSigned, signedBy, pause };
