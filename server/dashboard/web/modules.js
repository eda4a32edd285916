// The modules of a device.

import { address } from './address.js';
import { segment } from './api.js';
import { createModuleDialog } from './create_identity.js';
import { fill, h, setText } from './dom.js';
import { ago, fullTime } from './format.js';
import { empty, LiveTable, poll, stateDot, tellIn } from './ui.js';

export function modulesTab(page, subject) {
  const { api, main, session } = page;
  const mayWrite = !session.lacks('RegistryWrite');
  const place = h('div');
  const nothing = h('div');
  const table = new LiveTable(
    'Modules',
    [
      { name: 'Module' },
      { name: 'Connection' },
      { name: 'Last activity', class: 'wide' },
      { name: 'Managed by', class: 'wide' },
    ],
    (item) => {
      const cells = { state: h('td'), activity: h('td', { class: 'wide' }), by: h('td', { class: 'wide' }) };
      return {
        element: h(
          'tr',
          {},
          h(
            'td',
            {},
            h('a', { class: 'mono id', href: address('device', subject.id, 'module', item.moduleId) }, item.moduleId),
          ),
          cells.state,
          cells.activity,
          cells.by,
        ),
        update(now) {
          const isOn = now.connectionState === 'Connected';
          fill(cells.state, stateDot(isOn, isOn ? 'Connected' : 'Not connected'));
          setText(cells.activity, ago(now.lastActivityTime, session.now()));
          cells.activity.title = fullTime(now.lastActivityTime);
          setText(cells.by, now.managedBy ?? '');
        },
      };
    },
  );
  const create = h(
    'button',
    {
      type: 'button',
      class: 'primary',
      disabled: !mayWrite,
      title: mayWrite ? null : session.explainLack('RegistryWrite'),
      onclick: async () => {
        const made = await createModuleDialog(api, subject.id);
        if (made) location.hash = address('device', subject.id, 'module', made);
      },
    },
    'New module',
  );
  fill(main, h('div', { class: 'row end' }, create), place, table.element, nothing);
  poll(
    page,
    async () => {
      const modules = (
        await api.ask('list the modules', 'GET', `/devices/${segment(subject.id)}/modules`, {
          needs: 'RegistryRead',
          signal: page.signal,
        })
      ).json;
      table.update(modules, (item) => item.moduleId);
      table.element.hidden = modules.length === 0;
      fill(nothing, modules.length === 0 ? empty(h('p', {}, 'This device has no modules.')) : null);
    },
    5000,
    tellIn(place),
  );
}
