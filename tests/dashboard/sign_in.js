// Signing in and out: what works, what does not and says why, and where the key is not.
import { assert, browser, errorOf, go, hub, newName, pageTest } from './suite.js';
import { eventually, Hub, openPage, shoot, signIn } from './world.js';
import { test } from 'node:test';

const enterBy = (options) => ({ signedIn: false, ...options });

pageTest(
  'a connection string signs in, and the key is in no address and no storage',
  async (page) => {
    await page.goto(hub.url);
    await shoot(page, '01-sign-in');
    await signIn(page, hub);
    await page.getByText('Signed in as').waitFor();
    await page.getByText('RegistryRead, RegistryWrite, ServiceConnect').waitFor();
    const found = await page.evaluate(
      () => JSON.stringify({ ...localStorage, ...sessionStorage }) + location.href + document.cookie,
    );
    assert.ok(!found.includes(hub.owner.SharedAccessKey), found);
    const shown = await page.evaluate(
      () =>
        document.documentElement.outerHTML +
        [...document.querySelectorAll('textarea, input')].map((one) => one.value).join(),
    );
    assert.ok(!shown.includes(hub.owner.SharedAccessKey));
  },
  enterBy(),
);

pageTest(
  'policy, key and host name given apart sign in, too',
  async (page) => {
    await page.goto(hub.url);
    await page.getByText('Or give policy and key').click();
    await page.getByLabel('Key', { exact: true }).fill(hub.owner.SharedAccessKey);
    await page.getByLabel('Host name of the hub').fill('hub.test');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Signed in as').waitFor();
  },
  enterBy(),
);

pageTest(
  'the page works under another name of the machine',
  async (page) => {
    await signIn(page, {
      url: `https://localhost:${hub.ports.https}/`,
      connectionString: hub.connectionString,
    });
    await page.getByText('fleet-00000').waitFor();
  },
  enterBy(),
);

pageTest(
  'the admin port of this machine has the same page, without TLS',
  async (page) => {
    await signIn(page, { url: `http://127.0.0.1:${hub.info.ports.admin}/`, connectionString: hub.connectionString });
    await page.getByText('fleet-00000').waitFor();
  },
  enterBy(),
);

pageTest(
  'a sign-in that is kept survives loading, and signing out ends it',
  async (page) => {
    await signIn(page, hub, hub.connectionString, { keep: true });
    await page.getByText('Signed in as').waitFor();
    await page.reload();
    await page.getByText('Signed in as').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Connection string of the service').waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    await page.reload();
    await page.getByLabel('Connection string of the service').waitFor();
  },
  enterBy(),
);

pageTest(
  'without the tick loading the page again signs out',
  async (page) => {
    await signIn(page, hub);
    await page.getByText('Signed in as').waitFor();
    await page.reload();
    await page.getByLabel('Connection string of the service').waitFor();
  },
  enterBy(),
);

const refusals = [
  [
    'a wrong key',
    () => hub.policyString('iothubowner', Buffer.alloc(32, 7).toString('base64')),
    /The hub did not accept this sign-in/,
  ],
  [
    'a policy that does not exist',
    () => hub.policyString('nobody', hub.owner.SharedAccessKey),
    /The hub did not accept this sign-in/,
  ],
  [
    'a host name that is none of the hub’s',
    () => hub.connectionString.replace('hub.test', 'other.test'),
    /host name is none of the hub/,
  ],
  ['the policy device, which opens nothing here', () => hub.policy('device'), /only DeviceConnect/],
  ['a key that is not base64', () => hub.policyString('iothubowner', '***'), /not base64/],
  [
    'a device’s connection string',
    () => 'HostName=hub.test;DeviceId=d1;SharedAccessKey=AAAA',
    /connection string of a device/,
  ],
  [
    'one of the Event Hubs endpoint',
    () => 'Endpoint=sb://hub.test/;SharedAccessKeyName=service;SharedAccessKey=AAAA;EntityPath=x',
    /Event Hubs-compatible endpoint/,
  ],
  ['one without a key', () => 'HostName=hub.test;SharedAccessKeyName=service', /lacks SharedAccessKey/],
  ['something else', () => 'hello', /lacks HostName/],
  ['nothing', () => '', /Paste a connection string/],
];
for (const [what, text, answer] of refusals) {
  pageTest(
    `${what} is refused with a reason`,
    async (page) => {
      await signIn(page, hub, await text());
      await page.locator('.error-box, .note.bad').filter({ hasText: answer }).waitFor();
      if (what === 'a wrong key') {
        await page.getByText(/tracking id/).waitFor();
        await shoot(page, '02-sign-in-refused');
      }
    },
    enterBy(),
  );
}

pageTest(
  'a page without WebCrypto says that it takes https',
  async (page) => {
    await page.addInitScript(() => Object.defineProperty(crypto, 'subtle', { value: undefined }));
    await page.goto(hub.url);
    await page.getByText('Signing in is not possible on this page').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Sign in' }).isDisabled());
    await shoot(page, '03-sign-in-insecure');
  },
  enterBy(),
);

// (Files served from disk come without TLS.)
test(
  'a browser that does not trust the CA does not show the page',
  { skip: Boolean(process.env.DASHBOARD_WEB) },
  async () => {
    const page = await openPage(browser, hub, { ignoreHTTPSErrors: false });
    await assert.rejects(page.goto(hub.url), /ERR_CERT_AUTHORITY_INVALID/);
    await page.context().close();
  },
);

pageTest(
  'a policy that only reads sees what it lacks, and no buttons that would fail',
  async (page) => {
    await signIn(page, hub, await hub.policy('registryRead'));
    await page.getByText('Your policy “registryRead” lacks ServiceConnect.').waitFor();
    await page.getByText('Your policy “registryRead” lacks RegistryWrite.').waitFor();
    await page.getByText('fleet-00000').waitFor();
    assert.ok(await page.getByRole('button', { name: 'New device' }).isDisabled());
    assert.equal(await page.locator('tbody input[type=checkbox]').count(), 0);
    await shoot(page, '04-read-only');
    await page.getByRole('button', { name: 'Next ›' }).click();
    await page.getByText('51–100 of 1,000').waitFor();
    await go(page, 'device', 'fleet-00001');
    await page.getByRole('button', { name: 'Show primary key' }).waitFor();
    assert.ok(await page.getByRole('button', { name: 'Delete' }).isDisabled());
    for (const tab of ['twin', 'messages', 'methods', 'telemetry']) {
      await go(page, 'device', 'fleet-00001', tab);
      await page
        .getByText('Your policy “registryRead” lacks ServiceConnect. So this part of the device cannot be seen.')
        .waitFor();
    }
    await go(page, 'query');
    await page.getByText('Your policy “registryRead” lacks ServiceConnect. So it cannot ask').waitFor();
    await go(page, 'hub');
    await page.getByText('So consumer groups are not shown.').waitFor();
    assert.equal(await page.getByRole('link', { name: 'Test control' }).count(), 0);
  },
  enterBy(),
);

pageTest(
  'a policy of back ends has devices without their keys',
  async (page) => {
    await signIn(page, hub, await hub.policy('service'));
    await page.getByText('of 10,0').waitFor();
    await go(page, 'device', 'fleet-00001');
    await page
      .getByText('Your policy “service” lacks RegistryRead. Keys and the other parts of the identity are not shown.')
      .waitFor();
    await go(page, 'device', 'fleet-00001', 'twin');
    await page.getByText('"north"').or(page.locator('textarea')).first().waitFor();
  },
  enterBy(),
);

pageTest(
  'a key that is replaced while it is used says so, and offers to sign in again',
  async (page) => {
    await signIn(page, hub, await hub.policy('service'));
    await page.getByText('Signed in as').waitFor();
    for (const key of ['primary', 'secondary']) {
      const answer = await hub.must('POST', '/kyanite/v1/policies/service/regenerate-key', { key });
      assert.equal(answer.status, 200, answer.text);
    }
    await go(page, 'query');
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByText('The hub no longer accepts this sign-in').waitFor();
    await errorOf(page)
      .getByText(/HTTP 401/)
      .waitFor();
    await shoot(page, '05-key-replaced');
    await page.getByRole('button', { name: 'Sign in again' }).click();
    await page.getByLabel('Connection string of the service').waitFor();
  },
  enterBy(),
);

pageTest('tokens follow a clock that is shifted, ahead and back again', async (page) => {
  try {
    await hub.must('PUT', '/kyanite/v1/clock', { shiftSeconds: 86400 });
    await go(page, 'query');
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByText(/^\d+ rows so far/).waitFor();
    await hub.rest('DELETE', '/kyanite/v1/clock');
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByText(/^\d+ rows so far/).waitFor();
    await page.locator('.error-box').waitFor({ state: 'detached' });
  } finally {
    await hub.rest('DELETE', '/kyanite/v1/clock');
  }
});

test('a hub that goes away is told, and the page goes on when it is back', { timeout: 240_000 }, async () => {
  const other = await new Hub({}, ['--durability', 'os']).start();
  const page = await openPage(browser, other);
  try {
    await other.create('d1');
    await signIn(page, other);
    await page.getByText('1–1 of 1').waitFor();
    const id = newName('after');
    await other.kill();
    await page.getByText('The hub does not answer. This page tries again').waitFor();
    await shoot(page, '06-hub-gone');
    await other.start();
    await page.getByText('The hub does not answer').waitFor({ state: 'detached' });
    await other.create(id);
    await page.getByText(id).waitFor();
    await eventually(async () => (await page.locator('#banner').innerText()) === '', 'the banner’s end');
  } finally {
    await page.context().close();
    await other.stop();
  }
});
