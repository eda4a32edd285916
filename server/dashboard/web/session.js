// Who is signed in: a policy of the hub, whose key makes short tokens here in the browser. The key never leaves this page,
// stands in no address, and is kept for the tab only when asked for.

const STORED = 'kyanite.session';
const TOKEN_SECONDS = 1800;
const RENEW_SECONDS = 300;

export class SignInError extends Error {}

// "HostName=...;SharedAccessKeyName=...;SharedAccessKey=..." with members in any order.
export function parseConnectionString(text) {
  const members = new Map();
  for (const part of text.trim().split(';')) {
    const equals = part.indexOf('=');
    if (equals > 0) members.set(part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim());
  }
  if (members.has('deviceid')) {
    throw new SignInError(
      'This is the connection string of a device. Use one of the service: kyanite policy connection-string iothubowner',
    );
  }
  if (members.has('endpoint')) {
    throw new SignInError(
      'This is the connection string of the Event Hubs-compatible endpoint. Use one with HostName, SharedAccessKeyName and SharedAccessKey.',
    );
  }
  const found = {
    host: members.get('hostname'),
    policy: members.get('sharedaccesskeyname'),
    key: members.get('sharedaccesskey'),
  };
  const missing = Object.entries({
    HostName: found.host,
    SharedAccessKeyName: found.policy,
    SharedAccessKey: found.key,
  })
    .filter(([, value]) => !value)
    .map(([name]) => name);
  if (missing.length > 0) throw new SignInError(`The connection string lacks ${missing.join(' and ')}.`);
  return found;
}

// WebCrypto is there on https and on the loopback alone.
export const canSign = () => Boolean(globalThis.crypto?.subtle);

function decodeKey(text) {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    throw new SignInError('The key is not base64. Copy it again, whole.');
  }
}

export class Session {
  #key;
  #token = '';
  #tokenEnds = 0;
  #skew = 0; // of the hub's clock against this one, milliseconds

  constructor(host, policy, key) {
    this.host = host;
    this.policy = policy;
    this.#key = key;
    this.rights = {}; // name: true or false; missing when it could not be found out
    this.status = {}; // of the hub, as it was last seen
  }

  static async open({ host, policy, key }) {
    const bytes = decodeKey(key);
    if (bytes.length === 0) throw new SignInError('The key is empty.');
    // From here on the browser gives the key to nobody, this page included.
    const imported = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    return new Session(host, policy, imported);
  }

  // The hub's clock, from the answers it gave.
  now() {
    return Date.now() + this.#skew;
  }

  // Tokens are judged by the hub's clock.
  noteDate(header) {
    const time = Date.parse(header ?? '');
    if (Number.isNaN(time)) return;
    const skew = time - Date.now();
    if (Math.abs(skew - this.#skew) < 2000) return;
    this.#skew = skew;
    this.#tokenEnds = 0;
  }

  forgetToken() {
    this.#tokenEnds = 0;
  }

  // A SharedAccessSignature for the whole hub. It is good by this clock and by the hub's, whichever is ahead: under test
  // control some routes are judged by the real one.
  async token() {
    const now = Math.floor(Math.max(Date.now(), this.now()) / 1000);
    if (now < this.#tokenEnds - RENEW_SECONDS) return this.#token;
    const ends = now + TOKEN_SECONDS;
    const resource = encodeURIComponent(this.host);
    const signed = await crypto.subtle.sign('HMAC', this.#key, new TextEncoder().encode(`${resource}\n${ends}`));
    const signature = btoa(String.fromCharCode(...new Uint8Array(signed)));
    this.#token = `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${ends}&skn=${encodeURIComponent(this.policy)}`;
    this.#tokenEnds = ends;
    return this.#token;
  }

  // What cannot be found out is not taken as missing.
  lacks(right) {
    return this.rights[right] === false;
  }

  explainLack(right) {
    return `Your policy “${this.policy}” lacks ${right}.`;
  }
}

// Kept for this tab.

export function remember(credentials) {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(credentials));
  } catch {
    // It is asked for again then.
  }
}

export function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED));
  } catch {
    return null;
  }
}

export function forget() {
  try {
    sessionStorage.removeItem(STORED);
  } catch {
    // Nothing was kept.
  }
}
