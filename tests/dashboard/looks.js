// A phone, both themes, and the keyboard.
import { assert, go, hub, newName, pageTest } from './suite.js';
import { eventually, shoot, sleep } from './world.js';

let shown = null;

// A device with something to see in every part.
async function showcase() {
  if (shown) return shown;
  const identity = await hub.create(newName('pump-hall-3'));
  await hub.must('PATCH', `/twins/${identity.deviceId}`, {
    tags: { site: 'north', hall: 3 },
    properties: { desired: { interval: 30, mode: 'eco', limits: { high: 80, low: 5 } } },
  });
  const device = await hub.connect(identity, {
    modelId: 'dtmi:com:example:Pump;2',
    client: 'py-azure-iot-device%2F2.14',
  });
  await device.report({ firmware: '2.4.1', mode: 'eco' });
  device.methods = () => [200, { accepted: true }];
  await device.subscribeAsync('$iothub/methods/POST/#');
  shown = { identity, device };
  return shown;
}

const TABS = ['identity', 'twin', 'messages', 'methods', 'telemetry', 'modules', 'connections'];

async function fits(page, what) {
  const [width, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(width <= inner, `${what} is ${width} pixels wide on a page of ${inner}`);
}

for (const [name, options] of [
  ['phone', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }],
  ['dark', { colorScheme: 'dark' }],
]) {
  pageTest(
    `every page is shown well: ${name}`,
    async (page) => {
      const { identity, device } = await showcase();
      await page.getByText('fleet-00000').waitFor();
      await fits(page, 'the list');
      await shoot(page, `60-${name}-devices`);
      for (const tab of TABS) {
        await go(page, 'device', identity.deviceId, tab);
        await page.getByText('Connected', { exact: true }).first().waitFor();
        if (tab === 'telemetry') {
          await page.getByText('Live', { exact: true }).waitFor();
          for (let i = 0; i < 15; ++i) {
            await device.send({ pressure: 4 + Math.sin(i / 2), flow: 3 + Math.cos(i / 3) * 0.5, running: true });
            await sleep(20);
          }
          await page.getByText('15 messages came').waitFor();
        }
        await fits(page, tab);
        await shoot(page, `61-${name}-${tab}`);
      }
      for (const other of ['query', 'hub', 'tests']) {
        await go(page, other);
        await page.locator('.panel').first().waitFor();
        if (other === 'query') {
          await page.getByRole('button', { name: 'Run' }).click();
          await page.getByText(/rows/).first().waitFor();
        }
        if (other === 'hub') await page.getByText('Version').waitFor();
        await sleep(200);
        await fits(page, other);
        await shoot(page, `62-${name}-${other}`);
      }
      await go(page, 'devices');
      await page.getByRole('button', { name: 'New device' }).click();
      await page.getByLabel('Device id').waitFor();
      await fits(page, 'a dialog');
      await shoot(page, `63-${name}-dialog`);
    },
    { options },
  );
}

pageTest('the theme follows the system until somebody chooses another', async (page) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await ground();
  assert.notEqual(light, dark);
  await page.getByLabel('Theme').selectOption('light');
  assert.equal(await ground(), light);
  await page.reload();
  assert.equal(await ground(), light);
});

pageTest('everything is reached by keys, and where the focus is can be seen', async (page) => {
  // Again and again: the page gives the second key a second and a half.
  const chord = (key, hash) =>
    eventually(async () => {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      return page.evaluate((to) => location.hash.startsWith(to), hash);
    }, hash);
  await chord('q', '#/query');
  await chord('h', '#/hub');
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('go to Devices').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await chord('d', '#/devices');
  await page.getByText('fleet-00000').waitFor();
  // From the top: the way past the navigation comes first, then every link and button in its order.
  assert.equal(
    await page.evaluate(() => document.querySelector('a, button, input, select').textContent),
    'Skip to the content',
  );
  await page.evaluate(() => document.querySelector('.skip').focus());
  const seen = new Set();
  for (let i = 0; i < 16; ++i) {
    await page.keyboard.press('Tab');
    const { name, outline } = await page.evaluate(() => {
      const one = document.activeElement;
      return {
        name: one.getAttribute('aria-label') ?? one.textContent ?? one.tagName,
        outline: getComputedStyle(one).outlineStyle,
      };
    });
    assert.notEqual(outline, 'none', name);
    seen.add(name.slice(0, 20));
  }
  for (const one of ['Query', 'Sign out', 'New device'])
    assert.ok(
      [...seen].some((name) => name.includes(one)),
      `${one} in ${[...seen]}`,
    );
  // A dialog takes the focus, and gives it back where it was.
  await page.getByRole('button', { name: 'New device' }).focus();
  await page.keyboard.press('Enter');
  await eventually(
    () => page.evaluate(() => document.activeElement.closest('dialog') !== null),
    'the focus in the dialog',
  );
  await page.keyboard.press('Escape');
  await eventually(
    () => page.evaluate(() => document.activeElement.textContent === 'New device'),
    'the focus back on the button',
  );
});

pageTest('every field and button has a name', async (page) => {
  const { identity } = await showcase();
  const places = [['devices'], ...TABS.map((tab) => ['device', identity.deviceId, tab]), ['query'], ['hub'], ['tests']];
  for (const place of places) {
    await go(page, ...place);
    await page.locator('main h1').first().waitFor();
    await sleep(150);
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('input, select, textarea, button, a')]
        .filter((one) => !(one.getAttribute('aria-label') || one.labels?.length || one.textContent.trim()))
        .map((one) => one.outerHTML),
    );
    assert.deepEqual(nameless, [], place.join('/'));
    const ids = await page.evaluate(() => [...document.querySelectorAll('[id]')].map((one) => one.id));
    assert.equal(new Set(ids).size, ids.length, `ids that are there twice on ${place.join('/')}`);
  }
});
