import type { KyaniteClient } from './client';

// What a started hub does by its client: in one place, so that the container's and the process's classes have the same.
const OPERATIONS = [
  'createDevice', 'createModule', 'getDevice', 'getDeviceConnectionString', 'deleteDevice', 'query', 'getTwin', 'patchTwin',
  'invokeMethod', 'sendCloudToDevice', 'events', 'waitForEvent', 'waitUntilConnected', 'waitUntilDisconnected', 'waitUntilDelivered',
  'waitForTwin', 'addFault', 'listFaults', 'clearFaults', 'getClock', 'shiftClock', 'advanceClock', 'resetClock', 'reset',
  'takeSnapshot', 'restoreSnapshot', 'listSnapshots', 'deleteSnapshot', 'getStatus', 'getServiceConnectionString',
] as const satisfies readonly (keyof KyaniteClient)[];

/** The operations of KyaniteClient that a started hub has itself. */
export type HubOperations = Pick<KyaniteClient, (typeof OPERATIONS)[number]>;

/** Gives a class whose objects have a `client` the operations of it. */
export function addOperations(started: { prototype: HubOperations & { readonly client: KyaniteClient } }): void {
  for (const name of OPERATIONS) {
    Object.defineProperty(started.prototype, name, {
      configurable: true,
      writable: true,
      value(this: { readonly client: KyaniteClient }, ...parameters: unknown[]) {
        return (this.client[name] as (...values: unknown[]) => unknown).apply(this.client, parameters);
      },
    });
  }
}
