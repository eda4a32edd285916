import type { IncomingMessage } from 'node:http';
import type { EventOptions, HubEvent } from './types';

/** The query of GET /kyanite/v1/events. */
export function eventQuery(options: EventOptions): string {
  const query = new URLSearchParams();
  const { device, module, partition, source, from = 'start', count, timeoutSeconds } = options;
  query.set('from', from instanceof Date ? from.toISOString() : String(from));
  if (device !== undefined) query.set('device', device);
  if (module !== undefined) query.set('module', module);
  if (partition !== undefined) query.set('partition', String(partition));
  if (source !== undefined) query.set('source', Array.isArray(source) ? source.join(',') : source);
  if (count !== undefined) query.set('count', String(count));
  if (timeoutSeconds !== undefined) query.set('timeout', String(timeoutSeconds));
  return query.toString();
}

/** The events of an answer as they come, one JSON object a line; empty lines only show that the peer is there. */
export async function* readEvents(answer: IncomingMessage): AsyncGenerator<HubEvent, void, undefined> {
  let rest = '';
  answer.setEncoding('utf8');
  try {
    for await (const piece of answer) {
      const lines = (rest + (piece as string)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.trim() !== '') yield JSON.parse(line) as HubEvent;
      }
    }
  } finally {
    answer.destroy(); // a reader that breaks off leaves no stream open
  }
}

/** The body of an event as the device sent it. */
export function bodyOf(event: HubEvent): Buffer {
  return Buffer.from(event.body, event.bodyEncoding === 'base64' ? 'base64' : 'utf8');
}
