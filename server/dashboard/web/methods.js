// Direct methods: calling one, its answer, and what was called from this tab.

import { fill, h } from './dom.js';
import { clockTime, duration } from './format.js';
import { twinPath } from './identities.js';
import { parseJson, showJson } from './json.js';
import { attempt, badge, empty, errorBox, field, InputError, panel } from './ui.js';

const calls = new Map(); // device and module: calls of this tab, the newest first
const CALLS_MAX = 50;

function seconds(input, least, what) {
  const number = Number(input.value);
  if (!Number.isInteger(number) || number < least || number > 300)
    throw new InputError(`${what} must be a whole number from ${least} to 300.`);
  return number;
}

export function methodsTab(page, subject) {
  const { api, main, session } = page;
  const key = `${subject.id}\n${subject.module ?? ''}`;
  const name = h('input', { class: 'mono', spellcheck: 'false', autocapitalize: 'off', 'data-search': true });
  const payload = h('textarea', { class: 'mono', rows: 6, spellcheck: 'false', placeholder: '{"level": 3}' });
  const response = h('input', { type: 'number', min: 5, max: 300, value: '30' });
  const connect = h('input', { type: 'number', min: 0, max: 300, value: '0' });
  const place = h('div');
  const result = h('div', { 'aria-live': 'polite' });
  const history = h('div');
  const call = h('button', { type: 'submit', class: 'primary' }, 'Call');
  const cancel = h('button', { type: 'button', hidden: true }, 'Stop waiting');

  const form = h(
    'form',
    {
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        attempt(call, place, submit);
      },
    },
    field('Method', name),
    field('Payload', payload, 'JSON; leave it empty for none'),
    h(
      'div',
      { class: 'grid' },
      field('Wait for the answer, s', response, '5 to 300'),
      field('Wait for the device, s', connect, '0 to 300; if it is not connected'),
    ),
    place,
    h('div', { class: 'row' }, call, cancel),
  );
  form.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') form.requestSubmit();
  });

  async function submit() {
    if (!name.value) throw new InputError('Give the name of the method.');
    const request = {
      methodName: name.value,
      responseTimeoutInSeconds: seconds(response, 5, 'The time for the answer'),
      connectTimeoutInSeconds: seconds(connect, 0, 'The time for the device'),
    };
    if (payload.value.trim()) {
      try {
        request.payload = parseJson(payload.value);
      } catch (error) {
        throw new InputError(`The payload is not JSON: ${error.message}`);
      }
    }
    const stop = new AbortController();
    cancel.hidden = false;
    cancel.onclick = () => stop.abort();
    const began = performance.now();
    const entry = { at: new Date(session.now()), name: name.value, payload: payload.value };
    try {
      const wait = (request.responseTimeoutInSeconds + request.connectTimeoutInSeconds + 10) * 1000;
      const answer = await api.ask(`call ${name.value}`, 'POST', `${twinPath(subject.id, subject.module)}/methods`, {
        body: request,
        needs: 'ServiceConnect',
        timeout: wait,
        signal: AbortSignal.any([stop.signal, page.signal]),
      });
      entry.status = answer.json.status;
      entry.answer = showJson(answer.json.payload);
    } catch (error) {
      if (page.signal.aborted) return;
      entry.error =
        error.name === 'AbortError'
          ? new InputError('No longer waited for. The device may still carry it out.')
          : error;
    } finally {
      cancel.hidden = true;
      entry.took = performance.now() - began;
    }
    calls.set(key, [entry, ...(calls.get(key) ?? [])].slice(0, CALLS_MAX));
    draw();
  }

  function draw() {
    const all = calls.get(key) ?? [];
    const latest = all[0];
    fill(
      result,
      !latest
        ? empty(h('p', {}, 'The answer of the device will stand here.'))
        : latest.error
          ? errorBox(latest.error)
          : [
              h(
                'p',
                { class: 'row' },
                'Status ',
                badge(String(latest.status), latest.status >= 200 && latest.status < 300 ? 'good' : 'warning'),
                h('span', { class: 'quiet' }, `after ${duration(latest.took)}`),
              ),
              h('pre', { class: 'mono json', tabindex: '0', 'aria-label': 'Answer of the device' }, latest.answer),
            ],
    );
    fill(
      history,
      all.length === 0
        ? empty(h('p', {}, 'Nothing was called from this tab.'))
        : h(
            'ul',
            { class: 'log' },
            all.map((entry) =>
              h(
                'li',
                {},
                h('span', { class: 'quiet mono' }, clockTime(entry.at)),
                ' ',
                h('code', {}, entry.name),
                ' ',
                entry.error
                  ? badge(entry.error.code || 'failed', 'bad')
                  : badge(String(entry.status), entry.status >= 200 && entry.status < 300 ? 'good' : 'warning'),
                h('span', { class: 'quiet' }, ` ${duration(entry.took)} `),
                h(
                  'button',
                  {
                    type: 'button',
                    class: 'small ghost',
                    onclick: () => {
                      name.value = entry.name;
                      payload.value = entry.payload;
                      name.focus();
                    },
                  },
                  'Use again',
                ),
              ),
            ),
          ),
    );
  }

  draw();
  fill(
    main,
    h(
      'div',
      { class: 'columns two' },
      panel('Call a method', form),
      h('div', {}, panel('Answer', result), panel('Called from this tab', history)),
    ),
  );
}
