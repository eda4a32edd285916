// Cloud-to-device messages: sending one, how many wait, and emptying the queue.

import { segment } from './api.js';
import { fill, h, setText } from './dom.js';
import { clockTime, count, plural } from './format.js';
import { attempt, confirmDialog, empty, field, InputError, panel, select, toast } from './ui.js';

const BODY_MAX = 64 * 1024;
const sent = new Map(); // device: messages of this tab, the newest first
const SENT_MAX = 50;

export function messagesTab(page, subject) {
  const { api, main, session } = page;
  const body = h('textarea', { class: 'mono', rows: 6, spellcheck: 'false' });
  const contentType = h('input', { placeholder: 'application/json', spellcheck: 'false', list: 'content-types' });
  const messageId = h('input', { class: 'mono', spellcheck: 'false', placeholder: 'made by this page' });
  const correlationId = h('input', { class: 'mono', spellcheck: 'false' });
  const ack = select(
    [
      ['', 'None'],
      ['positive', 'When completed'],
      ['negative', 'When not completed'],
      ['full', 'Always'],
    ],
    '',
  );
  const expiry = select(
    [
      ['', 'The hub’s default'],
      ['60', '1 minute'],
      ['600', '10 minutes'],
      ['3600', '1 hour'],
      ['86400', '1 day'],
      ['172800', '2 days'],
    ],
    '',
  );
  const properties = propertyList();
  const place = h('div');
  const waiting = h('strong', { class: 'figure' }, '–');
  const list = h('div');
  const send = h('button', { type: 'submit', class: 'primary' }, 'Send');
  const purge = h('button', { type: 'button', class: 'danger' }, 'Purge the queue');
  const queuePlace = h('div');

  const form = h(
    'form',
    {
      onsubmit: (event) => {
        event.preventDefault();
        attempt(send, place, submit);
      },
    },
    field('Body', body),
    properties.element,
    h(
      'div',
      { class: 'grid' },
      field('Content type', contentType),
      field('Feedback', ack, 'Asked of the hub, for whoever reads feedback'),
      field('Expires after', expiry),
      field('Message id', messageId),
      field('Correlation id', correlationId),
    ),
    h(
      'datalist',
      { id: 'content-types' },
      ['application/json', 'text/plain'].map((value) => h('option', { value })),
    ),
    place,
    h('div', { class: 'row' }, send),
  );
  form.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') form.requestSubmit();
  });

  async function submit() {
    if (new TextEncoder().encode(body.value).length > BODY_MAX)
      throw new InputError('A cloud-to-device message has at most 64 KiB.');
    const id = messageId.value || crypto.randomUUID();
    checkHeader(id, 'The message id');
    checkHeader(correlationId.value, 'The correlation id');
    checkHeader(contentType.value, 'The content type');
    const headers = { 'iothub-messageid': id };
    if (contentType.value) headers['iothub-contenttype'] = contentType.value;
    if (correlationId.value) headers['iothub-correlationid'] = correlationId.value;
    if (ack.value) headers['iothub-ack'] = ack.value;
    if (expiry.value) headers['iothub-expiry'] = new Date(session.now() + Number(expiry.value) * 1000).toISOString();
    for (const [name, value] of properties.read()) headers[`iothub-app-${name}`] = value;
    await api.ask('send the message', 'POST', `/devices/${segment(subject.id)}/messages/devicebound`, {
      body: body.value,
      headers,
      needs: 'ServiceConnect',
    });
    const all = sent.get(subject.id) ?? [];
    sent.set(subject.id, [{ id, at: new Date(session.now()), body: body.value }, ...all].slice(0, SENT_MAX));
    toast('The message is in the queue');
    drawSent();
    subject.refresh?.();
  }

  function drawSent() {
    const all = sent.get(subject.id) ?? [];
    fill(
      list,
      all.length === 0
        ? empty(h('p', {}, 'Nothing was sent from this tab.'))
        : h(
            'ul',
            { class: 'log' },
            all.map((message) =>
              h(
                'li',
                {},
                h('span', { class: 'quiet mono' }, clockTime(message.at)),
                ' ',
                h('code', {}, message.id),
                h('span', { class: 'block ellipsis' }, message.body || '(no body)'),
                h(
                  'button',
                  {
                    type: 'button',
                    class: 'small ghost',
                    onclick: () => {
                      body.value = message.body;
                      body.focus();
                    },
                  },
                  'Use again',
                ),
              ),
            ),
          ),
    );
  }

  purge.addEventListener('click', () =>
    attempt(purge, queuePlace, async () => {
      if (
        !(await confirmDialog(
          'Purge the queue?',
          h(
            'p',
            {},
            'All messages that wait for this device are dropped. Senders that asked for feedback are told so.',
          ),
          'Purge',
        ))
      )
        return;
      const answer = await api.ask('purge the queue', 'DELETE', `/devices/${segment(subject.id)}/commands`, {
        needs: 'ServiceConnect',
      });
      toast(`${plural(answer.json?.totalMessagesPurged ?? 0, 'message')} dropped`);
      setText(waiting, '0');
    }),
  );

  subject.onSummary.push((twin) => setText(waiting, count(twin.cloudToDeviceMessageCount)));
  if (subject.summary) setText(waiting, count(subject.summary.cloudToDeviceMessageCount));
  drawSent();
  fill(
    main,
    h(
      'div',
      { class: 'columns two' },
      panel('Send a message', form),
      h(
        'div',
        {},
        panel(
          'Queue',
          h('p', {}, waiting, ' waiting for the device, at most 50'),
          queuePlace,
          h('div', { class: 'row' }, purge),
        ),
        panel('Sent from this tab', list),
      ),
    ),
  );
}

// Over HTTPS they travel in headers, whose bytes the hub takes as they are.
function checkHeader(value, what) {
  if (!/^[\x20-\x7e]*$/.test(value))
    throw new InputError(`${what} is made of printable ASCII characters where messages are sent over HTTPS.`);
}

// Rows of a name and a value.
function propertyList() {
  const rows = h('div', { class: 'property-rows' });
  const add = (focus = true) => {
    const name = h('input', {
      placeholder: 'name',
      'aria-label': 'Name of the property',
      spellcheck: 'false',
      class: 'mono',
    });
    const value = h('input', {
      placeholder: 'value',
      'aria-label': 'Value of the property',
      spellcheck: 'false',
      class: 'mono',
    });
    const row = h(
      'div',
      { class: 'property-row' },
      name,
      value,
      h(
        'button',
        { type: 'button', class: 'small ghost', 'aria-label': 'Remove the property', onclick: () => row.remove() },
        '✕',
      ),
    );
    rows.append(row);
    if (focus) name.focus();
  };
  return {
    element: h(
      'div',
      { class: 'field' },
      h('span', { class: 'label' }, 'Application properties'),
      rows,
      h('div', {}, h('button', { type: 'button', class: 'small', onclick: () => add() }, 'Add a property')),
    ),
    read() {
      const found = [];
      for (const row of rows.children) {
        const [name, value] = [...row.querySelectorAll('input')].map((input) => input.value);
        if (!name && !value) continue;
        if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name))
          throw new InputError(
            `“${name}” cannot be the name of a property: over HTTPS names are made of letters, digits and ! # $ % & ' * + - . ^ _ \` | ~`,
          );
        checkHeader(value, 'The value of a property');
        found.push([name, value]);
      }
      return found;
    },
  };
}
