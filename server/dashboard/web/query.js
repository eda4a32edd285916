// The query console.

import { fill, h, setText } from './dom.js';
import { address } from './address.js';
import { count, plural, shortened } from './format.js';
import { isObject, showJson } from './json.js';
import { attempt, empty, field, lackNote, panel, select } from './ui.js';

const KEPT = 'kyanite.queries';
const KEPT_MAX = 30;
const COLUMNS_MAX = 40;
const EXAMPLES = [
  ['All devices', 'SELECT * FROM devices'],
  ['Connected ones', "SELECT deviceId, lastActivityTime FROM devices WHERE connectionState = 'Connected'"],
  ['Devices by status', 'SELECT status, COUNT() AS n FROM devices GROUP BY status'],
  ['Modules', 'SELECT deviceId, moduleId, connectionState FROM devices.modules'],
  ['Jobs', 'SELECT * FROM devices.jobs'],
];

// For this tab: queries may hold names of sites and customers.
function kept() {
  try {
    const list = JSON.parse(sessionStorage.getItem(KEPT));
    return Array.isArray(list) ? list.filter((text) => typeof text === 'string') : [];
  } catch {
    return [];
  }
}

function keep(text) {
  try {
    sessionStorage.setItem(
      KEPT,
      JSON.stringify([text, ...kept().filter((other) => other !== text)].slice(0, KEPT_MAX)),
    );
  } catch {
    // Then there is no history.
  }
}

export function queryPage(page) {
  const { api, main, session } = page;
  if (session.lacks('ServiceConnect')) {
    fill(main, h('h1', {}, 'Query'), lackNote(session, 'ServiceConnect', 'So it cannot ask for devices by a query.'));
    return;
  }
  const text = h('textarea', {
    class: 'mono',
    rows: 5,
    spellcheck: 'false',
    'data-search': true,
    autocapitalize: 'off',
    value: kept()[0] ?? EXAMPLES[0][1],
  });
  const size = select(
    ['20', '100', '500', '1000'].map((n) => [n, n]),
    '100',
    { class: 'small', 'aria-label': 'Rows on a page' },
  );
  const run = h('button', { type: 'submit', class: 'primary' }, 'Run');
  const more = h('button', { type: 'button', hidden: true }, 'More rows');
  const view = select(
    [
      ['table', 'Table'],
      ['json', 'JSON'],
    ],
    'table',
    { class: 'small', 'aria-label': 'How rows are shown' },
  );
  const save = h('button', { type: 'button', class: 'small', hidden: true }, 'Save as file');
  const past = h('select', { class: 'small', 'aria-label': 'Queries of this tab and examples' });
  const place = h('div');
  const where = h('div');
  const told = h('span', { class: 'quiet', role: 'status' });
  const result = h('div');
  let rows = [];
  let asked = '';
  let token = null;
  let running = null;

  async function ask(continuation) {
    running?.abort();
    running = new AbortController();
    const began = performance.now();
    const answer = await api.ask('run the query', 'POST', '/devices/query', {
      body: { query: asked },
      needs: 'ServiceConnect',
      signal: AbortSignal.any([running.signal, page.signal]),
      timeout: 120000,
      headers: { 'x-ms-max-item-count': size.value, ...(continuation ? { 'x-ms-continuation': continuation } : {}) },
    });
    token = answer.headers.get('x-ms-continuation');
    rows = continuation ? [...rows, ...answer.json] : answer.json;
    draw();
    setText(
      told,
      `${plural(rows.length, 'row')}${token ? ' so far' : ''}, ${Math.round(performance.now() - began)} ms`,
    );
  }

  function draw() {
    more.hidden = !token;
    save.hidden = rows.length === 0;
    if (rows.length === 0) return fill(result, asked ? empty(h('p', {}, 'No row is like that.')) : null);
    return fill(
      result,
      view.value === 'json'
        ? h('pre', { class: 'mono json', tabindex: '0', 'aria-label': 'Rows' }, showJson(rows))
        : drawTable(rows),
    );
  }

  // The message says "(position N)", counted in characters of the query.
  function markPlace(error) {
    const found = /\(position (\d+)\)/.exec(error?.detail ?? '');
    fill(where);
    if (!found) return;
    const at = Math.min(Number(found[1]), asked.length);
    const begin = asked.lastIndexOf('\n', at - 1) + 1;
    const end = asked.indexOf('\n', at) < 0 ? asked.length : asked.indexOf('\n', at);
    const line = asked.slice(0, begin).split('\n').length;
    fill(
      where,
      h(
        'pre',
        { class: 'mono mark', 'aria-label': `Line ${line}, column ${at - begin + 1}` },
        asked.slice(begin, at),
        h('mark', {}, asked.slice(at, at + 1) || ' '),
        asked.slice(at + 1, end),
      ),
      h('p', { class: 'quiet' }, `Line ${line}, column ${at - begin + 1}`),
    );
    text.setSelectionRange(at, at + 1);
  }

  async function tracked(action) {
    try {
      await action();
      fill(where);
    } catch (error) {
      markPlace(error);
      throw error;
    }
  }

  const form = h(
    'form',
    {
      onsubmit: (event) => {
        event.preventDefault();
        asked = text.value;
        keep(asked);
        showPast();
        setText(told, '');
        attempt(run, place, () => tracked(() => ask(null)));
      },
    },
    field('Query', text),
    h(
      'div',
      { class: 'row spread' },
      h('span', { class: 'row' }, run, past),
      h('span', { class: 'row' }, told, size, view, save),
    ),
  );
  form.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') form.requestSubmit();
  });
  more.addEventListener('click', () => attempt(more, place, () => tracked(() => ask(token))));
  view.addEventListener('change', draw);
  save.addEventListener('click', () => {
    const url = URL.createObjectURL(new Blob([showJson(rows)], { type: 'application/json' }));
    h('a', { href: url, download: 'rows.json' }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
  past.addEventListener('change', () => {
    text.value = past.value;
    past.selectedIndex = 0;
    text.focus();
  });

  function showPast() {
    const group = (label, queries) =>
      queries.length === 0
        ? null
        : h(
            'optgroup',
            { label },
            queries.map(([name, query]) => h('option', { value: query }, shortened(name, 70))),
          );
    fill(
      past,
      h('option', { value: '' }, 'History and examples'),
      group(
        'History of this tab',
        kept().map((query) => [query, query]),
      ),
      group('Examples', EXAMPLES),
    );
  }

  showPast();
  fill(
    main,
    h('div', { class: 'page-head' }, h('h1', {}, 'Query')),
    panel('', form, where, place),
    result,
    h('div', { class: 'row' }, more),
  );
}

function drawTable(rows) {
  const names = [];
  for (const row of rows) {
    for (const name of Object.keys(isObject(row) ? row : { value: row })) {
      if (!names.includes(name) && names.length < COLUMNS_MAX) names.push(name);
    }
  }
  const cell = (row, name) => {
    const value = isObject(row) ? row[name] : row;
    if (value === undefined || value === null) return h('td', { class: 'quiet' }, value === null ? 'null' : '');
    if (name === 'deviceId' && typeof value === 'string')
      return h('td', {}, h('a', { class: 'mono id', href: address('device', value) }, value));
    if (typeof value === 'object')
      return h(
        'td',
        { class: 'mono small' },
        h(
          'details',
          {},
          h('summary', {}, shortened(JSON.stringify(value), 60)),
          h('pre', { class: 'json' }, showJson(value)),
        ),
      );
    return h('td', { class: typeof value === 'number' ? 'number mono' : 'mono' }, shortened(String(value), 200));
  };
  return h(
    'div',
    { class: 'table-wrap rows', tabindex: '0', role: 'region', 'aria-label': 'Rows' },
    h(
      'table',
      {},
      h('caption', { class: 'visually-hidden' }, `${count(rows.length)} rows`),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          names.map((name) => h('th', { scope: 'col' }, name)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) =>
          h(
            'tr',
            {},
            names.map((name) => cell(row, name)),
          ),
        ),
      ),
    ),
  );
}
