// One device, or one of its modules: '#/device/ID[/TAB]' and '#/device/ID/module/MODULE[/TAB]'.

import { address } from './address.js';
import { connectionsTab } from './connections.js';
import { fill, h, setText } from './dom.js';
import { ago, count, fullTime } from './format.js';
import { connectionString, readIdentity, removeIdentity, setStatus, twinPath, writeIdentity } from './identities.js';
import { messagesTab } from './messages.js';
import { methodsTab } from './methods.js';
import { modulesTab } from './modules.js';
import { telemetryTab } from './telemetry.js';
import { twinTab } from './twin.js';
import { attempt, badge, confirmDialog, dialog, errorBox, facts, field, lackNote, panel, poll, secret, stateDot, toast } from './ui.js';

const AUTHENTICATION = { sas: 'Symmetric keys', selfSigned: 'X.509 certificate, by thumbprint', certificateAuthority: 'X.509 certificate, signed by a CA', none: 'None' };
const TABS = [
  { name: 'identity', title: 'Identity', make: identityTab },
  { name: 'twin', title: 'Twin', make: twinTab, needs: 'ServiceConnect' },
  { name: 'messages', title: 'Messages', make: messagesTab, needs: 'ServiceConnect', isForDevices: true },
  { name: 'methods', title: 'Methods', make: methodsTab, needs: 'ServiceConnect' },
  { name: 'telemetry', title: 'Telemetry', make: telemetryTab, needs: 'ServiceConnect' },
  { name: 'modules', title: 'Modules', make: modulesTab, needs: 'RegistryRead', isForDevices: true },
  { name: 'connections', title: 'Connections', make: connectionsTab },
];

export function devicePage(page) {
  const [id, ...rest] = page.path;
  if (!id) {
    location.hash = '#/devices';
    return;
  }
  const isModule = rest[0] === 'module' && rest[1];
  const module = isModule ? rest[1] : null;
  const tabs = TABS.filter((tab) => !module || !tab.isForDevices);
  const tab = tabs.find((one) => one.name === rest[isModule ? 2 : 0]) ?? tabs[0];
  const base = module ? ['device', id, 'module', module] : ['device', id];
  const subject = { id, module, summary: null, onSummary: [] };
  page.setTitle(`${module ?? id} · ${tab.title}`);

  const state = h('span', { class: 'row' });
  const content = h('div', { class: 'tab-content' });
  const problem = h('div');
  const trail = module
    ? [h('a', { href: '#/devices' }, 'Devices'), ' / ', h('a', { href: address('device', id), class: 'mono' }, id), ' / ', h('a', { href: address('device', id, 'modules') }, 'Modules')]
    : [h('a', { href: '#/devices' }, 'Devices')];
  fill(page.main,
    h('nav', { class: 'trail', 'aria-label': 'Where this is' }, trail),
    h('div', { class: 'page-head' }, h('h1', { class: 'mono' }, module ?? id), state),
    h('nav', { class: 'tabs', 'aria-label': module ? 'Parts of the module' : 'Parts of the device' }, tabs.map((one) =>
      h('a', { href: address(...base, one.name), 'aria-current': one === tab ? 'page' : null }, one.title))),
    problem, content);

  if (tab.needs && page.session.lacks(tab.needs)) {
    fill(content, lackNote(page.session, tab.needs, 'So this part of the device cannot be seen.'));
  } else {
    tab.make({ ...page, main: content }, subject);
  }
  watchState(page, subject, state, problem);
}

// What all tabs show, and some want to know: the twin has it, and the identity for those who may read that.
function watchState(page, subject, state, problem) {
  const { api, session } = page;
  const read = async () => {
    if (!session.lacks('ServiceConnect')) {
      return (await api.ask(`read “${subject.module ?? subject.id}”`, 'GET', twinPath(subject.id, subject.module), { needs: 'ServiceConnect', signal: page.signal })).json;
    }
    return readIdentity(api, subject.id, subject.module, page.signal);
  };
  poll(page, async () => {
    const summary = await read();
    subject.summary = summary;
    const isOn = summary.connectionState === 'Connected';
    fill(state, summary.status === 'disabled' ? badge('Disabled', 'warning') : null, stateDot(isOn, isOn ? 'Connected' : 'Not connected'));
    fill(problem);
    for (const tell of subject.onSummary) tell(summary);
  }, 3000, (error) => {
    if (error && error.status !== 0 && error.status !== 429) fill(problem, errorBox(error));
  });
}

function identityTab(page, subject) {
  const { api, session, main } = page;
  if (session.lacks('RegistryRead')) {
    const shown = h('div');
    subject.onSummary.push((twin) => fill(shown, facts([
      ['Status', twin.status ?? '–'], ['Last activity', fullTime(twin.lastActivityTime)], ['Authentication', AUTHENTICATION[twin.authenticationType] ?? '–']])));
    fill(main, lackNote(session, 'RegistryRead', 'Keys and the other parts of the identity are not shown.'), panel('Device', shown));
    return;
  }
  const place = h('div');
  const body = h('div', { class: 'columns' });
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
    fill(body,
      panel('Identity', facts([
        ['Id', h('code', {}, identity.moduleId ?? identity.deviceId)],
        identity.moduleId ? ['Managed by', identity.managedBy || 'nobody'] : ['Status', identity.status === 'enabled' ? 'Enabled' : badge('Disabled', 'warning'),
          identity.statusReason ? h('span', { class: 'quiet' }, ` ${identity.statusReason}`) : null],
        !identity.moduleId && parseable(identity.statusUpdatedTime) ? ['Status changed', fullTime(identity.statusUpdatedTime)] : null,
        ['Connection changed', connectedSince], ['Last activity', activity],
        identity.moduleId ? null : ['Waiting messages', queue],
        identity.capabilities?.iotEdge ? ['Edge', 'IoT Edge device'] : null,
        identity.deviceScope ? ['Scope', h('code', {}, identity.deviceScope)] : null,
        ['Generation', h('code', {}, identity.generationId)], ['ETag', h('code', {}, identity.etag)]])),
      panel('Credentials', facts([['Authentication', AUTHENTICATION[identity.authentication?.type] ?? identity.authentication?.type]]),
        is('sas') ? [
          secret('Primary key', () => identity.authentication.symmetricKey.primaryKey ?? ''),
          secret('Secondary key', () => identity.authentication.symmetricKey.secondaryKey ?? ''),
          secret('Connection string', () => connectionString(session, identity)),
          secret('Connection string, secondary key', () => connectionString(session, identity, 'secondaryKey')),
          h('div', { class: 'row' }, button('New primary key', () => renew(identity, 'primaryKey')), button('New secondary key', () => renew(identity, 'secondaryKey')))] : null,
        is('selfSigned') ? facts([['Primary thumbprint', h('code', {}, thumbprints.primaryThumbprint ?? '–')], ['Secondary thumbprint', h('code', {}, thumbprints.secondaryThumbprint ?? '–')]]) : null,
        is('selfSigned') || is('certificateAuthority') ? secret('Connection string', () => connectionString(session, identity)) : null),
      panel('Actions', whyNot ? h('p', { class: 'note' }, whyNot) : null, h('div', { class: 'row' },
        identity.moduleId ? null : identity.status === 'enabled'
          ? button('Disable', () => disable(identity)) : button('Enable', async () => {
            draw(await setStatus(api, subject.id, 'enabled'));
            toast('The device is enabled');
          }),
        button('Delete', () => remove(identity), 'danger'))));
  }

  async function disable(identity) {
    const reason = await dialog(`Disable ${identity.deviceId}?`, (close) => {
      const input = h('input', { maxlength: 128 });
      setTimeout(() => input.focus());
      return h('form', { onsubmit: (event) => {
        event.preventDefault();
        close({ text: input.value.trim() || null });
      } }, h('p', {}, 'It is disconnected at once and refused until it is enabled again.'), field('Reason (optional)', input),
      h('div', { class: 'row end' }, h('button', { type: 'button', onclick: () => close() }, 'Cancel'), h('button', { type: 'submit', class: 'danger' }, 'Disable')));
    });
    if (!reason) return;
    draw(await setStatus(api, subject.id, 'disabled', reason.text));
    toast('The device is disabled');
  }

  async function renew(identity, which) {
    const name = which === 'primaryKey' ? 'primary' : 'secondary';
    if (!await confirmDialog(`Replace the ${name} key?`, h('p', {}, 'Clients that use the old one are refused when they connect next.'), 'Replace')) return;
    // Keys are made by the browser, from the same source as those of TLS.
    const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
    const authentication = { ...identity.authentication, symmetricKey: { ...identity.authentication.symmetricKey, [which]: key } };
    draw(await writeIdentity(api, `replace the ${name} key`, { ...identity, authentication }));
    toast(`The ${name} key is replaced`);
  }

  async function remove(identity) {
    const what = identity.moduleId ? 'module' : 'device';
    if (!await confirmDialog(`Delete the ${what} ${identity.moduleId ?? identity.deviceId}?`,
      h('p', {}, 'Its keys, twin', identity.moduleId ? '' : ', modules and waiting messages', ' go with it. This cannot be undone.'), 'Delete')) return;
    await removeIdentity(api, subject.id, subject.module);
    toast(`The ${what} is deleted`);
    location.hash = subject.module ? address('device', subject.id, 'modules') : '#/devices';
  }

  const start = () => load().catch((error) => {
    if (error.name !== 'AbortError') fill(place, errorBox(error));
  });
  page.onBack(start);
  start();
}

const parseable = (text) => Boolean(text) && !text.startsWith('0001-');
