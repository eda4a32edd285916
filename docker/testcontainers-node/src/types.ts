/** Any value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** An object of JSON. */
export type JsonObject = { [name: string]: Json };

export interface DeviceOptions {
  /** Base64 of 16 to 64 bytes; the hub makes keys without them. Both or none. */
  primaryKey?: string;
  secondaryKey?: string;
  /** SHA-1 or SHA-256 of the device's own certificate, in hexadecimal; the device then has no keys. */
  thumbprints?: { primary: string; secondary?: string };
  /** The device proves itself with a certificate that chains to a CA the hub knows; it then has no keys. */
  certificateAuthority?: boolean;
  status?: 'enabled' | 'disabled';
  statusReason?: string;
  /** An IoT Edge device. */
  edge?: boolean;
  tags?: JsonObject;
  /** Desired properties. */
  desired?: JsonObject;
}

export interface ModuleOptions {
  primaryKey?: string;
  secondaryKey?: string;
  tags?: JsonObject;
  desired?: JsonObject;
}

export interface Twin {
  deviceId: string;
  moduleId?: string;
  etag: string;
  version: number;
  tags?: JsonObject;
  properties: { desired: JsonObject; reported: JsonObject };
  [name: string]: unknown;
}

export interface TwinPatch {
  tags?: JsonObject | null;
  properties?: { desired?: JsonObject | null };
}

export interface MethodOptions {
  module?: string;
  /** Time the device has to answer, 5 to 300 and not below connectTimeoutSeconds; 30 or that, the longer one, unless given. */
  responseTimeoutSeconds?: number;
  /** Time to wait for a device that is not connected; 0 unless given, 300 at most. */
  connectTimeoutSeconds?: number;
}

export interface MethodResult {
  /** The device's own. */
  status: number;
  payload: Json;
}

export interface CloudToDeviceOptions {
  messageId?: string;
  correlationId?: string;
  userId?: string;
  contentType?: string;
  contentEncoding?: string;
  /** Which outcomes the back end wants to hear of. */
  ack?: 'none' | 'positive' | 'negative' | 'full';
  expiry?: Date;
  /** Application properties. */
  properties?: Record<string, string>;
}

export type EventSource =
  | 'Telemetry'
  | 'twinChangeEvents'
  | 'deviceLifecycleEvents'
  | 'deviceConnectionStateEvents'
  | 'operationsMonitoringEvents';

export interface EventFilter {
  /** Only of this device and its modules. */
  device?: string;
  /** Only of modules with this id. */
  module?: string;
  partition?: number;
  source?: EventSource | EventSource[];
  /** `start` (the default: nothing sent before the call is missed), `now`, a sequence number, or a time. */
  from?: 'start' | 'now' | number | Date;
}

export interface EventOptions extends EventFilter {
  /** The iteration ends after so many events. */
  count?: number;
  /** The iteration ends when no event came for so many whole seconds; without it it goes on for ever. */
  timeoutSeconds?: number;
  /** Ends the iteration with an AbortError. */
  signal?: AbortSignal;
}

export interface HubEvent {
  deviceId: string;
  moduleId?: string;
  partition: number;
  offset: number;
  sequenceNumber: number;
  enqueuedTime: string;
  systemProperties: Record<string, string | null>;
  properties: Record<string, string | null>;
  /** Text, or base64 when `bodyEncoding` says so. */
  body: string;
  bodyEncoding?: 'base64';
}

export type FaultScope = { device: string; module?: string } | { sharePercent: number; seed?: number };

/** A rule by which the hub fails; the members are those of `kyanite fault add`, explained in the hub's reference. */
export interface FaultRule {
  kind: 'drop' | 'refuseConnect' | 'holdPubacks' | 'losePuback' | 'cut' | 'delay' | 'httpError';
  id?: string;
  /** Everybody when not given. */
  scope?: FaultScope;
  on?: 'now' | 'connect' | 'publish' | 'puback';
  orderly?: boolean;
  code?: 1 | 2 | 3 | 4 | 5;
  bytes?: number;
  direction?: 'fromDevice' | 'toDevice';
  delaySeconds?: number;
  status?: 429 | 500 | 502 | 503 | 504;
  routes?: string[];
  afterOperation?: boolean;
  nth?: number;
  count?: number;
  afterSeconds?: number;
  durationSeconds?: number;
}

export interface Fault extends FaultRule {
  id: string;
  hits: number;
}

export interface HubClock {
  now: Date;
  /** Seconds that the hub's clock is ahead of the real one. */
  shiftSeconds: number;
}

/** An item of the start file: a device, a module or a configuration, in the form of `kyanite export`. */
export interface SeedItem {
  id: string;
  moduleId?: string;
  status?: 'enabled' | 'disabled';
  authentication?: { type: string; symmetricKey?: { primaryKey: string; secondaryKey: string }; [name: string]: unknown };
  capabilities?: { iotEdge: boolean };
  tags?: JsonObject;
  properties?: { desired?: JsonObject; reported?: JsonObject };
  [name: string]: unknown;
}

/** Names of the policies that every hub has; others are allowed where a hub knows them. */
export type PolicyName = 'iothubowner' | 'service' | 'device' | 'registryRead' | 'registryReadWrite' | (string & {});
