import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type Picture, squaredDifference } from '../src/images/index.ts';
import {
  type AlignedRules,
  type Alignment,
  alignedLabel,
  type Calibration,
  type CopyCalibration,
  type CopyFindings,
  calibrateCopies,
  calibrateOnNearest,
  compareCopies,
  copyCollection,
  type GeneratedPicture,
  localLabel,
  nearestPictures,
  type PictureCollection,
  referenceDistance,
  referenceThreshold,
  rmsOf,
  type Unrelated,
  unrelatedPictures,
  workingPicture,
} from '../src/labels/index.ts';
import {
  clopperPearsonInterval,
  quantile,
  type ScoreTail,
  scoreAt,
  wilsonInterval,
} from '../src/math/index.ts';
import { type Kind, kinds } from './labels/kinds.ts';
import { type LabelledPair, labelledPairs, pairName, readPictures, readReviewed } from './labels/pairs.ts';
import { threads } from './miniature.ts';
import { root } from './program.ts';

const help = `npm run bench -- labels [--data FOLDER] [--photographs 1500] [--offset 0] [--collection 50000] [--reviewed FILE] [--flagged FILE]
  --data         folder with train*.parquet and test*.parquet (CIFAR-10 in the Hugging Face layout): ../shared/data/cifar10
  --photographs  how many are changed, each in every way, evenly spaced
  --offset       position of the first of them
  --collection   the first so many training pictures
  --reviewed     CSV of pairs of the collection that were looked at: bench/labels/cifar10-reviewed.csv
  --flagged      writes the other pairs that ours labels, to be looked at
`;

/** One in so many pairs that a rule meets is a copy. */
const prevalence = 1 / 1000;
const wantedPrecision = 0.95;

interface Outcome {
  readonly name: string;
  readonly ours?: true;
  /** Larger is more alike; a label is given from 0 on. */
  readonly score: (query: Picture, other: Picture) => number;
}

/**
 * Precision and recall of the labels per kind of change, over photographs: each changed copy against the photograph that
 * it was made from (positives), and against its nearest other one (negatives).
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: 'string', default: `${root}../shared/data/cifar10` },
      photographs: { type: 'string', default: '1500' },
      offset: { type: 'string', default: '0' },
      collection: { type: 'string', default: '50000' },
      reviewed: { type: 'string', default: `${root}bench/labels/cifar10-reviewed.csv` },
      flagged: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const collection = (await readPictures(`${values.data}/train-00000-of-00001.parquet`)).slice(
    0,
    Number(values.collection),
  );
  const unseen = await readPictures(`${values.data}/test-00000-of-00001.parquet`);
  // Test files are sorted by class: every fourth picture is held out, others are what parts are pasted into.
  const heldOut = unseen.filter((_, i) => i % 4 === 0);
  const training = { size: collection.length, picture: async (index: number) => collection[index]! };
  const hosts = await farthestHalf(
    unseen.filter((_, i) => i % 4 === 1),
    training,
  );
  say(`${collection.length} photographs, ${heldOut.length} held out`);
  const nearest = await nearestPictures(heldOut, training, { threads });
  const inPlace = calibrateOnNearest(nearest, training.size);
  const unrelated = unrelatedPictures(heldOut);
  const started = performance.now();
  const copies = await calibrateCopies(unrelated, nearest.neighbours, copyCollection(training), 0.001, {
    threads,
  });
  say(`calibrated: ${((performance.now() - started) / 1000).toFixed(0)} s`);
  const strict = { ...copies, whole: strictly(copies.whole), part: strictly(copies.part) };
  const pairs = await labelledPairs(collection, hosts, Number(values.photographs), {
    threads,
    offset: Number(values.offset),
    onProgress: (done, of) => say(`pairs ${done}/${of}`),
  });
  const reviewed = await readReviewed(values.reviewed);

  const findingsOf = rememberedFindings(unrelated);
  const rules: Outcome[] = [
    {
      name: 'reference (sum of squares at 256², 2,500)',
      score: (a, b) => 1 - referenceDistance(a, b) / referenceThreshold,
    },
    {
      name: `calibrated (RMS in place, ${inPlace.threshold.toFixed(4)})`,
      score: (a, b) => 1 - rmsBetween(a, b) / inPlace.threshold,
    },
    { name: 'aligned or local, quantile .001', ours: true, score: oursScore(findingsOf, inPlace, copies) },
    {
      name: `aligned or local, quantile ${strictQuantile}`,
      ours: true,
      score: oursScore(findingsOf, inPlace, strict),
    },
  ];
  process.stdout.write(
    `held out: ${copies.whole.suspects} of ${copies.heldOut} look like copies of training pictures and are left out of the tail\n` +
      `thresholds: explained ${copies.whole.threshold.toFixed(3)} (${strictQuantile}: ${strict.whole.threshold.toFixed(3)}), part ${copies.part.threshold.toFixed(3)} (${strict.part.threshold.toFixed(3)})\n`,
  );
  const flagged: string[] = [];
  for (const rule of rules) report(rule, pairs, collection, reviewed, say, rule.ours ? flagged : []);
  if (values.flagged !== undefined)
    await writeFile(values.flagged, `source,other,kind,score,rule\n${flagged.join('\n')}\n`);
}

/**
 * The half of the pictures that lie farther from the collection than the others: some test pictures are copies of training
 * pictures, and a part pasted into one of those would not make it another photograph.
 */
async function farthestHalf(pictures: readonly Picture[], training: PictureCollection): Promise<Picture[]> {
  const { neighbours } = await nearestPictures(pictures, training, { threads });
  const distances = neighbours.map((neighbour) => neighbour!.distance);
  const bar = quantile(distances, 0.5);
  return pictures.filter((_, i) => distances[i]! > bar);
}

/** Of unrelated pairs so many may be labelled for that precision, with every copy found; aligned and local share it. */
const falsePositiveBudget = ((prevalence / (1 - prevalence)) * (1 - wantedPrecision)) / wantedPrecision;
const strictQuantile = Number((falsePositiveBudget / 2).toPrecision(2));

function strictly(tail: ScoreTail): ScoreTail {
  return { ...tail, quantile: strictQuantile, threshold: scoreAt(tail, strictQuantile) };
}

function rmsBetween(a: Picture, b: Picture): number {
  return rmsOf(squaredDifference(a, b), a.data.length);
}

/** What comparing a query with another picture, as the caption's own, finds; made once for both quantiles. */
function rememberedFindings({ background }: Unrelated) {
  const known = new WeakMap<Picture, Map<Picture, CopyFindings>>();
  return (query: Picture, other: Picture): CopyFindings => {
    const ofQuery = known.get(query) ?? new Map<Picture, CopyFindings>();
    known.set(query, ofQuery);
    const before = ofQuery.get(other);
    if (before !== undefined) return before;
    const picture = workingPicture(query);
    const copies = compareCopies({ picture, background: background.of(picture) }, workingPicture(other));
    const own = { whole: copiedOf(copies.whole!), part: copiedOf(copies.part!) };
    const findings: CopyFindings = { whole: null, part: null, own, template: null };
    ofQuery.set(other, findings);
    return findings;
  };
}

/** Our rules as an audit asks them, the other picture being the caption's own. */
function oursScore(
  findingsOf: (query: Picture, other: Picture) => CopyFindings,
  { threshold }: Calibration,
  calibration: CopyCalibration,
) {
  const rules: AlignedRules = { calibration, familyOf: () => undefined };
  return (query: Picture, other: Picture): number => {
    const findings = findingsOf(query, other);
    const subject: GeneratedPicture = { key: '', sample: 0, image: null, picture: query, own: [] };
    const rms = { own: { index: 0, distance: rmsBetween(query, other) }, nearest: null, threshold };
    const aligned = alignedLabel(subject, findings, rms, rules);
    const local = localLabel(subject, findings, rules);
    return Math.max(1 - aligned.distance!, 1 - local.distance! / local.threshold!);
  };
}

function copiedOf({ transform, explained, cells }: Alignment) {
  return { index: 0, transform, explained, cells: [...cells].map((v) => (Number.isNaN(v) ? null : v)) };
}

/** Prints one rule's table, and notes the negatives that it labels and nobody has looked at. */
function report(
  { name, score }: Outcome,
  pairs: readonly LabelledPair[],
  collection: readonly Picture[],
  reviewed: ReadonlyMap<string, 'same' | 'different'>,
  say: (line: string) => void,
  flagged: string[],
): void {
  const started = performance.now();
  const positives = new Map<Kind, number[]>(kinds.map((kind) => [kind, []]));
  const negatives: number[] = [];
  let same = 0;
  for (const { kind, query, source, other } of pairs) {
    positives.get(kind)!.push(score(query, collection[source]!));
    const pair = pairName(source, other);
    if (reviewed.get(pair) === 'same') {
      same++;
      continue;
    }
    const value = score(query, collection[other]!);
    negatives.push(value);
    if (value >= 0 && !reviewed.has(pair))
      flagged.push([source, other, kind, value.toFixed(3), name.replaceAll(',', '')].join(','));
  }
  const seconds = (performance.now() - started) / 1000;
  say(`${name}: ${((1000 * seconds) / (2 * pairs.length)).toFixed(1)} ms a pair`);
  const wrong = negatives.filter((value) => value >= 0).length;
  const rate = wrong / negatives.length;
  const high = clopperPearsonInterval(wrong, negatives.length).high;
  // By hindsight: the threshold that leaves as many mistakes as the precision allows.
  const allowed = Math.floor(falsePositiveBudget * negatives.length);
  const hindsight = [...negatives].sort((a, b) => b - a)[allowed]!;
  process.stdout.write(
    `\n${name}\n  ${wrong} of ${negatives.length} nearest other photographs labelled (at most ${(100 * high).toFixed(3)}%, 95% interval); ${same} pairs that show one photograph left out\n` +
      '  kind        recall [95%]           precision at 1:1000   recall, threshold by hindsight\n',
  );
  for (const kind of kinds) {
    const scores = positives.get(kind)!;
    const found = scores.filter((value) => value >= 0).length;
    const recall = found / scores.length;
    const { low, high: top } = wilsonInterval(found, scores.length);
    const precision = (recall * prevalence) / (recall * prevalence + rate * (1 - prevalence));
    const later = scores.filter((value) => value > hindsight).length / scores.length;
    process.stdout.write(
      `  ${kind.padEnd(11)} ${recall.toFixed(3)} [${low.toFixed(3)}, ${top.toFixed(3)}]   ${(found === 0 ? Number.NaN : precision).toFixed(3)}                 ${later.toFixed(3)}\n`,
    );
  }
}
