// What the pages are made of: errors, notes, dialogs, fields, tables that live on, things to copy.

import { HubError } from './api.js';
import { fill, h, newId, setText } from './dom.js';

// An error as the reader needs it: what failed, why, what to do, and how to find it in the hub's log.
export function errorBox(error, ...actions) {
  const isKnown = error instanceof HubError;
  const facts = isKnown ? [error.status ? `HTTP ${error.status}` : '', error.code].filter(Boolean).join(' · ') : '';
  return h(
    'div',
    { class: 'error-box', role: 'alert' },
    h('strong', {}, error.message),
    isKnown && error.detail ? h('p', {}, error.detail) : null,
    isKnown && error.advice ? h('p', { class: 'advice' }, error.advice) : null,
    isKnown && (facts || error.trackingId)
      ? h(
          'p',
          { class: 'facts' },
          facts,
          error.trackingId ? h('span', {}, facts ? ' · ' : '', 'tracking id ', h('code', {}, error.trackingId)) : null,
        )
      : null,
    actions.length > 0 ? h('div', { class: 'row' }, actions) : null,
  );
}

export const note = (kind, ...children) => h('div', { class: `note ${kind}`, role: 'note' }, children);

export function lackNote(session, right, what) {
  return note('warning', `${session.explainLack(right)} ${what}`);
}

// Shown for some seconds, and read out.
export function toast(text, kind = 'good') {
  const box = h('div', { class: `toast ${kind}` }, text);
  document.getElementById('toasts').append(box);
  setTimeout(() => box.remove(), kind === 'good' ? 4000 : 10000);
}

// For what is asked again and again: its error stands in `place` until it goes well, unless the frame tells of it.
export const tellIn = (place) => (error) => {
  const isNews = error && !error.isTold && error.status !== 429;
  fill(place, isNews ? errorBox(error) : null);
};

// Runs what a button asks for: the button rests meanwhile, and an error stands in `place`.
export async function attempt(button, place, action) {
  fill(place);
  button.disabled = true;
  button.setAttribute('aria-busy', 'true');
  try {
    return await action();
  } catch (error) {
    if (error.name === 'AbortError') return undefined;
    if (!(error instanceof HubError) && !error.isForReader) console.error(error);
    fill(place, errorBox(error));
    return undefined;
  } finally {
    button.disabled = false;
    button.removeAttribute('aria-busy');
  }
}

// A mistake of the reader's own, found before the hub was asked.
export class InputError extends Error {
  isForReader = true;
}

export function field(label, input, hint) {
  const id = input.id || newId('field');
  input.id = id;
  const hintId = hint ? `${id}-hint` : null;
  if (hintId) input.setAttribute('aria-describedby', hintId);
  return h(
    'div',
    { class: 'field' },
    h('label', { htmlFor: id }, label),
    input,
    hint ? h('small', { id: hintId }, hint) : null,
  );
}

export function select(options, value, attributes = {}) {
  return h(
    'select',
    attributes,
    options.map(([name, text]) => h('option', { value: name, selected: name === value }, text)),
  );
}

export function checkbox(label, attributes = {}) {
  return h('label', { class: 'check' }, h('input', { type: 'checkbox', ...attributes }), h('span', {}, label));
}

// A dialog that Escape closes; answers what `close` was given, null when it was dismissed.
export function dialog(title, makeContent) {
  return new Promise((resolve) => {
    let answer = null;
    const titleId = newId('dialog');
    const opener = document.activeElement;
    const element = h('dialog', { 'aria-labelledby': titleId });
    const close = (value = null) => {
      answer = value;
      element.close();
    };
    element.addEventListener('close', () => {
      element.remove();
      opener?.focus?.();
      resolve(answer);
    });
    fill(
      element,
      h(
        'div',
        { class: 'dialog-head' },
        h('h2', { id: titleId }, title),
        h('button', { type: 'button', class: 'ghost', 'aria-label': 'Close', onclick: () => close() }, '✕'),
      ),
      makeContent(close),
    );
    document.body.append(element);
    element.showModal();
  });
}

export function confirmDialog(title, text, action, { isDanger = true } = {}) {
  return dialog(title, (close) =>
    h(
      'form',
      {
        onsubmit: (event) => {
          event.preventDefault();
          close(true);
        },
      },
      h('div', { class: 'prose' }, text),
      h(
        'div',
        { class: 'row end' },
        h('button', { type: 'button', onclick: () => close() }, 'Cancel'),
        h('button', { type: 'submit', class: isDanger ? 'danger' : 'primary' }, action),
      ),
    ),
  );
}

export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    toast(`The browser does not let this page copy. Show the ${what.toLowerCase()} and copy it by hand.`, 'bad');
  }
}

// A secret that is on the page only while it is shown.
export function secret(label, read) {
  const text = h('code', { class: 'secret' }, '••••••••••••••••');
  const show = h('button', { type: 'button', class: 'small', 'aria-pressed': 'false' }, 'Show');
  show.addEventListener('click', () => {
    const isShown = show.getAttribute('aria-pressed') === 'true';
    setText(text, isShown ? '••••••••••••••••' : read());
    setText(show, isShown ? 'Show' : 'Hide');
    show.setAttribute('aria-pressed', String(!isShown));
  });
  show.setAttribute('aria-label', `Show ${label.toLowerCase()}`);
  return h(
    'div',
    { class: 'secret-row' },
    h('span', { class: 'label' }, label),
    text,
    show,
    h(
      'button',
      {
        type: 'button',
        class: 'small',
        'aria-label': `Copy ${label.toLowerCase()}`,
        onclick: () => copyText(read(), label),
      },
      'Copy',
    ),
  );
}

// Rows by their keys: those that stay keep their elements, so that focus and selections live on.
export class LiveTable {
  #rows = new Map();

  // columns: [{name, class}]; makeRow(item) answers {element, update(item)}; kind is a class of its own.
  constructor(caption, columns, makeRow, kind = '') {
    this.makeRow = makeRow;
    this.body = h('tbody');
    this.element = h(
      'div',
      { class: `table-wrap ${kind}`, tabindex: '0', role: 'region', 'aria-label': caption },
      h(
        'table',
        {},
        h('caption', { class: 'visually-hidden' }, caption),
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            columns.map((column) => h('th', { scope: 'col', class: column.class }, column.name)),
          ),
        ),
        this.body,
      ),
    );
  }

  update(items, keyOf) {
    const rows = new Map();
    for (const item of items) {
      const key = keyOf(item);
      const row = this.#rows.get(key) ?? this.makeRow(item);
      row.update?.(item);
      rows.set(key, row);
    }
    const wanted = [...rows.values()].map((row) => row.element);
    const isSame =
      wanted.length === this.body.children.length && wanted.every((element, i) => this.body.children[i] === element);
    if (!isSame) this.body.replaceChildren(...wanted);
    this.#rows = rows;
  }
}

// Draws only what is another than before, so that the focus stays where it is.
export function whenChanged(draw) {
  let drawn = null;
  return (value) => {
    const text = JSON.stringify(value);
    if (text === drawn) return;
    drawn = text;
    draw(value);
  };
}

export const empty = (...children) => h('div', { class: 'empty' }, children);

export function badge(text, kind = '') {
  return h('span', { class: `badge ${kind}` }, text);
}

export function stateDot(isOn, text) {
  return h(
    'span',
    { class: `state ${isOn ? 'on' : 'off'}` },
    h('span', { class: 'dot', 'aria-hidden': 'true' }),
    h('span', { class: 'text' }, text),
  );
}

// Pairs of a name and a value.
export function facts(pairs) {
  return h(
    'dl',
    { class: 'facts-list' },
    pairs.filter(Boolean).map(([name, ...value]) => [h('dt', {}, name), h('dd', {}, value)]),
  );
}

export function panel(title, ...children) {
  return h('section', { class: 'panel' }, title ? h('h2', {}, title) : null, children);
}

// Asks again and again while the page is open and looked at; after errors less often. `action` may throw.
export function poll(page, action, milliseconds, onError) {
  let timer = null;
  let pause = milliseconds;
  let isRunning = false;
  let isWanted = false; // again, as soon as the present one is over
  const run = async () => {
    clearTimeout(timer);
    if (page.signal.aborted) return;
    isWanted = isRunning;
    if (isRunning) return;
    if (!document.hidden) {
      isRunning = true;
      try {
        await action();
        pause = milliseconds;
        onError?.(null);
      } catch (error) {
        if (page.signal.aborted) return;
        // (After an abort the page wanted something else meanwhile.)
        if (error.name !== 'AbortError') {
          if (!(error instanceof HubError)) console.error(error);
          pause = Math.min(pause * 2, 30000);
          onError?.(error);
        }
      } finally {
        isRunning = false;
      }
    }
    if (!page.signal.aborted) timer = setTimeout(run, isWanted ? 0 : pause);
  };
  document.addEventListener(
    'visibilitychange',
    () => {
      if (!document.hidden) run();
    },
    { signal: page.signal },
  );
  page.signal.addEventListener('abort', () => clearTimeout(timer));
  page.onBack(() => {
    pause = milliseconds;
    run();
  });
  run();
  return run;
}
