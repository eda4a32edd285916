import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { SeedItem } from './types';

export type Tier = 'off' | 'F1' | 'S1' | 'S2' | 'S3';

/** Settings by the names of the hub's reference (`storage.durability`) or as variables (`KYANITE_STORAGE_DURABILITY`). */
export type Settings = Record<string, string | number | boolean | readonly string[]>;

const CANNOT_CHANGE = new Set([
  'KYANITE_DATA', 'KYANITE_DATA_DIRECTORY', 'KYANITE_LISTEN_MQTTS', 'KYANITE_LISTEN_HTTPS', 'KYANITE_LISTEN_AMQPS', 'KYANITE_LISTEN_AMQP',
  'KYANITE_LISTEN_ADMIN', 'KYANITE_HUB_HOST_NAMES', 'KYANITE_HOSTNAME', 'KYANITE_SEED_FILE', 'KYANITE_TEST_CONTROL', 'KYANITE_CONFIG',
]);

/** `storage.freeBytesFloor` as `KYANITE_STORAGE_FREE_BYTES_FLOOR`. */
export function variableName(key: string): string {
  if (/^KYANITE_[A-Z0-9_]+$/.test(key)) return key;
  if (!/^[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*$/.test(key)) {
    throw new Error(`"${key}" is neither a setting such as storage.durability nor a variable such as KYANITE_STORAGE_DURABILITY`);
  }
  return `KYANITE_${key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/\./g, '_').toUpperCase()}`;
}

/** What container and process are told alike. */
export class HubSetup {
  hostName: string | undefined;
  address: string | undefined;
  fixedPorts = true;
  testControl = true;
  private seed: string | undefined;
  // A test's hub need not survive a power cut.
  private readonly variables: Record<string, string> = { KYANITE_STORAGE_DURABILITY: 'os' };

  setHostName(name: string): void {
    if (!/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(name)) throw new Error(`"${name}" is no host name`);
    this.hostName = name;
  }

  setAddress(address: string): void {
    if (isIP(address) === 0) throw new Error(`"${address}" is no IP address`);
    this.address = address;
  }

  setSettings(settings: Settings): void {
    for (const [key, value] of Object.entries(settings)) {
      const name = variableName(key);
      if (CANNOT_CHANGE.has(name)) throw new Error(`${key} is not for withSettings(): this class sets it, see its other methods`);
      this.variables[name] = Array.isArray(value) ? value.join(',') : String(value);
    }
  }

  setLimits(tier: Tier, units = 1): void {
    this.variables['KYANITE_LIMITS_TIER'] = tier;
    this.variables['KYANITE_LIMITS_UNITS'] = String(units);
  }

  setSeed(items: readonly SeedItem[]): void {
    this.takeSeed(items.map((item) => JSON.stringify(item)).join('\n') + '\n');
  }

  setSeedFile(path: string): void {
    this.takeSeed(readFileSync(path, 'utf8'));
  }

  get seedText(): string | undefined {
    return this.seed;
  }

  /** The hub's environment but for its listeners, data directory and start file. `names`: the hub's own name first. */
  environment(names: readonly string[]): Record<string, string> {
    return {
      ...this.variables,
      KYANITE_HUB_HOST_NAMES: [...new Set(names)].join(','),
      KYANITE_TEST_CONTROL: String(this.testControl),
    };
  }

  private takeSeed(text: string): void {
    if (this.seed !== undefined) throw new Error('there is a start file already: withSeed() and withSeedFile() exclude each other');
    this.seed = text;
  }
}
