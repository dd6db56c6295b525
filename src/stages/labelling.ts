import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import { decodePicture, encodePng, type Mask, maskPicture } from '../images/index.ts';
import {
  type Calibration,
  calibrateOnPictures,
  failedLabel,
  type GeneratedPicture,
  type Label,
  labelPictures,
  type OwnPicture,
  type PictureCollection,
  pictureView,
  type Rule,
  referenceLabel,
} from '../labels/index.ts';
import { contentPath, putFile, readTable } from '../tables/index.ts';
import { readCalibration, writeCalibration } from './calibration.ts';
import {
  type CandidateRow,
  candidateColumns,
  type GenerationRow,
  generationColumns,
  type LabelRow,
  labelColumns,
} from './columns.ts';
import type { AuditConfig } from './config.ts';
import { remembered } from './data.ts';
import type { ModelInput, StageInput } from './flow.ts';
import { captionsPerShard } from './generations.ts';
import { requireHeldOut } from './held-out.ts';
import { appendLog } from './log.ts';
import { type RunFolder, runTable } from './run-folder.ts';
import { cutShards, errorText, runStage } from './stage.ts';

/**
 * Compares every full synthesis with the training set: tables/labels, a row per (picture, rule). The pictures
 * that captions were written for, and every training picture that a finding names, go to images/.
 */
export async function runLabels(input: ModelInput): Promise<void> {
  const { config, folder, signal, onProgress } = input;
  const pictures = picturesOf(input);
  const files = await runTable(folder, 'generations');
  const groups = groupFiles(files, config);
  const sizes = await Promise.all(groups.map(async (group) => (await readSyntheses(group)).length));
  const { rules } = config.labels;
  const calibration = rules.includes('calibrated') ? await openCalibration(input, pictures) : undefined;
  const candidates = await candidatesOf(input, files);
  await runStage({
    folder,
    name: 'labels',
    columns: labelColumns,
    shards: groups.map((group, i) => ({ group, size: sizes[i]! })),
    items: ({ size }) => size,
    signal,
    onProgress,
    process: async ({ group }, context) => {
      const rows = await readSyntheses(group);
      const subjects = await readSubjects(input, rows, candidates);
      context.signal?.throwIfAborted();
      const labels = await labelSubjects(input, subjects, pictures.training, calibration);
      return storeFindings(input, labels);
    },
  });
}

/** What the calibrated rule compares. */
interface Compared {
  readonly training: PictureCollection;
  readonly heldOut: PictureCollection | undefined;
}

/**
 * Training and held-out pictures as the model was taught them, at its picture size: the ones give the
 * threshold, generated pictures of that size the distances, and both must mean the same.
 */
function picturesOf({ data, pipeline }: ModelInput): Compared {
  const [height, width] = pipeline.pictureSize;
  const viewed = (pictures: PictureCollection): PictureCollection => ({
    size: pictures.size,
    picture: async (index) => pictureView(await pictures.picture(index), { width, height }),
  });
  return { training: remembered(viewed(data.training)), heldOut: data.heldOut && viewed(data.heldOut) };
}

/** Each shard goes through the whole training set, so several of the generations' small shards make one. */
function groupFiles(files: readonly string[], config: AuditConfig): string[][] {
  return cutShards(files, Math.max(1, Math.floor(config.shardSize / captionsPerShard(config))));
}

async function readSyntheses(files: readonly string[]): Promise<GenerationRow[]> {
  return (await readTable(files, generationColumns)).filter(({ sample }) => sample >= 0);
}

/** The candidates that were synthesized, by key. */
async function candidatesOf(
  { folder }: StageInput,
  generations: readonly string[],
): Promise<Map<string, CandidateRow>> {
  const keys = new Set<string>();
  for (const file of generations)
    for (const { key } of await readTable(file, generationColumns)) keys.add(key);
  const found = new Map<string, CandidateRow>();
  for (const file of await runTable(folder, 'candidates'))
    for (const row of await readTable(file, candidateColumns)) if (keys.has(row.key)) found.set(row.key, row);
  return found;
}

/** Reads the calibration of this run, or makes it: once, since the training set is compared as a whole. */
async function openCalibration(input: StageInput, compared: Compared): Promise<Calibration> {
  const { config, folder, signal, onProgress } = input;
  const known = await readCalibration(folder);
  if (known !== undefined) return known;
  requireHeldOut(config, compared.heldOut);
  const heldOut = compared.heldOut!;
  const started = performance.now();
  // Reading and comparing take about as long as each other: half of the line is each one's.
  const report = (share: number) =>
    onProgress?.({
      stage: 'calibration',
      done: Math.round(share * heldOut.size),
      total: heldOut.size,
      resumed: 0,
      failed: errors.length,
      evaluations: 0,
    });
  const pictures = [];
  const errors: string[] = [];
  for (let index = 0; index < heldOut.size; index += 1) {
    signal?.throwIfAborted();
    report((0.5 * index) / heldOut.size);
    try {
      pictures.push(await heldOut.picture(index));
    } catch (error) {
      errors.push(errorText(error));
    }
  }
  if (pictures.length === 0)
    throw new VerbatimError(
      `labels.heldOut: none of the ${heldOut.size} pictures can be read (the first: ${errors[0]})`,
    );
  const calibration = {
    ...(await calibrateOnPictures(pictures, compared.training, {
      quantile: config.labels.quantile,
      onProgress: (share) => report(0.5 + 0.5 * share),
      ...(config.threads !== undefined && { threads: config.threads }),
      ...(signal && { signal }),
    })),
    unreadable: errors.length,
  };
  await writeCalibration(folder, calibration);
  await appendLog(folder.log, {
    stage: 'calibration',
    shard: 0,
    rows: heldOut.size,
    failed: errors.length,
    evaluations: 0,
    seconds: (performance.now() - started) / 1000,
  });
  return calibration;
}

async function readSubjects(
  input: StageInput,
  rows: readonly GenerationRow[],
  candidates: ReadonlyMap<string, CandidateRow>,
): Promise<GeneratedPicture[]> {
  const owns = new Map<string, Promise<OwnPicture[] | string>>();
  return Promise.all(
    rows.map(async (row): Promise<GeneratedPicture> => {
      const { key, sample, image } = row;
      const candidate = candidates.get(key);
      if (candidate !== undefined && !owns.has(key)) owns.set(key, readOwn(input, candidate));
      const own = (await owns.get(key)) ?? 'the caption is not among the candidates';
      const base = { key, sample, image };
      // Without its own picture a caption cannot be judged: the row says why.
      if (typeof own === 'string') return { ...base, picture: null, error: own, own: [] };
      if (image === null) return { ...base, picture: null, error: row.error ?? 'not generated', own };
      try {
        const path = join(input.folder.images, contentPath(image, 'png'));
        const picture = await decodePicture(await readFile(path), {
          where: `images/${contentPath(image, 'png')}`,
        });
        return { ...base, picture, own };
      } catch (error) {
        const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
        const reason = missing ? `images/${contentPath(image, 'png')} is missing` : errorText(error);
        return { ...base, picture: null, error: reason, own };
      }
    }),
  );
}

/** The pictures that a caption was written for, stored; or why they cannot be had. */
async function readOwn(
  { data, folder }: StageInput,
  candidate: CandidateRow,
): Promise<OwnPicture[] | string> {
  const pictures: OwnPicture[] = [];
  for (const { index, picture: read } of data.own(candidate)) {
    let picture: OwnPicture['picture'];
    try {
      picture = await read();
    } catch (error) {
      return errorText(error);
    }
    pictures.push({ index, image: await putFile(folder.images, await encodePng(picture), 'png'), picture });
  }
  return pictures;
}

async function labelSubjects(
  { config, signal }: StageInput,
  subjects: readonly GeneratedPicture[],
  training: PictureCollection,
  calibration: Calibration | undefined,
): Promise<Label[]> {
  const { rules, referenceThreshold } = config.labels;
  if (calibration === undefined)
    return subjects.map((subject) =>
      subject.picture === null
        ? failedLabel(subject, 'reference', subject.error ?? 'there is no picture')
        : referenceLabel(subject, referenceThreshold),
    );
  const labels = await labelPictures(subjects, {
    training,
    calibration,
    referenceThreshold,
    nearest: { ...(config.threads !== undefined && { threads: config.threads }), ...(signal && { signal }) },
  });
  return labels.filter(({ rule }) => (rules as readonly Rule[]).includes(rule));
}

/** Labels as rows; a training picture that is a finding's and not stored yet is stored. */
async function storeFindings({ data, folder }: StageInput, labels: readonly Label[]): Promise<LabelRow[]> {
  const rows: LabelRow[] = [];
  for (const label of labels) {
    const found = label.verdict === 'MV' || label.evidence?.retrieval === true;
    let { trainingImage } = label;
    if (found && trainingImage === null && label.trainingIndex !== null) {
      const picture = await data.training.picture(label.trainingIndex);
      trainingImage = await putFile(folder.images, await encodePng(picture), 'png');
    }
    rows.push({
      key: label.key,
      sample: label.sample,
      image: label.image,
      rule: label.rule,
      verdict: label.verdict,
      distance: label.distance,
      threshold: label.threshold,
      training_index: label.trainingIndex,
      training_image: trainingImage,
      transform: label.transform === null ? null : JSON.stringify(label.transform),
      region: label.region === null ? null : JSON.stringify(label.region),
      mask: label.mask === null ? null : await storeMask(folder, label.mask),
      family: label.family,
      evidence: label.evidence === null ? null : JSON.stringify(label.evidence),
      error: label.error,
    });
  }
  return rows;
}

/** A mask as a PNG in images/: white where it is set. */
function storeMask(folder: RunFolder, mask: Mask): Promise<string> {
  return encodePng(maskPicture(mask)).then((bytes) => putFile(folder.images, bytes, 'png'));
}
