// The pages while ten thousand devices are connected and some of them send: on a hub of its own, so that nothing of it is in
// the way of other tests. kyanite_load (bench/load) plays the devices.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { assert, browser, go } from './suite.js';
import { eventually, Hub, openPage, shoot, signIn } from './world.js';

const LOAD = process.env.KYANITE_LOAD;
const WANTED = 10_000;
const RATE = 200; // telemetry messages a second, of all devices together
const SPARE = 512; // descriptors that hub and generator have beside the connections
const CONNECT_SECONDS = 900;
const WAIT = 60_000; // milliseconds until a page that was asked for has to be there: bounds, not what is usual

// As many as hub and generator may have open, each of them.
function devicesPossible() {
  const found = /Max open files\s+\d+\s+(\d+|unlimited)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'));
  const limit = found[1] === 'unlimited' ? Infinity : Number(found[1]);
  return Math.min(WANTED, limit - SPARE);
}

const name = (i) => `far-${String(i).padStart(5, '0')}`;

// A start file for the hub and the list of the same devices for the generator.
function writeFleet(folder, count) {
  const seed = [];
  const list = [];
  for (let i = 0; i < count; ++i) {
    const key = crypto.createHash('sha256').update(`far ${i}`).digest('base64');
    seed.push(
      JSON.stringify({ id: name(i), authentication: { symmetricKey: { primaryKey: key, secondaryKey: key } } }),
    );
    list.push(`${name(i)},${key}`);
  }
  fs.writeFileSync(path.join(folder, 'seed.jsonl'), seed.join('\n'));
  fs.writeFileSync(path.join(folder, 'devices.csv'), list.join('\n'));
}

function startLoad(folder, hub, count) {
  const arguments_ = [
    'publish',
    '--data',
    path.join(hub.folder, 'data'),
    '--device-list',
    path.join(folder, 'devices.csv'),
  ];
  arguments_.push('--devices', count, '--rate', RATE, '--payload', 100, '--duration', 1800); // ended before
  const log = fs.openSync(path.join(folder, 'load.log'), 'a');
  // The soft limit may be lower than what is allowed.
  const load = spawn('sh', ['-c', 'ulimit -n "$(ulimit -Hn)"; exec "$0" "$@"', LOAD, ...arguments_.map(String)], {
    stdio: ['ignore', log, log],
  });
  fs.closeSync(log);
  load.ended = new Promise((resolve) => load.once('exit', resolve));
  load.said = () => fs.readFileSync(path.join(folder, 'load.log'), 'utf8').slice(-2000);
  return load;
}

// What the renderer holds after a collection.
async function memoryOf(page) {
  page.cdp ??= await page.context().newCDPSession(page);
  await page.cdp.send('Performance.enable');
  for (let i = 0; i < 3; ++i) await page.cdp.send('HeapProfiler.collectGarbage');
  const { metrics } = await page.cdp.send('Performance.getMetrics');
  const value = (wanted) => metrics.find((metric) => metric.name === wanted).value;
  return { heap: value('JSHeapUsedSize'), nodes: value('Nodes'), listeners: value('JSEventListeners') };
}

const MiB = 1024 * 1024;

test(
  'ten thousand connected devices: lists, search, states, charts and the live stream hold',
  { timeout: 2_800_000, skip: LOAD ? false : 'KYANITE_LOAD names no kyanite_load' },
  async (t) => {
    const count = devicesPossible();
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kyanite-connected-'));
    const figure = (what, value) => t.diagnostic(`figure: ${what}: ${value}`);
    const timed = async (what, action) => {
      const began = performance.now();
      const answer = await action();
      figure(what, `${Math.round(performance.now() - began)} ms`);
      return answer;
    };
    writeFleet(folder, count);
    const hub = await new Hub({}, ['--seed', path.join(folder, 'seed.jsonl'), '--durability', 'os']).start();
    let load = null;
    let page = null;
    try {
      const own = await hub.create('one-of-all');
      page = await openPage(browser, hub);
      await signIn(page, hub);
      await page.getByText(/^1–50 of 10,|^1–50 of [1-9]/).waitFor();

      // They come while the page of the hub is open: its charts go on meanwhile.
      await go(page, 'hub');
      await page.getByText('Version').waitFor();
      const card = (title) => page.locator('.figure-card').filter({ hasText: title }).locator('strong');
      load = startLoad(folder, hub, count);
      await timed(`${count} devices are connected`, () =>
        eventually(
          async () => {
            if (load.exitCode !== null) throw new Error(`the devices ended: ${load.said()}`);
            return Number((await card('Connected').innerText()).replaceAll(',', '')) === count;
          },
          `the connection of ${count} devices`,
          CONNECT_SECONDS,
        ),
      );
      await eventually(async () => Number(await card('Messages').innerText()) > RATE / 2, 'the flow');
      await eventually(async () => Number(await card('Messages').innerText()) < RATE * 2, 'a bounded flow');
      const connections = page.locator('.chart').filter({ hasText: 'Connections' }).locator('.legend li').first();
      assert.equal(await connections.innerText().then((text) => text.replace(/\D/g, '')), String(count));
      await shoot(page, '70-connected-hub', { fullPage: true });

      // The list: all of a page is connected, and stays so for some rounds of its polling.
      await timed('the list of devices', async () => {
        await go(page, 'devices');
        await page.getByText('far-00000').waitFor({ timeout: WAIT });
      });
      const on = page.locator('tbody tr .state.on');
      await eventually(async () => (await on.count()) === 50, 'fifty connected devices');
      await timed('a page of 1,000', async () => {
        await page.getByLabel('Devices on a page').selectOption('1000');
        await page.getByText(/^1–1,000/).waitFor({ timeout: WAIT });
      });
      await eventually(async () => (await on.count()) === 1000, 'a thousand connected devices');
      await timed('the next page', async () => {
        await page.getByRole('button', { name: 'Next ›' }).click();
        await page.getByText(/^1,001–2,000/).waitFor({ timeout: WAIT });
      });
      await timed('a key in the search field', async () => {
        await page.getByLabel('Search').focus();
        await page.keyboard.type('f');
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
      });
      await timed('a search', async () => {
        await page.getByLabel('Search').fill('far-04');
        await page.getByText('1–1,000 of 1,000').waitFor({ timeout: WAIT });
      });
      await page.getByLabel('Devices on a page').selectOption('50');
      await timed('a search for one of them', async () => {
        await page.getByLabel('Search').fill('far-09177'.slice(0, count === WANTED ? 9 : 7));
        await page.getByText(count === WANTED ? '1–1 of 1' : /^1–/, { exact: true }).waitFor({ timeout: WAIT });
      });
      await page.getByLabel('Search').fill('');
      await timed('those that are not connected', async () => {
        await page.getByLabel('State').selectOption('disconnected');
        await page.getByText('one-of-all').waitFor({ timeout: 2 * WAIT });
      });
      await page.getByText('1–1 of 1').waitFor();
      await timed('those that are connected', async () => {
        await page.getByLabel('State').selectOption('connected');
        await page.getByText(`1–50 of ${count.toLocaleString('en-US')}`).waitFor({ timeout: 2 * WAIT });
      });
      await page.getByLabel('State').selectOption('all');

      // One that comes and goes among them.
      await page.getByLabel('Search').fill('one-of-all');
      const row = page.locator('tbody tr').filter({ hasText: 'one-of-all' });
      await row.getByText('Not connected').waitFor();
      const device = await hub.connect(own);
      await timed('a device that connects is seen', () => row.getByText('Connected', { exact: true }).waitFor());
      await shoot(page, '71-connected-devices');

      // Its live messages: what the page holds does not grow with what came.
      await go(page, 'device', 'one-of-all', 'telemetry');
      await page.getByText('Live', { exact: true }).waitFor();
      let sent = 0;
      const send = async (messages) => {
        const body = (i) => ({ n: i, wave: Math.sin(i / 50), text: 'x'.repeat(400), list: [i, i + 1, { deep: i }] });
        for (const end = sent + messages; sent < end;) {
          const some = Array.from({ length: Math.min(50, end - sent) }, () => device.send(body(sent++)));
          await Promise.all(some);
        }
        await page
          .getByText(`${sent.toLocaleString('en-US')} messages came, 500 shown of the latest 500`)
          .waitFor({ timeout: 2 * WAIT });
      };
      await timed('2,500 live messages', () => send(2500)); // rows and points are at their bounds then
      const before = await memoryOf(page);
      await timed('5,000 more', () => send(5000));
      const after = await memoryOf(page);
      figure('the page after 2,500 messages', `${(before.heap / MiB).toFixed(1)} MiB, ${before.nodes} nodes`);
      figure('the page after 7,500 messages', `${(after.heap / MiB).toFixed(1)} MiB, ${after.nodes} nodes`);
      assert.ok(after.heap < before.heap * 1.25 + 3 * MiB, `the heap grew: ${before.heap}, then ${after.heap}`);
      assert.ok(after.nodes < before.nodes * 1.25 + 500, `nodes grew: ${before.nodes}, then ${after.nodes}`);
      assert.ok(after.listeners < before.listeners * 1.25 + 100, `listeners: ${before.listeners}, ${after.listeners}`);
      await device.endAsync(true);

      // The charts went on while other pages were looked at, or go on from here.
      await go(page, 'hub');
      await eventually(async () => Number(await card('Messages').innerText()) > RATE / 2, 'the flow');
      await eventually(
        async () => (await card('Connected').innerText()) === count.toLocaleString('en-US'),
        'the number of the connected',
      );

      // All at once they are gone.
      assert.equal(load.exitCode, null, load.said());
      load.kill('SIGKILL');
      await load.ended;
      await timed('all are seen as gone', () =>
        eventually(async () => (await card('Connected').innerText()) === '0', 'that all are gone'),
      );
      await go(page, 'devices');
      await page.getByLabel('Search').fill('far-');
      await page.getByText(`1–50 of ${count.toLocaleString('en-US')}`).waitFor({ timeout: WAIT });
      await eventually(async () => (await on.count()) === 0, 'states that are right');
      assert.deepEqual(page.complaints, []);
    } catch (error) {
      if (page) await shoot(page, 'failed-ten-thousand-connected').catch(() => {});
      throw error;
    } finally {
      load?.kill('SIGKILL');
      await page?.context().close();
      await hub.stop();
      fs.rmSync(folder, { recursive: true, force: true });
    }
  },
);
