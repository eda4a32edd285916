// All devices: a page of the list at a time, found by the beginning of their ids, their state, or a condition.

import { address } from './address.js';
import { HubError } from './api.js';
import { createDeviceDialog } from './create_identity.js';
import { conditionOf, countDevices, LIST_MAX, readPage, STATES } from './device_list.js';
import { makeDeviceRow } from './device_row.js';
import { fill, h, setText } from './dom.js';
import { count, plural } from './format.js';
import { removeIdentity, setStatus } from './identities.js';
import { attempt, confirmDialog, empty, errorBox, field, lackNote, LiveTable, poll, select, toast } from './ui.js';

const POLL = 5000;

// As it was left, for whoever comes back from a device.
const left = { prefix: '', state: 'all', condition: '', size: 50, tokens: [null], index: 0 };

export function devicesPage(page) {
  const { session, api, main } = page;
  const queries = !session.lacks('ServiceConnect');
  const selected = new Set();
  let next = null; // the continuation behind the page that is shown
  let total = null;
  let generation = 0;
  let asking = new AbortController();

  const search = h('input', {
    type: 'search',
    value: left.prefix,
    placeholder: 'Beginning of the id',
    'data-search': true,
    spellcheck: 'false',
    autocapitalize: 'off',
  });
  const state = select(
    Object.entries(STATES).map(([name, [text]]) => [name, text]),
    left.state,
    { disabled: !queries },
  );
  const condition = h('input', {
    class: 'mono',
    value: left.condition,
    placeholder: "tags.site = 'north'",
    spellcheck: 'false',
    disabled: !queries,
    autocapitalize: 'off',
  });
  const size = select(
    ['25', '50', '100', '250', '1000'].map((n) => [n, n]),
    String(left.size),
    { class: 'small', 'aria-label': 'Devices on a page' },
  );
  const place = h('div');
  const trouble = h('div'); // of what is asked again and again
  const told = h('span', { class: 'quiet', role: 'status' });
  const updates = h('span', { class: 'quiet' });
  const previous = h('button', { type: 'button', disabled: true, onclick: () => turn(-1) }, '‹ Previous');
  const following = h('button', { type: 'button', disabled: true, onclick: () => turn(1) }, 'Next ›');
  const all = h('input', { type: 'checkbox', 'aria-label': 'Select all on this page' });
  const nothing = h('div');
  const mayWrite = !session.lacks('RegistryWrite');
  const whyNot = mayWrite ? null : session.explainLack('RegistryWrite');
  const table = new LiveTable(
    'Devices',
    [
      { name: mayWrite ? all : '', class: 'tick' },
      { name: 'Device' },
      { name: 'Connection', class: 'dots' },
      { name: 'Last activity', class: 'wide' },
      { name: 'Status' },
      { name: 'Authentication', class: 'wide' },
      { name: '', class: 'wide actions' },
    ],
    (item) => makeDeviceRow(list, item),
  );
  const bulk = h('div', { class: 'bulk', hidden: true });

  const list = {
    session,
    whyNot,
    isSelected: (id) => selected.has(id),
    select(id, isOn) {
      if (isOn) selected.add(id);
      else selected.delete(id);
      showBulk();
    },
    change: (button, id, status) =>
      attempt(button, place, async () => {
        await setStatus(api, id, status);
        await refresh();
      }),
  };

  function showBulk() {
    bulk.hidden = selected.size === 0;
    all.checked = selected.size > 0 && shownItems.every((item) => selected.has(item.deviceId));
    all.indeterminate = selected.size > 0 && !all.checked;
    if (bulk.hidden) return;
    const each = (what, action) =>
      h(
        'button',
        {
          type: 'button',
          class: what === 'Delete' ? 'small danger' : 'small',
          onclick: (event) => many(event.target, what, action),
        },
        what,
      );
    fill(
      bulk,
      h('strong', {}, `${plural(selected.size, 'device')} selected`),
      each('Enable', (id) => setStatus(api, id, 'enabled')),
      each('Disable', (id) => setStatus(api, id, 'disabled')),
      each('Delete', (id) => removeIdentity(api, id)),
      h('button', { type: 'button', class: 'small ghost', onclick: clearSelection }, 'Clear'),
    );
  }

  function clearSelection() {
    selected.clear();
    showBulk();
    table.update(shownItems, (item) => item.deviceId);
  }

  async function many(button, what, action) {
    const ids = [...selected];
    if (
      what === 'Delete' &&
      !(await confirmDialog(
        `Delete ${plural(ids.length, 'device')}?`,
        h(
          'p',
          {},
          'Their keys, twins, modules and waiting messages go with them, and connected ones are disconnected. This cannot be undone.',
        ),
        'Delete',
      ))
    )
      return;
    await attempt(button, place, async () => {
      // Four at a time are quick enough and leave the hub room.
      const queue = [...ids];
      const worker = async () => {
        for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
          await action(id);
          selected.delete(id);
        }
      };
      try {
        await Promise.all([worker(), worker(), worker(), worker()]);
        toast(`${what}d ${plural(ids.length, 'device')}`);
      } finally {
        showBulk();
        await restart(false);
      }
    });
  }

  all.addEventListener('change', () => {
    for (const item of shownItems) {
      if (all.checked) selected.add(item.deviceId);
      else selected.delete(item.deviceId);
    }
    table.update(shownItems, (item) => item.deviceId);
    showBulk();
  });

  let shownItems = [];
  let isBusy = false; // with something else than keeping the page up to date
  let isBad = false; // the condition; nothing is asked again before it changes

  async function refresh() {
    const asked = generation;
    const { items, token, total: known } = await readPage(api, left, AbortSignal.any([asking.signal, page.signal]));
    if (asked !== generation || page.signal.aborted) return;
    if (items.length === 0 && left.index > 0) return restart(); // they were deleted meanwhile
    next = token;
    if (known !== undefined) total = known;
    shownItems = items;
    table.update(items, (item) => item.deviceId);
    previous.disabled = left.index === 0;
    following.disabled = !next;
    fill(nothing, items.length === 0 ? nothingThere() : null);
    showTotal();
    showBulk();
    return true;
  }

  function nothingThere() {
    if (conditionOf(left) || left.prefix) return empty(h('p', {}, 'No device is like that.'));
    return empty(
      h('p', {}, 'There is no device yet.'),
      h('p', { class: 'quiet' }, 'Create one here, or with ', h('code', {}, 'kyanite device create d1'), '.'),
    );
  }

  // The list does without it where it takes too long.
  async function countAll() {
    const asked = generation;
    total = null;
    try {
      const found = await countDevices(api, left, AbortSignal.any([asking.signal, page.signal]));
      if (asked !== generation || found === null) return;
      total = found;
      if (!isBusy) showTotal();
    } catch (error) {
      if (!(error instanceof HubError) && error.name !== 'AbortError') console.error(error);
    }
  }

  // What was asked before is of no interest any more.
  function nextGeneration() {
    asking.abort();
    asking = new AbortController();
    isBusy = true;
    setText(updates, 'Looking…');
    table.element.setAttribute('aria-busy', 'true');
    return ++generation;
  }

  function rest() {
    isBusy = false;
    setText(updates, '');
    table.element.removeAttribute('aria-busy');
  }

  // From the first page, after what is looked for changed, or on the same one.
  async function restart(fromStart = true) {
    const mine = nextGeneration();
    if (fromStart) Object.assign(left, { tokens: [null], index: 0 });
    try {
      countAll();
      await refresh();
      isBad = false;
    } catch (error) {
      if (error.name === 'AbortError' || mine !== generation) return;
      isBad = error.status === 400;
      shownItems = [];
      table.update([], (item) => item.deviceId);
      fill(nothing);
      showTotal();
      if (!error.isTold) fill(place, errorBox(error));
    } finally {
      if (mine === generation) rest();
    }
  }

  function showTotal() {
    const begin = left.index * left.size;
    const of = total === null ? '' : ` of ${count(total)}`;
    setText(told, shownItems.length === 0 ? '' : `${count(begin + 1)}–${count(begin + shownItems.length)}${of}`);
  }

  async function turn(by) {
    const mine = nextGeneration();
    if (by > 0) left.tokens[left.index + 1] = next;
    left.index += by;
    const isDone = await attempt(by > 0 ? following : previous, place, refresh);
    if (mine !== generation) return;
    if (!isDone) left.index -= by;
    rest();
    previous.disabled = left.index === 0;
    following.disabled = !next;
    table.element.scrollTop = 0;
  }

  let typing = null;
  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      left.prefix = search.value;
      fill(place);
      restart();
    }, 250);
  });
  state.addEventListener('change', () => {
    left.state = state.value;
    fill(place);
    restart();
  });
  size.addEventListener('change', () => {
    left.size = Number(size.value);
    restart();
  });
  const applyCondition = (event) => {
    event.preventDefault();
    left.condition = condition.value;
    fill(place);
    restart();
  };

  const create = h(
    'button',
    {
      type: 'button',
      class: 'primary',
      disabled: !mayWrite,
      title: whyNot,
      onclick: async () => {
        const made = await createDeviceDialog(api, session);
        if (made) location.hash = address('device', made);
      },
    },
    'New device',
  );
  fill(
    main,
    h('div', { class: 'page-head' }, h('h1', {}, 'Devices'), h('div', { class: 'row' }, updates, create)),
    !queries
      ? lackNote(
          session,
          'ServiceConnect',
          `The list shows the first ${count(LIST_MAX)} devices only, and cannot be asked for more than the beginning of an id.`,
        )
      : null,
    whyNot
      ? h('p', { class: 'note' }, whyNot, ' Devices can be looked at, and not be created, changed or deleted.')
      : null,
    h(
      'form',
      { class: 'filters', onsubmit: applyCondition },
      field('Search', search),
      field('State', state),
      field('Condition', condition),
      h('button', { type: 'submit', disabled: !queries }, 'Apply'),
    ),
    place,
    trouble,
    bulk,
    table.element,
    nothing,
    h('div', { class: 'pager' }, told, h('span', { class: 'row' }, size, previous, following)),
  );
  if (session.lacks('ServiceConnect') && session.lacks('RegistryRead')) {
    fill(main, h('h1', {}, 'Devices'), lackNote(session, 'RegistryRead', 'So devices cannot be listed.'));
    return;
  }
  restart(false);
  poll(
    page,
    async () => {
      if (!isBad && !isBusy) await refresh();
    },
    POLL,
    (error) => {
      if (!isBusy) setText(updates, error ? 'Not up to date' : '');
      fill(trouble, error && error.status !== 429 && error.status !== 400 && !error.isTold ? errorBox(error) : null);
    },
  );
}
