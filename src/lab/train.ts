import { join } from 'node:path';
import { type PlantedSet, plantedSet, trainingEntries } from '../datasets/index.ts';
import { stableDiffusionSchedule } from '../diffusion/index.ts';
import { hashSeed } from '../math/index.ts';
import {
  type ClipTokenizer,
  parseClipTextConfig,
  parseUnetConfig,
  parseVaeConfig,
  stableDiffusionScheduler,
  trainClipBpe,
  writeModelFolder,
} from '../models/index.ts';
import { sha256 } from '../tables/index.ts';
import type { LabConfig } from './config.ts';
import { encodePictures, latentDeviation, rememberPictures, twinData } from './data.ts';
import type { LabContext, TrainedNetwork } from './network.ts';
import { latentSide, textConfig, unetConfig, vaeConfig } from './networks.ts';
import { openLabSource } from './source.ts';
import { trainTwin } from './twin.ts';
import { trainVae } from './vae.ts';

export type Twin = 'A' | 'B';

/** A lab's pictures and what all its networks share, before anything is trained. */
export interface Lab {
  readonly config: LabConfig;
  readonly set: PlantedSet;
  readonly picture: PlantedSet['picture'];
  readonly tokenizer: ClipTokenizer;
  /** Indices of the distinct pictures by kind. */
  readonly uniques: readonly number[];
}

/** The planted set that a lab config describes. A relative path of photographs is taken from `base`. */
export async function openLabSet(config: LabConfig, base = '.'): Promise<PlantedSet> {
  const pictures = await openLabSource(config, base);
  // The seed first: the digest is over the config in this order.
  return plantedSet(pictures, { seed: config.seed, ...config.planted });
}

/** Draws up the planted set and learns the vocabulary from every caption that a twin is trained on. */
export async function openLab(config: LabConfig): Promise<Lab> {
  const set = await openLabSet(config);
  const trained = set.truth.filter((row) => row.twin !== 'none');
  return {
    config,
    set,
    picture: rememberPictures(set),
    tokenizer: trainClipBpe(
      trained.map((row) => row.caption),
      { vocabSize: config.tokenizer.vocabularySize, maxLength: config.tokenizer.maxLength },
    ),
    uniques: set.truth.filter((row) => row.kind === 'unique').map((row) => row.pictureIndex),
  };
}

/** SHA-256 over everything that a result depends on. */
function digestOf(...parts: readonly unknown[]): string {
  return sha256(JSON.stringify(parts));
}

/** The trained first stage with its scaling factor. */
export interface FirstStage {
  readonly network: TrainedNetwork;
  readonly scalingFactor: number;
  readonly digest: string;
}

/** Trains the autoencoder on the unique pictures; goes on from its checkpoint. */
export async function trainFirstStage(lab: Lab, context: LabContext): Promise<FirstStage> {
  const { config, set, uniques } = lab;
  const { klWeight, ...vae } = config.vae;
  const architecture = parseVaeConfig(vaeConfig(config, set.size, 1));
  const digest = digestOf('vae', set.digest, config.seed, config.vae);
  const network = await trainVae({
    config: architecture,
    pictureSize: set.size,
    klWeight,
    size: uniques.length,
    picture: (index) => lab.picture(uniques[index]!),
    optimisation: vae,
    seed: config.seed,
    digest,
    context,
  });
  // A thousand pictures give the deviation to well below a percent.
  const sample = uniques.slice(0, 1000);
  const latents = await encodeWith(lab, network, sample, context);
  return { network, scalingFactor: round(1 / latentDeviation(latents, sample)), digest };
}

/** Six digits: a config file is for people too. */
const round = (value: number) => Number(value.toPrecision(6));

function encodeWith(lab: Lab, vae: TrainedNetwork, indices: readonly number[], context: LabContext) {
  return encodePictures({
    weights: vae.weights,
    config: parseVaeConfig(vaeConfig(lab.config, lab.set.size, 1)),
    pictureSize: lab.set.size,
    count: lab.set.pictureCount,
    indices,
    picture: lab.picture,
    ...(context.threads === undefined ? {} : { threads: context.threads }),
    ...(context.signal ? { signal: context.signal } : {}),
  });
}

/** Trains one twin's denoiser and text encoder; goes on from its checkpoint. */
export async function trainTwinModel(
  lab: Lab,
  twin: Twin,
  stage: FirstStage,
  context: LabContext,
): Promise<TrainedNetwork> {
  const { config, set, tokenizer } = lab;
  const entries = trainingEntries(set, twin);
  const latents = await encodeWith(lab, stage.network, [...new Set(entries.pictureIndices)], context);
  const { captionDropout, lognormalShare, lognormalMean, lognormalDeviation, ...optimisation } =
    config.training;
  return trainTwin({
    name: `twin-${twin.toLowerCase()}`,
    unet: parseUnetConfig(unetConfig(config, latentSide(config, set.size))),
    text: parseClipTextConfig(textConfig(config, tokenizer.vocabSize)),
    sigmas: stableDiffusionSchedule('v_prediction').sigmas,
    data: twinData(entries, latents, stage.scalingFactor, tokenizer),
    levels: { lognormalShare, lognormalMean, lognormalDeviation },
    captionDropout,
    optimisation,
    restarts: config.restarts,
    seed: hashSeed(config.seed, 'twins'),
    digest: digestOf(stage.digest, twin, config.training, config.unet, config.textEncoder, config.tokenizer),
    context,
  });
}

/** Writes a twin as a diffusers folder (float16 weights) with its settings in verbatim.json. */
export async function writeTwin(
  lab: Lab,
  folder: string,
  stage: FirstStage,
  network: TrainedNetwork,
  settings: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { config, set, tokenizer } = lab;
  const under = (prefix: string) =>
    Object.fromEntries(
      [...network.weights]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
    );
  await writeModelFolder(
    folder,
    {
      unet: {
        config: parseUnetConfig(unetConfig(config, latentSide(config, set.size))),
        tensors: under('unet.'),
      },
      vae: {
        config: parseVaeConfig(vaeConfig(config, set.size, stage.scalingFactor)),
        tensors: Object.fromEntries(stage.network.weights),
      },
      textEncoder: {
        config: parseClipTextConfig(textConfig(config, tokenizer.vocabSize)),
        tensors: under('text_encoder.'),
      },
      tokenizer: tokenizer.files,
      // Stable Diffusion 2's, and v as there: docs/lab.md says why.
      scheduler: stableDiffusionScheduler({ predictionType: 'v_prediction' }),
      settings,
    },
    { dtype: 'float16', replace: true },
  );
}

/** Identifies the classifier's training. */
export const classifierDigest = (lab: Lab) =>
  digestOf('classifier', lab.set.digest, lab.config.seed, lab.config.classifier);

/** Where a lab keeps its models and its unfinished work, below one folder. */
export function labPaths(folder: string) {
  return {
    work: join(folder, 'work'),
    twin: (twin: Twin) => join(folder, twin === 'A' ? 'twin-a' : 'twin-b'),
    config: join(folder, 'lab.yaml'),
    log: join(folder, 'lab.json'),
    truth: join(folder, 'truth.parquet'),
    memorized: join(folder, 'memorized.parquet'),
  };
}
