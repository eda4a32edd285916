'use strict';
// Which hubs the tests run against: always the program as a process, and a container where KYANITE_TEST_ENGINE names what runs it.
const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { KyaniteContainer, KyaniteProcess } = require('../build/index.js');

const engine = process.env.KYANITE_TEST_ENGINE ?? 'none';

const kinds = [{ kind: 'process', make: () => new KyaniteProcess(), skip: false }];
kinds.push({
  kind: 'container',
  make: () => new KyaniteContainer(),
  skip: engine === 'none' ? 'no container engine here' : false,
});

// A script in a process of its own, which trusts the hub's CA from its start as service SDKs need it.
async function runTrusting(caPem, script, environment) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kyanite-ca-'));
  try {
    fs.writeFileSync(path.join(folder, 'ca.pem'), caPem);
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], {
      cwd: path.join(__dirname, '..'), timeout: 180000,
      env: { ...process.env, NODE_TEST_CONTEXT: '', NODE_EXTRA_CA_CERTS: path.join(folder, 'ca.pem'), ...environment },
    });
    return stdout;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

async function within(seconds, promise, what) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what} took too long` })), seconds * 1000); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

module.exports = { engine, kinds, runTrusting, within };
