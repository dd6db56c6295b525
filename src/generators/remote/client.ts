import { stop, VerbatimError } from '../../errors.ts';
import { errorIn } from './answer.ts';
import { type Call, type ExchangeOptions, exchange, sayingOf } from './exchange.ts';
import type { Journal } from './journal.ts';
import { createLimits } from './limits.ts';
import type { ServiceOptions } from './options.ts';
import { backOffMs, pause } from './retry.ts';
import type { Secret } from './secret.ts';

export interface Client {
  /** @throws VerbatimError for what concerns one item; with `isStop` for what concerns the run */
  bytes(call: Call, signal?: AbortSignal): Promise<Uint8Array>;
  json(call: Call, signal?: AbortSignal): Promise<unknown>;
  /**
   * A picture that has been made, by its address, which leads to a host that the user named. The download alone is
   * repeated. Where it is not there any more (403, 404, 410): the error that says so, which is not thrown.
   *
   * @throws VerbatimError as `bytes` does
   */
  picture(address: string, signal?: AbortSignal): Promise<Uint8Array | Gone>;
  /** Whether a text holds the key, so that it must not be written down. */
  isSecret(text: string): boolean;
}

/** A picture was made, and is not at its address any more. */
export interface Gone {
  readonly gone: VerbatimError;
}

export interface ClientOptions extends ServiceOptions {
  readonly url: string;
  /** Other hosts that pictures may be fetched from. */
  readonly hosts?: readonly string[] | undefined;
  readonly secret: Secret;
  readonly journal: Journal;
}

/** So many items that fail one after another are the service's fault. */
const failuresInARow = 5;

/**
 * Talks to one service: repeats what brought nothing with a growing pause, keeps to rate and money, and tells what
 * concerns one picture from what concerns them all.
 */
export function createClient(options: ClientOptions): Client {
  const base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
  const { secret } = options;
  const limits = createLimits(options, options.journal);
  const exchangeOptions: ExchangeOptions = {
    base,
    allowed: new Set([base.host, ...(options.hosts ?? [])]),
    secret,
    timeoutSeconds: options.timeoutSeconds,
    maxWaitSeconds: options.maxWaitSeconds,
    keyVariable: options.keyVariable,
  };
  let failed = 0;

  const bytes = async (call: Call, signal?: AbortSignal): Promise<Uint8Array> => {
    const result = await attempts(call, signal);
    if ('gone' in result) throw result.gone;
    return result;
  };

  const attempts = async (call: Call, signal?: AbortSignal): Promise<Uint8Array | Gone> => {
    for (let round = 0; ; round++) {
      signal?.throwIfAborted();
      if (call.pays !== undefined) await limits.pass(call.pays, signal);
      const result = await exchange(call, exchangeOptions, signal);
      if (!('fate' in result)) {
        failed = 0;
        return result;
      }
      if (result.answered && call.pays !== undefined) await options.journal.refused(call.pays);
      if (result.gone === true) return { gone: result.error };
      if (result.fate !== 'again') throw result.error;
      if (round < options.retries) {
        await pause(backOffMs(round, result.waitMs), signal);
        continue;
      }
      failed += 1;
      const { message } = result.error;
      const text = options.retries === 0 ? message : `${message}, ${options.retries + 1} times over`;
      if (result.unreachable || failed >= failuresInARow)
        throw stop(`${text}; run the same command again when the service is there, it goes on from here`);
      throw new VerbatimError(text);
    }
  };

  return {
    bytes,
    picture: (address, signal) => attempts({ path: address, picture: true }, signal),
    isSecret: secret.isIn,
    async json(call, signal) {
      const answer = await bytes(call, signal);
      const text = Buffer.from(answer).toString('utf8');
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        const what = /^\s*</.test(text) ? 'a web page' : 'something else';
        throw new VerbatimError(
          `${base.host}: answers with ${what} instead of JSON${sayingOf(answer, secret)}; is generator.url the address of its API?`,
        );
      }
      const said = errorIn(value);
      if (said !== undefined)
        throw new VerbatimError(`${base.host}: reports an error (${secret.clean(said)})`);
      return value;
    },
  };
}
