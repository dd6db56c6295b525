import { encodePng, type Mask, maskPicture, maskShare, type Picture } from '../../images/index.ts';
import { type Rule, type Transform, transformPicture, type Verdict } from '../../labels/index.ts';
import { type GenerationRow, type LabelRow, runFolder, type TruthTableRow } from '../../stages/index.ts';
import { putFile, sha256 } from '../../tables/index.ts';
import type { ReportData } from '../data.ts';
import { mix, type SyntheticOptions, scene, syntheticRun, writeRun } from './synthetic-run.ts';

/** The rectangle that varies in the planted families, and the one that the masks leave open, in 64ths of the side. */
export const plantedRegion = [8, 40, 48, 16] as const;
export const foundRegion = [8, 40, 48, 12] as const;
/** Their intersection over union: 12 of 16 rows. */
export const plantedOverlap = 0.75;

/** Families of the audited twin, of the other, and variants of each. */
export const families = 3;
const otherFamilies = 1;
const variants = 4;

interface Case {
  readonly key: string;
  readonly truth: TruthTableRow;
  /** The training picture that the rows name, what it is laid over by, and the verdict of rule 'aligned'. */
  readonly picture: Picture;
  readonly position: number;
  readonly transform: Transform | null;
  readonly verdict: Verdict;
  readonly family?: string;
  readonly distance: number;
}

/**
 * A synthetic run as all five rules label it: what `syntheticRun` has found is found by rule 'aligned' too, a third of it
 * mirrored or moved so that 'calibrated' misses it; beside it template families, captions that repeat another's
 * picture, and captions never seen that do. Each of the added captions has one sample.
 */
export async function alignedRun(options: SyntheticOptions = {}, path?: string): Promise<ReportData> {
  const side = options.side ?? 64;
  const base = await syntheticRun({ ...options, side }, path);
  const masks = new Map<string, Mask>();
  const store = async (picture: Picture): Promise<string> => {
    const bytes = await encodePng(picture);
    return path === undefined ? sha256(bytes) : putFile(runFolder(path).images, bytes, 'png');
  };
  const cases = extraCases(side);
  const generations: GenerationRow[] = [];
  const labels: LabelRow[] = base.labels.flatMap((row) =>
    row.rule === 'calibrated' ? [row, ...besides(row)] : [row],
  );
  const open = maskOf(side, foundRegion);
  const mask = await store(maskPicture(open));
  const compared = { share: maskShare(open), box: [0, 0, 1, 1] };
  masks.set(mask, open);
  for (const [i, one] of cases.entries()) {
    const laid = one.transform
      ? transformPicture(one.picture, one.transform, side, side).picture
      : one.picture;
    const other = scene(900_000 + i, side);
    // Inside of the region that varies a template's sample is its own.
    const sample = one.verdict === 'TV' ? filled(laid, plantedRegion, 700_000 + i) : laid;
    const image = await store(mix(sample, other, one.verdict === 'none' ? 0.8 : 0.06));
    const training = await store(one.picture);
    generations.push({
      key: one.key,
      sample: 0,
      seed: 0n,
      steps: 16,
      sampler: 'heun',
      guidance: 2,
      noise: 'torch-cpu',
      image,
      evaluations: 32,
      error: null,
    });
    const row = (rule: Rule, values: Partial<LabelRow>): LabelRow => ({
      key: one.key,
      sample: 0,
      image,
      rule,
      verdict: 'none',
      distance: null,
      threshold: null,
      training_index: one.position,
      training_image: training,
      transform: null,
      region: null,
      mask: null,
      family: null,
      evidence: JSON.stringify({ deviation: 0.2 }),
      error: null,
      ...values,
    });
    const moved = one.transform === null ? null : JSON.stringify(one.transform);
    const template = one.verdict === 'TV';
    labels.push(
      row('aligned', {
        verdict: one.verdict,
        distance: one.distance,
        threshold: 1,
        transform: moved,
        ...(template
          ? { mask, family: one.family!, region: JSON.stringify(compared) }
          : { region: JSON.stringify({ share: 0.86, box: [0.05, 0, 0.9, 1] }) }),
      }),
      row('calibrated', { distance: 0.31, threshold: 0.09 }),
      row('reference', { distance: 18_900, threshold: 2500 }),
      row('local', {
        distance: 0.2,
        threshold: 0.4,
        verdict: template ? 'RV' : 'none',
        mask: template ? mask : null,
      }),
      row('descriptor', {
        distance: 0.17,
        threshold: 0.3,
        evidence: JSON.stringify({ similarity: 0.83, level: 'copy' }),
      }),
    );
  }
  const data: ReportData = {
    ...base,
    candidates: [
      ...base.candidates,
      ...cases.map(({ key, truth }) => ({
        key,
        caption: truth.caption,
        dataset_index: truth.member ? truth.picture_index : null,
        copies: truth.member ? truth.copies : 0,
        role: truth.member || truth.kind === 'held-out' ? truth.kind : 'other-twin',
        error: null,
      })),
    ],
    truth: options.truth === false ? [] : [...base.truth, ...cases.map(({ truth }) => truth)],
    generations: [...base.generations, ...generations],
    labels,
    calibration: base.calibration && { ...base.calibration, copies: copyCalibration },
    masks,
  };
  if (path !== undefined) await writeRun(path, data);
  return data;
}

const tail = { threshold: 0.34, quantile: 0.001, median: 0.057, scale: 0.045, reached: 0, suspects: 0 };
const copyCalibration = { whole: tail, part: { ...tail, threshold: 0.355 }, heldOut: 600 };

/** What the other rules say of a sample that the calibrated one judged. */
function besides(row: LabelRow): LabelRow[] {
  const { distance } = row;
  const { threshold: limit } = row;
  const scaled = distance === null || limit === null ? null : distance / limit;
  const threshold = limit === null ? null : 1;
  return [
    { ...row, rule: 'aligned', distance: scaled, threshold },
    { ...row, rule: 'descriptor', verdict: row.verdict === null ? null : 'none' },
  ];
}

function extraCases(side: number): Case[] {
  const truth = (key: string, values: Partial<TruthTableRow>): TruthTableRow => ({
    key,
    kind: 'unique',
    twin: 'both',
    group: key,
    caption: `Lamp ${key} by Larkmoor`,
    scene: 'product',
    repeats: 1,
    copies: 1,
    picture_index: 5000,
    region: null,
    member: true,
    ...values,
  });
  const cases: Case[] = [];
  for (let f = 0; f < families + otherFamilies; f++)
    for (let v = 0; v < variants; v++) {
      const member = f < families;
      const key = `template-${f}-${v}`;
      cases.push({
        key,
        truth: truth(key, {
          kind: 'template',
          twin: member ? 'A' : 'B',
          group: `template-${f}`,
          scene: 'film-poster',
          picture_index: 5000 + f * variants + v,
          region: JSON.stringify(plantedRegion.map((value) => (value * side) / 64)),
          member,
        }),
        picture: filled(scene(500_000 + f, side), plantedRegion, 600_000 + f * variants + v),
        position: 5000 + f * variants + v,
        transform: null,
        // The last family of the audited twin is missed; of another, one variant is.
        verdict: member && f < families - 1 && !(f === 0 && v === 0) ? 'TV' : 'none',
        family: `family-${f}`,
        distance: member && f < families - 1 ? 0.1 + 0.02 * v : 1.4,
      });
    }
  const transforms: readonly Transform[] = [
    { flip: true, scale: 1.25, x: 0.12, y: 0 },
    { flip: false, scale: 1, x: -0.1, y: 0.06 },
  ];
  const special = (key: string, verdict: Verdict, values: Partial<TruthTableRow>, i: number): Case => ({
    key,
    truth: truth(key, { picture_index: 5100 + cases.length + i, ...values }),
    picture: scene(800_000 + i, side),
    position: 5200 + i,
    transform: transforms[i % 2]!,
    verdict,
    distance: 0.2 + 0.01 * i,
  });
  const unseen = { kind: 'held-out', twin: 'none', member: false };
  return [
    ...cases,
    special('moved-0', 'MV', {}, 0),
    special('moved-1', 'MV', {}, 1),
    special('another-0', 'RV', {}, 2),
    special('another-1', 'RV', {}, 3),
    special('unseen-0', 'RV', unseen, 4),
    { ...special('unseen-1', 'TV', unseen, 5), family: 'family-0', transform: null },
  ];
}

function maskOf(side: number, region: readonly number[]): Mask {
  const [x, y, w, h] = region.map((value) => Math.round((value * side) / 64)) as [
    number,
    number,
    number,
    number,
  ];
  const data = new Uint8Array(side * side).fill(1);
  for (let row = y; row < y + h; row++) data.fill(0, row * side + x, row * side + x + w);
  return { width: side, height: side, data };
}

/** A picture with another one's colours in a rectangle. */
function filled(picture: Picture, region: readonly number[], seed: number): Picture {
  const inside = maskOf(picture.width, region);
  const other = scene(seed, picture.width);
  const data = picture.data.map((value, i) =>
    inside.data[Math.floor(i / 3)] === 0 ? other.data[i]! : value,
  );
  return { ...picture, data };
}
