// What waits for a device, and what became of its latest messages. Reading this takes nothing from anybody: feedback stays
// for the back end that receives it.

import { fill, h, setText } from './dom.js';
import { ago, clockTime, fullTime, parseTime, plural } from './format.js';
import { badge, empty, LiveTable, poll, tellIn } from './ui.js';

const PAUSE = 2000;

// By the status codes that feedback has.
const ENDS = {
  Success: ['Completed', 'good', 'The device took it.'],
  Expired: ['Expired', 'bad', 'Its time was over before the device took it.'],
  DeliveryCountExceeded: ['Given up', 'bad', 'The device gave it back too often.'],
  Rejected: ['Rejected', 'bad', 'The device does not want it.'],
  Purged: ['Purged', 'warning', 'It was dropped from the queue, by hand or since it was older than the subscription.'],
};
const STATES = {
  queued: ['Waiting', '', 'It waits for the device.'],
  withDevice: ['With the device', '', 'It was sent, and the device has not settled it yet.'],
};

export const UNKNOWN = [
  'Not known',
  '',
  'The hub remembers the latest some thousand ends of all devices, until it stops.',
];

// {name, kind, meaning, time} of an entry of the list.
export function stateOf(entry) {
  const [name, kind, meaning] = ENDS[entry.statusCode] ?? STATES[entry.state] ?? [entry.statusCode ?? '–', '', ''];
  return { name, kind, meaning, time: entry.endedTime ?? null };
}

// The entries of the list for messages of this tab: `sent` are {id}, the newest first. An id may have been used more than
// once; then the newest is the newest.
export function matchSent(sent, listing) {
  const byId = new Map();
  for (const entry of [...listing.queued, ...listing.ended]) {
    if (!byId.has(entry.messageId)) byId.set(entry.messageId, []);
    byId.get(entry.messageId).push(entry);
  }
  for (const entries of byId.values()) entries.sort((a, b) => parseTime(b.enqueuedTime) - parseTime(a.enqueuedTime));
  return sent.map((message) => byId.get(message.id)?.shift() ?? null);
}

export const stateBadge = ({ name, kind, meaning, time }) =>
  h('span', { title: [meaning, time ? fullTime(time) : ''].filter(Boolean).join(' ') }, badge(name, kind));

// The content of a panel, and `refresh`. `tell` is given each list as it comes.
export function outcomeList(page, subject, tell) {
  const { api, session } = page;
  const place = h('div');
  const nothing = h('div');
  const table = new LiveTable('Messages of the device', [{ name: 'Message' }, { name: 'State' }], (entry) => {
    const state = h('span');
    const sent = h('small', { class: 'quiet block' });
    const ended = h('small', { class: 'quiet block' });
    let shown = '';
    return {
      element: h(
        'tr',
        {},
        h('td', {}, h('span', { class: 'mono message-id' }, entry.messageId), sent),
        h('td', { class: 'nowrap' }, state, ended),
      ),
      update(now) {
        const found = stateOf(now);
        if (shown !== found.name) fill(state, stateBadge(found));
        shown = found.name;
        setText(sent, `sent ${ago(now.enqueuedTime, session.now())}`);
        sent.title = fullTime(now.enqueuedTime);
        const back = now.deliveryCount > 0 ? `, given back ${plural(now.deliveryCount, 'time')}` : '';
        setText(ended, `${found.time ? clockTime(found.time) : `until ${clockTime(now.expiryTime)}`}${back}`);
        ended.title = fullTime(found.time ?? now.expiryTime);
      },
    };
  });
  const refresh = poll(
    page,
    async () => {
      const { json } = await api.ask('read the messages of the device', 'GET', '/kyanite/v1/messages', {
        query: { device: subject.id },
        needs: 'ServiceConnect',
        signal: page.signal,
      });
      const entries = [...[...json.queued].reverse(), ...json.ended];
      table.update(entries, (entry) => `${entry.messageId}\n${entry.enqueuedTime}`);
      table.element.hidden = entries.length === 0;
      fill(nothing, entries.length === 0 ? empty(h('p', {}, 'No message waits, and none was settled lately.')) : null);
      tell(json);
    },
    PAUSE,
    tellIn(place),
  );
  table.element.hidden = true;
  return { content: [place, table.element, nothing], refresh };
}
