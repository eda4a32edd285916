// Connects, ends and refusals, of one device or of the whole hub: why a device is not there.

import { address } from './address.js';
import { fill, h, setText } from './dom.js';
import { ago, clockTime, duration, fullTime, plural } from './format.js';
import { isId } from './identities.js';
import { badge, empty, LiveTable, poll, select, tellIn } from './ui.js';

const NAMES = { connected: ['Connected', 'good'], disconnected: ['Disconnected', ''], refused: ['Refused', 'bad'] };
const REASONS = { device_disconnected: 'the device said goodbye', shutting_down: 'the hub was stopped' };

function keyOf(entry) {
  return [
    entry.event,
    entry.firstTime ?? entry.time,
    entry.deviceId,
    entry.moduleId,
    entry.address,
    entry.reason,
    entry.detail,
  ].join('\n');
}

function makeRow(entry, session, withDevice) {
  const time = h('td', { class: 'nowrap' });
  const times = h('span');
  const identity = entry.deviceId
    ? [
        // What a stranger claims to be called may be no id at all.
        isId(entry.deviceId)
          ? h('a', { class: 'mono id', href: address('device', entry.deviceId, 'connections') }, entry.deviceId)
          : h('span', { class: 'mono' }, entry.deviceId),
        entry.moduleId ? h('span', { class: 'mono quiet' }, ` / ${entry.moduleId}`) : null,
      ]
    : h('span', { class: 'quiet' }, 'no id');
  const [name, kind] = NAMES[entry.event] ?? [entry.event, ''];
  const how = [
    entry.protocol?.toUpperCase(),
    entry.transport === 'websocket' ? 'WebSocket' : null,
    entry.tls,
    entry.authType === 'sas' ? 'SAS' : entry.authType === 'x509' ? 'X.509' : null,
  ]
    .filter(Boolean)
    .join(' · ');
  const reason = REASONS[entry.reason] ?? [entry.reason, entry.detail].filter(Boolean).join(': ');
  return {
    element: h(
      'tr',
      {},
      time,
      withDevice ? h('td', { class: 'id-cell' }, identity) : h('td', { class: 'mono wide' }, entry.moduleId ?? ''),
      h('td', {}, badge(name, kind), times),
      h(
        'td',
        { class: 'grow' },
        reason ? h('span', { class: 'block' }, reason) : null,
        entry.event === 'disconnected'
          ? h('span', { class: 'quiet block' }, `after ${duration(entry.connectedMilliseconds)}`)
          : null,
        entry.explanation ? h('span', { class: 'quiet block explanation' }, entry.explanation) : null,
      ),
      h(
        'td',
        { class: 'wide small from' },
        h('span', { class: 'mono block' }, entry.address ?? ''),
        h('span', { class: 'quiet block' }, how),
        entry.client ? h('span', { class: 'quiet block ellipsis' }, entry.client) : null,
      ),
    ),
    update(now) {
      fill(
        time,
        h('span', { title: fullTime(now.time, true) }, clockTime(now.time)),
        h('span', { class: 'quiet block' }, ago(now.time, session.now())),
      );
      setText(times, now.count > 1 ? ` ${plural(now.count, 'time')} since ${clockTime(now.firstTime)}` : '');
    },
  };
}

// A panel's content that follows the journal. `device` and `module` may be null.
export function connectionList(page, { device = null, module = null, event = '', explain = null }) {
  const { api, session } = page;
  const kind = select(
    [
      ['', 'All'],
      ['refused', 'Refused'],
      ['connected', 'Connected'],
      ['disconnected', 'Disconnected'],
    ],
    event,
    { 'aria-label': 'Which', class: 'small' },
  );
  const place = h('div');
  const nothing = h('div');
  const withDevice = !device;
  const table = new LiveTable(
    'Connections',
    [
      { name: 'Time' },
      withDevice ? { name: 'Device' } : { name: 'Module', class: 'wide' },
      { name: 'What' },
      { name: 'Why' },
      { name: 'From', class: 'wide' },
    ],
    (entry) => makeRow(entry, session, withDevice),
    'stacked',
  );
  const refresh = poll(
    page,
    async () => {
      const asked = kind.value;
      const answer = await api.ask('read the connections', 'GET', '/kyanite/v1/connections', {
        query: { device, module, event: asked, limit: 200 },
        needs: 'ServiceConnect',
        signal: page.signal,
      });
      if (asked !== kind.value) return;
      const entries = answer.json.connections;
      table.update(entries, keyOf);
      table.element.hidden = entries.length === 0;
      fill(
        nothing,
        entries.length === 0
          ? empty(h('p', {}, asked === 'refused' ? 'Nobody was refused.' : 'There is nothing to tell yet.'))
          : null,
      );
    },
    4000,
    tellIn(place),
  );
  kind.addEventListener('change', () => refresh());
  return [
    h('div', { class: 'row spread' }, h('span', { class: 'quiet' }, explain), kind),
    place,
    table.element,
    nothing,
  ];
}

export function connectionsTab(page, subject) {
  fill(
    page.main,
    connectionList(page, {
      device: subject.id,
      module: subject.module,
      explain: 'The latest since the hub started: it keeps some thousand of all devices together.',
    }),
  );
}
