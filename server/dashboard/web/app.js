// The frame of the dashboard: signing in, the address behind '#', the navigation, and whether the hub answers.

import { readAddress } from './address.js';
import { Api, connection, findRights } from './api.js';
import { fill, h } from './dom.js';
import { devicePage } from './device.js';
import { devicesPage } from './devices.js';
import { hubPage } from './hub.js';
import { queryPage } from './query.js';
import { forget, remembered, Session } from './session.js';
import { installShortcuts, showShortcuts } from './shortcuts.js';
import { signInPage } from './sign_in.js';
import { testsPage } from './tests.js';
import { errorBox } from './ui.js';

const app = document.getElementById('app');
const PAGES = {
  devices: { title: 'Devices', make: devicesPage },
  device: { title: 'Device', make: devicePage, under: 'devices' },
  query: { title: 'Query', make: queryPage },
  hub: { title: 'Hub', make: hubPage },
  tests: {
    title: 'Test control',
    make: testsPage,
    isThere: (session) => session.status.testControl && !session.lacks('all rights'),
  },
};

let session = null;
let api = null;
let leave = null; // AbortController of the page that is shown
let backHandlers = [];

function signOut() {
  forget();
  // Everything that was in memory goes with the page.
  history.replaceState(null, '', location.pathname);
  location.reload();
}

function shell() {
  const links = Object.entries(PAGES)
    .filter(([, page]) => !page.under && (page.isThere?.(session) ?? true))
    .map(([name, page]) => h('a', { href: `#/${name}`, 'data-page': name }, page.title));
  const held = ['RegistryRead', 'RegistryWrite', 'ServiceConnect'].filter((right) => !session.lacks(right));
  const theme = h(
    'select',
    { 'aria-label': 'Theme', class: 'small', onchange: () => window.kyaniteTheme.set(theme.value) },
    [
      ['system', 'System theme'],
      ['light', 'Light'],
      ['dark', 'Dark'],
    ].map(([value, text]) => h('option', { value, selected: value === window.kyaniteTheme.get() }, text)),
  );
  fill(
    app,
    h(
      'a',
      {
        class: 'skip',
        href: '#main',
        onclick: (event) => {
          event.preventDefault();
          document.getElementById('main').focus();
        },
      },
      'Skip to the content',
    ),
    h(
      'div',
      { class: 'shell' },
      h(
        'header',
        { class: 'side' },
        h(
          'a',
          { class: 'brand', href: '#/devices' },
          h('img', { src: '/dashboard/icon.svg', alt: '', width: 24, height: 24 }),
          h('span', {}, h('strong', {}, 'Kyanite'), h('small', {}, session.host)),
        ),
        h('nav', { 'aria-label': 'Pages' }, links),
        h(
          'div',
          { class: 'side-foot' },
          h(
            'div',
            { class: 'who' },
            h('span', { class: 'label' }, 'Signed in as'),
            h('strong', { class: 'policy' }, session.policy),
            h('small', {}, held.length > 0 ? held.join(', ') : 'no rights here'),
          ),
          theme,
          h(
            'div',
            { class: 'row' },
            h('button', { type: 'button', class: 'small', onclick: showShortcuts }, 'Shortcuts'),
            h('button', { type: 'button', class: 'small', id: 'sign-out', onclick: signOut }, 'Sign out'),
          ),
        ),
      ),
      h(
        'div',
        { class: 'content' },
        h('div', { id: 'banner', role: 'alert' }),
        h('main', { id: 'main', tabindex: '-1' }),
      ),
    ),
  );
}

function banner(...children) {
  const place = document.getElementById('banner');
  if (place) fill(place, children.length > 0 ? h('div', { class: 'banner' }, children) : null);
}

function show() {
  const at = readAddress();
  const page = PAGES[at.name] && (PAGES[at.name].isThere?.(session) ?? true) ? PAGES[at.name] : PAGES.devices;
  leave?.abort();
  leave = new AbortController();
  backHandlers = [];
  const main = document.getElementById('main');
  const current = page.under ?? Object.keys(PAGES).find((name) => PAGES[name] === page);
  for (const link of app.querySelectorAll('nav [data-page]')) {
    if (link.dataset.page === current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${page.title} · Kyanite`;
  const content = h('div', { class: 'page' });
  const context = {
    session,
    api,
    main: content,
    path: page === PAGES[at.name] ? at.path : [],
    signal: leave.signal,
    onBack: (handler) => backHandlers.push(handler),
    setTitle: (title) => {
      document.title = `${title} · Kyanite`;
    },
  };
  fill(main, content);
  try {
    page.make(context);
  } catch (error) {
    console.error(error);
    fill(content, errorBox(error));
  }
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

async function enter(credentials) {
  const opened = await Session.open(credentials);
  const asking = new Api(opened);
  await findRights(asking);
  session = opened;
  api = new Api(session, () =>
    banner(
      'The hub no longer accepts this sign-in. Its key may have been replaced. ',
      h('button', { type: 'button', class: 'small', onclick: signOut }, 'Sign in again'),
    ),
  );
  shell();
  show();
}

connection.addEventListener('lost', () =>
  banner(
    h('span', { class: 'spinner', 'aria-hidden': 'true' }),
    'The hub does not answer. This page tries again and goes on by itself.',
  ),
);
connection.addEventListener('back', async () => {
  if (!session) return;
  banner();
  for (const handler of [...backHandlers]) handler();
});
window.addEventListener('hashchange', () => session && show());

async function begin() {
  installShortcuts(() => Boolean(session));
  const kept = remembered();
  if (kept) {
    try {
      return await enter(kept);
    } catch (error) {
      return signInPage(app, enter, error);
    }
  }
  return signInPage(app, enter);
}

begin();
