// The list of devices, with ten thousand of them.
import { assert, errorOf, FLEET, go, hub, newName, pageTest } from './suite.js';
import { eventually, shoot } from './world.js';

const rows = (page) => page.locator('tbody tr');

pageTest('ten thousand devices are paged through, forth and back', async (page) => {
  await page.getByText(/^1–50 of 10,/).waitFor();
  assert.equal(await rows(page).count(), 50);
  await shoot(page, '10-devices');
  await page.getByLabel('Devices on a page').selectOption('1000');
  await page.getByText(/^1–1,000 of 10,/).waitFor();
  await page.getByRole('button', { name: 'Next ›' }).click();
  await page.getByText(/^1,001–2,000 of/).waitFor();
  const first = await rows(page).first().locator('a').innerText();
  await page.getByRole('button', { name: 'Next ›' }).click();
  await page.getByText(/^2,001–3,000 of/).waitFor();
  await page.getByRole('button', { name: '‹ Previous' }).click();
  await page.getByText(/^1,001–2,000 of/).waitFor();
  assert.equal(await rows(page).first().locator('a').innerText(), first);
  // A device and back again: the list is where it was.
  await rows(page).first().locator('a').click();
  await page.getByRole('heading', { name: first }).waitFor();
  await page.goBack();
  await page.getByText(/^1,001–2,000 of/).waitFor();
});

pageTest('devices are found by the beginning of the id, by state and by a condition', async (page) => {
  await page.keyboard.press('/');
  await page.keyboard.type('fleet-012');
  await page.getByText('1–50 of 100').waitFor();
  assert.equal(await rows(page).first().locator('a').innerText(), 'fleet-01200');
  await page.getByLabel('State').selectOption('disabled');
  await page.getByText('1–1 of 1').waitFor({ timeout: 60_000 }); // all devices are looked at
  await page.getByText('fleet-01207').waitFor();
  await page.getByLabel('State').selectOption('all');
  await page.getByLabel('Condition').fill("tags.site = 'north' AND deviceId != 'fleet-01201'");
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByText('1–49 of 49').waitFor({ timeout: 60_000 });
  await page.getByLabel('Search').fill('it\'s \\ "none"');
  await page.getByText('No device is like that.').waitFor();
});

pageTest('a condition that is none is refused with its place', async (page) => {
  await page.getByLabel('Condition').fill('tags.site ==== 1');
  await page.getByRole('button', { name: 'Apply' }).click();
  await errorOf(page)
    .getByText(/Could not (list|count) the devices/)
    .waitFor();
  await errorOf(page)
    .getByText(/position \d+/)
    .waitFor();
  await errorOf(page)
    .getByText(/HTTP 400/)
    .waitFor();
  await shoot(page, '11-bad-condition');
  await page.getByLabel('Condition').fill('');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByText(/^1–50 of/).waitFor();
  assert.equal(await page.locator('.error-box').count(), 0);
});

pageTest('a device is created, and a second one of its id is not', async (page) => {
  const id = newName('made');
  const create = async (name) => {
    await page.getByRole('button', { name: 'New device' }).click();
    await page.getByLabel('Device id').fill(name);
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  };
  await create('not an id');
  await page.getByText('An id has 1 to 128 letters').waitFor();
  await page.keyboard.press('Escape');
  await create(id);
  await page.getByRole('heading', { name: id }).waitFor();
  assert.equal((await hub.rest('GET', `/devices/${id}`)).json.status, 'enabled');
  await go(page, 'devices');
  await create(id);
  await page
    .getByRole('dialog')
    .getByText(/HTTP 409 · DeviceAlreadyExists/)
    .waitFor();
  await shoot(page, '12-already-there');
});

pageTest('devices with certificates and with keys of their own are created', async (page) => {
  const kinds = [
    ['selfSigned', async () => page.getByLabel('Primary thumbprint').fill('A'.repeat(40)), 'selfSigned'],
    ['certificateAuthority', async () => {}, 'certificateAuthority'],
    [
      'own',
      async () => {
        await page.getByLabel('Primary key').fill(Buffer.alloc(32, 1).toString('base64'));
        await page.getByLabel('Secondary key').fill(Buffer.alloc(32, 2).toString('base64'));
      },
      'sas',
    ],
  ];
  for (const [kind, fill, type] of kinds) {
    const id = newName(kind);
    await go(page, 'devices');
    await page.getByRole('button', { name: 'New device' }).click();
    await page.getByLabel('Device id').fill(id);
    await page.getByRole('dialog').getByLabel('Authentication').selectOption(kind);
    await fill();
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { name: id }).waitFor();
    const { authentication } = (await hub.rest('GET', `/devices/${id}`)).json;
    assert.equal(authentication.type, type);
    if (kind === 'own') assert.equal(authentication.symmetricKey.primaryKey, Buffer.alloc(32, 1).toString('base64'));
  }
});

pageTest('a device that connects and leaves is seen so without loading the page', async (page) => {
  const identity = await hub.create(newName('live'));
  await page.getByLabel('Search').fill(identity.deviceId);
  const row = rows(page).filter({ hasText: identity.deviceId });
  await row.getByText('Not connected').waitFor();
  const device = await hub.connect(identity);
  await row.getByText('Connected', { exact: true }).waitFor();
  await device.endAsync(true);
  await row.getByText('Not connected').waitFor();
});

pageTest('several devices are disabled, enabled and deleted at once', async (page) => {
  const prefix = newName('bulk');
  for (let i = 0; i < 6; ++i) await hub.create(`${prefix}-${i}`);
  const statuses = async () => {
    const answer = await hub.must('POST', '/devices/query', {
      query: `SELECT status FROM devices WHERE STARTSWITH(deviceId, '${prefix}-')`,
    });
    return answer.json.map((row) => row.status).join();
  };
  await page.getByLabel('Search').fill(`${prefix}-`);
  await page.getByText('1–6 of 6').waitFor();
  await page.getByLabel(`Select ${prefix}-0`).check();
  await page.getByText('1 device selected').waitFor();
  await page.getByLabel('Select all on this page').check();
  await page.getByText('6 devices selected').waitFor();
  await page.locator('.bulk').getByRole('button', { name: 'Disable' }).click();
  await page.getByText('Disabled 6 devices').waitFor();
  assert.equal(await statuses(), Array(6).fill('disabled').join());
  await page.getByRole('button', { name: `Enable ${prefix}-3` }).click();
  await eventually(async () => (await statuses()).includes('enabled'), 'enabling one');
  await page.getByLabel('Select all on this page').check();
  await shoot(page, '13-selected');
  await page.locator('.bulk').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByText('This cannot be undone').waitFor();
  await page.keyboard.press('Escape');
  assert.notEqual(await statuses(), '');
  await page.locator('.bulk').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('No device is like that.').waitFor();
  assert.equal(await statuses(), '');
});

pageTest('an empty hub says how to begin', async (page) => {
  await page.route('**/devices/query*', (route) =>
    route.fulfill({ json: route.request().postData().includes('COUNT') ? [{ n: 0 }] : [] }),
  );
  await page.reload();
  await page.getByText('There is no device yet.').waitFor();
});

for (const id of ['.', '..']) {
  pageTest(`a device called “${id}” is told of, not opened, and can be deleted`, async (page) => {
    const answer = await hub.must('POST', '/devices', [{ id, importMode: 'create' }]);
    assert.equal(answer.status, 200, answer.text);
    const there = async () =>
      (await hub.must('POST', '/devices/query', { query: `SELECT deviceId FROM devices WHERE deviceId = '${id}'` }))
        .json.length;
    assert.equal(await there(), 1);
    await page.getByLabel('Condition').fill(`deviceId = '${id}'`);
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('1–1 of 1').waitFor();
    await page.getByRole('link', { name: id, exact: true }).click();
    await page.getByText(`A browser cannot open anything called “${id}”.`).waitFor();
    for (const tab of ['twin', 'messages', 'telemetry']) {
      await go(page, 'device', id, tab);
      await page.getByText(`A browser cannot open anything called “${id}”.`).waitFor();
    }
    assert.equal(await page.locator('.error-box').count(), 0);
    await shoot(page, '15-dots');
    await go(page, 'devices');
    await page.getByRole('button', { name: `Disable ${id}`, exact: true }).click();
    await errorOf(page).getByText(`A browser cannot ask for anything called “${id}”`).waitFor();
    await page.getByLabel(`Select ${id}`, { exact: true }).check();
    await page.locator('.bulk').getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No device is like that.').waitFor();
    assert.equal(await there(), 0);
    await page.getByLabel('Condition').fill('');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByRole('button', { name: 'New device' }).click();
    await page.getByLabel('Device id').fill(id);
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await page.getByText(`A browser could not open a device called “${id}”. Choose another id.`).waitFor();
    assert.equal(await there(), 0);
  });
}

pageTest('a fault of the hub is shown with its tracking id', async (page) => {
  const { json: fault } = await hub.must('POST', '/kyanite/v1/faults', {
    kind: 'httpError',
    status: 500,
    routes: ['POST /devices/query'],
    durationSeconds: 300,
  });
  try {
    await go(page, 'query');
    await page.getByRole('button', { name: 'Run' }).click();
    await errorOf(page).getByText('Could not run the query').waitFor();
    await errorOf(page)
      .getByText(/HTTP 500/)
      .waitFor();
    assert.match(await errorOf(page).innerText(), /tracking id [0-9a-fA-F]{32}/i);
    await shoot(page, '14-fault');
  } finally {
    await hub.rest('DELETE', `/kyanite/v1/faults/${fault.id}`);
  }
});

pageTest('the fleet is whole', async () => {
  const answer = await hub.must('POST', '/devices/query', {
    query: "SELECT COUNT() AS n FROM devices WHERE STARTSWITH(deviceId, 'fleet-')",
  });
  assert.equal(answer.json[0].n, FLEET);
});
