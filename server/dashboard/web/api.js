// Requests to the hub's REST API, and what is told of those that fail.

import { parseJson } from './json.js';

const API_VERSION = '2021-04-12';
const UNAUTHORIZED = 'IotHubUnauthorizedAccess';
const LINE_MAX = 4 * 1024 * 1024;

// A request that failed: what was tried, what the hub said, and what to do.
export class HubError extends Error {
  // `isTold`: the banner of the frame says already what is the matter.
  constructor(what, { status = 0, code = '', detail = '', trackingId = '', advice = '', isTold = false } = {}) {
    super(`Could not ${what}`);
    Object.assign(this, { what, status, code, detail, trackingId, advice, isTold });
  }
}

// Whether the hub answers: tells 'lost' and 'back'.
export const connection = new EventTarget();
let isLost = false;

function lost() {
  if (isLost) return;
  isLost = true;
  connection.dispatchEvent(new Event('lost'));
  knock(1000);
}

function knock(pause) {
  setTimeout(async () => {
    try {
      await fetch('/dashboard/icon.svg', { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(5000) });
    } catch {
      return knock(Math.min(pause * 1.5, 5000));
    }
    isLost = false;
    connection.dispatchEvent(new Event('back'));
  }, pause);
}

const ADVICE = {
  DeviceNotFound: 'It may have been deleted meanwhile; go back to the list.',
  ModuleNotFound: 'It may have been deleted meanwhile.',
  DeviceNotOnline:
    'The device is not connected, or does not listen for methods. Start it, or give “wait for the device” more seconds.',
  DeviceAlreadyExists: 'Choose another id, or open the device that has it.',
  ModuleAlreadyExistsOnDevice: 'Choose another id.',
  PreconditionFailed: 'Somebody changed it since it was loaded. Load it again and repeat the change.',
  GatewayTimeout: 'The device was called and did not answer in time. Try again, or give it more seconds.',
  ThrottlingException: 'The hub enforces the rates of a tier (limits.tier). Wait some seconds.',
  IotHubQuotaExceeded: 'The daily quota of the tier that the hub enforces is used up (limits.tier).',
  DeviceMaximumQueueDepthExceeded: 'The queue of the device is full: let it receive, or purge the queue.',
  InvalidMessageExpiryTime: 'Give an expiry that lies ahead, by the hub’s clock.',
  SystemModuleModifyUnauthorizedAccess: 'The hub makes and removes the system modules of Edge devices itself.',
  ServerBusy: 'The hub has much to do. Try again in some seconds.',
  ServiceUnavailable: 'The hub stops, or cannot store anything: look at its log and the free space of its disk.',
  ServerError: 'This is a fault of the hub. Its log has more, under the tracking id.',
  GenericTimeout: 'It did not happen in time.',
};

function advise(session, status, code, needs) {
  if (code === UNAUTHORIZED) {
    if (needs && session?.lacks(needs))
      return `${session.explainLack(needs)} Sign in with a policy that has it, such as iothubowner.`;
    return 'The key may have been replaced, or the policy removed: sign in again with what kyanite policy connection-string prints.';
  }
  if (ADVICE[code]) return ADVICE[code];
  if (status === 400) return 'Correct the input and try again.';
  if (status >= 500) return 'Try again; if it goes on, look for the tracking id in the hub’s log.';
  return '';
}

// The hub's envelopes: {Message, ExceptionMessage}, and the nested one of direct methods whose Message is JSON.
function readRefusal(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 500) };
  }
  let message = typeof body?.Message === 'string' ? body.Message : '';
  let trackingId = '';
  if (message.startsWith('{')) {
    try {
      const nested = JSON.parse(message);
      message = String(nested.message ?? '');
      trackingId = String(nested.trackingId ?? '');
    } catch {
      // Then it is a text.
    }
  }
  return { detail: message.replace(/^ErrorCode:[A-Za-z]+;\s*/, ''), trackingId };
}

// Browsers resolve "." and ".." in a path, whatever way they are written: no request reaches what is called so.
export const isUnreachable = (id) => id === '.' || id === '..';

// A segment of a path.
export function segment(id) {
  if (isUnreachable(id)) {
    throw new HubError('ask for this id', {
      detail: `A browser cannot ask for anything called “${id}”: it takes it for a part of the address.`,
      advice: 'Use the kyanite command, or an id of another form.',
    });
  }
  return encodeURIComponent(id);
}

// A text as the value of a header: fetch() writes a byte for each character, and these are the bytes of UTF-8.
export const headerText = (text) => String.fromCharCode(...new TextEncoder().encode(text));

export class Api {
  constructor(session, onUnauthorized = () => {}) {
    this.session = session;
    this.onUnauthorized = onUnauthorized;
  }

  // `what` completes "Could not ...". Options: query, body (an object, or a text as it is), headers, needs (a right),
  // signal, timeout. Answers {status, headers, text, json}; json is undefined without a JSON body.
  async ask(what, method, path, options = {}) {
    const response = await this.#send(what, method, path, options);
    const text = await this.#read(what, response, options);
    let json;
    if (text && (response.headers.get('content-type') ?? '').includes('json')) {
      try {
        json = parseJson(text);
      } catch {
        throw new HubError(what, { status: response.status, detail: 'The answer of the hub is not JSON.' });
      }
    }
    return { status: response.status, headers: response.headers, text, json };
  }

  async #read(what, response, { signal }) {
    try {
      return await response.text();
    } catch (error) {
      if (signal?.aborted) throw error;
      lost();
      throw new HubError(what, {
        detail: 'The connection to the hub broke.',
        advice: 'It is tried again by itself.',
        isTold: true,
      });
    }
  }

  async #send(what, method, path, options, again = true) {
    const { query = {}, body, headers = {}, needs, signal, timeout = 60000 } = options;
    const url = new URL(path, location.origin);
    if (!path.startsWith('/kyanite/')) url.searchParams.set('api-version', API_VERSION);
    for (const [name, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== '') url.searchParams.set(name, value);
    }
    // The hub takes a plus for itself, as the service does.
    const target = url.pathname + url.search.replaceAll('+', '%20');
    const limits = [signal, timeout ? AbortSignal.timeout(timeout) : null].filter(Boolean);
    const sent = { Authorization: await this.session.token(), ...headers };
    if (body !== undefined && typeof body !== 'string') sent['Content-Type'] = 'application/json; charset=utf-8';
    let response;
    try {
      response = await fetch(target, {
        method,
        headers: sent,
        signal: limits.length > 0 ? AbortSignal.any(limits) : undefined,
        cache: 'no-store',
        body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
        credentials: 'omit',
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      if (error.name === 'TimeoutError') {
        throw new HubError(what, { detail: `No answer came within ${timeout / 1000} seconds.`, advice: 'Try again.' });
      }
      if (error.name === 'TypeError' && /header|ByteString|Latin|ISO-8859/i.test(error.message)) {
        throw new HubError(what, {
          detail: 'A header cannot hold these characters.',
          advice: 'Use ASCII characters.',
        });
      }
      lost();
      throw new HubError(what, {
        detail: 'The hub does not answer.',
        advice: 'It is asked again every few seconds, and the page goes on by itself.',
        isTold: true,
      });
    }
    this.session.noteDate(response.headers.get('date'));
    if (response.ok) return response;
    if (response.status === 401 && again && !this.session.lacks(needs)) {
      // The hub's clock may have been shifted since the token was made.
      this.session.forgetToken();
      await response.body?.cancel();
      return this.#send(what, method, path, options, false);
    }
    const refusal = readRefusal(await response.text().catch(() => ''));
    const code = response.headers.get('iothub-errorcode') ?? '';
    // (Other refusals of 401 are about what was asked, not about who asked.)
    const isOver = code === UNAUTHORIZED && !this.session.lacks(needs);
    if (isOver) this.onUnauthorized();
    throw new HubError(what, {
      status: response.status,
      code,
      detail: refusal.detail || response.statusText,
      trackingId: response.headers.get('x-ms-request-id') || refusal.trackingId,
      advice: advise(this.session, response.status, code, needs),
      isTold: isOver,
    });
  }

  // Calls onEvent for each event until the signal or the end; `query` as of GET /kyanite/v1/events.
  async streamEvents(query, { signal, onEvent, onOpen }) {
    const what = 'read the events';
    const response = await this.#send(what, 'GET', '/kyanite/v1/events', {
      query,
      signal,
      timeout: 0,
      needs: 'ServiceConnect',
      headers: { Accept: 'application/x-ndjson' },
    });
    onOpen?.();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const lines = (rest + value).split('\n');
        rest = lines.pop();
        for (const line of lines) if (line) onEvent(JSON.parse(line), line.length);
        if (rest.length > LINE_MAX) throw new HubError(what, { detail: 'An event is larger than this page takes.' });
      }
    } catch (error) {
      if (signal?.aborted || error instanceof HubError) throw error;
      lost();
      throw new HubError(what, {
        detail: 'The stream broke off.',
        advice: 'It goes on by itself when the hub is back.',
        isTold: true,
      });
    } finally {
      reader.cancel().catch(() => {});
    }
  }
}

// Finds out what the policy may do, by questions that change nothing.
export async function findRights(api) {
  const { session } = api;
  const probe = async (path, query) => {
    try {
      await api.ask('find out the rights of the policy', 'GET', path, { query });
      return true;
    } catch (error) {
      if (!(error instanceof HubError) || error.status === 0) throw error;
      if (error.status === 404) return true; // there is none of this name, and it was looked for
      return error.status === 401 ? false : undefined;
    }
  };
  const status = await api.ask('sign in', 'GET', '/kyanite/v1/status');
  session.status = status.json;
  const [read, write, service, all] = await Promise.all([
    probe('/devices', { top: 1 }),
    probe('/jobs'),
    probe('/kyanite/v1/consumer-groups'),
    probe('/kyanite/v1/policies/-'),
  ]);
  session.rights = { RegistryRead: read, RegistryWrite: write, ServiceConnect: service, 'all rights': all };
  for (const [name, has] of Object.entries(session.rights)) if (has === undefined) delete session.rights[name];
}
