// One device, or one of its modules: '#/device/ID[/TAB]' and '#/device/ID/module/MODULE[/TAB]'.

import { address } from './address.js';
import { isUnreachable } from './api.js';
import { connectionsTab } from './connections.js';
import { fill, h } from './dom.js';
import { readIdentity, twinPath } from './identities.js';
import { identityTab } from './identity.js';
import { messagesTab } from './messages.js';
import { methodsTab } from './methods.js';
import { modulesTab } from './modules.js';
import { telemetryTab } from './telemetry.js';
import { twinTab } from './twin.js';
import { badge, lackNote, note, poll, stateDot, tellIn } from './ui.js';

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
  if (isUnreachable(id) || (rest[0] === 'module' && isUnreachable(rest[1]))) return unreachablePage(page, id, rest[1]);
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
    ? [
        h('a', { href: '#/devices' }, 'Devices'),
        ' / ',
        h('a', { href: address('device', id), class: 'mono' }, id),
        ' / ',
        h('a', { href: address('device', id, 'modules') }, 'Modules'),
      ]
    : [h('a', { href: '#/devices' }, 'Devices')];
  fill(
    page.main,
    h('nav', { class: 'trail', 'aria-label': 'Where this is' }, trail),
    h('div', { class: 'page-head' }, h('h1', { class: 'mono' }, module ?? id), state),
    h(
      'nav',
      { class: 'tabs', 'aria-label': module ? 'Parts of the module' : 'Parts of the device' },
      tabs.map((one) =>
        h('a', { href: address(...base, one.name), 'aria-current': one === tab ? 'page' : null }, one.title),
      ),
    ),
    problem,
    content,
  );

  page.main.querySelector('.tabs [aria-current]').scrollIntoView({ block: 'nearest', inline: 'center' });

  if (tab.needs && page.session.lacks(tab.needs)) {
    fill(content, lackNote(page.session, tab.needs, 'So this part of the device cannot be seen.'));
  } else {
    tab.make({ ...page, main: content }, subject);
  }
  watchState(page, subject, state, problem);
}

function unreachablePage(page, id, module) {
  const name = module && isUnreachable(module) ? module : id;
  page.setTitle(name);
  fill(
    page.main,
    h('nav', { class: 'trail', 'aria-label': 'Where this is' }, h('a', { href: '#/devices' }, 'Devices')),
    h('div', { class: 'page-head' }, h('h1', { class: 'mono' }, name)),
    note(
      'warning',
      h('strong', {}, `A browser cannot open anything called “${name}”.`),
      h(
        'p',
        {},
        'Browsers take such an id for a part of the address and leave it out before they ask the hub. ',
        'For devices and back ends it is an id like any other. The list of devices shows it and can delete it; more is done by the command:',
      ),
      h('pre', { class: 'mono' }, `kyanite device show ${name}`),
    ),
  );
}

// What all tabs show, and some want to know: the twin has it, and the identity for those who may read that.
function watchState(page, subject, state, problem) {
  const { api, session } = page;
  const read = async () => {
    if (!session.lacks('ServiceConnect')) {
      return (
        await api.ask(`read “${subject.module ?? subject.id}”`, 'GET', twinPath(subject.id, subject.module), {
          needs: 'ServiceConnect',
          signal: page.signal,
        })
      ).json;
    }
    return readIdentity(api, subject.id, subject.module, page.signal);
  };
  poll(
    page,
    async () => {
      const summary = await read();
      subject.summary = summary;
      const isOn = summary.connectionState === 'Connected';
      fill(
        state,
        summary.status === 'disabled' ? badge('Disabled', 'warning') : null,
        stateDot(isOn, isOn ? 'Connected' : 'Not connected'),
      );
      for (const tell of subject.onSummary) tell(summary);
    },
    3000,
    tellIn(problem),
  );
}
