import { join } from 'node:path';
import { encodePng, type Picture } from '../../images/index.ts';
import { calibrate } from '../../labels/index.ts';
import { benjaminiHochberg, createRandom, empiricalPValues, type Random } from '../../math/index.ts';
import {
  type CandidateRow,
  candidateColumns,
  type GenerationRow,
  generationColumns,
  type LabelRow,
  labelColumns,
  runFolder,
  type ScoreRow,
  type SelectionRow,
  type SignificanceRow,
  scoreColumns,
  selectionColumns,
  significanceColumns,
  type TruthTableRow,
  truthColumns,
  writeCalibration,
} from '../../stages/index.ts';
import { putFile, writeFileAtomic, writeJsonAtomic, writeTable } from '../../tables/index.ts';
import type { ReportData } from '../data.ts';

export interface SyntheticOptions {
  readonly seed?: number;
  /** Planted duplicate groups per copy count and twin. */
  readonly groups?: number;
  readonly uniques?: number;
  readonly heldOut?: number;
  /** How many captions are synthesized; 0 = the run stopped before. */
  readonly synthesized?: number;
  readonly truth?: boolean;
  /** No sample matches anything. */
  readonly nothingFound?: boolean;
  /** Captions never trained on whose scores the others’ are held against. Default 0: nobody asked. */
  readonly nulls?: number;
  /** Captions that replace the first candidates' captions. */
  readonly captions?: readonly string[];
  /** Also store pictures; without them `image` digests name nothing. */
  readonly side?: number;
}

const copyCounts = [5, 10, 20, 50, 100, 300];
const attacks = [
  { name: 'dcs', strength: 2.2, guidance: 7.5, evaluations: 2, spread: 20, base: 213 },
  { name: 'dcs-antithetic', strength: 2.8, guidance: 7.5, evaluations: 4, spread: 16, base: 213 },
  { name: 'noise-difference', strength: 3.2, guidance: 1, evaluations: 2, spread: 0.02, base: 0.1 },
  { name: 'seed-variance', strength: 4.5, guidance: 1, evaluations: 2, spread: 0.04, base: -0.3 },
];
const digestOf = (random: Random) =>
  Array.from({ length: 64 }, () => random.integer(16).toString(16)).join('');
const gaussian = (random: Random) => random.normal();

interface Planted {
  readonly truth: TruthTableRow;
  readonly memorized: number;
}

/**
 * An audit's tables as they might come out, from random numbers alone: planted duplicates of both twins,
 * uniques and held-out captions, scores that grow with the copies, findings that do too, a few failed rows.
 * When `path` is given the run is also written there as a run folder with pictures.
 */
export async function syntheticRun(options: SyntheticOptions = {}, path?: string): Promise<ReportData> {
  const { seed = 1, groups = 6, uniques = 120, heldOut = 60, synthesized = 90, nulls = 0 } = options;
  const random = createRandom(seed);
  const planted = plant(groups, uniques, heldOut);
  options.captions?.forEach((caption, i) => {
    const entry = planted[i]!;
    planted[i] = { ...entry, truth: { ...entry.truth, caption } };
  });
  const folder = path === undefined ? undefined : runFolder(path);
  const store = async (picture: Picture | undefined) =>
    picture === undefined || folder === undefined
      ? digestOf(random)
      : putFile(folder.images, await encodePng(picture), 'png');
  const side = options.side;
  const draw = (s: number) => (side === undefined ? undefined : scene(s, side));

  const candidates: CandidateRow[] = planted.map(({ truth }, i) => ({
    key: truth.key,
    caption: truth.caption,
    dataset_index: truth.member ? i : null,
    copies: options.truth === false ? null : truth.member ? truth.copies : 0,
    role:
      options.truth === false ? null : truth.member || truth.kind === 'held-out' ? truth.kind : 'other-twin',
    error: null,
  }));
  const all: ScoreRow[] = [];
  for (const { truth, memorized } of planted)
    for (const attack of attacks) {
      const failed = attack.name === 'dcs' && truth.key === 'unique-000003';
      const raised = memorized * attack.strength;
      all.push({
        key: truth.key,
        attack: attack.name,
        score: failed ? null : attack.base + attack.spread * (raised + gaussian(random)),
        evaluations: attack.evaluations,
        spent: attack.name === 'dcs' ? 2 : attack.evaluations / 2,
        sigma: 14.614641,
        seeds: '0,1',
        guidance: attack.guidance,
        error: failed ? 'the caption has 10,000 characters; the tokenizer takes 77 tokens' : null,
      });
    }
  const ranked = all
    .filter((row) => row.attack === 'dcs' && row.score !== null)
    .sort((a, b) => b.score! - a.score!);
  const top = ranked.slice(0, synthesized * 2);
  const byKey = new Map(planted.map((entry) => [entry.truth.key, entry]));
  const selected: ScoreRow[] = top.map((row) => ({
    ...row,
    attack: 'ecs',
    score: Math.min(1, Math.max(0, byKey.get(row.key)!.memorized * 0.3 + 0.05 * Math.abs(gaussian(random)))),
    evaluations: 8,
    spent: 8,
    seeds: '0,1,2,3',
  }));
  const final = [...selected].sort((a, b) => b.score! - a.score!).slice(0, synthesized);
  const selection = (step: number, attack: string, rows: readonly ScoreRow[]): SelectionRow[] =>
    rows.map((row, i) => ({ step, attack, rank: i + 1, key: row.key, score: row.score! }));
  const selections = [...selection(1, 'dcs', top), ...selection(2, 'ecs', final)];

  const inPlace = calibrate(
    Float64Array.from({ length: 400 }, () => Math.min(1, 0.12 + 0.05 * Math.abs(gaussian(random)))),
    uniques + 3000,
  );
  const calibration = { ...inPlace, copies: null };
  const generations: GenerationRow[] = [];
  const labels: LabelRow[] = [];
  for (const { key } of final) {
    const { truth, memorized } = byKey.get(key)!;
    const own = draw(truth.picture_index);
    const found = options.nothingFound !== true && truth.member && random.uniform() < memorized - 0.2;
    // The captions of one group share their training picture, also where pictures are not drawn.
    const training = own === undefined ? digestOf(createRandom(truth.picture_index)) : await store(own);
    for (let sample = -1; sample < 2; sample++) {
      const failed = sample === 1 && key.endsWith('7-c0');
      const blend = found && sample >= 0 ? 0.06 : sample < 0 ? 0.45 : 1;
      const image = failed
        ? null
        : await store(
            own &&
              draw(100_000 + truth.picture_index * 3 + sample) &&
              mix(own, draw(100_000 + truth.picture_index * 3 + sample)!, blend),
          );
      const error = failed ? 'the denoiser gave a value that is not a number' : null;
      generations.push({
        key,
        sample,
        seed: BigInt(sample + 1),
        steps: sample < 0 ? 1 : 16,
        sampler: sample < 0 ? 'euler' : 'heun',
        guidance: 2,
        noise: 'torch-cpu',
        image,
        evaluations: sample < 0 ? 0 : 62,
        error,
      });
      if (sample < 0) continue;
      const distance = found
        ? 0.02 + 0.05 * random.uniform()
        : calibration.threshold + 0.02 + 0.25 * random.uniform();
      const base = { key, sample, image, training_index: failed ? null : truth.picture_index };
      const judged = (rule: string, value: number, threshold: number, verdict: string): LabelRow => ({
        ...base,
        rule,
        verdict: failed ? null : verdict,
        distance: failed ? null : value,
        threshold: failed ? null : threshold,
        training_image: failed ? null : training,
        transform: null,
        region: null,
        mask: null,
        family: null,
        evidence: failed ? null : JSON.stringify({ retrieval: false, deviation: 0.2 }),
        error,
      });
      const sum = distance * distance * 196_608;
      labels.push(judged('reference', sum, 2500, sum < 2500 ? 'MV' : 'none'));
      labels.push(
        judged(
          'calibrated',
          distance,
          calibration.threshold,
          distance <= calibration.threshold ? 'MV' : 'none',
        ),
      );
    }
  }
  const sure = nulls === 0 ? { nulls: [], significance: [] } : significanceOf(all, nulls, seed);
  const data: ReportData = {
    run: {
      command: 'audit',
      verbatim: '0.1.0',
      versions: { 'onnxruntime-node': '1.30.0', '@duckdb/node-api': '1.5.6' },
      model: { name: 'miniature-A', digest: 'a'.repeat(64) },
      dataset: { name: 'scenes', digest: 'd'.repeat(64), size: 4200 },
      heldOut: { digest: 'h'.repeat(64), size: 1000 },
      config: {
        attacks: attacks.map(({ name }) => name),
        seed: 0,
        steps: 16,
        ...(nulls > 0 && { significance: { captions: nulls, rate: 0.05, dependence: 'positive' } }),
      },
    },
    costs: new Map([
      ['candidates', { evaluations: 0, seconds: 0.4 }],
      ['scores/1', { evaluations: 0, seconds: 31.2 }],
      ['scores/2', { evaluations: 0, seconds: 12.5 }],
      ['generations', { evaluations: 0, seconds: 75.9 }],
      ['labels', { evaluations: 0, seconds: 3.1 }],
    ]),
    candidates,
    scores: [
      { step: 1, rows: all },
      { step: 2, rows: selected },
    ],
    selections,
    rounds: [],
    cliques: [],
    generations,
    labels,
    ...sure,
    confirmed: null,
    samePrompt: null,
    reviews: [],
    truth: options.truth === false ? [] : planted.map(({ truth }) => truth),
    calibration,
    labelled: labels.length > 0,
    masks: new Map(),
  };
  if (path !== undefined) await writeRun(path, data);
  return data;
}

/** Scores of captions never trained on by the strongest attack, and what the others' are worth beside them. */
function significanceOf(
  all: readonly ScoreRow[],
  count: number,
  seed: number,
): Pick<ReportData, 'nulls' | 'significance'> {
  const random = createRandom(seed + 1000);
  const { name, base, spread, evaluations, guidance } = attacks.at(-1)!;
  const nulls = Array.from(
    { length: count },
    (_, i): ScoreRow => ({
      key: `beyond-single-${i}`,
      attack: name,
      score: base + spread * gaussian(random),
      evaluations,
      spent: evaluations,
      sigma: 14.614641,
      seeds: '0,1',
      guidance,
      error: null,
    }),
  );
  const rows = all.filter(({ attack }) => attack === name);
  const tested = rows.filter(({ score }) => score !== null);
  const p = empiricalPValues(
    nulls.map(({ score }) => score!),
    tested.map(({ score }) => score!),
  );
  const { qValues } = benjaminiHochberg(p, 0.05);
  const place = new Map(tested.map(({ key }, i) => [key, i]));
  const significance = rows.map(({ key, attack, score, error }): SignificanceRow => {
    const i = place.get(key);
    return {
      key,
      attack,
      score,
      kind: 'single',
      nulls: count,
      p_value: i === undefined ? null : p[i]!,
      q_value: i === undefined ? null : qValues[i]!,
      discovery: i === undefined ? null : qValues[i]! <= 0.05,
      error,
    };
  });
  return { nulls, significance };
}

function plant(groups: number, uniques: number, heldOut: number): Planted[] {
  const planted: Planted[] = [];
  let picture = 0;
  const row = (key: string, values: Partial<TruthTableRow>): TruthTableRow => ({
    key,
    kind: 'unique',
    twin: 'both',
    group: key,
    caption: `Brass lamp, ${planted.length} cm, SKU ${48210 + planted.length * 37} | Home & Garden`,
    scene: 'product',
    repeats: 1,
    copies: 1,
    picture_index: picture,
    region: null,
    member: true,
    ...values,
  });
  let number = 0;
  for (const copies of copyCounts)
    for (const twin of ['A', 'B'])
      for (let i = 0; i < groups; i++, number++, picture++) {
        const group = `duplicate-${String(number).padStart(4, '0')}`;
        // Every third group has its copies under two captions.
        for (let c = 0; c < (i % 3 === 0 ? 2 : 1); c++)
          planted.push({
            truth: row(`${group}-c${c}`, { kind: 'duplicate', twin, group, copies, member: twin === 'A' }),
            memorized: twin === 'A' ? Math.min(1.1, Math.log(copies / 4) / Math.log(40)) : 0,
          });
      }
  for (let i = 0; i < uniques; i++, picture++)
    planted.push({ truth: row(`unique-${String(i).padStart(6, '0')}`, {}), memorized: 0 });
  for (let i = 0; i < heldOut; i++, picture++)
    planted.push({
      truth: row(`held-out-${String(i).padStart(5, '0')}`, { kind: 'held-out', twin: 'none', member: false }),
      memorized: 0,
    });
  return planted;
}

/** A small picture of soft colours with a disc. */
export function scene(seed: number, side: number): Picture {
  const random = createRandom(seed);
  const values = Array.from({ length: 12 }, () => random.uniform());
  const [r, g, b, x0, y0, radius, dr, dg, db, slope] = values as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const inside = Math.hypot(x / side - x0, y / side - y0) < 0.12 + 0.25 * radius;
      const light = 0.6 + 0.4 * ((x * slope + y * (1 - slope)) / side);
      const colour = inside ? [dr, dg, db] : [r * light, g * light, b * light];
      colour.forEach((c, i) => {
        data[(y * side + x) * 3 + i] = Math.round(255 * c);
      });
    }
  return { width: side, height: side, data };
}

/** `share` of the second picture, the rest of the first. */
export function mix(a: Picture, b: Picture, share: number): Picture {
  return { ...a, data: a.data.map((v, i) => Math.round(v * (1 - share) + b.data[i]! * share)) };
}

/** Writes the data as a run folder that `readReportData` reads back. */
export async function writeRun(path: string, data: ReportData): Promise<void> {
  const folder = runFolder(path);
  const { tables, log } = folder;
  const shard = (name: string) => join(tables, name, '00000.parquet');
  await writeJsonAtomic(join(path, 'run.json'), data.run);
  if (data.calibration !== null) await writeCalibration(folder, data.calibration);
  await writeTable(shard('candidates'), candidateColumns, data.candidates);
  for (const { step, rows } of data.scores) {
    await writeTable(shard(`scores/${step}`), scoreColumns, rows);
    await writeTable(
      shard(`selections/${step}`),
      selectionColumns,
      data.selections.filter((row) => row.step === step),
    );
  }
  await writeTable(shard('generations'), generationColumns, data.generations);
  if (data.labelled) await writeTable(shard('labels'), labelColumns, data.labels);
  if (data.nulls.length > 0) await writeTable(shard('nulls'), scoreColumns, data.nulls);
  if (data.significance.length > 0)
    await writeTable(shard('significance'), significanceColumns, data.significance);
  if (data.truth.length > 0) await writeTable(shard('truth'), truthColumns, data.truth);
  const lines = [...data.costs].map(([stage, cost]) =>
    JSON.stringify({ stage, shard: 0, rows: 0, failed: 0, ...cost }),
  );
  await writeFileAtomic(log, `${lines.join('\n')}\n`);
}
