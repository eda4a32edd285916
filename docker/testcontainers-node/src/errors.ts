/** What the hub answered to a request that it refused. */
export class KyaniteError extends Error {
  override readonly name: string = 'KyaniteError';

  constructor(
    message: string,
    /** HTTP status. */
    readonly status: number,
    /** Error code of the service, such as `DeviceNotFound`; empty when the answer had none. */
    readonly code: string,
    /** Finds the request in the hub's log; empty when the answer had none. */
    readonly trackingId: string,
  ) {
    super(message);
  }
}

/** Something did not happen within the time given. */
export class KyaniteTimeoutError extends Error {
  override readonly name = 'KyaniteTimeoutError';
}

/** The hub did not start; the message holds the reason and the last lines of its log. */
export class KyaniteStartError extends Error {
  override readonly name = 'KyaniteStartError';
}

// The envelope is that of the service: {"Message":"ErrorCode:CODE;sentence","ExceptionMessage":"Tracking ID:..."}.
export function errorOfAnswer(what: string, status: number, body: string): KyaniteError {
  let message = body;
  let code = '';
  let trackingId = '';
  try {
    const envelope: unknown = JSON.parse(body);
    if (typeof envelope === 'object' && envelope !== null) {
      const { Message, ExceptionMessage } = envelope as Record<string, unknown>;
      if (typeof Message === 'string') message = Message;
      if (typeof ExceptionMessage === 'string') trackingId = /Tracking ID:([^-\s]+)/.exec(ExceptionMessage)?.[1] ?? '';
    }
  } catch {
    // Not JSON: the text itself is all there is to say.
  }
  const split = /^ErrorCode:([^;]+);(.*)$/s.exec(message);
  if (split) {
    code = split[1] ?? '';
    message = split[2] ?? '';
  }
  return new KyaniteError(`${what}: ${status}${code ? ` ${code}` : ''}: ${message}`, status, code, trackingId);
}
