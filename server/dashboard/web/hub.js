// The hub as a whole: what it says of itself, rates, partitions, readers, and who was refused.

import { segment } from './api.js';
import { Chart } from './chart.js';
import { connectionList } from './connections.js';
import { fill, h } from './dom.js';
import { ago, count, duration, fullTime, rate } from './format.js';
import {
  attempt,
  badge,
  confirmDialog,
  facts,
  field,
  InputError,
  lackNote,
  panel,
  poll,
  tellIn,
  toast,
  whenChanged,
} from './ui.js';

const PAUSE = 2000;
const POINTS_MAX = 450; // a quarter of an hour

// The counters that rates are made of, by the names that charts show.
const RATES = {
  'MQTT messages': (status) => status.mqtt?.telemetryMessages,
  'AMQP messages': (status) => status.amqp?.telemetryMessages,
  'REST requests': (status) => status.https?.requests,
  'events to readers': (status) => status.amqp?.eventsSent,
  'messages to devices': (status) => status.amqp?.cloudToDeviceMessages,
  'MQTT refused': (status) => status.mqtt?.refused,
  'AMQP refused': (status) => status.amqp?.refused,
  'refused (4xx)': (status) => status.https?.refused,
  'failed (5xx)': (status) => status.https?.failed,
};
const LEVELS = {
  MQTT: (status) => status.mqtt?.connections,
  AMQP: (status) => status.amqp?.connections,
  HTTPS: (status) => status.https?.connections,
  'devices connected': (status) => status.devices?.connected,
};

// Kept while the page of another thing is looked at, so that the charts have no gap on return.
const history = { times: [], values: new Map() };
let before = null;

function remember(status, at) {
  if (before && (before.status.startTime !== status.startTime || at - before.at > 30)) {
    before = null; // it was started again, or not looked at for a while: no rate comes of that
  }
  const add = (name, value) => {
    const list = history.values.get(name) ?? new Array(history.times.length - 1).fill(null);
    list.push(Number.isFinite(value) ? value : null);
    history.values.set(name, list.slice(-POINTS_MAX));
  };
  history.times = [...history.times, at].slice(-POINTS_MAX);
  for (const [name, read] of Object.entries(LEVELS)) add(name, read(status));
  for (const [name, read] of Object.entries(RATES)) {
    add(name, before ? Math.max(0, read(status) - read(before.status)) / (at - before.at) : null);
  }
  before = { status, at };
}

export function hubPage(page) {
  const { api, main, session } = page;
  const place = h('div');
  const figures = h('div', { class: 'figures' });
  const about = h('div');
  const partitions = h('tbody');
  const rates = { format: rate, fromZero: true };
  const charts = [
    [new Chart('Messages a second', page.signal, rates), ['MQTT messages', 'AMQP messages']],
    [
      new Chart('Connections', page.signal, { ...rates, format: count }),
      ['MQTT', 'AMQP', 'HTTPS', 'devices connected'],
    ],
    [new Chart('Requests a second', page.signal, rates), ['REST requests']],
    [new Chart('REST errors a second', page.signal, rates), ['refused (4xx)', 'failed (5xx)']],
    [new Chart('Back ends over AMQP, a second', page.signal, rates), ['events to readers', 'messages to devices']],
    [new Chart('Connections refused a second', page.signal, rates), ['MQTT refused', 'AMQP refused']],
  ];
  const figure = (name, value, more, kind = '') =>
    h(
      'div',
      { class: `figure-card ${kind}` },
      h('span', { class: 'label' }, name),
      h('strong', {}, value),
      h('small', { class: 'quiet' }, more ?? ''),
    );
  const latest = (name) => history.values.get(name)?.at(-1);

  function draw(status) {
    const messages = (latest('MQTT messages') ?? 0) + (latest('AMQP messages') ?? 0);
    const refused = (latest('MQTT refused') ?? 0) + (latest('AMQP refused') ?? 0);
    const pressure =
      {
        none: 'Writes are taken',
        queueFull: 'Busy: writes wait',
        diskLow: 'The disk is almost full: writes are refused',
      }[status.store.pressure] ?? status.store.pressure;
    fill(
      figures,
      figure('Devices', count(status.devices.total), `${count(status.devices.disabled)} disabled`),
      figure('Connected', count(status.devices.connected), 'devices'),
      figure('Messages', latest('MQTT messages') === null ? '–' : rate(messages), 'a second, from devices'),
      figure('Refused', latest('MQTT refused') === null ? '–' : rate(refused), 'a second', refused > 0 ? 'bad' : ''),
      figure(
        'Store',
        status.store.pressure === 'none' ? 'Good' : 'Trouble',
        pressure,
        status.store.pressure === 'none' ? '' : 'bad',
      ),
    );
    fill(
      about,
      facts([
        ['Version', status.version],
        ['Started', `${fullTime(status.startTime)} (${duration(status.uptimeSeconds * 1000)} ago)`],
        ['Shards', count(status.shards)],
        ['Names', h('span', { class: 'mono' }, status.hostNames.join(', '))],
        ['Event endpoint', h('span', { class: 'mono' }, `${status.events.hostName}, ${status.events.entity}`)],
        [
          'Limits',
          status.limits.tier === 'off'
            ? 'none are enforced'
            : `${status.limits.tier} × ${status.limits.units}: ${count(status.limits.messagesToday)} of ${count(status.limits.messagesPerDay)} messages today`,
        ],
        ['Test control', status.testControl ? badge('On', 'warning') : 'off'],
      ]),
    );
    fill(
      partitions,
      status.telemetry.partitions.map((partition) =>
        h(
          'tr',
          {},
          h('td', { class: 'mono' }, partition.partition),
          h('td', { class: 'number mono' }, count(partition.endOffset - partition.beginOffset)),
          h('td', { class: 'number mono wide' }, count(partition.beginOffset)),
          h('td', { class: 'number mono' }, count(partition.endOffset)),
          h('td', { title: fullTime(partition.lastEnqueuedTime) }, ago(partition.lastEnqueuedTime, session.now())),
        ),
      ),
    );
    for (const [chart, names] of charts)
      chart.show(names, [history.times, ...names.map((name) => history.values.get(name))]);
  }

  fill(
    main,
    h('div', { class: 'page-head' }, h('h1', {}, 'Hub')),
    place,
    figures,
    h(
      'div',
      { class: 'charts' },
      charts.map(([chart]) => h('section', { class: 'panel' }, chart.element)),
    ),
    panel(
      'Why can’t my device connect?',
      connectionList(page, {
        event: 'refused',
        explain: 'Who was refused, and what was wrong. Equal refusals are counted together.',
      }),
    ),
    h(
      'div',
      { class: 'columns two' },
      panel('About', about),
      panel(
        'Partitions of the telemetry log',
        h(
          'div',
          { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': 'Partitions' },
          h(
            'table',
            {},
            h('caption', { class: 'visually-hidden' }, 'Partitions'),
            h(
              'thead',
              {},
              h(
                'tr',
                {},
                ['Partition', 'Events kept', 'First', 'End', 'Latest'].map((name) =>
                  h(
                    'th',
                    {
                      scope: 'col',
                      class: ['Events kept', 'End'].includes(name) ? 'number' : name === 'First' ? 'number wide' : null,
                    },
                    name,
                  ),
                ),
              ),
            ),
            partitions,
          ),
        ),
      ),
    ),
    groupsPanel(page),
  );
  poll(
    page,
    async () => {
      const { json: status } = await api.ask('read the state of the hub', 'GET', '/kyanite/v1/status', {
        signal: page.signal,
        needs: 'RegistryRead',
      });
      session.status = status;
      remember(status, session.now() / 1000);
      draw(status);
    },
    PAUSE,
    tellIn(place),
  );
}

// Consumer groups, and how many read in each.
function groupsPanel(page) {
  const { api, session } = page;
  if (session.lacks('ServiceConnect'))
    return panel('Consumer groups', lackNote(session, 'ServiceConnect', 'So consumer groups are not shown.'));
  const place = h('div');
  const trouble = h('div');
  const body = h('tbody');
  const name = h('input', { class: 'mono', spellcheck: 'false', autocapitalize: 'off' });
  const add = h('button', { type: 'submit' }, 'Add');
  const show = whenChanged((groups) =>
    fill(
      body,
      groups.map((group) =>
        h(
          'tr',
          {},
          h('td', { class: 'mono' }, group.name),
          h('td', { class: 'number' }, count(group.readers)),
          h('td', { class: 'wide' }, fullTime(group.created)),
          h('td', { class: 'actions' }, group.name === '$Default' ? null : removeButton(group.name)),
        ),
      ),
    ),
  );
  const refresh = poll(
    page,
    async () => {
      const { json } = await api.ask('list the consumer groups', 'GET', '/kyanite/v1/consumer-groups', {
        needs: 'ServiceConnect',
        signal: page.signal,
      });
      show(json.consumerGroups);
    },
    5000,
    tellIn(trouble),
  );
  function removeButton(group) {
    const button = h('button', { type: 'button', class: 'small ghost', 'aria-label': `Delete ${group}` }, 'Delete');
    button.addEventListener('click', () =>
      attempt(button, place, async () => {
        if (
          !(await confirmDialog(
            `Delete the consumer group ${group}?`,
            h('p', {}, 'Its readers are disconnected.'),
            'Delete',
          ))
        )
          return;
        await api.ask('delete the consumer group', 'DELETE', `/kyanite/v1/consumer-groups/${segment(group)}`, {
          needs: 'ServiceConnect',
        });
        refresh();
      }),
    );
    return button;
  }
  const form = h(
    'form',
    {
      class: 'inline-form',
      onsubmit: (event) => {
        event.preventDefault();
        attempt(add, place, async () => {
          if (!name.value) throw new InputError('Give the group a name.');
          await api.ask('make the consumer group', 'PUT', `/kyanite/v1/consumer-groups/${segment(name.value)}`, {
            needs: 'ServiceConnect',
          });
          toast('The consumer group is there');
          name.value = '';
          refresh();
        });
      },
    },
    field('New group', name),
    add,
  );
  return panel(
    'Consumer groups',
    place,
    trouble,
    h(
      'div',
      { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': 'Consumer groups' },
      h(
        'table',
        {},
        h('caption', { class: 'visually-hidden' }, 'Consumer groups'),
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ['Name', 'Readers now', 'Made', ''].map((title) =>
              h(
                'th',
                { scope: 'col', class: title === 'Made' ? 'wide' : title === 'Readers now' ? 'number' : null },
                title,
              ),
            ),
          ),
        ),
        body,
      ),
    ),
    form,
  );
}
