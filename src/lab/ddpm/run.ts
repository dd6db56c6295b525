import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parseDocument } from 'yaml';
import { writeImg2dataset } from '../../datasets/index.ts';
import { scheduleFromConfig } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';
import { type Picture, picturesToTensor } from '../../images/index.ts';
import { floatTensor, type Tensor } from '../../math/index.ts';
import { ddpmScheduler, writeDdpmFolder } from '../../models/index.ts';
import { mapConcurrently } from '../../runtime/index.ts';
import {
  explainWriteError,
  readJsonObject,
  sha256,
  writeJsonAtomic,
  writeTable,
} from '../../tables/index.ts';
import type { CycleLog, LabContext, TrainedNetwork } from '../network.ts';
import type { LabRunOptions } from '../run.ts';
import { openLabSource } from '../source.ts';
import { type DdpmLabConfig, ddpmLabConfigSchema } from './config.ts';
import { type DdpmSet, ddpmSet, memberColumns, memberRows, poolColumns } from './set.ts';
import { ddpmUnetConfig, trainDdpm } from './train.ts';

/** What `lab train` says of the unconditional models it made; stored as lab.json beside them. */
export interface DdpmLabLog {
  readonly name: string;
  readonly data: { readonly digest: string; readonly pictures: number };
  readonly networks: Readonly<
    Record<
      string,
      { readonly weights: number; readonly entries: number; readonly cycles: readonly CycleLog[] }
    >
  >;
}

/** Where a lab of unconditional models keeps what it makes, below one folder. */
export function ddpmPaths(folder: string) {
  return {
    work: join(folder, 'work'),
    models: join(folder, 'models'),
    model: (name: string) => join(folder, 'models', name),
    /** The pictures that `target` and `deduplicated` were trained on, and those that they have not seen: img2dataset folders. */
    training: join(folder, 'training'),
    heldOut: join(folder, 'held-out'),
    members: join(folder, 'members.parquet'),
    truth: join(folder, 'truth.parquet'),
    config: join(folder, 'lab.yaml'),
    log: join(folder, 'lab.json'),
  };
}

/** The config of a lab folder; undefined where it has none of this kind, as a folder of other makers. */
export async function readDdpmLab(folder: string): Promise<DdpmLabConfig | undefined> {
  const text = await readFile(ddpmPaths(folder).config, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const document = parseDocument(text);
  return document.errors.length > 0 ? undefined : ddpmLabConfigSchema.safeParse(document.toJS()).data;
}

export interface DdpmRunOptions extends LabRunOptions {
  /**
   * Trains these models and no others, 'shadows' being all shadow models: a lab can be shared out among processes, each with a
   * folder of its own. Default: all.
   */
  readonly only?: readonly string[];
}

/**
 * Trains a lab of unconditional models: `target`, `deduplicated` and the shadow models, each as a diffusers folder; writes
 * the pictures as datasets, who was trained on which, and lab.json. As many models are trained side by side as there are
 * threads: one thread each does more steps per second than all threads on one after the other. Goes on from its
 * checkpoints after any interruption, and ends with the same weights.
 *
 * @throws VerbatimError (exit code 2) when the source has too few pictures or a size that the network cannot halve, `only` names no
 *   model of the lab, or the folder or a checkpoint is of another configuration
 */
export async function trainDdpmLab(config: DdpmLabConfig, options: DdpmRunOptions): Promise<DdpmLabLog> {
  const paths = ddpmPaths(options.folder);
  const note = options.onNote ?? (() => {});
  const source = await openLabSource(config);
  const set = ddpmSet(config, source);
  const isWanted = (name: string) =>
    options.only === undefined ||
    options.only.some((one) => one === name || (one === 'shadows' && name.startsWith('shadow-')));
  for (const name of options.only ?? [])
    if (!set.entries.has(name) && !(name === 'shadows' && config.shadows > 0))
      throw new VerbatimError(
        `--only: the lab has no model ${JSON.stringify(name)}; it has ${[...set.entries.keys()].join(', ')}${config.shadows > 0 ? ', and "shadows" for all shadow models' : ''}`,
        { exitCode: 2 },
      );
  const halvings = config.unet.blockOutChannels.length - 1;
  if (source.size % 2 ** halvings !== 0)
    throw new VerbatimError(
      `the pictures of ${source.name} have ${source.size} pixels a side, which a network of ${halvings + 1} resolutions cannot halve ${halvings} times; give source.size a multiple of ${2 ** halvings}, or unet.blockOutChannels fewer`,
      { exitCode: 2 },
    );
  const before = await readDdpmLab(options.folder);
  if (before !== undefined && !isDeepStrictEqual(before, config))
    throw new VerbatimError(
      `${paths.config}: this folder holds models of another configuration; go back to that one, or give another --output`,
      { exitCode: 2 },
    );
  await mkdir(paths.work, { recursive: true }).catch((error: unknown) => {
    throw explainWriteError(error, paths.work);
  });
  const trained = set.pool.filter(({ copies }) => copies > 0).length;
  note(`data: ${trained} training pictures, ${set.pool.length - trained} held-out ones`);
  // Each picture is in half of them, and the likelihood-ratio attack estimates a deviation on either side.
  if (config.shadows === 2)
    note('shadows: 2 serve no likelihood-ratio attack, which needs 4 at least (8 are usual)');
  const digest = sha256(JSON.stringify(['ddpm-1', source.digest, config.seed, set.pool]));
  // Before the training: a damaged file is told now, not in an hour.
  const earlier = await trainedBefore(paths.log, digest);
  await writePictures(paths, set, source.picture, digest, options);
  const pictures = await readPool(set, source.picture, source.size);

  const scheduler = ddpmScheduler('v_prediction');
  const { sigmas } = scheduleFromConfig(scheduler, 'the lab’s scheduler');
  const architecture = ddpmUnetConfig(config, source.size);
  const networks: Record<string, DdpmLabLog['networks'][string]> = {};
  const one = async (name: string, threads: number) => {
    const entries = set.entries.get(name)!;
    const context: LabContext = {
      folder: paths.work,
      threads,
      ...(options.provider && { provider: options.provider }),
      ...(options.signal && { signal: options.signal }),
      ...(options.onProgress && { onProgress: options.onProgress }),
    };
    const network = await trainDdpm({
      name,
      config,
      pictures,
      entries,
      sigmas,
      digest: sha256(JSON.stringify([digest, name, [...entries], config.training, config.unet])),
      context,
    });
    await writeDdpmFolder(
      paths.model(name),
      { unet: { config: architecture, tensors: underUnet(network) }, scheduler },
      { dtype: 'float16', replace: true },
    );
    networks[name] = { weights: network.size, entries: entries.length, cycles: network.cycles };
    note(`${name}: loss ${network.cycles.at(-1)!.loss.at(-1)!.toFixed(4)}`);
  };
  const names = [...set.entries.keys()].filter(isWanted);
  const threads = options.threads ?? availableParallelism();
  const lanes = Math.min(names.length, threads);
  for await (const _ of mapConcurrently(names, lanes, (name) => one(name, Math.floor(threads / lanes))));

  await writeTable(paths.members, memberColumns, memberRows(set));
  const log: DdpmLabLog = {
    name: config.name,
    data: { digest, pictures: set.pool.length },
    // Those that an earlier run has trained stay.
    networks: { ...earlier, ...networks },
  };
  await writeJsonAtomic(paths.log, log);
  return log;
}

/** The networks of lab.json, where it is there and of the same pictures. */
async function trainedBefore(log: string, digest: string): Promise<DdpmLabLog['networks']> {
  if (!existsSync(log)) return {};
  const { data, networks } = (await readJsonObject(log)) as Partial<DdpmLabLog>;
  return data?.digest === digest ? (networks ?? {}) : {};
}

/** The datasets and truth.parquet: what is there already stays. */
async function writePictures(
  paths: ReturnType<typeof ddpmPaths>,
  set: DdpmSet,
  picture: (index: number) => Promise<Picture>,
  digest: string,
  { signal }: LabRunOptions,
): Promise<void> {
  const rows = (trained: boolean) =>
    set.pool
      .filter(({ copies }) => copies > 0 === trained)
      .map((row) => ({ caption: row.scene, picture: () => picture(row.picture) }));
  const options = { ...(signal && { signal }) };
  await writeImg2dataset(paths.training, `${digest} training`, rows(true), options);
  await writeImg2dataset(paths.heldOut, `${digest} held-out`, rows(false), options);
  await writeTable(paths.truth, poolColumns, set.pool);
}

/** All pictures of the pool, [pictures, 3, side, side] in [−1, 1]: 12 KiB each at 32×32. */
async function readPool(
  { pool }: DdpmSet,
  picture: (index: number) => Promise<Picture>,
  side: number,
): Promise<Tensor<'float32'>> {
  const pictures = floatTensor([pool.length, 3, side, side]);
  for (const row of pool)
    pictures.data.set(picturesToTensor([await picture(row.picture)]).data, row.picture * 3 * side * side);
  return pictures;
}

function underUnet({ weights }: TrainedNetwork): Record<string, Tensor<'float32'>> {
  return Object.fromEntries([...weights].map(([name, tensor]) => [name.slice('unet.'.length), tensor]));
}
