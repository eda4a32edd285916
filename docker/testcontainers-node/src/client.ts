import { errorOfAnswer, KyaniteTimeoutError } from './errors';
import { eventQuery, readEvents } from './events';
import { Endpoint, HttpsRequester, readAll, throwRefusal } from './http';
import { parseConnectionString, signToken } from './sas';
import type {
  CloudToDeviceOptions, DeviceOptions, EventFilter, EventOptions, Fault, FaultRule, HubClock, HubEvent, Json, JsonObject,
  MethodOptions, MethodResult, ModuleOptions, PolicyName, Twin, TwinPatch,
} from './types';

const API = 'api-version=2021-04-12';
const TOKEN_SECONDS = 3600;
const ANSWER_MILLISECONDS = 60_000;
const WAIT_SECONDS = 30; // as the hub's own default
const STREAM_SILENCE_MILLISECONDS = 60_000; // the hub sends an empty line every 15 s
const STATUS_TIMEOUT = 408;

export interface ClientOptions {
  /** Of a policy with every right, such as `iothubowner`. */
  connectionString: string;
  /** PEM of the CA that the hub's certificate chains to. */
  ca: string;
  /** Where port 443 of the hub is reached; without it at the host, and port, of the connection string. */
  endpoint?: () => Endpoint;
}

interface Device {
  deviceId: string;
  moduleId?: string;
  authentication: { type: string; symmetricKey?: { primaryKey?: string | null } };
}

/** Drives a hub over its public REST API: what a back end may do, and test control where the hub runs with it. */
export class KyaniteClient {
  /** The hub's name, as it stands in connection strings. */
  readonly hostName: string;

  private readonly http: HttpsRequester;
  private readonly authority: string; // the name, with a port that is not 443
  private readonly policy: string;
  private readonly key: string;
  private clockShift = 0; // seconds; tokens are judged by the hub's clock

  constructor(options: ClientOptions) {
    const { HostName, SharedAccessKeyName, SharedAccessKey } = parseConnectionString(options.connectionString);
    if (!HostName || !SharedAccessKeyName || !SharedAccessKey) {
      throw new Error('the connection string of a policy has HostName, SharedAccessKeyName and SharedAccessKey');
    }
    const [, name, port] = /^(.*?)(?::(\d+))?$/.exec(HostName) as unknown as [string, string, string | undefined];
    this.authority = HostName;
    this.hostName = name;
    this.policy = SharedAccessKeyName;
    this.key = SharedAccessKey;
    const endpoint = options.endpoint ?? (() => ({ host: name, port: Number(port ?? 443) }));
    this.http = new HttpsRequester(name, options.ca, endpoint);
  }

  // Identities.

  /** Registers a device and gives its connection string. */
  async createDevice(deviceId: string, options: DeviceOptions = {}): Promise<string> {
    const device = await this.json<Device>('PUT', `/devices/${id(deviceId)}?${API}`, {
      deviceId,
      status: options.status ?? 'enabled',
      ...(options.statusReason === undefined ? {} : { statusReason: options.statusReason }),
      ...(options.edge ? { capabilities: { iotEdge: true } } : {}),
      authentication: authenticationOf(options),
    });
    await this.writeTwin(id(deviceId), options);
    return this.connectionStringOf(device);
  }

  /** Registers a module of a device and gives its connection string. */
  async createModule(deviceId: string, moduleId: string, options: ModuleOptions = {}): Promise<string> {
    const module = await this.json<Device>('PUT', `/devices/${id(deviceId)}/modules/${id(moduleId)}?${API}`, {
      deviceId, moduleId, authentication: authenticationOf(options),
    });
    await this.writeTwin(identity(deviceId, moduleId), options);
    return this.connectionStringOf(module);
  }

  /** The registry's document of a device. */
  getDevice(deviceId: string): Promise<JsonObject> {
    return this.json('GET', `/devices/${id(deviceId)}?${API}`);
  }

  /** The connection string of a device, or of one of its modules. */
  async getDeviceConnectionString(deviceId: string, moduleId?: string): Promise<string> {
    const module = moduleId === undefined ? '' : `/modules/${id(moduleId)}`;
    return this.connectionStringOf(await this.json<Device>('GET', `/devices/${id(deviceId)}${module}?${API}`));
  }

  /** Removes a device with its modules. One that is not there is an error. */
  async deleteDevice(deviceId: string): Promise<void> {
    await this.call('DELETE', `/devices/${id(deviceId)}?${API}`, undefined, { 'If-Match': '*' });
  }

  /** All rows of a query in the service's language. */
  async query(text: string): Promise<JsonObject[]> {
    const rows: JsonObject[] = [];
    let continuation: string | undefined;
    do {
      const headers: Record<string, string> = continuation ? { 'x-ms-continuation': continuation } : {};
      const answer = await this.send('POST', `/devices/query?${API}`, JSON.stringify({ query: text }), headers);
      rows.push(...(JSON.parse(await readAll(answer)) as JsonObject[]));
      const next = answer.headers['x-ms-continuation'];
      continuation = typeof next === 'string' && next !== '' ? next : undefined;
    } while (continuation);
    return rows;
  }

  // Twins, methods, messages.

  /** The twin of a device, or of one of its modules. */
  getTwin(deviceId: string, moduleId?: string): Promise<Twin> {
    return this.json('GET', `/twins/${identity(deviceId, moduleId)}?${API}`);
  }

  /** Merges tags and desired properties into a twin; null removes. */
  patchTwin(deviceId: string, patch: TwinPatch, moduleId?: string): Promise<Twin> {
    return this.json('PATCH', `/twins/${identity(deviceId, moduleId)}?${API}`, patch, { 'If-Match': '"*"' });
  }

  /** Calls a direct method. A device that is not connected, or does not answer in time, is an error. */
  invokeMethod(deviceId: string, method: string, payload: Json = null, options: MethodOptions = {}): Promise<MethodResult> {
    const { module, connectTimeoutSeconds = 0, responseTimeoutSeconds = Math.max(30, connectTimeoutSeconds) } = options;
    return this.json('POST', `/twins/${identity(deviceId, module)}/methods?${API}`,
      { methodName: method, payload, responseTimeoutInSeconds: responseTimeoutSeconds, connectTimeoutInSeconds: connectTimeoutSeconds },
      {}, ANSWER_MILLISECONDS + (responseTimeoutSeconds + connectTimeoutSeconds) * 1000);
  }

  /** Queues a message for a device. */
  async sendCloudToDevice(deviceId: string, body: string | Buffer, options: CloudToDeviceOptions = {}): Promise<void> {
    const headers: Record<string, string> = {};
    const put = (name: string, value: string | undefined): void => {
      if (value !== undefined) headers[`iothub-${name}`] = headerText(name, value);
    };
    put('messageid', options.messageId);
    put('correlationid', options.correlationId);
    put('userid', options.userId);
    put('contenttype', options.contentType);
    put('contentencoding', options.contentEncoding);
    put('ack', options.ack);
    put('expiry', options.expiry?.toISOString());
    for (const [name, value] of Object.entries(options.properties ?? {})) put(`app-${name}`, value);
    await this.call('POST', `/devices/${id(deviceId)}/messages/deviceBound?${API}`, body, headers);
  }

  // Events.

  /** Events of the hub as they come, oldest first in each partition; see `EventOptions` for where it begins and ends. */
  async *events(options: EventOptions = {}): AsyncGenerator<HubEvent, void, undefined> {
    const answer = await this.send('GET', `/kyanite/v1/events?${eventQuery(options)}`, undefined, {}, STREAM_SILENCE_MILLISECONDS,
      options.signal);
    try {
      yield* readEvents(answer);
    } catch (problem) {
      options.signal?.throwIfAborted(); // the connection's end is how that shows
      throw problem;
    }
  }

  /** The first event that `wanted` accepts. Throws a KyaniteTimeoutError after `timeoutSeconds` (30 unless given). */
  async waitForEvent(
    filter: EventFilter & { timeoutSeconds?: number } = {},
    wanted: (event: HubEvent) => boolean = () => true,
  ): Promise<HubEvent> {
    const { timeoutSeconds = WAIT_SECONDS, ...rest } = filter;
    const aborter = new AbortController();
    const timer = setTimeout(() => aborter.abort(), timeoutSeconds * 1000);
    let seen = 0;
    try {
      for await (const event of this.events({ ...rest, signal: aborter.signal })) {
        if (wanted(event)) return event;
        ++seen;
      }
    } catch (problem) {
      if (!aborter.signal.aborted) throw problem;
    } finally {
      clearTimeout(timer);
    }
    const of = rest.device === undefined ? '' : ` of device "${rest.device}"`;
    throw new KyaniteTimeoutError(`no such event${of} in ${timeoutSeconds} s; ${seen} others came`);
  }

  // Test control: routes that are there only when the hub runs with it.

  async waitUntilConnected(deviceId: string, options: { module?: string; timeoutSeconds?: number } = {}): Promise<void> {
    await this.wait('connected', deviceId, options);
  }

  async waitUntilDisconnected(deviceId: string, options: { module?: string; timeoutSeconds?: number } = {}): Promise<void> {
    await this.wait('disconnected', deviceId, options);
  }

  /** Waits until no message is queued for the device or on its way. */
  async waitUntilDelivered(deviceId: string, options: { timeoutSeconds?: number } = {}): Promise<void> {
    await this.wait('c2dEmpty', deviceId, options);
  }

  /** Waits until the twin has `value` (any value when it is not given) at `path`, as `properties.reported.temperature`. */
  async waitForTwin(
    deviceId: string, path: string, value?: Json, options: { module?: string; timeoutSeconds?: number } = {},
  ): Promise<Json> {
    const more: Record<string, string> = { path, ...(value === undefined ? {} : { value: JSON.stringify(value) }) };
    return (await this.wait('twin', deviceId, options, more))['value'] ?? null;
  }

  /** Makes the hub fail by a rule; it is in force when this returns. */
  addFault(rule: FaultRule): Promise<Fault> {
    return this.json('POST', '/kyanite/v1/faults', rule);
  }

  async listFaults(): Promise<Fault[]> {
    return (await this.json<{ faults: Fault[] }>('GET', '/kyanite/v1/faults')).faults;
  }

  /** Removes one rule, or all. */
  async clearFaults(faultId?: string): Promise<void> {
    await this.call('DELETE', faultId === undefined ? '/kyanite/v1/faults' : `/kyanite/v1/faults/${id(faultId)}`);
  }

  /** The hub's clock. */
  async getClock(): Promise<HubClock> {
    return this.clock('GET');
  }

  /** Sets the hub's clock so many seconds ahead of the real one; tokens, locks and messages end by it at once. */
  shiftClock(seconds: number): Promise<HubClock> {
    return this.clock('PUT', { shiftSeconds: seconds });
  }

  /** Moves the hub's clock on from where it stands. */
  advanceClock(seconds: number): Promise<HubClock> {
    return this.clock('PUT', { advanceSeconds: seconds });
  }

  /** The real clock again. */
  resetClock(): Promise<HubClock> {
    return this.clock('DELETE');
  }

  /** Empties the hub (a start file is read again), ends its connections, faults and shift of the clock; keeps policies and CA. */
  async reset(): Promise<void> {
    await this.call('POST', '/kyanite/v1/reset');
    this.clockShift = 0;
  }

  /** Keeps the whole store as it is now, under a name of letters, digits, `-` and `_`. */
  async takeSnapshot(name: string): Promise<void> {
    await this.call('PUT', `/kyanite/v1/snapshots/${id(name)}`);
  }

  /** The store as it was then. */
  async restoreSnapshot(name: string): Promise<void> {
    await this.call('POST', `/kyanite/v1/snapshots/${id(name)}/restore`);
    this.clockShift = 0;
  }

  async listSnapshots(): Promise<string[]> {
    const answer = await this.json<{ snapshots: { name: string }[] }>('GET', '/kyanite/v1/snapshots');
    return answer.snapshots.map((snapshot) => snapshot.name);
  }

  async deleteSnapshot(name: string): Promise<void> {
    await this.call('DELETE', `/kyanite/v1/snapshots/${id(name)}`);
  }

  // The hub.

  /** What the hub says about itself. */
  getStatus(): Promise<JsonObject> {
    return this.json('GET', '/kyanite/v1/status');
  }

  /** What a back end pastes; of the policy `iothubowner` unless another is named. */
  async getServiceConnectionString(policy: PolicyName = 'iothubowner'): Promise<string> {
    const { connectionString } = await this.json<{ connectionString: string }>('GET', `/kyanite/v1/policies/${id(policy)}`);
    return connectionString;
  }

  /** One request with the policy's token, for what has no method here; throws a KyaniteError when it is refused. */
  async call(method: string, path: string, body?: string | Buffer, headers?: Record<string, string>): Promise<string> {
    return readAll(await this.send(method, path, body, headers));
  }

  private async json<T>(method: string, path: string, body?: unknown, headers?: Record<string, string>, timeout?: number): Promise<T> {
    const answer = await this.send(method, path, body === undefined ? undefined : JSON.stringify(body),
      { 'Content-Type': 'application/json; charset=utf-8', ...headers }, timeout);
    return JSON.parse(await readAll(answer)) as T;
  }

  private async send(
    method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}, timeout = ANSWER_MILLISECONDS,
    signal?: AbortSignal,
  ) {
    const attempt = (shift: number) => this.http.open({
      method, path, body, timeout, signal, headers: { Authorization: this.token(shift), ...headers },
    });
    // Who moves the clock is judged by the real one, so that it can always be brought back.
    const byRealClock = path.startsWith('/kyanite/v1/clock');
    let answer = await attempt(byRealClock ? 0 : this.clockShift);
    if (answer.statusCode === 401 && !byRealClock && await this.learnClockShift()) {
      answer.destroy();
      answer = await attempt(this.clockShift);
    }
    if ((answer.statusCode ?? 0) >= 300) await throwRefusal(answer, `${method} ${path.replace(/\?.*/, '')}`);
    return answer;
  }

  private token(shift: number): string {
    return signToken(this.authority, this.policy, this.key, Math.floor(Date.now() / 1000 + shift) + TOKEN_SECONDS);
  }

  // Somebody else may have shifted the clock. True when it stands otherwise than we knew.
  private async learnClockShift(): Promise<boolean> {
    const known = this.clockShift;
    try {
      await this.clock('GET');
    } catch {
      return false; // no test control, or the key is wrong: the first answer says what there is to say
    }
    return this.clockShift !== known;
  }

  private async clock(method: string, body?: object): Promise<HubClock> {
    const clock = await this.json<{ now: string; shiftSeconds: number }>(method, '/kyanite/v1/clock', body);
    this.clockShift = clock.shiftSeconds;
    return { now: new Date(clock.now), shiftSeconds: clock.shiftSeconds };
  }

  private async wait(
    condition: string, deviceId: string, options: { module?: string; timeoutSeconds?: number }, more: Record<string, string> = {},
  ): Promise<{ [name: string]: Json }> {
    const timeout = options.timeoutSeconds ?? WAIT_SECONDS;
    const query = new URLSearchParams({ condition, device: deviceId, timeout: String(timeout), ...more });
    if (options.module !== undefined) query.set('module', options.module);
    const answer = await this.http.open({
      method: 'GET', path: `/kyanite/v1/wait?${query}`, timeout: ANSWER_MILLISECONDS + timeout * 1000,
      headers: { Authorization: this.token(this.clockShift) },
    });
    const text = await readAll(answer);
    if (answer.statusCode === STATUS_TIMEOUT) {
      const what = more['path'] === undefined ? condition : `${condition} ${more['path']}`;
      throw new KyaniteTimeoutError(`device "${deviceId}": ${what} did not come within ${timeout} s`);
    }
    if (answer.statusCode !== 200) throw errorOfAnswer(`waiting until ${condition}`, answer.statusCode ?? 0, text);
    return JSON.parse(text) as { [name: string]: Json };
  }

  private async writeTwin(twin: string, options: { tags?: JsonObject; desired?: JsonObject }): Promise<void> {
    if (options.tags === undefined && options.desired === undefined) return;
    await this.json('PATCH', `/twins/${twin}?${API}`, {
      ...(options.tags === undefined ? {} : { tags: options.tags }),
      ...(options.desired === undefined ? {} : { properties: { desired: options.desired } }),
    }, { 'If-Match': '"*"' });
  }

  private connectionStringOf(device: Device): string {
    const module = device.moduleId ? `;ModuleId=${device.moduleId}` : '';
    const key = device.authentication.symmetricKey?.primaryKey;
    const proof = device.authentication.type === 'sas' && key ? `SharedAccessKey=${key}` : 'x509=true';
    return `HostName=${this.hostName};DeviceId=${device.deviceId}${module};${proof}`;
  }
}

function id(text: string): string {
  return encodeURIComponent(text);
}

function identity(deviceId: string, moduleId?: string): string {
  return moduleId === undefined ? id(deviceId) : `${id(deviceId)}/modules/${id(moduleId)}`;
}

function authenticationOf(options: DeviceOptions): object {
  const { primaryKey, secondaryKey, thumbprints, certificateAuthority } = options;
  if ((primaryKey === undefined) !== (secondaryKey === undefined)) throw new Error('primaryKey and secondaryKey go together');
  if ([primaryKey !== undefined, thumbprints !== undefined, certificateAuthority === true].filter(Boolean).length > 1) {
    throw new Error('a device has keys, thumbprints or a certificate authority: only one of them');
  }
  if (thumbprints) {
    const { primary, secondary = '' } = thumbprints;
    return { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: primary, secondaryThumbprint: secondary } };
  }
  if (certificateAuthority) return { type: 'certificateAuthority' };
  return primaryKey === undefined ? { type: 'sas' } : { type: 'sas', symmetricKey: { primaryKey, secondaryKey } };
}

// Node writes header values byte for byte; the hub reads UTF-8.
function headerText(name: string, value: string): string {
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(value)) throw new Error(`${name}: control characters cannot be sent`);
  return Buffer.from(value, 'utf8').toString('latin1');
}
