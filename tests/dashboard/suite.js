// One hub with 10,000 devices and one browser for all tests of a run; each test has a page of its own.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Hub, openBrowser, openPage, shoot, signIn } from './world.js';

export const FLEET = 10_000;
export let hub;
export let browser;

before(async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kyanite-fleet-'));
  const seed = path.join(folder, 'fleet.jsonl');
  const lines = [];
  for (let i = 0; i < FLEET; ++i) {
    const id = `fleet-${String(i).padStart(5, '0')}`;
    lines.push(
      JSON.stringify({ id, status: i % 100 === 7 ? 'disabled' : 'enabled', tags: { site: i % 2 ? 'north' : 'south' } }),
    );
  }
  fs.writeFileSync(seed, lines.join('\n'));
  [hub, browser] = await Promise.all([
    new Hub({ testControl: true, events: { twinChanges: true } }, ['--seed', seed, '--durability', 'os']).start(),
    openBrowser(),
  ]);
  fs.rmSync(folder, { recursive: true });
});

after(async () => {
  await browser?.close();
  await hub?.stop();
});

// A test that has a page: `run(page)`. A page that complained, was asked to run something it should not, or spoke to
// anybody but the hub fails it. On a failure there is a screenshot.
export function pageTest(name, run, { options, expectComplaints = false, signedIn = true, of = () => hub } = {}) {
  test(name, { timeout: 60_000 }, async () => {
    const page = await openPage(browser, of(), options);
    try {
      if (signedIn) {
        await signIn(page, of());
        await page.getByRole('heading', { name: 'Devices', level: 1 }).waitFor();
      }
      await run(page);
      if (!expectComplaints) assert.deepEqual(page.complaints, []);
    } catch (error) {
      await shoot(page, `failed ${name}`.replace(/[^a-z0-9]+/gi, '-').slice(0, 80)).catch(() => {});
      throw error;
    } finally {
      await page.context().close();
    }
  });
}

export async function go(page, ...parts) {
  const hash = `#/${parts.map(encodeURIComponent).join('/')}`;
  await page.evaluate((to) => {
    location.hash = to;
  }, hash);
}

export const errorOf = (page) => page.locator('.error-box').first();

let numbers = 0;
export const newName = (prefix) => `${prefix}-${process.pid}-${++numbers}`;
export { assert };
