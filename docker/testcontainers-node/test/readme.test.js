'use strict';
// The complete test of the README, as it stands there; as a process where nothing runs containers.
const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { engine } = require('./hubs.js');

test(`the README's test passes (${engine === 'none' ? 'with a process in the container\'s place' : engine})`, async () => {
  const root = path.join(__dirname, '..');
  const found = /<!-- run: container -->\n```js\n([\s\S]*?)```/.exec(fs.readFileSync(path.join(root, 'README.md'), 'utf8'));
  assert.ok(found);
  const program = engine === 'none' ? found[1].replaceAll('KyaniteContainer', 'KyaniteProcess') : found[1];
  const file = path.join(root, `readme-example-${process.pid}.js`);
  try {
    fs.writeFileSync(file, program);
    const environment = { ...process.env };
    delete environment.NODE_TEST_CONTEXT;
    const { stdout } = await promisify(execFile)(process.execPath, ['--test-reporter=tap', file], { cwd: root, env: environment, timeout: 300000 });
    assert.match(stdout, /^ok 1 - a reading reaches the back end/m);
  } finally {
    fs.rmSync(file, { force: true });
  }
});
