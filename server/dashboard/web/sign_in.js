// Signing in with a shared access policy.

import { fill, h } from './dom.js';
import { canSign, parseConnectionString, remember, SignInError } from './session.js';
import { HubError } from './api.js';
import { errorBox, field, note } from './ui.js';

// `enter` takes {host, policy, key}; `error` is why a kept sign-in did not work.
export function signInPage(app, enter, error = null) {
  document.title = 'Sign in · Kyanite';
  const text = h('textarea', {
    rows: 3,
    name: 'connection-string',
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'off',
    placeholder: 'HostName=…;SharedAccessKeyName=iothubowner;SharedAccessKey=…',
    class: 'mono concealed',
  });
  const host = h('input', { name: 'host', value: location.hostname, autocomplete: 'off', spellcheck: 'false' });
  const policy = h('input', { name: 'policy', value: 'iothubowner', autocomplete: 'off', spellcheck: 'false' });
  const key = h('input', { name: 'key', type: 'password', autocomplete: 'off' });
  const keep = h('input', { type: 'checkbox', name: 'keep' });
  const place = h('div', { 'aria-live': 'polite' });
  const button = h('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const parts = h(
    'details',
    { class: 'parts' },
    h('summary', {}, 'Or give policy and key'),
    field('Policy', policy),
    field('Key', key),
    field('Host name of the hub', host, 'As in its connection strings; it may differ from the address above.'),
  );

  async function submit(event) {
    event.preventDefault();
    fill(place);
    button.disabled = true;
    button.setAttribute('aria-busy', 'true');
    try {
      const credentials = read();
      await enter(credentials);
      if (keep.checked) remember(credentials);
      text.value = key.value = '';
    } catch (problem) {
      fill(place, explain(problem));
    } finally {
      button.disabled = false;
      button.removeAttribute('aria-busy');
    }
  }

  function read() {
    if (text.value.trim()) return parseConnectionString(text.value);
    if (!parts.open) throw new SignInError('Paste a connection string of the service.');
    const missing = [
      [policy, 'policy'],
      [key, 'key'],
      [host, 'host name'],
    ]
      .filter(([input]) => !input.value.trim())
      .map(([, name]) => name);
    if (missing.length > 0) throw new SignInError(`Give the ${missing.join(' and the ')}.`);
    return { host: host.value.trim(), policy: policy.value.trim(), key: key.value.trim() };
  }

  fill(
    app,
    h(
      'div',
      { class: 'sign-in' },
      h(
        'main',
        { class: 'card' },
        h(
          'div',
          { class: 'brand' },
          h('img', { src: '/dashboard/icon.svg', alt: '', width: 32, height: 32 }),
          h('h1', {}, 'Kyanite'),
        ),
        canSign()
          ? null
          : note(
              'bad',
              h('strong', {}, 'Signing in is not possible on this page. '),
              'Browsers make tokens only on https:// pages and on this machine itself (http://127.0.0.1 or http://localhost). Open the dashboard by https.',
            ),
        h(
          'form',
          { onsubmit: submit, novalidate: true },
          field(
            'Connection string of the service',
            text,
            'kyanite policy connection-string iothubowner prints it. Another policy will do, with what it may.',
          ),
          parts,
          h('label', { class: 'check' }, keep, h('span', {}, 'Stay signed in in this tab')),
          place,
          h('div', { class: 'row' }, button),
        ),
        h(
          'p',
          { class: 'quiet' },
          'The key stays in this page: it signs short tokens here, and is sent to nobody. Without the tick it is gone when the page is closed or loaded again.',
        ),
      ),
    ),
  );
  button.disabled = !canSign();
  if (error) fill(place, explain(error));
  text.focus();
}

function explain(problem) {
  if (problem instanceof SignInError) return note('bad', problem.message);
  if (problem instanceof HubError && problem.status === 401) {
    return h(
      'div',
      { class: 'error-box', role: 'alert' },
      h('strong', {}, 'The hub did not accept this sign-in.'),
      h('p', {}, 'It does not tell which of these it was:'),
      h(
        'ul',
        {},
        h('li', {}, 'the key is not one of the policy’s present keys, or the policy does not exist;'),
        h('li', {}, 'the host name is none of the hub’s names;'),
        h('li', {}, 'the policy has only DeviceConnect, which opens nothing here.'),
      ),
      h('p', { class: 'facts' }, `HTTP 401 · ${problem.code} · tracking id `, h('code', {}, problem.trackingId)),
    );
  }
  if (!(problem instanceof HubError)) console.error(problem);
  return errorBox(problem);
}
