// Whatever a device wrote is shown as a text: ids, properties, payloads, twin values, model ids, method results, errors.
import { test } from 'node:test';
import { assert, browser, go, hub, newName, pageTest } from './suite.js';
import { eventually, openPage, sas, shoot, signIn } from './world.js';

const EVIL =
  '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script><svg onload=window.pwned=3>"\'`${window.pwned=4}&lt;b&gt;';
const unharmed = async (page) => {
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal(await page.locator('main img:not(.brand img), main script, main svg, main iframe, main b').count(), 0);
};

// What an id may have of it: letters, digits and - : . + % _ # * ? ! ( ) , = @ ; $ '
pageTest('an id with every character that ids may have is listed, opened and acted upon', async (page) => {
  const id = `${newName('x')}-:.+%_#*?!(),=@;$'%2F%00`;
  const identity = await hub.create(id);
  const device = await hub.connect(identity);
  await page.getByLabel('Search').fill(id);
  await page.getByRole('link', { name: id, exact: true }).click();
  await page.getByRole('heading', { name: id, exact: true }).waitFor();
  for (const tab of ['identity', 'twin', 'messages', 'methods', 'telemetry', 'modules', 'connections']) {
    await go(page, 'device', id, tab);
    await page.getByText('Connected', { exact: true }).first().waitFor();
    assert.equal(await page.locator('.error-box').count(), 0, tab);
  }
  await device.subscribeAsync(`devices/${id.replace(/[#+]/g, '')}/x`).catch(() => {});
  await unharmed(page);
});

pageTest('hostile twins, tags and model ids are texts', async (page) => {
  const identity = await hub.create(newName('evil-twin'), { statusReason: EVIL });
  await hub.must('PATCH', `/twins/${identity.deviceId}`, {
    tags: { [EVIL.replace(/[.$ ]/g, '_')]: EVIL, __proto__x: EVIL, constructor: EVIL },
    properties: { desired: { evil: EVIL } },
  });
  const device = await hub.connect(identity, { modelId: `dtmi:evil:X;1${EVIL}`, client: encodeURIComponent(EVIL) });
  await device.report({ evil: EVIL, [EVIL.replace(/[.$ ]/g, '_')]: [EVIL, { evil: EVIL }] });
  await go(page, 'device', identity.deviceId, 'twin');
  await page.getByLabel('Reported properties').getByText('onerror').waitFor();
  await eventually(
    async () => (await page.getByLabel('Tags and desired properties, JSON').inputValue()).includes('onerror'),
    'the twin',
  );
  await unharmed(page);
  await shoot(page, '50-hostile-twin');
  // An own member that is called __proto__ is kept by the editor.
  await page
    .getByLabel('Tags and desired properties, JSON')
    .fill('{"tags": {"__proto__": {"x": 1}}, "properties": {"desired": {}}}');
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('dialog').locator('.line.removed').getByText('onerror').first().waitFor();
  await unharmed(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByText('The twin is saved').waitFor();
  assert.match((await hub.rest('GET', `/twins/${identity.deviceId}`)).text, /"tags":\{"__proto__":\{"x":1\}\}/);
  await go(page, 'device', identity.deviceId, 'identity');
  await page.getByText('onerror').first().waitFor();
  await go(page, 'devices');
  await page.getByLabel('Search').fill(identity.deviceId);
  await page.getByText('onerror').first().waitFor();
  await go(page, 'query');
  await page.getByLabel('Query', { exact: true }).fill(`SELECT * FROM devices WHERE deviceId = '${identity.deviceId}'`);
  await page.getByRole('button', { name: 'Run' }).click();
  await page.getByText(/^1 row, /).waitFor();
  await page.locator('summary').first().click();
  await page.getByText('onerror').first().waitFor();
  await shoot(page, '51-hostile-query');
  await unharmed(page);
});

pageTest('hostile telemetry is text in the table, the plot and the details', async (page) => {
  const identity = await hub.create(newName('evil-telemetry'));
  const device = await hub.connect(identity);
  await go(page, 'device', identity.deviceId, 'telemetry');
  await page.getByText('Live', { exact: true }).waitFor();
  await device.send({ [EVIL]: 1, [`${EVIL}2`]: { [EVIL]: 2 }, ['x'.repeat(3000)]: 3, text: EVIL });
  await device.send(
    EVIL,
    `${encodeURIComponent(EVIL)}=${encodeURIComponent(EVIL)}&%24.ct=${encodeURIComponent(EVIL)}&plain`,
  );
  await device.send('{"deep":'.repeat(3000) + '1' + '}'.repeat(3000));
  await device.send(`{"n": 1e999, "m": -0, "k": ${'9'.repeat(500)}}`);
  await device.send('\u202e\u0000\u0007 right to left');
  await page.getByText('5 messages came, 5 shown').waitFor();
  for (const button of await page.locator('button.body').all()) await button.click();
  await page.locator('.details').getByText('onerror').first().waitFor();
  await page.locator('.legend').getByText('onerror').first().waitFor();
  await unharmed(page);
  await shoot(page, '52-hostile-telemetry');
});

pageTest('hostile answers of methods are texts', async (page) => {
  const identity = await hub.create(newName('evil-method'));
  const device = await hub.connect(identity);
  device.methods = () => [200, { evil: EVIL, [EVIL]: EVIL }];
  await device.subscribeAsync('$iothub/methods/POST/#');
  await go(page, 'device', identity.deviceId, 'methods');
  await page.getByLabel('Method', { exact: true }).fill(EVIL.slice(0, 90));
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await page.getByLabel('Answer of the device').getByText('onerror').waitFor();
  await unharmed(page);
});

pageTest('hostile claims of clients that are refused are texts', async (page) => {
  const identity = await hub.create(newName('evil-refused'));
  await assert.rejects(
    hub.connect(
      { deviceId: `${EVIL.replace(/[/?&]/g, '')}`, authentication: identity.authentication },
      { client: encodeURIComponent(EVIL) },
    ),
  );
  await go(page, 'hub');
  await page.locator('main').getByText('onerror').first().waitFor();
  await unharmed(page);
  await shoot(page, '53-hostile-refusals', { fullPage: true });
});

pageTest('hostile texts in errors are texts', async (page) => {
  await go(page, 'query');
  await page.getByLabel('Query', { exact: true }).fill(`SELECT ${EVIL} FROM devices`);
  await page.getByRole('button', { name: 'Run' }).click();
  await page.locator('.error-box').waitFor();
  await unharmed(page);
  await go(page, 'device', EVIL);
  await page.locator('.error-box').first().waitFor();
  await page.getByRole('heading', { name: 'onerror' }).waitFor();
  await unharmed(page);
});

// The address that a device uploads by reads as well, and files are of the dashboard's own origin.
test('a page that a device uploaded runs nothing and gets at no kept sign-in', { timeout: 240_000 }, async () => {
  const page = await openPage(browser, hub);
  try {
    await signIn(page, hub, hub.connectionString, { keep: true });
    await page.getByRole('heading', { name: 'Devices', level: 1 }).waitFor();
    const { deviceId, authentication } = await hub.create(newName('uploads'));
    const own = { Authorization: sas(`hub.test/devices/${deviceId}`, authentication.symmetricKey.primaryKey) };
    const ticket = await hub.must('POST', `/devices/${deviceId}/files`, { blobName: 'page.html' }, own);
    const { containerName, blobName, sasToken } = ticket.json;
    const address = `/${containerName}/${blobName}${sasToken}`;
    await hub.must(
      'PUT',
      address,
      `<p id="said">nothing</p><script>
        document.getElementById('said').textContent = sessionStorage.getItem('kyanite.session') ?? 'it ran';
      </script>`,
      { 'x-ms-blob-type': 'BlockBlob', 'x-ms-blob-content-type': 'text/html' },
    );
    await page.goto(new URL(address, hub.url).href);
    assert.equal(await page.locator('#said').textContent(), 'nothing');
  } finally {
    await page.context().close();
  }
});

pageTest(
  'hostile addresses do no harm',
  async (page) => {
    await page.goto(`${hub.url}?${encodeURIComponent(EVIL)}#/device/%zz%${encodeURIComponent(EVIL)}`);
    await page.getByLabel('Connection string of the service').waitFor();
    await unharmed(page);
  },
  { signedIn: false },
);

pageTest('an answer that is no hub’s does no harm', async (page) => {
  await page.route('**/devices/query*', (route) =>
    route.fulfill({
      status: 500,
      contentType: 'text/html',
      headers: { 'iothub-errorcode': EVIL, 'x-ms-request-id': EVIL },
      body: EVIL,
    }),
  );
  await go(page, 'query');
  await page.getByRole('button', { name: 'Run' }).click();
  await page.locator('.error-box').getByText('onerror').first().waitFor();
  await unharmed(page);
});
