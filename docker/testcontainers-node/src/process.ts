import { ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { checkName, isWildcard, loopbackAddresses, PORTS, takenPorts, takenSentence } from './addresses';
import { KyaniteClient } from './client';
import { KyaniteStartError } from './errors';
import { addOperations, HubOperations } from './operations';
import { HubSetup, Settings, Tier } from './setup';
import type { SeedItem } from './types';

const READY_MILLISECONDS = 30_000;
const STOP_MILLISECONDS = 20_000;
const POLL_MILLISECONDS = 10;
const LOG_CHARACTERS = 256 * 1024;

/** What the hub writes into its data directory when it is ready. */
interface HubFile {
  hostName: string;
  ports: { mqtts: number; https: number; amqps: number; amqp: number; admin: number };
  serviceConnectionString: string;
  eventsConnectionString: string;
  eventsEmulatorConnectionString: string;
  caFile: string;
  pid: number;
}

/**
 * A hub as a process of this machine: the same tests without a container engine. The program is the one given, else that of
 * the variable KYANITE_BINARY, else `kyanite` of PATH.
 */
export class KyaniteProcess {
  private readonly setup = new HubSetup();
  private dataDirectory: string | undefined;
  private startupTimeout = READY_MILLISECONDS;

  constructor(private readonly binary = process.env['KYANITE_BINARY'] ?? 'kyanite') {}

  /** The name that clients dial; it must lead to the hub's address. The address itself is the name when none is given. */
  withHostName(name: string): this {
    this.setup.setHostName(name);
    return this;
  }

  /** The address to listen at, such as 127.0.0.5. Without it the first of 127.0.0.1, 127.0.0.2, ... whose ports are free. */
  withAddress(address: string): this {
    this.setup.setAddress(address);
    return this;
  }

  /** Free ports instead of 8883, 443 and 5671, for clients that can be told one. */
  withoutFixedPorts(): this {
    this.setup.fixedPorts = false;
    return this;
  }

  /** Devices, modules and configurations that are there when the hub is ready. */
  withSeed(items: readonly SeedItem[]): this {
    this.setup.setSeed(items);
    return this;
  }

  /** The same from a file, as `kyanite export` writes it. */
  withSeedFile(path: string): this {
    this.setup.setSeedFile(path);
    return this;
  }

  withSettings(settings: Settings): this {
    this.setup.setSettings(settings);
    return this;
  }

  /** Rate limits and quota of a tier of the service, to test retry code. */
  withLimits(tier: Tier, units = 1): this {
    this.setup.setLimits(tier, units);
    return this;
  }

  /** Faults, clock, waiting, reset and snapshots; on unless turned off here. */
  withTestControl(on = true): this {
    this.setup.testControl = on;
    return this;
  }

  /** A data directory of the caller's own, which outlives the hub; without it one that is removed at the end. */
  withDataDirectory(path: string): this {
    this.dataDirectory = resolve(path);
    return this;
  }

  withStartupTimeout(milliseconds: number): this {
    this.startupTimeout = milliseconds;
    return this;
  }

  async start(): Promise<StartedKyaniteProcess> {
    const { fixedPorts, address: chosen } = this.setup;
    const addresses = chosen !== undefined ? [chosen] : fixedPorts ? loopbackAddresses() : ['127.0.0.1'];
    let taken = '';
    for (const address of addresses) {
      const ports = fixedPorts && !isWildcard(address) ? await takenPorts(address) : [];
      if (ports.length > 0) {
        taken = takenSentence(address, ports);
        continue;
      }
      if (this.setup.hostName !== undefined) await checkName(this.setup.hostName, address);
      try {
        return await this.startAt(address);
      } catch (problem) {
        // Another test took the address since we looked.
        if (!(problem instanceof KyaniteStartError) || !/address already in use/i.test(problem.message) || chosen !== undefined) throw problem;
        taken = problem.message;
      }
    }
    const tried = addresses.length > 1 ? `no address of ${addresses[0]} to ${addresses.at(-1)} is free; the last one: ` : '';
    throw new KyaniteStartError(`${tried}${taken}. Stop that program, choose another address with withAddress(), ` +
      'or use withoutFixedPorts() for clients that can be told a port');
  }

  private async startAt(address: string): Promise<StartedKyaniteProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'kyanite-test-'));
    const data = this.dataDirectory ?? join(folder, 'data');
    const at = (port: number): string => `${address.includes(':') ? `[${address}]` : address}:${this.setup.fixedPorts ? port : 0}`;
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('KYANITE_'));
    const names = [this.setup.hostName ?? (isWildcard(address) ? 'localhost' : address), ...(isWildcard(address) ? [] : [address])];
    const environment: NodeJS.ProcessEnv = {
      ...Object.fromEntries(inherited),
      ...this.setup.environment(names),
      KYANITE_DATA: data,
      KYANITE_LISTEN_MQTTS: at(PORTS.mqtts),
      KYANITE_LISTEN_HTTPS: at(PORTS.https),
      KYANITE_LISTEN_AMQPS: at(PORTS.amqps),
      KYANITE_LISTEN_AMQP: '127.0.0.1:0',
      KYANITE_LISTEN_ADMIN: '127.0.0.1:0',
    };
    if (this.setup.seedText !== undefined) {
      const file = join(folder, 'seed.jsonl');
      writeFileSync(file, this.setup.seedText, { mode: 0o600 }); // it may hold keys
      environment['KYANITE_SEED_FILE'] = file;
    }
    const started = new StartedKyaniteProcess(this.binary, environment, folder, data, this.startupTimeout);
    try {
      await started.launch();
    } catch (problem) {
      rmSync(folder, { recursive: true, force: true });
      throw problem;
    }
    return started;
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- addOperations() below makes it true
export interface StartedKyaniteProcess extends HubOperations {}

/** A running hub. `stop()` it at the end; if that is forgotten it is killed when this process exits by itself. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class StartedKyaniteProcess {
  private child: ChildProcess | undefined;
  private over: Promise<number | string> = Promise.resolve(0);
  private log = '';
  private hub!: HubFile;
  private api!: KyaniteClient;
  private readonly killAtExit = (): void => {
    this.child?.kill('SIGKILL');
  };

  /** @internal */
  constructor(
    private readonly binary: string,
    private readonly environment: NodeJS.ProcessEnv,
    private readonly folder: string,
    private readonly data: string,
    private readonly startupTimeout: number,
  ) {}

  /** The client whose operations these are. */
  get client(): KyaniteClient {
    return this.api;
  }

  getHostName(): string {
    return this.hub.hostName;
  }

  /** PEM of the CA that clients must trust. */
  getCaCertificate(): string {
    return readFileSync(this.hub.caFile, 'utf8');
  }

  /** File with the same, for NODE_EXTRA_CA_CERTS and its like. */
  getCaCertificateFile(): string {
    return this.hub.caFile;
  }

  /** What an Event Hubs client pastes; with `emulator` the one without TLS, which needs no CA. */
  getEventHubsConnectionString(options: { emulator?: boolean } = {}): string {
    return options.emulator ? this.hub.eventsEmulatorConnectionString : this.hub.eventsConnectionString;
  }

  getMqttsPort(): number {
    return this.hub.ports.mqtts;
  }

  getHttpsPort(): number {
    return this.hub.ports.https;
  }

  getAmqpsPort(): number {
    return this.hub.ports.amqps;
  }

  /** AMQP without TLS, on the loopback. */
  getAmqpPort(): number {
    return this.hub.ports.amqp;
  }

  /** Health and metrics over plain HTTP, such as http://127.0.0.1:40123. */
  getAdminUrl(): string {
    return `http://127.0.0.1:${this.hub.ports.admin}`;
  }

  getDataDirectory(): string {
    return this.data;
  }

  /** The last lines that the hub printed. */
  getLogs(): string {
    return this.log;
  }

  /** Ends the hub, by SIGKILL when `kill`, and starts it on the same data. Free ports may be others afterwards. */
  async restart(options: { kill?: boolean } = {}): Promise<void> {
    await this.end(options.kill ? 'SIGKILL' : 'SIGTERM');
    await this.launch();
  }

  /** Ends the hub in order and removes what was its own. Throws when it had to be killed or ended with an error. */
  async stop(): Promise<void> {
    const status = await this.end('SIGTERM');
    process.off('exit', this.killAtExit);
    rmSync(this.folder, { recursive: true, force: true });
    if (status !== 0) throw new Error(`the hub ended with ${status}:\n${this.tail()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** @internal */
  async launch(): Promise<void> {
    const hubFile = join(this.data, 'hub.json');
    rmSync(hubFile, { force: true }); // of a hub that was killed
    this.log = '';
    const child = spawn(this.binary, ['serve', '--quiet'], { env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let ended: number | string | undefined;
    let failure: NodeJS.ErrnoException | undefined;
    this.child = child;
    this.over = new Promise((done) => {
      child.once('exit', (code, signal) => {
        ended = signal ?? code ?? 1;
      });
      child.once('close', () => done(ended ?? 1)); // its output is complete then
      child.once('error', (problem) => {
        failure = problem;
        ended ??= 1;
        done(1);
      });
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.log = (this.log + text).slice(-LOG_CHARACTERS);
      });
    }
    process.on('exit', this.killAtExit);
    for (const late = Date.now() + this.startupTimeout; ended === undefined; await pause(POLL_MILLISECONDS)) {
      const hub = readHubFile(hubFile);
      if (hub?.pid === child.pid && hub) {
        this.hub = hub;
        this.api = new KyaniteClient({ connectionString: hub.serviceConnectionString, ca: this.getCaCertificate(),
          endpoint: () => ({ host: connectAddress(this.environment['KYANITE_LISTEN_HTTPS'] ?? ''), port: this.hub.ports.https }) });
        return;
      }
      if (Date.now() > late) {
        await this.end('SIGKILL');
        throw new KyaniteStartError(`the hub was not ready after ${this.startupTimeout / 1000} s:\n${this.tail()}`);
      }
    }
    await this.over;
    process.off('exit', this.killAtExit);
    if (failure?.code === 'ENOENT') {
      throw new KyaniteStartError(`there is no program "${this.binary}": name it in new KyaniteProcess(PATH) or KYANITE_BINARY`);
    }
    if (failure) throw new KyaniteStartError(`${this.binary} could not be run: ${failure.message}`);
    throw new KyaniteStartError(`the hub ended with ${ended} while it started:\n${this.tail()}`);
  }

  private async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string> {
    this.child?.kill(signal);
    const timer = setTimeout(() => this.child?.kill('SIGKILL'), STOP_MILLISECONDS);
    const status = await this.over;
    clearTimeout(timer);
    this.child = undefined;
    process.off('exit', this.killAtExit);
    return status;
  }

  private tail(): string {
    return this.log.trim().split('\n').slice(-20).join('\n');
  }
}

addOperations(StartedKyaniteProcess);

function readHubFile(path: string): HubFile | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as HubFile;
  } catch {
    return undefined; // removed or replaced in this moment
  }
}

function connectAddress(listen: string): string {
  const host = listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return isWildcard(host) ? '127.0.0.1' : host;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => {
    setTimeout(done, milliseconds);
  });
}
