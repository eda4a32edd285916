// Pages for everybody: names, roles, contrast, and keys, by the rules of WCAG 2.1 AA that can be checked by a program.
import { assert, go, hub, pageTest } from './suite.js';
import { eventually, shoot, sleep } from './world.js';

const TABS = ['identity', 'twin', 'messages', 'methods', 'telemetry', 'modules', 'connections'];
const LONG = 'x'.repeat(100) + '-very.long_id#with:signs@28c';
let longOne = null;

async function someone() {
  if (longOne) return longOne;
  assert.equal(LONG.length, 128);
  const identity = await hub.create(LONG);
  await hub.must('PUT', `/devices/${encodeURIComponent(LONG)}/modules/m1`, { deviceId: LONG, moduleId: 'm1' });
  await hub.must('POST', `/devices/${encodeURIComponent(LONG)}/messages/devicebound`, 'one');
  const device = await hub.connect(identity);
  longOne = { identity, device };
  return longOne;
}

// What a page has once all that it asks for has come: what is drawn later would be drawn under the hands of a test.
const FILLED = {
  devices: (page) => [page.getByText(/^1–50 of /)],
  identity: (page) => [page.getByRole('button', { name: 'Show primary key' })],
  twin: (page) => [page.getByText('No changes')],
  messages: (page) => [page.getByRole('region', { name: 'Messages of the device' }).locator('tbody tr')],
  modules: (page) => [page.getByRole('link', { name: 'm1', exact: true })],
  connections: (page) => [page.getByRole('region', { name: 'Connections' }).locator('tbody tr')],
  module: (page) => [page.getByRole('button', { name: 'Show primary key' })],
  hub: (page) => [page.getByText('Version'), page.getByRole('cell', { name: '$Default', exact: true })],
  tests: (page) => [page.getByText('No fault is in force.'), page.getByText('the real time')],
};

// Every page, one after the other, with something on it.
async function eachPage(page, visit) {
  const { identity, device } = await someone();
  const places = [['devices'], ...TABS.map((tab) => ['device', identity.deviceId, tab])];
  places.push(['device', identity.deviceId, 'module', 'm1'], ['query'], ['hub'], ['tests']);
  for (const place of places) {
    await go(page, ...place);
    await page.locator('main h1').first().waitFor();
    if (place[0] === 'device') await page.locator('main .state').first().waitFor();
    for (const part of FILLED[place[2] ?? place[0]]?.(page) ?? []) await part.first().waitFor();
    if (place[2] === 'telemetry') {
      await page.getByText('Live', { exact: true }).waitFor();
      await device.send({ pressure: 4.5, [`${'n'.repeat(90)}`]: 1 }, `${'p'.repeat(200)}=${'v'.repeat(200)}`);
      await page.locator('button.body').first().click();
    }
    if (place[0] === 'query') {
      await page.getByLabel('Rows on a page').selectOption('20');
      await page.getByRole('button', { name: 'Run' }).click();
      await page.getByText(/rows/).first().waitFor();
    }
    await sleep(300);
    await visit(place.map((part) => (part === LONG ? 'LONG' : part)).join('/'));
  }
}

// Texts on the ground that is behind them. Disabled controls are exempt.
const contrastFaults = () => {
  const parse = (text) => {
    const found = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    const scale = text.startsWith('color(srgb') ? 255 : 1;
    return { rgb: found.slice(0, 3).map((value) => value * scale), alpha: found[3] ?? 1 };
  };
  const over = (top, below) => top.rgb.map((value, i) => value * top.alpha + below[i] * (1 - top.alpha));
  const groundOf = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faults = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest('script, noscript, .visually-hidden, .skip'))
      continue;
    if (element.closest('button:disabled, select:disabled, option') || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    if (style.fontSize === '0px') continue;
    const ground = groundOf(element);
    const colour = parse(style.color);
    let opacity = 1;
    for (let one = element; one; one = one.parentElement) opacity *= Number(getComputedStyle(one).opacity);
    const [a, b] = [luminance(over({ ...colour, alpha: colour.alpha * opacity }, ground)), luminance(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const isLarge =
      parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) {
      faults.add(
        `${ratio.toFixed(2)} of “${walker.currentNode.textContent.trim().slice(0, 30)}” in ${element.tagName}.${element.className}`,
      );
    }
  }
  return [...faults];
};

// Names, roles and references.
const structureFaults = () => {
  const faults = [];
  const say = (what, element) => faults.push(`${what}: ${element.outerHTML.slice(0, 120)}`);
  const ids = new Set([...document.querySelectorAll('[id]')].map((one) => one.id));
  for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for', 'list']) {
    for (const one of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of one.getAttribute(attribute).split(/\s+/))
        if (!ids.has(id)) say(`${attribute} leads nowhere`, one);
    }
  }
  const nameOf = (one) =>
    one.getAttribute('aria-label') ||
    (one.getAttribute('aria-labelledby') ?? '')
      .split(/\s+/)
      .map((id) => document.getElementById(id)?.textContent ?? '')
      .join(' ')
      .trim() ||
    [...(one.labels ?? [])]
      .map((label) => label.textContent)
      .join(' ')
      .trim() ||
    one.textContent.trim();
  for (const one of document.querySelectorAll(
    'button, a[href], summary, [role=region], [role=group], nav, dialog, [role=img]',
  )) {
    if (!nameOf(one)) say('no name', one);
  }
  for (const one of document.querySelectorAll('input, select, textarea')) {
    const label =
      one.getAttribute('aria-label') ||
      [...(one.labels ?? [])]
        .map((it) => it.textContent)
        .join('')
        .trim();
    if (!label) say('no label', one);
  }
  for (const one of document.querySelectorAll('img:not([alt])')) say('no alt', one);
  for (const one of document.querySelectorAll('[tabindex]')) if (one.tabIndex > 0) say('an order of its own', one);
  for (const one of document.querySelectorAll('table')) {
    if (!one.caption) say('a table without a caption', one);
    for (const head of one.querySelectorAll('th')) if (!head.scope) say('a head without a scope', head);
  }
  for (const one of document.querySelectorAll('[aria-hidden=true]')) {
    if (one.querySelector('a[href], button, input, select, textarea')) say('hidden, and can be focused', one);
  }
  const labels = [...document.querySelectorAll('nav')].map((one) => one.getAttribute('aria-label'));
  if (new Set(labels).size !== labels.length) faults.push(`navigations of one name: ${labels}`);
  if (document.querySelectorAll('h1').length !== 1)
    faults.push(`${document.querySelectorAll('h1').length} first headings`);
  let level = 1;
  for (const one of document.querySelectorAll('h1, h2, h3, h4')) {
    const mine = Number(one.tagName[1]);
    if (mine > level + 1) say('a heading skips a level', one);
    level = mine;
  }
  if (document.querySelectorAll('main').length !== 1) faults.push('not one main');
  if (!document.documentElement.lang) faults.push('no language');
  // Buttons of one name that do different things have to be told apart by those who only hear them.
  const names = new Map();
  for (const one of document.querySelectorAll('main button')) {
    if (!one.checkVisibility()) continue;
    const name = nameOf(one);
    names.set(name, (names.get(name) ?? 0) + 1);
  }
  for (const [name, times] of names) if (times > 1) faults.push(`${times} buttons called “${name}”`);
  return faults;
};

for (const [theme, options] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
]) {
  pageTest(
    `texts can be read and controls have names: ${theme}`,
    async (page) => {
      const faults = [];
      await eachPage(page, async (place) => {
        for (const fault of await page.evaluate(contrastFaults)) faults.push(`${place}: contrast ${fault}`);
        for (const fault of await page.evaluate(structureFaults)) faults.push(`${place}: ${fault}`);
        await shoot(page, `80-${theme}-${place.replaceAll('/', '-')}`, { fullPage: true });
      });
      for (const [name, open] of [
        ['New device', async () => go(page, 'devices')],
        ['Shortcuts', async () => {}],
      ]) {
        await open();
        await page.getByRole('button', { name }).click();
        await page.getByRole('dialog').waitFor();
        for (const fault of await page.evaluate(contrastFaults)) faults.push(`dialog ${name}: contrast ${fault}`);
        await page.keyboard.press('Escape');
      }
      assert.deepEqual(faults, []);
    },
    { options },
  );
}

pageTest(
  'a very long id fits a phone on every page',
  async (page) => {
    const wide = [];
    await eachPage(page, async (place) => {
      const [width, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      if (width > inner) wide.push(`${place}: ${width}`);
      // What is cut off at the side, and cannot be scrolled to.
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll('main *')]
          .filter(
            (one) =>
              one.checkVisibility() && !one.closest('.table-wrap, .tabs, pre, .u-wrap, .visually-hidden, select'),
          )
          .filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1)
          .map((one) => `${one.tagName}.${one.className}`),
      );
      if (cut.length > 0) wide.push(`${place}: ${cut.slice(0, 3)}`);
      await shoot(page, `81-phone-${place.replaceAll('/', '-')}`, { fullPage: true });
    });
    await page.getByRole('link', { name: 'Devices' }).first().click();
    await page.getByLabel('Search').fill('xxx');
    await page.getByText('1–1 of 1').waitFor();
    await shoot(page, '82-phone-long-id');
    assert.deepEqual(wide, []);
  },
  { options: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true } },
);

pageTest('Tab goes through every page, is always to be seen, and is caught nowhere', async (page) => {
  const faults = [];
  await eachPage(page, async (place) => {
    const wanted = await page.evaluate(() => {
      document.querySelector('.skip').focus();
      const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')];
      const can = all.filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled);
      can.forEach((one, i) => (one.dataset.stop = i));
      return can.length;
    });
    const stops = new Set(['0']);
    let back = false;
    for (let i = 0; i < wanted + 30 && !back; ++i) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const one = document.activeElement;
        const style = getComputedStyle(one);
        const box = one.getBoundingClientRect();
        const isSeen = box.bottom > 0 && box.top < window.innerHeight && box.right > 0 && box.left < window.innerWidth;
        return {
          stop: one.dataset.stop,
          tag: one.tagName,
          text: one.textContent.slice(0, 30),
          outline: style.outlineStyle,
          isSeen,
        };
      });
      if (at.tag === 'BODY' || at.stop === '0') back = true;
      else {
        if (at.outline === 'none' || !at.isSeen)
          faults.push(`${place}: ${at.tag} ${at.text} is not seen to have the focus`);
        if (at.stop) stops.add(at.stop);
      }
    }
    if (!back) faults.push(`${place}: the focus does not come out`);
    // (What a poll draws anew meanwhile has another number.)
    if (stops.size < wanted * 0.9 - 2) faults.push(`${place}: ${stops.size} of ${wanted} were reached`);
  });
  assert.deepEqual([...new Set(faults)], []);
});

pageTest('a dialog keeps the focus within until Escape closes it', async (page) => {
  await page.getByRole('button', { name: 'New device' }).click();
  await page.getByLabel('Device id').waitFor();
  await eventually(
    () => page.evaluate(() => document.activeElement.tagName === 'INPUT'),
    'the focus in the first field',
  );
  for (let i = 0; i < 24; ++i) {
    await page.keyboard.press(i % 3 === 2 ? 'Shift+Tab' : 'Tab');
    const at = await page.evaluate(
      () => document.activeElement.closest('dialog') !== null || document.activeElement === document.body,
    );
    assert.ok(at, 'the focus left the dialog');
  }
  await page.getByLabel('Device id').fill('kept?');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal((await hub.rest('GET', `/devices/${encodeURIComponent('kept?')}`)).status, 404);
});
