// Live telemetry of a device: the latest messages, and a plot of the numbers in them.

import { fill, h, setText } from './dom.js';
import { Chart, COLOURS } from './chart.js';
import { bytes, clockTime, count, fullTime, plural, shortened } from './format.js';
import { numericFields, showJson } from './json.js';
import { empty, errorBox, field, panel, select, stateDot } from './ui.js';

const ROWS_MAX = 500;
const POINTS_MAX = 2000;
const FIELDS_MAX = 32; // of one message, and that are offered
const PLOTTED_MAX = COLOURS.length;
const PREVIEW = 200;
const BODY_SHOWN = 64 * 1024;
const DRAW_PAUSE = 200;

export function telemetryTab(page, subject) {
  const { api, main, session } = page;
  let rows = []; // the newest first: {event, element}
  let waiting = []; // came, not drawn yet
  let points = []; // {time, values: Map}
  const fields = new Map(); // path: whether it is plotted
  let total = 0;
  let isPaused = false;
  let stop = null; // of the present stream
  let drawing = null;
  let filter = '';

  const state = h('span', { role: 'status' });
  const figures = h('span', { class: 'quiet' });
  const pause = h('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause');
  const clear = h('button', { type: 'button' }, 'Clear');
  const begin = select(
    [
      ['now', 'From now'],
      ['300', 'The last 5 minutes'],
      ['3600', 'The last hour'],
      ['start', 'All that is kept'],
    ],
    'now',
    { 'aria-label': 'Where to begin' },
  );
  const source = select(
    [
      ['Telemetry', 'Telemetry'],
      ['', 'Events of the hub too'],
    ],
    'Telemetry',
    { 'aria-label': 'What to show' },
  );
  const search = h('input', {
    type: 'search',
    placeholder: 'text in body or properties',
    'data-search': true,
    spellcheck: 'false',
  });
  const place = h('div');
  const list = h('tbody');
  const nothing = h('div');
  const picks = h('div', { class: 'picks', role: 'group', 'aria-label': 'Plotted fields' });
  const plotPanel = h('section', { class: 'panel', hidden: true });
  const chart = new Chart('', page.signal, {
    height: 220,
    format: (value) => (Number.isInteger(value) ? String(value) : Number(value.toPrecision(5)).toString()),
  });
  fill(plotPanel, h('h2', {}, 'Numbers over time'), chart.element, picks);

  function take(event, size) {
    ++total;
    if (isPaused) return;
    waiting.push({ event, size });
    if (waiting.length > ROWS_MAX) waiting = waiting.slice(-ROWS_MAX);
    drawing ??= setTimeout(draw, DRAW_PAUSE);
  }

  function draw() {
    drawing = null;
    const fresh = waiting
      .map(({ event, size }) => {
        note(event);
        return { event, element: makeRow(event, size) };
      })
      .reverse();
    waiting = [];
    for (const row of rows.splice(Math.max(0, ROWS_MAX - fresh.length))) row.element.remove();
    rows = [...fresh, ...rows].slice(0, ROWS_MAX);
    for (const row of fresh) row.element.hidden = !isWanted(row.event);
    list.prepend(...fresh.map((row) => row.element));
    showFigures();
    drawPlot();
  }

  function note(event) {
    if (event.bodyEncoding) return;
    const found = numericFields(parsed(event), FIELDS_MAX);
    if (found.length === 0) return;
    points.push({ time: Date.parse(event.enqueuedTime) / 1000, values: new Map(found) });
    if (points.length > POINTS_MAX) points = points.slice(-POINTS_MAX);
    for (const [path] of found) {
      if (fields.has(path) || fields.size >= FIELDS_MAX) continue;
      fields.set(path, [...fields.values()].filter(Boolean).length < 4);
      drawPicks();
    }
  }

  function drawPicks() {
    plotPanel.hidden = fields.size === 0;
    fill(
      picks,
      [...fields].map(([path, isShown]) =>
        h(
          'label',
          { class: 'check pick' },
          h('input', {
            type: 'checkbox',
            checked: isShown,
            onchange: (event) => {
              const others = [...fields.values()].filter(Boolean).length;
              if (event.target.checked && others >= PLOTTED_MAX) {
                event.target.checked = false;
                return;
              }
              fields.set(path, event.target.checked);
              drawPlot();
            },
          }),
          h('span', { class: 'mono' }, path),
        ),
      ),
    );
  }

  function drawPlot() {
    const names = [...fields].filter(([, isShown]) => isShown).map(([path]) => path);
    if (fields.size === 0) return;
    // Times may stand still or go back between partitions; the plot wants them in order.
    const ordered = [...points].sort((a, b) => a.time - b.time);
    chart.show(names, [
      ordered.map((point) => point.time),
      ...names.map((name) => ordered.map((point) => point.values.get(name) ?? null)),
    ]);
  }

  function showFigures() {
    const shown = rows.filter((row) => !row.element.hidden).length;
    setText(
      figures,
      total === 0
        ? ''
        : `${plural(total, 'message')} came, ${count(shown)} shown${rows.length >= ROWS_MAX ? ` of the latest ${ROWS_MAX}` : ''}`,
    );
    fill(
      nothing,
      rows.length === 0
        ? empty(
            h('p', {}, isPaused ? 'Paused.' : 'Nothing came yet.'),
            h('p', { class: 'quiet' }, 'Messages appear here as the device sends them.'),
          )
        : null,
    );
  }

  const isWanted = (event) =>
    !filter || `${event.body}\n${JSON.stringify(event.properties)}`.toLowerCase().includes(filter);

  search.addEventListener('input', () => {
    filter = search.value.toLowerCase();
    for (const row of rows) row.element.hidden = !isWanted(row.event);
    showFigures();
  });
  pause.addEventListener('click', () => {
    isPaused = !isPaused;
    pause.setAttribute('aria-pressed', String(isPaused));
    setText(pause, isPaused ? 'Go on' : 'Pause');
    showState('Connected');
  });
  clear.addEventListener('click', () => {
    rows = [];
    points = [];
    waiting = [];
    total = 0;
    fields.clear();
    list.replaceChildren();
    drawPicks();
    showFigures();
  });
  begin.addEventListener('change', () => {
    clear.click();
    open();
  });
  source.addEventListener('change', () => {
    clear.click();
    open();
  });

  function showState(text) {
    fill(
      state,
      stateDot(
        text === 'Connected' && !isPaused,
        text === 'Connected' ? (isPaused ? 'Paused: what comes is not shown' : 'Live') : text,
      ),
    );
  }

  let goOn = null; // after the stream broke off

  // Where the stream was when it broke off, so that nothing is shown twice or left out.
  const places = new Map();

  async function open() {
    stop?.abort();
    stop = new AbortController();
    places.clear();
    const from = /^\d+$/.test(begin.value)
      ? new Date(session.now() - Number(begin.value) * 1000).toISOString()
      : begin.value;
    await follow(from, stop);
  }

  async function follow(from, mine) {
    showState('Connecting…');
    const at = [...places].map(([partition, offset]) => `${partition}@${offset + 1}`).join(',');
    try {
      await api.streamEvents(
        { device: subject.id, module: subject.module, source: source.value, from, at },
        {
          signal: AbortSignal.any([mine.signal, page.signal]),
          onOpen: () => {
            fill(place);
            showState('Connected');
          },
          onEvent: (event, size) => {
            if (mine.signal.aborted) return;
            places.set(event.partition, event.offset);
            take(event, size);
          },
        },
      );
      if (!mine.signal.aborted)
        setTimeout(() => !mine.signal.aborted && !page.signal.aborted && follow(from, mine), 1000);
    } catch (error) {
      if (mine.signal.aborted || page.signal.aborted) return;
      showState('Not connected');
      goOn = () => {
        goOn = null;
        if (!mine.signal.aborted && !page.signal.aborted) follow(from, mine);
      };
      if (error.isTold) fill(place);
      else fill(place, errorBox(error, h('button', { type: 'button', onclick: () => goOn?.() }, 'Try again')));
    }
  }

  page.onBack(() => goOn?.());

  fill(
    main,
    h(
      'div',
      { class: 'filters' },
      field('Filter', search),
      field('Begin', begin),
      field('Source', source),
      h('div', { class: 'row' }, pause, clear),
    ),
    h('div', { class: 'row spread' }, state, figures),
    place,
    plotPanel,
    h(
      'div',
      { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': 'Messages' },
      h(
        'table',
        { class: 'messages' },
        h('caption', { class: 'visually-hidden' }, 'Messages, the newest first'),
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ['Time', subject.module ? null : 'Module', 'Body', 'Properties']
              .filter(Boolean)
              .map((name) =>
                h('th', { scope: 'col', class: name === 'Module' || name === 'Properties' ? 'wide' : null }, name),
              ),
          ),
        ),
        list,
      ),
    ),
    nothing,
  );
  showFigures();
  open();
  page.signal.addEventListener('abort', () => clearTimeout(drawing));

  function makeRow(event, size) {
    const isHubs = event.systemProperties['iothub-message-source'] !== 'Telemetry';
    const details = h('div', { class: 'details', hidden: true });
    const open = h('button', { type: 'button', class: 'link mono body', 'aria-expanded': 'false' }, preview(event));
    open.addEventListener('click', () => {
      details.hidden = !details.hidden;
      open.setAttribute('aria-expanded', String(!details.hidden));
      if (!details.firstChild) fill(details, whole(event, size));
    });
    return h(
      'tr',
      {},
      h('td', { class: 'mono nowrap', title: fullTime(event.enqueuedTime, true) }, clockTime(event.enqueuedTime, true)),
      subject.module ? null : h('td', { class: 'mono wide' }, event.moduleId ?? ''),
      h(
        'td',
        { class: 'grow' },
        isHubs ? h('span', { class: 'badge' }, event.systemProperties['iothub-message-source'] ?? '') : null,
        open,
        details,
      ),
      h(
        'td',
        { class: 'wide mono small' },
        shortened(
          Object.entries(event.properties)
            .map(([name, value]) => (value === null ? name : `${name}=${value}`))
            .join(' '),
          PREVIEW,
        ),
      ),
    );
  }
}

function parsed(event) {
  try {
    return JSON.parse(event.body);
  } catch {
    return undefined;
  }
}

function preview(event) {
  if (event.body === '') return '(no body)';
  if (event.bodyEncoding) return `(binary) ${shortened(event.body, 40)}`;
  return shortened(event.body.replace(/\s+/g, ' '), PREVIEW);
}

function whole(event, size) {
  const json = event.bodyEncoding ? undefined : parsed(event);
  const text = json === undefined ? event.body : showJson(json);
  const table = (title, values) =>
    Object.keys(values).length === 0
      ? null
      : h(
          'div',
          {},
          h('h3', {}, title),
          h(
            'dl',
            { class: 'facts-list mono' },
            Object.entries(values).map(([name, value]) => [
              h('dt', {}, name),
              h('dd', {}, value === null ? '' : String(value)),
            ]),
          ),
        );
  return [
    h('pre', { class: 'mono json' }, text.length > BODY_SHOWN ? `${text.slice(0, BODY_SHOWN)}\n… cut here` : text),
    event.bodyEncoding ? h('p', { class: 'quiet' }, 'The body is no text; this is its base64 form.') : null,
    h('p', { class: 'quiet' }, `Partition ${event.partition}, offset ${event.offset}, ${bytes(size)} as JSON`),
    table('Properties', event.properties),
    table('System properties', event.systemProperties),
  ];
}
