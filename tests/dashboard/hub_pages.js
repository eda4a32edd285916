// The query console, the page of the hub and test control.
import { assert, errorOf, go, hub, newName, pageTest } from './suite.js';
import { eventually, shoot } from './world.js';

pageTest('a query is run, paged through, and shown as a table and as JSON', async (page) => {
  await go(page, 'query');
  await page
    .getByLabel('Query', { exact: true })
    .fill("SELECT deviceId, tags.site AS site FROM devices WHERE STARTSWITH(deviceId, 'fleet-000')");
  await page.getByLabel('Rows on a page').selectOption('20');
  let rows = 0;
  const ask = async (action) => {
    await action;
    await page.locator('main [aria-busy]').waitFor({ state: 'detached' });
    const told = await page.getByText(/^\d+ rows( so far)?, \d+ ms$/).innerText();
    const [now, took] = told.match(/\d+/g).map(Number);
    // The hub ends a page with what it has when it took ten seconds.
    assert.ok(now === rows + 20 || (now < rows + 20 && (now === 100 || took > 10_000)), told);
    rows = now;
  };
  await ask(page.getByLabel('Query', { exact: true }).press('Control+Enter'));
  await page.getByRole('columnheader', { name: 'site' }).waitFor();
  await shoot(page, '40-query');
  while (rows < 100) await ask(page.getByRole('button', { name: 'More rows' }).click());
  await page.getByLabel('How rows are shown').selectOption('json');
  await page.getByLabel('Rows', { exact: true }).getByText('"fleet-00099"').waitFor();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save as file' }).click();
  const stream = await (await download).createReadStream();
  let text = '';
  for await (const piece of stream) text += piece;
  assert.equal(JSON.parse(text).length, 100);
  await page.getByLabel('Queries of this tab and examples').selectOption({ label: 'Devices by status' });
  await page.getByRole('button', { name: 'Run' }).click();
  await page.getByText('"disabled"').waitFor({ timeout: 60_000 }); // all devices are looked at
});

pageTest('a query that cannot be read is marked at its place', async (page) => {
  await go(page, 'query');
  await page.getByLabel('Query', { exact: true }).fill('SELECT deviceId\nFROM devices WHERE status =');
  await page.getByRole('button', { name: 'Run' }).click();
  await errorOf(page).getByText('Could not run the query').waitFor();
  await errorOf(page)
    .getByText(/position \d+/)
    .waitFor();
  await page.getByText(/^Line 2, column \d+/).waitFor();
  await shoot(page, '41-query-error');
  await page.getByLabel('Query', { exact: true }).fill('SELECT deviceId FROM devices');
  await page.getByRole('button', { name: 'Run' }).click();
  await page.getByText(/^\d+ rows so far/).waitFor();
  assert.equal(await page.locator('.error-box, .mark').count(), 0);
});

pageTest('the hub tells rates, partitions and who was refused', async (page) => {
  const identity = await hub.create(newName('rates'));
  const device = await hub.connect(identity);
  await assert.rejects(hub.connect({ deviceId: newName('stranger'), authentication: identity.authentication }));
  await go(page, 'hub');
  await page.getByText('Why can’t my device connect?').waitFor();
  await page.getByText('No such device or module is registered on this hub').first().waitFor();
  const flow = (async () => {
    for (let i = 0; i < 60; ++i) await device.send({ i });
  })();
  await eventually(
    async () => {
      await device.send({ more: 1 });
      const text = await page.locator('.figure-card').filter({ hasText: 'Messages' }).locator('strong').innerText();
      return Number(text) > 0;
    },
    'a rate',
  );
  await flow;
  await page.locator('.plot canvas').first().waitFor();
  assert.equal(await page.getByRole('region', { name: 'Partitions' }).locator('tbody tr').count(), 4);
  await shoot(page, '42-hub', { fullPage: true });
});

pageTest('requests that are refused and that fail are charted by class', async (page) => {
  const { json: fault } = await hub.must('POST', '/kyanite/v1/faults', {
    kind: 'httpError',
    status: 503,
    routes: ['GET /twins/*'],
    durationSeconds: 300,
  });
  try {
    await go(page, 'hub');
    const chart = page.locator('.chart').filter({ hasText: 'REST errors a second' });
    const values = async () => (await chart.locator('.legend strong').allInnerTexts()).map(Number);
    await eventually(async () => (await values()).join() === '0,0', 'no errors yet');
    await eventually(
      async () => {
        await hub.rest('GET', '/devices/nobody-at-all');
        await hub.rest('GET', '/twins/fleet-00001');
        const [refused, failed] = await values();
        return refused > 0 && failed > 0;
      },
      'both rates',
    );
    assert.deepEqual(await chart.locator('.legend .name').allInnerTexts(), ['refused (4xx)', 'failed (5xx)']);
    await chart.scrollIntoViewIfNeeded();
    await shoot(page, '44-rest-errors', { fullPage: true });
  } finally {
    await hub.rest('DELETE', `/kyanite/v1/faults/${fault.id}`);
  }
});

pageTest('consumer groups are made and deleted', async (page) => {
  const group = newName('group');
  await go(page, 'hub');
  await page.getByLabel('New group').fill(group);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('cell', { name: group, exact: true }).waitFor();
  await page.getByRole('button', { name: `Delete ${group}` }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('cell', { name: group, exact: true }).waitFor({ state: 'detached' });
});

pageTest('faults are added, hit and removed', async (page) => {
  const identity = await hub.create(newName('faulty'));
  await go(page, 'tests');
  await page.getByText('No fault is in force.').waitFor();
  await page.getByText('Add a fault').click();
  await page.getByLabel('Fault', { exact: true }).selectOption('refuseConnect');
  await page.getByLabel('CONNACK code').selectOption('5');
  await page.getByLabel('Device', { exact: true }).fill(identity.deviceId);
  await page.getByRole('button', { name: 'Add the fault' }).click();
  await page.getByText('The fault is in force').waitFor();
  await assert.rejects(hub.connect(identity));
  const row = page.locator('tbody tr').filter({ hasText: identity.deviceId });
  await row.getByText('code 5').waitFor();
  await eventually(async () => (await row.locator('td').nth(3).innerText()) === '1', 'the hit');
  await shoot(page, '43-faults', { fullPage: true });
  await page.getByLabel('Fault', { exact: true }).selectOption('cut');
  await page.getByRole('button', { name: 'Add the fault' }).click();
  await errorOf(page)
    .getByText(/bytes is missing/)
    .waitFor();
  await row.getByRole('button', { name: /^Remove the fault/ }).click();
  await page.getByText('No fault is in force.').waitFor();
  (await hub.connect(identity)).end(true);
});

pageTest('the clock is moved and comes back', async (page) => {
  await go(page, 'tests');
  await page.getByText('the real time').waitFor();
  try {
    await page.getByLabel('Seconds', { exact: true }).fill('7200');
    await page.getByRole('button', { name: 'Forward' }).click();
    await page.getByText('+2 h 0 min').waitFor();
    await page.getByRole('button', { name: 'Real time again' }).click();
    await page.getByText('the real time').waitFor();
  } finally {
    await hub.rest('DELETE', '/kyanite/v1/clock');
  }
});

pageTest('the store is kept, and restored with all that was in it', async (page) => {
  const name = newName('snapshot');
  const identity = await hub.create(newName('gone'));
  await go(page, 'tests');
  await page.getByLabel('New snapshot').fill(name);
  await page.getByRole('button', { name: 'Take' }).click();
  const item = page.locator('li').filter({ hasText: name });
  await item.waitFor();
  await hub.rest('DELETE', `/devices/${identity.deviceId}`, undefined, { 'If-Match': '*' });
  await item.getByRole('button', { name: 'Restore' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click();
  await page.getByText('Done: the hub began anew').waitFor();
  assert.equal((await hub.rest('GET', `/devices/${identity.deviceId}`)).status, 200);
  await page.locator('li').filter({ hasText: name }).getByRole('button', { name: 'Delete' }).click();
  await page.locator('li').filter({ hasText: name }).waitFor({ state: 'detached' });
});
