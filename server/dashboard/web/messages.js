// Cloud-to-device messages: sending one, what became of it, and emptying the queue.

import { headerText, segment } from './api.js';
import { fill, h, setText } from './dom.js';
import { clockTime, count, plural } from './format.js';
import { matchSent, outcomeList, stateBadge, stateOf, UNKNOWN } from './message_outcomes.js';
import { attempt, confirmDialog, empty, field, InputError, panel, select, toast } from './ui.js';

const BODY_MAX = 64 * 1024;
const sent = new Map(); // device: messages of this tab, the newest first
const SENT_MAX = 50;
const SKEW = 3000; // what the clocks here and there may differ by

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
  let listing = null; // as it was last read
  let drawn = '';
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
      field('Feedback', ack, 'For back ends that receive feedback; here every outcome is shown'),
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
    checkId(id, 'The message id');
    checkId(correlationId.value, 'The correlation id');
    checkText(contentType.value, 'The content type');
    const headers = { 'iothub-messageid': id };
    if (contentType.value) headers['iothub-contenttype'] = headerText(contentType.value);
    if (correlationId.value) headers['iothub-correlationid'] = correlationId.value;
    if (ack.value) headers['iothub-ack'] = ack.value;
    if (expiry.value) headers['iothub-expiry'] = new Date(session.now() + Number(expiry.value) * 1000).toISOString();
    for (const [name, value] of properties.read()) headers[`iothub-app-${name}`] = headerText(value);
    await api.ask('send the message', 'POST', `/devices/${segment(subject.id)}/messages/devicebound`, {
      body: body.value,
      headers,
      needs: 'ServiceConnect',
    });
    const all = sent.get(subject.id) ?? [];
    sent.set(subject.id, [{ id, at: new Date(session.now()), body: body.value }, ...all].slice(0, SENT_MAX));
    toast('The message is in the queue');
    drawSent();
    outcomes.refresh();
  }

  // What the hub says of a message sent here; null while it has not been asked.
  function states(all) {
    if (!listing) return all.map(() => null);
    const [name, kind, meaning] = UNKNOWN;
    return matchSent(all, listing).map((entry, i) => {
      if (entry) return stateOf(entry);
      // The list may have been read before the message was sent.
      return all[i].at > listing.at ? null : { name, kind, meaning, time: null };
    });
  }

  function drawSent() {
    const all = sent.get(subject.id) ?? [];
    const now = states(all);
    const seen = JSON.stringify(all.map((message, i) => [message.id, message.at, now[i]?.name]));
    if (list.firstChild && seen === drawn) return; // so that the focus stays where it is
    drawn = seen;
    fill(
      list,
      all.length === 0
        ? empty(h('p', {}, 'Nothing was sent from this tab.'))
        : h(
            'ul',
            { class: 'log' },
            all.map((message, i) =>
              h(
                'li',
                {},
                h('span', { class: 'quiet mono' }, clockTime(message.at)),
                ' ',
                now[i] ? stateBadge(now[i]) : null,
                ' ',
                h('code', {}, message.id),
                h('span', { class: 'block ellipsis' }, message.body || '(no body)'),
                h(
                  'button',
                  {
                    type: 'button',
                    class: 'small ghost',
                    'aria-label': `Use ${message.id} again`,
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
      outcomes.refresh();
    }),
  );

  const outcomes = outcomeList(page, subject, (json) => {
    listing = { ...json, at: new Date(session.now() - SKEW) };
    setText(waiting, count(json.queued.length));
    drawSent();
  });
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
          'Queue and outcomes',
          h('p', {}, waiting, ' waiting for the device, at most 50'),
          queuePlace,
          outcomes.content,
          h('div', { class: 'row' }, purge),
        ),
        panel('Sent from this tab', list),
      ),
    ),
  );
}

function checkId(value, what) {
  if (!/^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{0,128}$/.test(value))
    throw new InputError(`${what} has at most 128 letters, digits and - : . + % _ # * ? ! ( ) , = @ ; $ '`);
}

// Over HTTPS they travel in headers, as UTF-8: there are no line breaks in them, and blanks around them get lost.
function checkText(value, what) {
  if (/[\x00-\x1f\x7f]/.test(value))
    throw new InputError(`${what} cannot have control characters where messages are sent over HTTPS.`);
  if (value !== value.replace(/^[ \t]+|[ \t]+$/g, ''))
    throw new InputError(`${what} cannot begin or end with a blank where messages are sent over HTTPS.`);
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
        checkText(value, 'The value of a property');
        found.push([name, value]);
      }
      return found;
    },
  };
}
