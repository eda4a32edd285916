import { createHmac } from 'node:crypto';

/** The parts of a connection string, by their names as they stand there. */
export function parseConnectionString(text: string): Record<string, string> {
  const parts: Record<string, string> = {};
  for (const part of text.trim().split(';')) {
    if (part === '') continue;
    const at = part.indexOf('=');
    // Only the name goes into the message: the rest may be a key.
    if (at < 1) throw new Error(`a part of the connection string has no name: "${part.slice(0, 16)}"`);
    parts[part.slice(0, at)] = part.slice(at + 1);
  }
  return parts;
}

/** A shared access signature of a policy for all of a hub; `expiry` in seconds since 1970. */
export function signToken(hostName: string, policy: string, key: string, expiry: number): string {
  const scope = encodeURIComponent(hostName);
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(`${scope}\n${expiry}`).digest('base64');
  return `SharedAccessSignature sr=${scope}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${encodeURIComponent(policy)}`;
}
