// What needs no container engine, and loads nothing of testcontainers.
export { KyaniteClient, ClientOptions } from './client';
export { KyaniteError, KyaniteStartError, KyaniteTimeoutError } from './errors';
export { bodyOf } from './events';
export { Endpoint } from './http';
export { HubOperations } from './operations';
export { KyaniteProcess, StartedKyaniteProcess } from './process';
export { Settings, Tier } from './setup';
export * from './types';
