// One hub with 10,000 devices and one browser for all tests of a run; each test has a page of its own.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Hub, openBrowser, openPage, serveFromDisk, shoot, signIn } from './world.js';

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

// A page that is signed in, for all tests that want no other: it is loaded anew for each of them.
let shared = null;

async function takeShared() {
  const page = shared;
  shared = null; // until it is well
  if (!page || page.isClosed()) {
    const made = await openPage(browser, hub);
    await signIn(made, hub, hub.connectionString, { keep: true });
    return made;
  }
  page.complaints.length = 0;
  await page.unrouteAll();
  if (process.env.DASHBOARD_WEB) await serveFromDisk(page);
  await page.evaluate(() => sessionStorage.removeItem('kyanite.queries'));
  await page.goto('about:blank');
  await page.goto(hub.url);
  return page;
}

// A test that has a page: `run(page)`. A page that complained, was asked to run something it should not, or spoke to
// anybody but the hub fails it. On a failure there is a screenshot. With `options` or without a sign-in the page is one of
// its own.
export function pageTest(name, run, { options, signedIn = true } = {}) {
  test(name, { timeout: 480_000 }, async () => {
    const isShared = signedIn && !options;
    const page = isShared ? await takeShared() : await openPage(browser, hub, options);
    try {
      if (signedIn && !isShared) await signIn(page, hub);
      if (signedIn) await page.getByRole('heading', { name: 'Devices', level: 1 }).waitFor();
      await run(page);
      assert.deepEqual(page.complaints, []);
      if (isShared) shared = page;
      else await page.context().close();
    } catch (error) {
      await shoot(page, `failed ${name}`.replace(/[^a-z0-9]+/gi, '-').slice(0, 80)).catch(() => {});
      await page.context().close();
      throw error;
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
