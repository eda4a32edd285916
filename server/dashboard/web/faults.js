// Faults that the hub is told to make: those in force, and a form for a new one.

import { segment } from './api.js';
import { fill, h, setText } from './dom.js';
import { bytes, duration } from './format.js';
import { attempt, badge, empty, field, InputError, LiveTable, panel, poll, select, tellIn, toast } from './ui.js';

// The right that routes of test control ask for.
export const NEEDS = 'all rights';
const KINDS = {
  drop: ['Drop connections, or requests', ['on', 'orderly', 'routes', 'afterOperation']],
  refuseConnect: ['Refuse CONNECT', ['code']],
  holdPubacks: ['Hold acknowledgements', []],
  losePuback: ['Lose acknowledgements', []],
  cut: ['Cut after some bytes', ['bytes', 'direction', 'routes']],
  delay: ['Delay', ['delaySeconds', 'routes']],
  httpError: ['Answer requests with an error', ['status', 'routes', 'afterOperation']],
};

// The number in a field, undefined when it is empty.
export function number(input, what) {
  if (input.value.trim() === '') return undefined;
  const value = Number(input.value);
  if (!Number.isFinite(value)) throw new InputError(`${what} must be a number.`);
  return value;
}

// What a rule does, in words.
function describe(fault) {
  const parts = [];
  if (fault.on) parts.push(`on ${fault.on}`);
  if (fault.code) parts.push(`code ${fault.code}`);
  if (fault.status) parts.push(`status ${fault.status}`);
  if (fault.bytes) parts.push(`after ${bytes(fault.bytes)}${fault.direction ? ` ${fault.direction}` : ''}`);
  if (fault.delaySeconds) parts.push(`by ${fault.delaySeconds} s`);
  if (fault.afterOperation) parts.push('after the operation');
  if (fault.orderly) parts.push('orderly');
  if (fault.routes) parts.push(fault.routes.join(', '));
  return parts.join(' · ');
}

function scopeText(scope) {
  if (scope?.device) return scope.module ? `${scope.device} / ${scope.module}` : scope.device;
  if (scope?.sharePercent) return `${scope.sharePercent} % of the devices`;
  return 'everybody';
}

export function faultsPanel(page) {
  const { api } = page;
  const place = h('div');
  const trouble = h('div');
  const nothing = h('div');
  const columns = ['Id', 'Fault', 'Scope', 'Hit', 'Time', ''].map((name) => ({
    name,
    class: name === 'Hit' ? 'number' : null,
  }));
  const table = new LiveTable('Faults', columns, (fault) => {
    const hits = h('td', { class: 'number' });
    const time = h('td', { class: 'nowrap' });
    return {
      element: h(
        'tr',
        {},
        h('td', { class: 'mono' }, fault.id),
        h('td', {}, fault.kind, h('small', { class: 'quiet block' }, describe(fault))),
        h('td', { class: 'mono' }, scopeText(fault.scope)),
        hits,
        time,
        h('td', { class: 'actions' }, removeButton(fault.id)),
      ),
      update(now) {
        setText(hits, `${now.hits}${now.count ? ` of ${now.count}` : ''}`);
        fill(time, now.active ? `${duration(now.endsInSeconds * 1000)} left` : badge('Not yet'));
      },
    };
  });
  const refresh = poll(
    page,
    async () => {
      const { json } = await api.ask('list the faults', 'GET', '/kyanite/v1/faults', {
        needs: NEEDS,
        signal: page.signal,
      });
      fill(nothing, json.faults.length === 0 ? empty(h('p', {}, 'No fault is in force.')) : null);
      table.update(json.faults, (fault) => fault.id);
    },
    2000,
    tellIn(trouble),
  );
  function removeButton(id) {
    const button = h(
      'button',
      { type: 'button', class: 'small ghost', 'aria-label': `Remove the fault ${id}` },
      'Remove',
    );
    button.addEventListener('click', () =>
      attempt(button, place, async () => {
        await api.ask('remove the fault', 'DELETE', `/kyanite/v1/faults/${segment(id)}`, { needs: NEEDS });
        refresh();
      }),
    );
    return button;
  }
  const clear = h('button', { type: 'button' }, 'Remove all');
  clear.addEventListener('click', () =>
    attempt(clear, place, async () => {
      await api.ask('remove the faults', 'DELETE', '/kyanite/v1/faults', { needs: NEEDS });
      refresh();
    }),
  );
  return panel(
    'Faults',
    place,
    trouble,
    table.element,
    nothing,
    h('div', { class: 'row end' }, clear),
    faultForm(page, refresh),
  );
}

function faultForm(page, refresh) {
  const { api } = page;
  const kind = select(
    Object.entries(KINDS).map(([name, [text]]) => [name, text]),
    'drop',
  );
  const device = h('input', { class: 'mono', spellcheck: 'false', placeholder: 'all' });
  const share = h('input', { type: 'number', min: 0, max: 100, placeholder: '100' });
  const count = h('input', { type: 'number', min: 1, placeholder: 'no limit' });
  const nth = h('input', { type: 'number', min: 1, placeholder: '1' });
  const lasts = h('input', { type: 'number', min: 0, max: 3600, placeholder: '300' });
  const after = h('input', { type: 'number', min: 0, max: 3600, placeholder: '0' });
  const inputs = {
    on: select(
      [
        ['now', 'now'],
        ['connect', 'at CONNECT'],
        ['publish', 'at PUBLISH'],
        ['puback', 'in place of PUBACK'],
      ],
      'now',
    ),
    orderly: h('input', { type: 'checkbox' }),
    afterOperation: h('input', { type: 'checkbox' }),
    code: select(
      ['1', '2', '3', '4', '5'].map((n) => [n, n]),
      '3',
    ),
    bytes: h('input', { type: 'number', min: 1 }),
    direction: select(
      [
        ['fromDevice', 'from the device'],
        ['toDevice', 'to the device'],
      ],
      'fromDevice',
    ),
    delaySeconds: h('input', { type: 'number', min: 0, max: 60, step: 'any' }),
    status: select(
      ['429', '500', '502', '503', '504'].map((n) => [n, n]),
      '503',
    ),
    routes: h('input', { class: 'mono', spellcheck: 'false', placeholder: 'GET /twins/*, POST /devices/**' }),
  };
  const labels = {
    on: 'When',
    orderly: 'Let out what is queued first',
    afterOperation: 'Carry the request out first',
    code: 'CONNACK code',
    bytes: 'Bytes',
    direction: 'Direction',
    delaySeconds: 'Seconds to wait',
    status: 'Status',
    routes: 'Routes',
  };
  const special = h('div', { class: 'grid' });
  const show = () =>
    fill(
      special,
      KINDS[kind.value][1].map((name) =>
        inputs[name].type === 'checkbox'
          ? h('label', { class: 'check' }, inputs[name], h('span', {}, labels[name]))
          : field(labels[name], inputs[name]),
      ),
    );
  kind.addEventListener('change', show);
  show();
  const place = h('div');
  const add = h('button', { type: 'submit', class: 'primary' }, 'Add the fault');

  function read() {
    const rule = { kind: kind.value };
    for (const name of KINDS[kind.value][1]) {
      const input = inputs[name];
      if (input.type === 'checkbox') {
        if (input.checked) rule[name] = true;
      } else if (name === 'routes') {
        const routes = input.value
          .split(',')
          .map((route) => route.trim())
          .filter(Boolean);
        if (routes.length > 0) rule.routes = routes;
      } else if (name === 'on' || name === 'direction') rule[name] = input.value;
      else {
        const value = number(input, labels[name]);
        if (value !== undefined) rule[name] = value;
      }
    }
    // Requests know no moments and directions of devices.
    if (rule.routes) {
      delete rule.on;
      delete rule.direction;
      delete rule.orderly;
    }
    if (device.value) rule.scope = { device: device.value };
    else if (share.value) rule.scope = { sharePercent: number(share, 'Share') };
    for (const [name, input] of Object.entries({ count, nth, durationSeconds: lasts, afterSeconds: after })) {
      const value = number(input, name);
      if (value !== undefined) rule[name] = value;
    }
    return rule;
  }

  return h(
    'details',
    {},
    h('summary', {}, 'Add a fault'),
    h(
      'form',
      {
        novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          attempt(add, place, async () => {
            await api.ask('add the fault', 'POST', '/kyanite/v1/faults', { body: read(), needs: NEEDS });
            toast('The fault is in force');
            refresh();
          });
        },
      },
      field('Fault', kind),
      special,
      h(
        'div',
        { class: 'grid' },
        field('Device', device),
        field('Share of devices, %', share),
        field('From the n-th event', nth),
        field('How many', count),
        field('Lasts, s', lasts),
        field('Begins after, s', after),
      ),
      place,
      h('div', { class: 'row' }, add),
    ),
  );
}
