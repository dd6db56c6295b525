import { samplerCalls } from '../../diffusion/index.ts';
import { isStop, messageOf, VerbatimError } from '../../errors.ts';
import { decodePicture, isPicture, type PictureOrError } from '../../images/index.ts';
import { createMeter, mapConcurrently } from '../../runtime/index.ts';
import { sha256 } from '../../tables/index.ts';
import type { SourceContext } from '../source.ts';
import type {
  Generator,
  GeneratorCapabilities,
  MadePicture,
  PictureSettings,
  PictureTask,
} from '../types.ts';
import { type Client, createClient } from './client.ts';
import { type Journal, memoryJournal } from './journal.ts';
import type { ServiceOptions } from './options.ts';
import { readSecret } from './secret.ts';

/** Pictures of one caption that one request asks for: seeds count up by one. */
export interface Order {
  readonly caption: string;
  readonly seed: number;
  readonly count: number;
  readonly settings: PictureSettings;
  /** Digests of the pictures, for `Call.pays`. */
  readonly pays: readonly string[];
}

/** What is different from one service to another. */
export interface Protocol {
  readonly kind: string;
  readonly name: string;
  readonly capabilities: GeneratorCapabilities;
  readonly guidance: number;
  readonly pictureSize: readonly [height: number, width: number];
  readonly noise: string;
  /** What decides the pictures beside caption, seed and settings, as JSON. */
  readonly identity: unknown;
  /**
   * Files of pictures (PNG, JPEG, …) in the order of the seeds, or why there is none of one; fewer where the service
   * made fewer.
   */
  ask(order: Order, by: Means, signal?: AbortSignal): Promise<readonly (Uint8Array | VerbatimError)[]>;
}

/** What a protocol works with. */
export interface Means {
  readonly client: Client;
  readonly journal: Journal;
  /** Tells the user something that is no error. */
  readonly note: (line: string) => void;
}

export interface ServiceSpec extends ServiceOptions {
  readonly url: string;
  readonly hosts?: readonly string[] | undefined;
}

/** Larger pictures are refused before they are decoded. */
const maxPixels = 64_000_000;

/**
 * A service as a generator: an answer is in the journal before anything is made of it, and what stands there is not
 * asked again. Between the moment when the service answers and the moment when the answer is on the disk a kill can
 * still cost a picture: nothing can be done about that.
 *
 * @throws VerbatimError (exit code 2) for a money limit without a price, or a key that is not in the environment
 */
export function serviceGenerator(
  protocol: Protocol,
  spec: ServiceSpec,
  { journal: openJournal = async () => memoryJournal(), note = () => {} }: SourceContext,
): Generator {
  if (spec.moneyLimit !== undefined && spec.pricePerPicture === undefined)
    throw new VerbatimError(
      'generator.moneyLimit: needs generator.pricePerPicture, what one picture costs in the same currency',
      { exitCode: 2 },
    );
  const secret = readSecret(spec.keyVariable);
  let opened: Promise<{ readonly journal: Journal; readonly client: Client }> | undefined;
  const connection = () => {
    opened ??= openJournal().then((journal) => ({
      journal,
      client: createClient({ ...spec, secret, journal }),
    }));
    return opened;
  };
  const { capabilities, pictureSize, name } = protocol;
  const meter = createMeter();
  const digest = sha256(JSON.stringify([protocol.kind, protocol.identity, pictureSize]));
  /** What failed in this process is not asked again in it: an attack and the pictures may want the same. */
  const failures = new Map<string, VerbatimError>();

  const requestOf = ({ caption, seed }: PictureTask, settings: PictureSettings) =>
    sha256(
      JSON.stringify([
        digest,
        caption,
        seed,
        capabilities.steps ? settings.steps : null,
        capabilities.sampler ? settings.sampler : null,
        capabilities.guidance ? settings.guidance : null,
      ]),
    );
  const costOf = ({ steps, sampler, guidance }: PictureSettings) =>
    capabilities.steps ? samplerCalls(steps === 1 ? 'euler' : sampler, steps) * (guidance === 1 ? 1 : 2) : 0;

  const send = async (tasks: readonly PictureTask[], settings: PictureSettings, signal?: AbortSignal) => {
    const { caption, seed } = tasks[0]!;
    const pays = tasks.map((task) => requestOf(task, settings));
    const order = { caption, seed, count: tasks.length, settings, pays };
    const { client, journal } = await connection();
    try {
      const files = await protocol.ask(order, { client, journal, note }, signal);
      for (const [i, key] of pays.entries()) {
        const bytes = files[i];
        if (bytes instanceof VerbatimError) failures.set(key, bytes);
        else if (bytes !== undefined) await journal.answered(key, bytes);
        else failures.set(key, tooFewPictures(name, files.length, tasks.length));
      }
      const made = files.slice(0, tasks.length).filter((file) => !(file instanceof VerbatimError));
      meter.add(costOf(settings) * made.length);
    } catch (error) {
      signal?.throwIfAborted();
      if (isStop(error) || !(error instanceof VerbatimError)) throw error;
      for (const key of pays) failures.set(key, error);
    }
  };

  const stored = async (key: string): Promise<PictureOrError> => {
    const { journal } = await connection();
    const bytes = await journal.answer(key);
    if (bytes === undefined) return failures.get(key) ?? new VerbatimError(`${name}: brought no picture`);
    try {
      const picture = await decodePicture(bytes, { where: name, maxPixels });
      const [height, width] = pictureSize;
      if (picture.width === width && picture.height === height) return picture;
      // Another size than was asked for is another picture: it is not scaled in silence.
      return new VerbatimError(
        `${name}: brought ${picture.width}×${picture.height} pixels instead of ${width}×${height}; give the size that it makes in generator`,
      );
    } catch (error) {
      return notWhole(name, error);
    }
  };

  return {
    kind: protocol.kind,
    name,
    digest,
    capabilities,
    guidance: protocol.guidance,
    pictureSize,
    noise: protocol.noise,
    together: undefined,
    ...(spec.pricePerPicture !== undefined && { pricePerPicture: spec.pricePerPicture }),
    ...(spec.moneyLimit !== undefined && { moneyLimit: spec.moneyLimit }),
    meter,
    async pictures(tasks, settings, signal) {
      const { journal } = await connection();
      const missing = new Map<string, PictureTask>();
      for (const task of tasks) {
        const key = requestOf(task, settings);
        if (!failures.has(key) && (await journal.answer(key)) === undefined) missing.set(key, task);
      }
      const orders = batched([...missing.values()], capabilities.batch);
      const work = (part: readonly PictureTask[]) => send(part, settings, signal);
      for await (const _ of mapConcurrently(orders, spec.concurrency, work)) signal?.throwIfAborted();
      const evaluations = costOf(settings);
      const made: MadePicture[] = [];
      for (const task of tasks) {
        const picture = await stored(requestOf(task, settings));
        made.push({ picture, evaluations: isPicture(picture) ? evaluations : 0 });
      }
      return made;
    },
    close: async () => {},
  };
}

/** Why a service that made fewer pictures than it was asked for has none for the others. */
export function tooFewPictures(name: string, made: number, wanted: number): VerbatimError {
  return new VerbatimError(
    `${name}: brought ${made} of ${wanted} pictures; look at the service: it may have refused the caption, or failed`,
  );
}

/** What decoding says of an answer; its advice is for pictures that the user has, and this is none. */
function notWhole(name: string, error: unknown): VerbatimError {
  const { cause } = error as { cause?: unknown };
  const said = messageOf(cause ?? error);
  const reason = (said.startsWith(`${name}: `) ? said.slice(name.length + 2) : said).replace(
    /(;.*|\.)$/s,
    '',
  );
  return new VerbatimError(
    `${name}: the service's answer was no whole picture (${reason}); look at the service`,
    { cause: error },
  );
}

/** Tasks of one caption whose seeds count up, at most `size` together, in the order in which captions came. */
export function batched(tasks: readonly PictureTask[], size: number): PictureTask[][] {
  const byCaption = new Map<string, PictureTask[]>();
  for (const task of tasks) {
    const own = byCaption.get(task.caption);
    if (own === undefined) byCaption.set(task.caption, [task]);
    else own.push(task);
  }
  const orders: PictureTask[][] = [];
  for (const own of byCaption.values()) {
    let last: PictureTask[] = [];
    for (const task of own.toSorted((a, b) => a.seed - b.seed)) {
      const follows = last.length > 0 && last.length < size && task.seed === last.at(-1)!.seed + 1;
      if (!follows) {
        last = [];
        orders.push(last);
      }
      last.push(task);
    }
  }
  return orders;
}
