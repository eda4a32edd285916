import {
  AbstractStartedContainer, GenericContainer, getContainerRuntimeClient, InspectResult, StartedTestContainer, Wait,
} from 'testcontainers';
import { checkName, isWildcard, loopbackAddresses, PORTS, takenPorts, takenSentence } from './addresses';
import { KyaniteClient } from './client';
import { KyaniteStartError } from './errors';
import { addOperations, HubOperations } from './operations';
import { HubSetup, Settings, Tier } from './setup';
import type { PolicyName, SeedItem } from './types';

const PLAIN_AMQP = 5672;
const ADMIN = 8080;
const SEED_FILE = '/kyanite-seed.jsonl';
const LOG_LINES = 20;
const LOG_CHARACTERS = 64 * 1024;
const READY = /^hub ready /;
const IN_USE = /address already in use|port is already allocated|port is already in use/i;
// An engine that has no image asks a registry, and then says that, or only how it could not reach one.
const NO_IMAGE = /No such image|pull access denied|manifest unknown|not found.*image|image.*not (found|known)|Get "https?:\/\/[^"]*\/v2\//i;

/** The image that is used when none is named: KYANITE_IMAGE, else what the project's `docker/build.sh` makes. */
export const DEFAULT_IMAGE = process.env['KYANITE_IMAGE'] ?? 'kyanite:latest';

/**
 * A hub in a container. Device SDKs dial 8883, 443 and 5671 and cannot be told other ports, so by default these are published
 * as they are on a loopback address of the hub's own: the first of 127.0.0.1, 127.0.0.2, ... where they are free, which is the
 * hub's name too. Where the clients run in containers themselves: a network, an alias, withHostName(alias) and
 * withoutFixedPorts().
 */
export class KyaniteContainer extends GenericContainer {
  private readonly setup = new HubSetup();
  private bindAddress: string | undefined; // of the ports published as they are, in the attempt under way
  private createdId: string | undefined;
  private ownVariables = new Set<string>();
  private log = '';

  constructor(image: string = DEFAULT_IMAGE) {
    super(image);
    this.withWaitStrategy(Wait.forLogMessage(READY));
  }

  /** The name that clients dial: of the machine that publishes the ports, or the container's alias in its network. */
  withHostName(name: string): this {
    this.setup.setHostName(name);
    return this;
  }

  /** The address of this machine on which the ports are published, such as 127.0.0.5; 0.0.0.0 for clients elsewhere. */
  withAddress(address: string): this {
    this.setup.setAddress(address);
    return this;
  }

  /** Publishes on free ports only: clients are in the container's network, or can be told a port. */
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

  override async start(): Promise<StartedKyaniteContainer> {
    const { fixedPorts, address: chosen, seedText } = this.setup;
    this.withExposedPorts(...Object.values(PORTS).map((port) => (fixedPorts ? { container: port, host: port } : port)), PLAIN_AMQP, ADMIN);
    // As Docker has it; podman has not. The program runs without root.
    if (this.networkMode !== 'host') this.hostConfig.Sysctls = { 'net.ipv4.ip_unprivileged_port_start': '0', ...this.hostConfig.Sysctls };
    if (seedText !== undefined) {
      this.withCopyContentToContainer([{ content: seedText, target: SEED_FILE, mode: 0o644 }]);
      this.withEnvironment({ KYANITE_SEED_FILE: SEED_FILE });
    }
    if (!fixedPorts) return this.startAt(undefined);
    // A container that is used again holds its address itself: looking for a free one would miss it.
    if (this.reuse && chosen === undefined) return this.startAt('127.0.0.1');
    if (chosen !== undefined) return this.startAt(chosen);
    let taken = '';
    const addresses = loopbackAddresses();
    for (const address of addresses) {
      const ports = await takenPorts(address);
      if (ports.length > 0) {
        taken = takenSentence(address, ports);
        continue;
      }
      try {
        return await this.startAt(address);
      } catch (problem) {
        if (!IN_USE.test(String(problem))) throw problem; // else another test took the address since we looked
        taken = String(problem);
      }
    }
    const tried = addresses.length > 1 ? `no address of ${addresses[0]} to ${addresses.at(-1)} is free; the last one: ` : '';
    throw new KyaniteStartError(`${tried}${taken}. ${REMEDY}`);
  }

  private async startAt(address: string | undefined): Promise<StartedKyaniteContainer> {
    const { hostName } = this.setup;
    this.bindAddress = address;
    if (address !== undefined && hostName !== undefined) await checkName(hostName, address);
    const host = address !== undefined && !isWildcard(address) ? address : await engineHost();
    const name = hostName ?? (address === undefined ? this.networkAliases[0] : undefined) ?? host;
    this.setVariables({
      ...this.setup.environment([name, host, ...this.networkAliases]),
      KYANITE_LISTEN_AMQP: `0.0.0.0:${PLAIN_AMQP}`,
      KYANITE_LISTEN_ADMIN: `0.0.0.0:${ADMIN}`,
    });
    this.createdId = undefined;
    this.log = '';
    let started: StartedTestContainer;
    try {
      started = await super.start();
    } catch (problem) {
      await this.removeCreated();
      throw this.explain(problem, address);
    }
    try {
      return await StartedKyaniteContainer.of(started, name, address === undefined || isWildcard(address) ? undefined : address);
    } catch (problem) {
      await started.stop();
      throw problem;
    }
  }

  // withEnvironment() only appends, and the first entry of a name counts: those of an attempt before are taken out.
  // What the user set by withEnvironment() stays.
  private setVariables(variables: Record<string, string>): void {
    this.createOpts.Env = (this.createOpts.Env ?? []).filter((entry) => !this.ownVariables.has(entry.replace(/=.*/s, '')));
    const users = new Set(this.createOpts.Env.map((entry) => entry.replace(/=.*/s, '')));
    const own = Object.entries(variables).filter(([variable]) => !users.has(variable));
    this.withEnvironment(Object.fromEntries(own));
    this.ownVariables = new Set(own.map(([variable]) => variable));
  }

  protected override async beforeContainerCreated(): Promise<void> {
    const address = this.bindAddress;
    if (address === undefined) return;
    const bindings = this.hostConfig.PortBindings as Record<string, { HostIp?: string; HostPort: string }[]>;
    for (const [port, published] of Object.entries(bindings)) {
      // The free ports of plain AMQP and the admin port are for this machine alone, too.
      if ([...Object.values<number>(PORTS), PLAIN_AMQP, ADMIN].includes(parseInt(port, 10))) {
        for (const one of published) one.HostIp = address;
      }
    }
  }

  protected override async containerCreated(containerId: string): Promise<void> {
    this.createdId = containerId;
  }

  // Keeps what the hub prints, since the container of a failed start is gone before anybody can look.
  protected override async containerStarting(inspected: InspectResult, reused: boolean): Promise<void> {
    void inspected;
    if (reused || this.createdId === undefined) return;
    const { container } = await getContainerRuntimeClient();
    const stream = await container.logs(container.getById(this.createdId));
    stream.on('data', (text: Buffer | string) => {
      this.log = (this.log + text.toString()).slice(-LOG_CHARACTERS);
    });
    stream.on('error', () => {});
  }

  private async removeCreated(): Promise<void> {
    if (this.createdId === undefined) return;
    const { container } = await getContainerRuntimeClient();
    await container.remove(container.getById(this.createdId), { removeVolumes: true }).catch(() => {}); // gone already
  }

  private explain(problem: unknown, address: string | undefined): Error {
    const text = problem instanceof Error ? problem.message : String(problem);
    if (IN_USE.test(text)) {
      return new KyaniteStartError(`a port of ${Object.values(PORTS).join(', ')} on ${address ?? 'this machine'} is taken: ${text}. ${REMEDY}`);
    }
    if (NO_IMAGE.test(text)) {
      return new KyaniteStartError(`there is no image "${this.imageName.string}": build it with docker/build.sh of the project, ` +
        `or name yours in new KyaniteContainer(IMAGE) or KYANITE_IMAGE (${text})`);
    }
    const lines = this.log.trim().split('\n').slice(-LOG_LINES).join('\n');
    return new KyaniteStartError(`the hub did not start: ${text}${lines ? `\n${lines}` : ''}`);
  }
}

const REMEDY = 'Stop that program, choose another address with withAddress(), or use withoutFixedPorts() for clients in the ' +
  "container's network or such that can be told a port";

async function engineHost(): Promise<string> {
  return (await getContainerRuntimeClient()).info.containerRuntime.host;
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- addOperations() below makes it true
export interface StartedKyaniteContainer extends HubOperations {}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class StartedKyaniteContainer extends AbstractStartedContainer {
  private api!: KyaniteClient;
  private ca!: string;

  private constructor(
    started: StartedTestContainer,
    private readonly name: string,
    private readonly address: string | undefined,
  ) {
    super(started);
  }

  /** @internal */
  static async of(started: StartedTestContainer, name: string, address: string | undefined): Promise<StartedKyaniteContainer> {
    const hub = new StartedKyaniteContainer(started, name, address);
    hub.ca = await hub.run('ca');
    hub.api = new KyaniteClient({
      connectionString: await hub.run('policy', 'connection-string', 'iothubowner'),
      ca: hub.ca,
      endpoint: () => ({ host: hub.address ?? hub.getHost(), port: hub.getHttpsPort() }),
    });
    return hub;
  }

  /** The client whose operations these are. */
  get client(): KyaniteClient {
    return this.api;
  }

  /** The hub's name, as it stands in connection strings. */
  getHostName(): string {
    return this.name;
  }

  /** PEM of the CA that clients must trust. */
  getCaCertificate(): string {
    return this.ca;
  }

  /** What an Event Hubs client pastes; with `emulator` one without TLS at this machine's port, which needs no CA. */
  async getEventHubsConnectionString(options: { emulator?: boolean; policy?: PolicyName } = {}): Promise<string> {
    const text = await this.run('policy', 'events-connection-string', options.policy ?? 'iothubowner');
    if (!options.emulator) return text;
    return text.replace(/^Endpoint=[^;]*/, `Endpoint=sb://${this.address ?? this.getHost()}:${this.getAmqpPort()}/`) +
      ';UseDevelopmentEmulator=true';
  }

  getMqttsPort(): number {
    return this.getMappedPort(PORTS.mqtts);
  }

  getHttpsPort(): number {
    return this.getMappedPort(PORTS.https);
  }

  getAmqpsPort(): number {
    return this.getMappedPort(PORTS.amqps);
  }

  /** AMQP without TLS. */
  getAmqpPort(): number {
    return this.getMappedPort(PLAIN_AMQP);
  }

  /** Health and metrics over plain HTTP, such as http://127.0.0.1:40123. */
  getAdminUrl(): string {
    return `http://${this.address ?? this.getHost()}:${this.getMappedPort(ADMIN)}`;
  }

  // The program in the container answers with one line, or a PEM; there is no shell to ask.
  private async run(...words: string[]): Promise<string> {
    const { exitCode, stdout, output } = await this.exec(['kyanite', ...words]);
    if (exitCode !== 0) throw new KyaniteStartError(`kyanite ${words.join(' ')} in the container ended with ${exitCode}: ${output.trim()}`);
    return stdout.trim();
  }
}

addOperations(StartedKyaniteContainer);
