// Test control: faults, the clock, the store. Only there when the hub runs with it.

import { segment } from './api.js';
import { fill, h } from './dom.js';
import { faultsPanel, NEEDS, number } from './faults.js';
import { bytes, duration, fullTime } from './format.js';
import {
  attempt,
  badge,
  confirmDialog,
  field,
  InputError,
  note,
  panel,
  poll,
  tellIn,
  toast,
  whenChanged,
} from './ui.js';

export function testsPage(page) {
  fill(
    page.main,
    h('div', { class: 'page-head' }, h('h1', {}, 'Test control')),
    note(
      'warning',
      'This hub lets tests make it fail, move its clock and change its store. Never use it where real devices connect.',
    ),
    faultsPanel(page),
    h('div', { class: 'columns two' }, clockPanel(page), storePanel(page)),
  );
}

function clockPanel(page) {
  const { api, session } = page;
  const place = h('div');
  const trouble = h('div');
  const now = h('p', {});
  const by = h('input', { type: 'number', value: '3600', step: 'any' });
  const show = (state) =>
    fill(
      now,
      h('strong', { class: 'figure' }, fullTime(state.now)),
      state.shiftSeconds === 0
        ? h('span', { class: 'quiet block' }, 'the real time')
        : h(
            'span',
            { class: 'block' },
            badge(`${state.shiftSeconds > 0 ? '+' : '−'}${duration(Math.abs(state.shiftSeconds) * 1000)}`, 'warning'),
            ' against the real time',
          ),
    );
  const refresh = poll(
    page,
    async () =>
      show((await api.ask('read the clock', 'GET', '/kyanite/v1/clock', { needs: NEEDS, signal: page.signal })).json),
    2000,
    tellIn(trouble),
  );
  const button = (text, method, body, kind) => {
    const element = h('button', { type: 'button', class: kind }, text);
    element.addEventListener('click', () =>
      attempt(element, place, async () => {
        show((await api.ask('move the clock', method, '/kyanite/v1/clock', { body: body?.(), needs: NEEDS })).json);
        session.forgetToken();
        refresh();
      }),
    );
    return element;
  };
  const seconds = (sign) => () => {
    const value = number(by, 'Seconds');
    if (value === undefined) throw new InputError('Give the seconds.');
    return { advanceSeconds: sign * value };
  };
  return panel(
    'Clock',
    now,
    place,
    trouble,
    field('Seconds', by),
    h(
      'div',
      { class: 'row' },
      button('Forward', 'POST', seconds(1)),
      button('Back', 'POST', seconds(-1)),
      button('Real time again', 'DELETE'),
    ),
  );
}

function storePanel(page) {
  const { api } = page;
  const place = h('div');
  const trouble = h('div');
  const list = h('ul', { class: 'log' });
  const name = h('input', { class: 'mono', spellcheck: 'false', maxlength: 64 });
  const show = whenChanged((snapshots) =>
    fill(
      list,
      snapshots.map((snapshot) =>
        h(
          'li',
          { class: 'row' },
          h('code', {}, snapshot.name),
          h('span', { class: 'quiet' }, `${fullTime(snapshot.taken)}, ${bytes(snapshot.bytes)}`),
          act(
            'Restore',
            snapshot.name,
            `Restore the snapshot ${snapshot.name}?`,
            'All that came since is gone, and everybody is disconnected.',
            () => change('restore the snapshot', `/kyanite/v1/snapshots/${segment(snapshot.name)}/restore`),
          ),
          act('Delete', snapshot.name, null, null, () =>
            api.ask('delete the snapshot', 'DELETE', `/kyanite/v1/snapshots/${segment(snapshot.name)}`, {
              needs: NEEDS,
            }),
          ),
        ),
      ),
    ),
  );
  const refresh = poll(
    page,
    async () => {
      const { json } = await api.ask('list the snapshots', 'GET', '/kyanite/v1/snapshots', {
        needs: NEEDS,
        signal: page.signal,
      });
      show(json.snapshots);
    },
    5000,
    tellIn(trouble),
  );
  async function change(what, path) {
    await api.ask(what, 'POST', path, { needs: NEEDS, timeout: 120000 });
    toast('Done: the hub began anew');
  }
  function act(text, subject, question, consequence, action, kind = 'small') {
    const label = subject ? `${text} ${subject}` : null;
    const button = h('button', { type: 'button', class: kind, 'aria-label': label }, text);
    button.addEventListener('click', () =>
      attempt(button, place, async () => {
        if (question && !(await confirmDialog(question, h('p', {}, consequence), text))) return;
        await action();
        refresh();
      }),
    );
    return button;
  }
  const take = h('button', { type: 'submit' }, 'Take');
  const form = h(
    'form',
    {
      class: 'inline-form',
      onsubmit: (event) => {
        event.preventDefault();
        attempt(take, place, async () => {
          if (!/^[A-Za-z0-9_-]{1,64}$/.test(name.value))
            throw new InputError('A name has 1 to 64 letters, digits, - and _.');
          await api.ask('take the snapshot', 'PUT', `/kyanite/v1/snapshots/${segment(name.value)}`, { needs: NEEDS });
          name.value = '';
          refresh();
        });
      },
    },
    field('New snapshot', name),
    take,
  );
  return panel(
    'Store',
    place,
    trouble,
    list,
    form,
    h(
      'div',
      { class: 'row' },
      act(
        'Reset the hub',
        null,
        'Reset the hub?',
        'All devices, twins, messages and telemetry are deleted; policies stay. A start file is read again.',
        () => change('reset the hub', '/kyanite/v1/reset'),
        'danger',
      ),
    ),
  );
}
