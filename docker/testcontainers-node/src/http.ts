import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { errorOfAnswer, KyaniteTimeoutError } from './errors';

/** Where the hub's HTTPS port is reached, which may be another address than its name says. */
export interface Endpoint {
  host: string;
  port: number;
}

export interface HttpRequest {
  method: string;
  path: string;
  body?: string | Buffer | undefined;
  headers?: Record<string, string>;
  /** Milliseconds without a byte until the request is given up. */
  timeout: number;
  signal?: AbortSignal | undefined;
}

/** Requests to one hub over TLS. A connection each: a hub under test is reset and restarted between them. */
export class HttpsRequester {
  constructor(
    private readonly hostName: string,
    private readonly ca: string,
    private readonly endpoint: () => Endpoint,
  ) {}

  /** The answer once its head is there. Rejects when there is none. */
  open(request: HttpRequest): Promise<IncomingMessage> {
    const { host, port } = this.endpoint();
    return new Promise((resolve, reject) => {
      const sent = httpsRequest({
        host,
        port,
        method: request.method,
        path: request.path,
        headers: { Host: this.hostName, ...request.headers },
        ca: this.ca,
        agent: false,
        timeout: request.timeout,
        // The name that the tests know stands in the certificate, the address behind a mapped port need not.
        ...(isIP(this.hostName) ? {} : { servername: this.hostName }),
        checkServerIdentity: (_, certificate) => checkServerIdentity(this.hostName, certificate),
        ...(request.signal ? { signal: request.signal } : {}),
      });
      sent.on('response', resolve);
      sent.on('timeout', () => {
        sent.destroy(new KyaniteTimeoutError(`${request.method} ${request.path}: no answer in ${request.timeout / 1000} s`));
      });
      sent.on('error', (problem: NodeJS.ErrnoException) => {
        if (problem.code) problem.message = `${request.method} ${request.path} at ${host}:${port}: ${problem.message}`;
        reject(problem);
      });
      // As bytes: a text would be written together with the headers, in its encoding.
      sent.end(request.body === undefined ? undefined : Buffer.from(request.body));
    });
  }
}

/** All of a body, as text. */
export async function readAll(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}

/** Throws what the hub refused a request with. */
export async function throwRefusal(answer: IncomingMessage, what: string): Promise<never> {
  throw errorOfAnswer(what, answer.statusCode ?? 0, await readAll(answer));
}
