import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';

/** The ports that device and service SDKs dial and cannot be told otherwise. */
export const PORTS = { mqtts: 8883, https: 443, amqps: 5671 } as const;

const CANDIDATES = 32;
const PROBE_MILLISECONDS = 3000;

// Linux and Windows have all of 127.0.0.0/8; macOS has 127.0.0.1 alone until others are added by hand.
export function loopbackAddresses(platform: NodeJS.Platform = process.platform): string[] {
  return Array.from({ length: platform === 'darwin' ? 1 : CANDIDATES }, (_, index) => `127.0.0.${index + 1}`);
}

/** Whether something accepts connections there. Asks by connecting: binding 443 would take a permission. */
export function isTaken(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (taken: boolean): void => {
      socket.destroy();
      resolve(taken);
    };
    socket.setTimeout(PROBE_MILLISECONDS, () => end(true)); // neither refused nor accepted: not ours to use
    socket.on('connect', () => end(true));
    socket.on('error', (problem: NodeJS.ErrnoException) => end(problem.code !== 'ECONNREFUSED'));
  });
}

/** The ports of `wanted` on which something listens at the address. */
export async function takenPorts(host: string, wanted: readonly number[] = Object.values(PORTS)): Promise<number[]> {
  const taken = await Promise.all(wanted.map((port) => isTaken(host, port)));
  return wanted.filter((_, index) => taken[index]);
}

/** Why an address cannot be used, as a sentence. */
export function takenSentence(address: string, ports: readonly number[]): string {
  return `${ports.length > 1 ? 'ports' : 'port'} ${ports.join(', ')} on ${address} ${ports.length > 1 ? 'are' : 'is'} taken by another program`;
}

/** A name that clients are told must lead them to the address that the hub has. */
export async function checkName(name: string, address: string): Promise<void> {
  if (isIP(name)) {
    if (name !== address && !isWildcard(address)) throw new Error(`the host name ${name} is another address than ${address}, where the hub listens`);
    return;
  }
  let found: string[];
  try {
    found = (await lookup(name, { all: true })).map((entry) => entry.address);
  } catch {
    throw new Error(`the host name ${name} does not resolve here: add "${address} ${name}" to the hosts file, leave withHostName() out, ` +
      'or use withoutFixedPorts() when only containers of its network use the name');
  }
  if (!isWildcard(address) && !found.includes(address)) {
    throw new Error(`the host name ${name} leads to ${found.join(', ')}, the hub listens at ${address}: use withAddress("${found[0]}") or mend the hosts file`);
  }
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
