import { isStop, messageOf, stop, VerbatimError } from '../../errors.ts';
import { errorIn } from './answer.ts';
import { retryAfterMs } from './retry.ts';
import type { Secret } from './secret.ts';

/** A call of a service. */
export interface Call {
  /** Joined to the service's address, or a whole address on a host that the user named. */
  readonly path: string;
  /** JSON of a POST; without it the call is a GET. */
  readonly body?: unknown;
  /** Digests of the pictures that this call asks for, where it does: each attempt passes the limits and is noted. */
  readonly pays?: readonly string[];
  /** A picture that the service has made already, by the address that it gave. */
  readonly picture?: boolean;
}

/** Why a call brought nothing. */
export interface Failure {
  readonly error: VerbatimError;
  /** 'item': this call alone is at fault; 'again': another try may help; 'stop': the run must end. */
  readonly fate: 'item' | 'again' | 'stop';
  /** The service has said so itself; without an answer nobody knows whether it made a picture. */
  readonly answered: boolean;
  /** No connection at all: other calls would fail like this one. */
  readonly unreachable?: boolean;
  /** A picture is not at its address any more: 403, 404, 410. */
  readonly gone?: boolean;
  /** The wait that the service asked for, milliseconds. */
  readonly waitMs?: number;
}

export interface ExchangeOptions {
  readonly base: URL;
  /** Hosts (with ports) that may be contacted. */
  readonly allowed: ReadonlySet<string>;
  readonly secret: Secret;
  readonly timeoutSeconds: number;
  readonly maxWaitSeconds: number;
  readonly keyVariable?: string | undefined;
}

/** An answer larger than this is refused while it arrives. */
const maxAnswerBytes = 128 * 2 ** 20;
const redirects = 3;

/**
 * One attempt of a call: within its time and size, and with nobody but the hosts that the user named. A redirect is
 * followed for a GET alone; the key goes to the service's own address only.
 */
export async function exchange(
  call: Call,
  options: ExchangeOptions,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | Failure> {
  const { base, secret } = options;
  const limit = AbortSignal.timeout(options.timeoutSeconds * 1000);
  const both = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  try {
    let url = addressOf(call.path, base, call, options);
    for (let hop = 0; ; hop++) {
      const response = await fetch(url, {
        ...(call.body !== undefined && { method: 'POST', body: JSON.stringify(call.body) }),
        headers: {
          ...(call.body !== undefined && { 'content-type': 'application/json' }),
          ...(secret.header !== undefined && url.origin === base.origin && { authorization: secret.header }),
        },
        redirect: 'manual',
        signal: both,
      });
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null)
        return await accepted(response, call, options);
      await response.body?.cancel();
      const next = addressOf(location, url, call, options);
      if (call.body !== undefined || hop >= redirects)
        throw stop(
          `${base.host}: redirects to ${secret.clean(next.href)}; give the address that answers in generator.url`,
        );
      url = next;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof VerbatimError)
      // A redirect has brought no picture; an answer that is too large may have been paid for.
      return { error, fate: isStop(error) ? 'stop' : 'item', answered: isStop(error) };
    if (limit.aborted)
      return {
        error: new VerbatimError(`${base.host}: no whole answer within ${options.timeoutSeconds} s`),
        fate: 'again',
        answered: false,
      };
    return {
      error: new VerbatimError(`${base.host}: the connection failed (${secret.clean(reasonOf(error))})`),
      fate: 'again',
      answered: false,
      unreachable: true,
    };
  }
}

/** Where a text leads, if that host may be contacted. @throws VerbatimError, which stops the run */
function addressOf(
  text: string,
  from: URL,
  { picture }: Call,
  { base, allowed, secret }: ExchangeOptions,
): URL {
  if (!URL.canParse(text, from.href))
    throw new VerbatimError(`${base.host}: leads to "${secret.clean(text)}", which is no address`);
  const url = new URL(text, from);
  if (!/^https?:$/.test(url.protocol) || !allowed.has(url.host))
    throw stop(
      `${base.host}: leads to ${secret.clean(url.host || url.protocol)}, which is not contacted; where it belongs to the service, name it in generator.hosts or generator.url${picture === true ? ' and run the same command again: what is paid for is fetched, not asked for anew' : ''}`,
    );
  return url;
}

/** What S3, Azure and their like answer for a signed address that has expired, or a file that is deleted. */
const goneStatuses: readonly number[] = [403, 404, 410];

async function accepted(
  response: Response,
  { picture }: Call,
  options: ExchangeOptions,
): Promise<Uint8Array | Failure> {
  const { base, secret, keyVariable, maxWaitSeconds } = options;
  const bytes = await read(response, base.host);
  const { status } = response;
  if (response.ok) return bytes;
  const text = `${base.host}: answers ${status}${sayingOf(bytes, secret)}`;
  const failure = (fate: Failure['fate'], advice = ''): Failure => ({
    error: fate === 'stop' ? stop(text + advice) : new VerbatimError(text + advice),
    fate,
    answered: true,
  });
  if (status === 429 || status === 408 || status >= 500) {
    const waitMs = retryAfterMs(response.headers.get('retry-after'), Date.now());
    if (waitMs === undefined) return failure('again');
    if (waitMs <= maxWaitSeconds * 1000) return { ...failure('again'), waitMs };
    return failure(
      'stop',
      ` and asks to wait ${Math.ceil(waitMs / 1000)} s, more than generator.maxWaitSeconds ${maxWaitSeconds}; run the same command again later, it goes on from here`,
    );
  }
  if (picture === true && goneStatuses.includes(status)) return { ...failure('item'), gone: true };
  if (status === 401 || status === 403 || status === 407)
    return failure(
      'stop',
      keyVariable === undefined
        ? '; name the environment variable with its key in generator.keyVariable'
        : `; is the key in ${keyVariable} right, and may it ask for pictures?`,
    );
  if (status === 402 || status === 404 || status === 405 || (status >= 300 && status < 400))
    return failure('stop', '; is generator.url the address of its API, and the account in order?');
  return failure('item');
}

/** What an answer says, in brackets: its error where it is JSON, else its beginning without markup. */
export function sayingOf(bytes: Uint8Array, secret: Secret): string {
  const text = Buffer.from(bytes.subarray(0, 65_536)).toString('utf8');
  // Without "<" among what a tag holds: a row of them would take quadratic time.
  const said = secret.clean(errorOfText(text) ?? text.replace(/<[^<>]*>/g, ' '));
  return said === '' ? '' : ` (${said})`;
}

function errorOfText(json: string): string | undefined {
  try {
    return errorIn(JSON.parse(json));
  } catch {
    return undefined;
  }
}

/** What fetch hides behind 'fetch failed'. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? messageOf(cause ?? error);
}

/** The bytes of an answer, up to the limit. */
async function read(response: Response, where: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  if (response.body === null) return new Uint8Array();
  for await (const part of response.body as AsyncIterable<Uint8Array>) {
    size += part.byteLength;
    if (size > maxAnswerBytes)
      throw new VerbatimError(`${where}: its answer exceeds ${maxAnswerBytes / 2 ** 20} MiB and is not read`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
