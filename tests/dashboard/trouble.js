// A hub that has nothing yet, that goes away, and that no longer accepts who is signed in: one clear message each, and what
// was on the page stays.
import { test } from 'node:test';
import { assert, browser, go, hub, newName, pageTest } from './suite.js';
import { eventually, Hub, openPage, shoot, signIn } from './world.js';

const GONE = 'The hub does not answer. This page tries again and goes on by itself.';
const OVER = 'The hub no longer accepts this sign-in';

// What a reader would take for a message about trouble.
const messages = (page) => page.locator('.banner, .error-box, .toast.bad').allInnerTexts();

test('an empty hub says how to begin, on every page', { timeout: 480_000 }, async () => {
  const other = await new Hub({}, ['--durability', 'os']).start();
  const page = await openPage(browser, other);
  try {
    await signIn(page, other);
    await page.getByText('There is no device yet.').waitFor();
    await page.getByText('kyanite device create d1').waitFor();
    await shoot(page, '90-empty-devices');
    await page.getByLabel('Search').fill('d');
    await page.getByText('No device is like that.').waitFor();
    await go(page, 'hub');
    await page.getByText('Version').waitFor();
    const figures = await page.locator('.figure-card strong').allInnerTexts();
    assert.deepEqual(figures.slice(0, 2), ['0', '0']);
    await shoot(page, '91-empty-hub', { fullPage: true });
    await go(page, 'query');
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByText('No row is like that.').waitFor();
    assert.deepEqual(await messages(page), []);
    // The first device is made from here.
    await go(page, 'devices');
    await page.getByRole('button', { name: 'New device' }).click();
    await page.getByLabel('Device id').fill('d1');
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { name: 'd1' }).waitFor();
    for (const [tab, text] of [
      ['messages', 'No message waits, and none was settled lately.'],
      ['telemetry', 'Nothing came yet.'],
      ['modules', 'This device has no modules.'],
      ['connections', 'There is nothing to tell yet.'],
    ]) {
      await go(page, 'device', 'd1', tab);
      await page.getByText(text).waitFor();
    }
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
    await other.stop();
  }
});

test('a hub that goes away is told once on every page, and each goes on', { timeout: 960_000 }, async () => {
  const other = await new Hub({}, ['--durability', 'os']).start();
  const page = await openPage(browser, other);
  const places = [
    ['device', 'd1', 'identity'],
    ['device', 'd1', 'twin'],
    ['device', 'd1', 'messages'],
    ['device', 'd1', 'telemetry'],
    ['hub'],
  ];
  try {
    await other.create('d1');
    await signIn(page, other);
    await page.getByText('1–1 of 1').waitFor();
    for (const place of places) {
      await go(page, ...place);
      await page.locator('main .panel:visible, main .table-wrap:visible').first().waitFor();
      if (place[2] === 'telemetry') await page.getByText('Live', { exact: true }).waitFor();
      const before = await page.locator('main').innerText();
      await other.kill();
      await page.getByText(GONE).waitFor();
      await eventually(async () => (await messages(page)).length > 0, 'a message');
      assert.deepEqual(await messages(page), [GONE], place.join('/'));
      // What was there can still be read.
      assert.ok((await page.locator('main').innerText()).length > before.length / 2, place.join('/'));
      if (place[2] === 'telemetry') await shoot(page, '92-gone-telemetry');
      await other.start();
      await page.getByText(GONE).waitFor({ state: 'detached' });
      assert.deepEqual(await messages(page), [], place.join('/'));
    }
    // Opened while it is away, a page fills itself when it is back.
    await other.kill();
    await go(page, 'device', 'd1', 'identity');
    await page.getByText(GONE).waitFor();
    assert.deepEqual(await messages(page), [GONE]);
    await other.start();
    await page.getByRole('button', { name: 'Show primary key' }).waitFor();
    assert.deepEqual(await messages(page), []);
    // Live messages go on where they were.
    await go(page, 'device', 'd1', 'telemetry');
    await page.getByText('Live', { exact: true }).waitFor();
    const device = await other.connect((await other.rest('GET', '/devices/d1')).json);
    await device.send({ after: 1 });
    await page.getByText('1 message came, 1 shown').waitFor();
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
    await other.stop();
  }
});

pageTest(
  'a key that is replaced in the middle is told once on every page, and nothing goes on asking fast',
  async (page) => {
    const policy = newName('rotating');
    await hub.must('PUT', `/kyanite/v1/policies/${policy}`, {
      rights: ['RegistryRead', 'RegistryWrite', 'ServiceConnect'],
    });
    const identity = await hub.create(newName('rotated'));
    for (const place of [
      ['devices'],
      ['device', identity.deviceId, 'messages'],
      ['device', identity.deviceId, 'twin'],
      ['hub'],
    ]) {
      await signIn(page, hub, await hub.policy(policy));
      await page.getByText('Signed in as').waitFor();
      await go(page, ...place);
      await page.locator('main .panel:visible, main .table-wrap:visible').first().waitFor();
      for (const key of ['primary', 'secondary'])
        await hub.must('POST', `/kyanite/v1/policies/${policy}/regenerate-key`, { key });
      await page.getByText(OVER).waitFor();
      const told = await messages(page);
      assert.equal(told.length, 1, `${place.join('/')}: ${told.join(' | ')}`);
      let asked = 0;
      const note = () => ++asked;
      page.on('request', note);
      const began = performance.now();
      await page.waitForTimeout(4000);
      page.off('request', note);
      const seconds = (performance.now() - began) / 1000; // more than 4 where this process had to wait
      assert.ok(asked < 7.5 * seconds, `${asked} requests in ${seconds} s`);
      await shoot(page, `93-over-${place.at(-1)}`);
      await page.getByRole('button', { name: 'Sign in again' }).click();
      await page.getByLabel('Connection string of the service').waitFor();
    }
    await hub.rest('DELETE', `/kyanite/v1/policies/${policy}`, undefined, { 'If-Match': '*' });
  },
  { signedIn: false },
);
