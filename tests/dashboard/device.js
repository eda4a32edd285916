// One device: identity, twin, messages, methods, telemetry, modules, connections.
import { assert, errorOf, go, hub, newName, pageTest } from './suite.js';
import { eventually, sas, shoot, sleep } from './world.js';

async function open(page, identity, tab) {
  await go(page, 'device', identity.deviceId, tab);
  await page.getByRole('heading', { name: identity.deviceId, exact: true }).waitFor();
}

pageTest('keys are on the page only while they are shown, and can be copied and replaced', async (page) => {
  const identity = await hub.create(newName('keys'));
  const { primaryKey, secondaryKey } = identity.authentication.symmetricKey;
  await open(page, identity, 'identity');
  await page.getByRole('button', { name: 'Show primary key' }).waitFor();
  assert.ok(!(await page.content()).includes(primaryKey));
  await shoot(page, '20-identity');
  await page.getByRole('button', { name: 'Show primary key' }).click();
  await page.getByText(primaryKey, { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Show primary key' }).click();
  assert.ok(!(await page.content()).includes(primaryKey));
  await page.getByRole('button', { name: 'Copy connection string', exact: true }).click();
  await page.getByText('Connection string copied').waitFor();
  assert.equal(
    await page.evaluate(() => navigator.clipboard.readText()),
    `HostName=hub.test;DeviceId=${identity.deviceId};SharedAccessKey=${primaryKey}`,
  );
  await page.getByRole('button', { name: 'New secondary key' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Replace' }).click();
  await page.getByText('The secondary key is replaced').waitFor();
  const now = (await hub.rest('GET', `/devices/${identity.deviceId}`)).json.authentication.symmetricKey;
  assert.equal(now.primaryKey, primaryKey);
  assert.notEqual(now.secondaryKey, secondaryKey);
});

pageTest('a device is disabled with a reason, enabled, and deleted', async (page) => {
  const identity = await hub.create(newName('switch'));
  await open(page, identity, 'identity');
  await page.getByRole('button', { name: 'Disable' }).click();
  await page.getByLabel('Reason').fill('in repair');
  await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click();
  await page.getByText('in repair').waitFor();
  assert.equal((await hub.rest('GET', `/devices/${identity.deviceId}`)).json.statusReason, 'in repair');
  await page.getByRole('button', { name: 'Enable' }).click();
  await page.getByText('The device is enabled').waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('heading', { name: 'Devices', level: 1 }).waitFor();
  assert.equal((await hub.rest('GET', `/devices/${identity.deviceId}`)).status, 404);
  await go(page, 'device', identity.deviceId);
  await errorOf(page)
    .getByText(/HTTP 404 · DeviceNotFound/)
    .waitFor();
  await shoot(page, '21-no-such-device');
});

pageTest('a twin is edited, looked at as a difference, and saved as a patch', async (page) => {
  const identity = await hub.create(newName('twin'));
  const path = `/twins/${identity.deviceId}`;
  await hub.rest(
    'PATCH',
    path,
    '{"tags":{"site":"north","old":1,"big":4503599627370495},"properties":{"desired":{"interval":30,"colour":{"r":1,"g":2}}}}',
  );
  const device = await hub.connect(identity);
  await device.report({ firmware: '1.2.3', big: 1 });
  await open(page, identity, 'twin');
  await page.getByText('"firmware": "1.2.3"').waitFor();
  const editor = page.getByLabel('Tags and desired properties, JSON');
  await eventually(async () => (await editor.inputValue()).includes('"interval": 30'), 'the twin');
  assert.match(await editor.inputValue(), /"big": 4503599627370495/);
  assert.ok(await page.getByRole('button', { name: 'Review and save' }).isDisabled());
  await editor.fill(
    (await editor.inputValue())
      .replace('"interval": 30', '"interval": 60')
      .replace('"old": 1,', '')
      .replace('"g": 2', '"g": 2, "b": [1, null, {"x": 1}]'),
  );
  await page.getByRole('button', { name: 'Review and save' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.locator('.line.removed').getByText('"interval": 30').waitFor();
  await dialog.locator('.line.added').getByText('"interval": 60').waitFor();
  await dialog.locator('.line.removed').getByText('"old": 1').waitFor();
  await shoot(page, '22-twin-difference');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await errorOf(page).or(page.getByText('The twin is saved')).first().waitFor();
  const twin = (await hub.rest('GET', path)).text;
  if (await errorOf(page).count()) {
    // null within an array: what the hub refuses stands there, and nothing is lost.
    await editor.fill((await editor.inputValue()).replace('null', '0'));
    await page.getByRole('button', { name: 'Review and save' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
    await page.getByText('The twin is saved').waitFor();
  }
  const after = (await hub.rest('GET', path)).text;
  assert.notEqual(after, twin.length === 0 ? '' : null);
  assert.match(after, /"big":4503599627370495/);
  const parsed = JSON.parse(after);
  assert.equal(parsed.properties.desired.interval, 60);
  assert.equal(parsed.tags.old, undefined);
  assert.equal(parsed.tags.site, 'north');
  assert.deepEqual(parsed.properties.desired.colour.b.at(-1), { x: 1 });
});

pageTest('what is no JSON, and what the hub would refuse, is said while typing', async (page) => {
  const identity = await hub.create(newName('typing'));
  await open(page, identity, 'twin');
  const editor = page.getByLabel('Tags and desired properties, JSON');
  await page.getByText('No changes').waitFor();
  const wrongs = [
    ['{\n  "tags": {"a": 1,}\n}', /Not JSON: line 2, column 19/],
    ['{"tags": ', /Not JSON/],
    ['[]', /must be an object/],
    ['{"reported": {}}', /“reported” cannot stand here/],
    ['{"properties": {"reported": {}}}', /“properties.reported” cannot be written/],
    ['{"tags": {"a.b": 1}}', /The name “a.b” in tags has a character/],
    ['{"properties": {"desired": {"x": {"$y": 1}}}}', /The name “\$y” in properties.desired.x/],
  ];
  for (const [text, answer] of wrongs) {
    await editor.fill(text);
    await page.locator('.editor-foot .bad').filter({ hasText: answer }).waitFor();
    assert.ok(await page.getByRole('button', { name: 'Review and save' }).isDisabled(), text);
    assert.equal(await editor.getAttribute('aria-invalid'), 'true');
  }
  await shoot(page, '23-twin-invalid');
  await page.getByRole('button', { name: 'Discard changes' }).click();
  await page.getByText('No changes').waitFor();
});

pageTest('the hub’s own objections to a twin are shown', async (page) => {
  const identity = await hub.create(newName('objection'));
  await open(page, identity, 'twin');
  const editor = page.getByLabel('Tags and desired properties, JSON');
  await page.getByText('No changes').waitFor();
  let deep = '1';
  for (let i = 0; i < 15; ++i) deep = `{"n":${deep}}`;
  await editor.fill(`{"tags": {}, "properties": {"desired": ${deep}}}`);
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await errorOf(page).getByText('Could not save the twin').waitFor();
  await errorOf(page)
    .getByText(/HTTP 400/)
    .waitFor();
  await shoot(page, '24-twin-refused');
});

pageTest('a twin that somebody else changes meanwhile is not overwritten', async (page) => {
  const identity = await hub.create(newName('conflict'));
  const path = `/twins/${identity.deviceId}`;
  await open(page, identity, 'twin');
  const editor = page.getByLabel('Tags and desired properties, JSON');
  await page.getByText('No changes').waitFor();
  await editor.fill('{"tags": {"mine": 1}, "properties": {"desired": {}}}');
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('dialog').getByText('Save these changes?').waitFor();
  await hub.must('PATCH', path, { tags: { theirs: 2 } });
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').getByText('The twin was changed meanwhile').waitFor();
  await page.getByRole('dialog').locator('.line.added').getByText('"theirs": 2').waitFor();
  await shoot(page, '25-twin-conflict');
  assert.equal((await hub.rest('GET', path)).json.tags.mine, undefined);
  await page.getByRole('button', { name: 'Apply mine on top and look again' }).click();
  await eventually(
    async () => /"theirs": 2[\s\S]*"mine": 1|"mine": 1[\s\S]*"theirs": 2/.test(await editor.inputValue()),
    'both changes',
  );
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByText('The twin is saved').waitFor();
  assert.deepEqual((await hub.rest('GET', path)).json.tags, { theirs: 2, mine: 1 });
});

pageTest(
  'a change that comes while nothing is edited is simply shown, and one during editing is told',
  async (page) => {
    const identity = await hub.create(newName('follow'));
    const path = `/twins/${identity.deviceId}`;
    await open(page, identity, 'twin');
    const editor = page.getByLabel('Tags and desired properties, JSON');
    await page.getByText('No changes').waitFor();
    await hub.must('PATCH', path, { tags: { one: 1 } });
    await eventually(async () => (await editor.inputValue()).includes('"one": 1'), 'the change');
    await editor.fill('{"tags": {"one": 1, "mine": 1}, "properties": {"desired": {}}}');
    await hub.must('PATCH', path, { tags: { two: 2 } });
    await page.getByText('The twin was changed by somebody else while it is edited here.').waitFor();
    await page.getByRole('button', { name: 'Apply mine on top' }).click();
    await eventually(
      async () => (await editor.inputValue()).includes('"two": 2') && (await editor.inputValue()).includes('"mine": 1'),
      'both',
    );
  },
);

pageTest('a message goes to the device with its properties, and the queue is counted and purged', async (page) => {
  const identity = await hub.create(newName('message'));
  await open(page, identity, 'messages');
  await page.getByLabel('Body').fill('{"hello": "wörld"}');
  await page.getByRole('button', { name: 'Add a property' }).click();
  await page.getByLabel('Name of the property').fill('level');
  await page.getByLabel('Value of the property').fill('1 & 2');
  await page.getByLabel('Content type').fill('application/json');
  await page.getByLabel('Feedback').selectOption('full');
  await page.getByLabel('Expires after').selectOption('600');
  await page.getByLabel('Message id').fill('m-1');
  await page.getByLabel('Correlation id').fill('c-1');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByText('The message is in the queue').waitFor();
  await eventually(async () => (await page.locator('.figure').innerText()) === '1', 'the count');
  await shoot(page, '26-messages');
  const device = await hub.connect(identity);
  await device.subscribeAsync(`devices/${identity.deviceId}/messages/devicebound/#`, { qos: 1 });
  await hub.must('POST', `/devices/${identity.deviceId}/messages/devicebound`, 'later');
  await eventually(() => device.got.some((one) => one.payload === 'later'), 'the delivery');
  await device.endAsync(true);
  await page.getByLabel('Message id').fill('');
  await page.getByLabel('Body').fill('second');
  await page.getByRole('button', { name: 'Send' }).click();
  await eventually(async () => Number(await page.locator('.figure').innerText()) >= 1, 'the count');
  await page.getByRole('button', { name: 'Purge the queue' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Purge' }).click();
  await page.getByText(/\d messages? dropped/).waitFor();
  assert.equal((await hub.rest('GET', `/devices/${identity.deviceId}`)).json.cloudToDeviceMessageCount, 0);
});

pageTest('a message reaches a device as it was written', async (page) => {
  const identity = await hub.create(newName('arrives'));
  const device = await hub.connect(identity);
  await device.subscribeAsync(`devices/${identity.deviceId}/messages/devicebound/#`, { qos: 1 });
  await open(page, identity, 'messages');
  await page.getByLabel('Body').fill('hello ☂');
  await page.getByRole('button', { name: 'Add a property' }).click();
  await page.getByLabel('Name of the property').fill('a');
  await page.getByLabel('Value of the property').fill('b c');
  await page.getByLabel('Body').press('Control+Enter');
  await eventually(() => device.got.length === 1, 'the message');
  assert.equal(device.got[0].payload, 'hello ☂');
  assert.match(decodeURIComponent(device.got[0].topic), /&a=b c/);
});

// As UTF-8, percent-encoded in the topic, just as a back end of AMQP has it arrive.
pageTest('properties in any script reach a device as they were written', async (page) => {
  const identity = await hub.create(newName('scripts'));
  const device = await hub.connect(identity);
  await device.subscribeAsync(`devices/${identity.deviceId}/messages/devicebound/#`, { qos: 1 });
  await open(page, identity, 'messages');
  const values = ['Größe ☂', '温度 & 湿度=高', '🌡️%41+', 'é'.repeat(100)];
  for (const [i, value] of values.entries()) {
    await page.getByRole('button', { name: 'Add a property' }).click();
    await page.getByLabel('Name of the property').nth(i).fill(`p${i}`);
    await page.getByLabel('Value of the property').nth(i).fill(value);
  }
  await page.getByLabel('Content type').fill('text/plain; title=Übersicht');
  await page.getByRole('button', { name: 'Send' }).click();
  await eventually(() => device.got.length === 1, 'the message');
  const bag = new Map(
    device.got[0].topic
      .split('/')
      .at(-1)
      .split('&')
      .map((pair) => pair.split('=').map(decodeURIComponent)),
  );
  assert.deepEqual(
    values.map((_, i) => bag.get(`p${i}`)),
    values,
  );
  assert.equal(bag.get('$.ct'), 'text/plain; title=Übersicht');
});

pageTest('what became of a message is shown, and no back end misses feedback for it', async (page) => {
  const identity = await hub.create(newName('outcome'));
  await open(page, identity, 'messages');
  await page.getByText('No message waits, and none was settled lately.').waitFor();
  const send = async (id) => {
    await page.getByLabel('Message id').fill(id);
    await page.getByLabel('Feedback').selectOption('full');
    await page.getByRole('button', { name: 'Send' }).click();
  };
  const row = (id) => page.getByRole('region', { name: 'Messages of the device' }).getByRole('row', { name: id });
  const sent = (id) => page.locator('.log li').filter({ hasText: id });
  await send('taken');
  await row('taken').getByText('Waiting').waitFor();
  await sent('taken').getByText('Waiting').waitFor();
  const base = `/devices/${identity.deviceId}/messages/devicebound`;
  const own = {
    Authorization: sas(`hub.test/devices/${identity.deviceId}`, identity.authentication.symmetricKey.primaryKey),
  };
  const take = async () => {
    const answer = await hub.must('GET', base, undefined, own);
    return answer.headers.etag.replaceAll('"', '');
  };
  const lock = await take();
  await row('taken').getByText('With the device').waitFor();
  await hub.must('DELETE', `${base}/${lock}`, undefined, own);
  await row('taken').getByText('Completed').waitFor();
  await sent('taken').getByText('Completed').waitFor();
  await send('refused');
  await row('refused').waitFor();
  await hub.must('DELETE', `${base}/${await take()}?reject`, undefined, own);
  await row('refused').getByText('Rejected').waitFor();
  await send('dropped');
  await row('dropped').getByText('Waiting').waitFor();
  await page.getByRole('button', { name: 'Purge the queue' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Purge' }).click();
  await row('dropped').getByText('Purged').waitFor();
  await page.getByLabel('Expires after').selectOption('60');
  await send('late');
  await row('late').getByText('Waiting').waitFor();
  await hub.must('POST', base, 'of somebody else', { 'iothub-messageid': 'foreign' });
  await row('foreign').getByText('Waiting').waitFor();
  assert.equal(await sent('foreign').count(), 0);
  await shoot(page, '28-outcomes');
  // A minute and a half on, what waits is over; and the page read no feedback: the back end has all of it.
  try {
    await hub.must('PUT', '/kyanite/v1/clock', { shiftSeconds: 90 });
    await row('late').getByText('Expired').waitFor();
  } finally {
    await hub.rest('DELETE', '/kyanite/v1/clock');
  }
  // The list may tell of an outcome a moment before its feedback is stored.
  const told = [];
  await eventually(async () => {
    const answer = await hub.must('GET', '/messages/servicebound/feedback');
    if (answer.status === 204) return told.length >= 4;
    const mine = answer.json.filter((one) => one.deviceId === identity.deviceId);
    told.push(...mine.map((one) => `${one.originalMessageId} ${one.statusCode}`));
    const token = answer.headers.etag.replaceAll('"', '');
    await hub.must('DELETE', `/messages/servicebound/feedback/${token}`);
    return false;
  }, 'the feedback of all four');
  assert.deepEqual(told.sort(), ['dropped Purged', 'late Expired', 'refused Rejected', 'taken Success']);
});

pageTest('an id that is used twice has two outcomes, each its own', async (page) => {
  const identity = await hub.create(newName('twice'));
  await open(page, identity, 'messages');
  for (const time of [1, 2]) {
    await page.getByLabel('Message id').fill('same');
    await page.getByRole('button', { name: 'Send' }).click();
    if (time === 2) break;
    await page.locator('.log').getByText('Waiting').waitFor();
    await hub.must('DELETE', `/devices/${identity.deviceId}/commands`);
    await page.locator('.log').getByText('Purged').waitFor();
  }
  await page.locator('.log li').first().getByText('Waiting').waitFor();
  await page.locator('.log li').last().getByText('Purged').waitFor();
});

pageTest('what cannot be a message is refused before it is sent', async (page) => {
  const identity = await hub.create(newName('nomessage'));
  await open(page, identity, 'messages');
  await page.getByRole('button', { name: 'Add a property' }).click();
  await page.getByLabel('Name of the property').fill('a b');
  await page.getByRole('button', { name: 'Send' }).click();
  await errorOf(page)
    .getByText(/cannot be the name of a property/)
    .waitFor();
  await page.getByLabel('Name of the property').fill('a');
  await page.getByLabel('Value of the property').fill(' a ');
  await page.getByRole('button', { name: 'Send' }).click();
  await errorOf(page)
    .getByText(/The value of a property cannot begin or end with a blank/)
    .waitFor();
  await page.getByLabel('Value of the property').fill('b');
  await page.getByLabel('Message id').fill('ümlaut');
  await page.getByRole('button', { name: 'Send' }).click();
  await errorOf(page)
    .getByText(/The message id has at most 128 letters/)
    .waitFor();
  await page.getByLabel('Message id').fill('');
  await page.getByRole('button', { name: 'Remove the property' }).click();
  await page.getByLabel('Body').fill('x'.repeat(70_000));
  await page.getByRole('button', { name: 'Send' }).click();
  await errorOf(page)
    .getByText(/at most 64 KiB/)
    .waitFor();
  await page.getByLabel('Body').fill('x');
  for (let i = 0; i < 50; ++i) await hub.must('POST', `/devices/${identity.deviceId}/messages/devicebound`, `${i}`);
  await page.getByRole('button', { name: 'Send' }).click();
  await errorOf(page)
    .getByText(/HTTP 403 · DeviceMaximumQueueDepthExceeded/)
    .waitFor();
});

pageTest('a method is called, and its answer, its failure and its time-out are shown', async (page) => {
  const identity = await hub.create(newName('method'));
  await open(page, identity, 'methods');
  await page.getByLabel('Method', { exact: true }).fill('reboot');
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await errorOf(page)
    .getByText(/HTTP 404 · DeviceNotOnline/)
    .waitFor();
  await errorOf(page)
    .getByText(/The device is not connected/)
    .waitFor();
  await shoot(page, '27-method-offline');
  const device = await hub.connect(identity);
  device.methods = (name, payload) =>
    name === 'silent' ? null : [name === 'fail' ? 500 : 200, { name, payload: payload && JSON.parse(payload) }];
  await device.subscribeAsync('$iothub/methods/POST/#');
  await page.getByLabel('Payload').fill('{"delay": 5, "big": 12345678901234567890}');
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await page.getByLabel('Answer of the device').getByText('"name": "reboot"').waitFor();
  await page
    .getByText('Status 200')
    .or(page.locator('.badge.good').filter({ hasText: '200' }))
    .first()
    .waitFor();
  await shoot(page, '28-method');
  await page.getByLabel('Method', { exact: true }).fill('fail');
  await page.getByLabel('Payload').fill('');
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await page.locator('.badge.warning').filter({ hasText: '500' }).first().waitFor();
  await page.getByLabel('Payload').fill('{nonsense');
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await errorOf(page)
    .getByText(/The payload is not JSON/)
    .waitFor();
  await page.getByLabel('Payload').fill('');
  await page.getByLabel('Wait for the answer').fill('4');
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await errorOf(page)
    .getByText(/whole number from 5 to 300/)
    .waitFor();
  await page.getByLabel('Method', { exact: true }).fill('silent');
  await page.getByLabel('Wait for the answer').fill('5');
  // Again where a machine was so slow that the page gave the hub up, ten seconds later.
  await eventually(async () => {
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    await page.locator('button:enabled').filter({ hasText: /^Call$/ }).waitFor();
    return (await errorOf(page).getByText(/HTTP 504 · GatewayTimeout/).count()) > 0;
  }, 'the time-out');
  await page.getByText('The device was called and did not answer in time').waitFor();
  await page.locator('.log').getByText('reboot').first().waitFor();
});

pageTest('telemetry comes live, is plotted, filtered, opened and paused', async (page) => {
  const identity = await hub.create(newName('telemetry'));
  const device = await hub.connect(identity);
  await open(page, identity, 'telemetry');
  await page.getByText('Live', { exact: true }).waitFor();
  for (let i = 0; i < 12; ++i)
    await device.send({ temperature: 20 + i / 10, inner: { humidity: 50 - i }, name: `m${i}` }, `line=${i}`);
  await device.send(Buffer.from([0xff, 0xfe, 0x00]));
  await device.send('plain words');
  await page.getByText('14 messages came, 14 shown').waitFor();
  await page.locator('.plot canvas').waitFor();
  await page.locator('.legend').getByText('inner.humidity').waitFor();
  await page.getByText('(binary)').waitFor();
  await shoot(page, '29-telemetry');
  await page.getByRole('button', { name: /"m3"/ }).click();
  await page.getByText('iothub-connection-device-id').waitFor();
  await page.getByLabel('Filter').fill('line":"7');
  await page.getByText('14 messages came, 1 shown').waitFor();
  await page.getByLabel('Filter').fill('');
  await page.getByRole('button', { name: 'Pause' }).click();
  await device.send({ temperature: 99 });
  await sleep(600);
  assert.equal(await page.getByText('"temperature":99').count(), 0);
  await page.getByRole('button', { name: 'Go on' }).click();
  await device.send({ temperature: 98 });
  await page.getByText('"temperature":98').waitFor();
  await page.getByLabel('Begin').selectOption('start');
  await page.getByText('16 messages came, 16 shown').waitFor();
  await page.getByRole('checkbox', { name: 'inner.humidity' }).uncheck();
  await eventually(async () => (await page.locator('.legend li').count()) === 1, 'the plot without it');
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.getByText('Nothing came yet.').waitFor();
});

pageTest('a flood of telemetry keeps the page small and quick', async (page) => {
  const identity = await hub.create(newName('flood'));
  const device = await hub.connect(identity);
  await open(page, identity, 'telemetry');
  await page.getByText('Live', { exact: true }).waitFor();
  const sends = [];
  for (let i = 0; i < 3000; ++i) sends.push(device.send({ i, value: Math.sin(i / 50) }));
  await Promise.all(sends);
  await page.getByText(/3,000 messages came, 500 shown/).waitFor();
  assert.equal(await page.locator('table.messages tbody tr').count(), 500);
  const took = await page.getByRole('button', { name: 'Clear' }).evaluate((button) => {
    const began = performance.now();
    button.click();
    document.body.getBoundingClientRect(); // laid out anew
    return performance.now() - began;
  });
  assert.ok(took < 30_000, `${took} ms`);
  assert.equal(await page.locator('table.messages tbody tr').count(), 0);
});

pageTest('modules are listed, created and have pages of their own', async (page) => {
  const identity = await hub.create(newName('modules'));
  await open(page, identity, 'modules');
  await page.getByText('This device has no modules.').waitFor();
  await page.getByRole('button', { name: 'New module' }).click();
  await page.getByLabel('Module id').fill('filter');
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await page.getByRole('heading', { name: 'filter', exact: true }).waitFor();
  const module = (await hub.rest('GET', `/devices/${identity.deviceId}/modules/filter`)).json;
  const client = await hub.connect(module);
  await page.getByText('Connected', { exact: true }).waitFor();
  await go(page, 'device', identity.deviceId, 'module', 'filter', 'telemetry');
  await page.getByText('Live', { exact: true }).waitFor();
  await client.send({ from: 'module' });
  await page.getByText('"from":"module"').waitFor();
  await go(page, 'device', identity.deviceId, 'module', 'filter', 'twin');
  const editor = page.getByLabel('Tags and desired properties, JSON');
  await page.getByText('No changes').waitFor();
  await editor.fill('{"tags": {}, "properties": {"desired": {"x": 1}}}');
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByText('The twin is saved').waitFor();
  assert.equal((await hub.rest('GET', `/twins/${identity.deviceId}/modules/filter`)).json.properties.desired.x, 1);
  await go(page, 'device', identity.deviceId, 'modules');
  await page.getByRole('link', { name: 'filter' }).waitFor();
  await shoot(page, '30-modules');
});

pageTest('connects, ends and refusals of a device are told with their reasons', async (page) => {
  const identity = await hub.create(newName('history'));
  const device = await hub.connect(identity);
  const second = await hub.connect(identity);
  await eventually(() => !device.connected, 'the takeover');
  await second.endAsync();
  for (let i = 0; i < 3; ++i)
    await assert.rejects(hub.connect(identity, { key: Buffer.alloc(32, 9).toString('base64') }));
  await open(page, identity, 'connections');
  await page.getByText('IotHubUnauthorized: wrong signature').first().waitFor();
  await page.getByText(/[23] times since/).waitFor();
  await page.getByText('The token was signed with a key that is not the one registered here').first().waitFor();
  await page.getByText('Another connection with the same id took its place').waitFor();
  await page.getByText('the device said goodbye').waitFor();
  await shoot(page, '31-connections');
  await page.getByLabel('Which').selectOption('refused');
  await eventually(
    async () => (await page.locator('tbody tr').count()) === (await page.locator('tbody .badge.bad').count()),
    'the refusals alone',
  );
});
