// The identity: what is registered, its keys, and what can be done with it as a whole.

import { address } from './address.js';
import { fill, h, setText } from './dom.js';
import { ago, count, fullTime } from './format.js';
import { connectionString, readIdentity, removeIdentity, setStatus, writeIdentity } from './identities.js';
import { attempt, badge, confirmDialog, dialog, errorBox, facts, field, lackNote, panel, secret, toast } from './ui.js';

const AUTHENTICATION = {
  sas: 'Symmetric keys',
  selfSigned: 'X.509 certificate, by thumbprint',
  certificateAuthority: 'X.509 certificate, signed by a CA',
  none: 'None',
};
export function identityTab(page, subject) {
  const { api, session, main } = page;
  if (session.lacks('RegistryRead')) {
    const shown = h('div');
    subject.onSummary.push((twin) =>
      fill(
        shown,
        facts([
          ['Status', twin.status ?? '–'],
          ['Last activity', fullTime(twin.lastActivityTime)],
          ['Authentication', AUTHENTICATION[twin.authenticationType] ?? '–'],
        ]),
      ),
    );
    fill(
      main,
      lackNote(session, 'RegistryRead', 'Keys and the other parts of the identity are not shown.'),
      panel('Device', shown),
    );
    return;
  }
  const place = h('div');
  const body = h('div', { class: 'columns two' });
  fill(main, place, body);

  async function load() {
    const identity = await readIdentity(api, subject.id, subject.module, page.signal);
    draw(identity);
  }

  function draw(identity) {
    const mayWrite = !session.lacks('RegistryWrite');
    const whyNot = mayWrite ? null : session.explainLack('RegistryWrite');
    const is = (kind) => identity.authentication?.type === kind;
    const activity = h('span');
    const queue = h('span');
    const connectedSince = h('span');
    const showLive = (live) => {
      // Changed elsewhere. (A module has no status of its own; its twin shows the device's.)
      if (!identity.moduleId && live.status && live.status !== identity.status) start();
      setText(activity, `${fullTime(live.lastActivityTime)} (${ago(live.lastActivityTime, session.now())})`);
      setText(queue, count(live.cloudToDeviceMessageCount ?? identity.cloudToDeviceMessageCount));
    };
    subject.onSummary = [showLive];
    showLive(subject.summary ?? identity);
    setText(connectedSince, fullTime(identity.connectionStateUpdatedTime));
    const button = (text, action, kind = '') => {
      const element = h('button', { type: 'button', class: kind, disabled: !mayWrite, title: whyNot }, text);
      element.addEventListener('click', () => attempt(element, place, action));
      return element;
    };
    const thumbprints = identity.authentication?.x509Thumbprint ?? {};
    fill(
      body,
      panel(
        'Identity',
        facts([
          ['Id', h('code', {}, identity.moduleId ?? identity.deviceId)],
          identity.moduleId
            ? ['Managed by', identity.managedBy || 'nobody']
            : [
                'Status',
                identity.status === 'enabled' ? 'Enabled' : badge('Disabled', 'warning'),
                identity.statusReason ? h('span', { class: 'quiet' }, ` ${identity.statusReason}`) : null,
              ],
          !identity.moduleId && parseable(identity.statusUpdatedTime)
            ? ['Status changed', fullTime(identity.statusUpdatedTime)]
            : null,
          ['Connection changed', connectedSince],
          ['Last activity', activity],
          identity.moduleId ? null : ['Waiting messages', queue],
          identity.capabilities?.iotEdge ? ['Edge', 'IoT Edge device'] : null,
          identity.deviceScope ? ['Scope', h('code', {}, identity.deviceScope)] : null,
          ['Generation', h('code', {}, identity.generationId)],
          ['ETag', h('code', {}, identity.etag)],
        ]),
        whyNot ? h('p', { class: 'note' }, whyNot) : null,
        h(
          'div',
          { class: 'row' },
          identity.moduleId
            ? null
            : identity.status === 'enabled'
              ? button('Disable', () => disable(identity))
              : button('Enable', async () => {
                  draw(await setStatus(api, subject.id, 'enabled'));
                  toast('The device is enabled');
                }),
          button('Delete', () => remove(identity), 'danger'),
        ),
      ),
      panel(
        'Credentials',
        facts([['Authentication', AUTHENTICATION[identity.authentication?.type] ?? identity.authentication?.type]]),
        is('sas')
          ? [
              secret('Primary key', () => identity.authentication.symmetricKey.primaryKey ?? ''),
              secret('Secondary key', () => identity.authentication.symmetricKey.secondaryKey ?? ''),
              secret('Connection string', () => connectionString(session, identity)),
              secret('Connection string, secondary key', () => connectionString(session, identity, 'secondaryKey')),
              h(
                'div',
                { class: 'row' },
                button('New primary key', () => renew(identity, 'primaryKey')),
                button('New secondary key', () => renew(identity, 'secondaryKey')),
              ),
            ]
          : null,
        is('selfSigned')
          ? facts([
              ['Primary thumbprint', h('code', {}, thumbprints.primaryThumbprint ?? '–')],
              ['Secondary thumbprint', h('code', {}, thumbprints.secondaryThumbprint ?? '–')],
            ])
          : null,
        is('selfSigned') || is('certificateAuthority')
          ? secret('Connection string', () => connectionString(session, identity))
          : null,
      ),
    );
  }

  async function disable(identity) {
    const reason = await dialog(`Disable ${identity.deviceId}?`, (close) => {
      const input = h('input', { maxlength: 128 });
      setTimeout(() => input.focus());
      return h(
        'form',
        {
          onsubmit: (event) => {
            event.preventDefault();
            close({ text: input.value.trim() || null });
          },
        },
        h('p', {}, 'It is disconnected at once and refused until it is enabled again.'),
        field('Reason (optional)', input),
        h(
          'div',
          { class: 'row end' },
          h('button', { type: 'button', onclick: () => close() }, 'Cancel'),
          h('button', { type: 'submit', class: 'danger' }, 'Disable'),
        ),
      );
    });
    if (!reason) return;
    draw(await setStatus(api, subject.id, 'disabled', reason.text));
    toast('The device is disabled');
  }

  async function renew(identity, which) {
    const name = which === 'primaryKey' ? 'primary' : 'secondary';
    if (
      !(await confirmDialog(
        `Replace the ${name} key?`,
        h('p', {}, 'Clients that use the old one are refused when they connect next.'),
        'Replace',
      ))
    )
      return;
    // Keys are made by the browser, from the same source as those of TLS.
    const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
    const authentication = {
      ...identity.authentication,
      symmetricKey: { ...identity.authentication.symmetricKey, [which]: key },
    };
    draw(await writeIdentity(api, `replace the ${name} key`, { ...identity, authentication }));
    toast(`The ${name} key is replaced`);
  }

  async function remove(identity) {
    const what = identity.moduleId ? 'module' : 'device';
    if (
      !(await confirmDialog(
        `Delete the ${what} ${identity.moduleId ?? identity.deviceId}?`,
        h(
          'p',
          {},
          'Its keys, twin',
          identity.moduleId ? '' : ', modules and waiting messages',
          ' go with it. This cannot be undone.',
        ),
        'Delete',
      ))
    )
      return;
    await removeIdentity(api, subject.id, subject.module);
    toast(`The ${what} is deleted`);
    location.hash = subject.module ? address('device', subject.id, 'modules') : '#/devices';
  }

  const start = () =>
    load().then(
      () => fill(place),
      (error) => {
        if (error.name !== 'AbortError' && !error.isTold) fill(place, errorBox(error));
      },
    );
  page.onBack(start);
  start();
}

const parseable = (text) => Boolean(text) && !text.startsWith('0001-');
