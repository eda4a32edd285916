// Keys: two letters for the pages, '/' for the search, '?' for this list.

import { h } from './dom.js';
import { dialog } from './ui.js';

const GOES = {
  d: ['#/devices', 'Devices'],
  q: ['#/query', 'Query'],
  h: ['#/hub', 'Hub'],
  t: ['#/tests', 'Test control'],
};
let isGoing = false;
let timer = null;

export function installShortcuts(isActive) {
  document.addEventListener('keydown', (event) => {
    const target = event.target;
    const isTyping = target.closest?.('input, textarea, select, [contenteditable]');
    if (
      !isActive() ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      isTyping ||
      document.querySelector('dialog[open]')
    )
      return;
    if (isGoing && GOES[event.key]) {
      isGoing = false;
      [location.hash] = GOES[event.key];
      return;
    }
    isGoing = event.key === 'g';
    clearTimeout(timer);
    if (isGoing) timer = setTimeout(() => (isGoing = false), 1500);
    if (event.key === '?') showShortcuts();
    if (event.key === '/') {
      const search = document.querySelector('[data-search]');
      if (!search) return;
      event.preventDefault();
      search.focus();
    }
  });
}

export function showShortcuts() {
  const rows = [
    ...Object.entries(GOES).map(([key, [, name]]) => [['g', key], `go to ${name}`]),
    [['/'], 'to the search of the page'],
    [['Ctrl', 'Enter'], 'run the query, send, or call'],
    [['Esc'], 'close a dialog'],
    [['?'], 'this list'],
  ];
  return dialog('Keys', () =>
    h(
      'dl',
      { class: 'keys' },
      rows.map(([keys, text]) => [
        h(
          'dt',
          {},
          keys.map((key) => h('kbd', {}, key)),
        ),
        h('dd', {}, text),
      ]),
    ),
  );
}
