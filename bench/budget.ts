import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { VerbatimError } from '../src/errors.ts';
import {
  type Caption,
  countFound,
  countNeverSeen,
  evaluationsAt,
  type FoundCurve,
  foundCurve,
  joinCaptions,
  type ReportData,
  readReportData,
  recipes,
  websterCounts,
} from '../src/reports/index.ts';
import { root, startProgram, whole } from './program.ts';

const help = `npm run bench -- budget [--planted N] [--uniques N] [--held-out N] [--budget N] [--steps N] [--keep]
  --planted N    so many of twin A's duplicate captions and as many of its template captions (default: all)
  --uniques N    captions that it saw once (default 1500)
  --held-out N   captions that it never saw (default 600)
  --budget N     evaluations of the budget mode (default: two per caption)
  --steps N      steps of its pictures (default 4)
  --keep         leave the run folders and print their path
`;

/**
 * The budget mode and the cascade of Webster 2023 over one list of captions of the shipped miniature, both run and labelled by
 * the same rule; Carlini's recipe is counted. Evaluations at which each had as many distinct training images as the smaller
 * of the two totals; false positives among captions that the model never saw.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      planted: { type: 'string' },
      uniques: { type: 'string', default: '1500' },
      'held-out': { type: 'string', default: '600' },
      budget: { type: 'string' },
      steps: { type: 'string', default: '4' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-budget-'));
  const planted =
    values.planted === undefined ? '' : `duplicate: ${values.planted}, template: ${values.planted}, `;
  try {
    const common = `
model: ${JSON.stringify(join(root, 'models/twin-a'))}
dataset: { format: lab, path: ${JSON.stringify(join(root, 'models/lab.yaml'))}, twin: A }
candidates: { roles: { ${planted}unique: ${values.uniques}, held-out: ${values['held-out']}, other-twin: 0 } }
labels: { rules: [aligned] }
`;
    const plan = async (name: string, text: string) => {
      await writeFile(join(folder, `${name}.yaml`), `${common}${text}`);
      return join(folder, `${name}.yaml`);
    };
    const captions = await countCaptions(await plan('count', 'cascade: []\n'));
    const { scored, synthesized } = websterCounts(captions);
    const ours = await runOf(
      folder,
      await plan(
        'budget',
        `budget: ${values.budget ?? 2 * captions}\nsynthesis: { steps: ${values.steps} }\n`,
      ),
    );
    const peer = await runOf(
      folder,
      await plan(
        'cascade',
        `cascade: [{ attack: dcs, keep: ${scored} }, { attack: ecs, keep: ${synthesized} }]
synthesis: { steps: 16, samples: 2, sampler: heun }
`,
      ),
    );
    // "Top 500 or 5%" read as 5% of all captions: more than ECS scores, so DCS decides, and ECS is counted.
    const wide = await runOf(
      folder,
      await plan(
        'wide',
        `cascade: [{ attack: dcs, keep: ${Math.min(500, Math.round(captions * 0.05))} }]
synthesis: { steps: 16, samples: 2, sampler: heun }
`,
      ),
    );
    report(ours, { narrow: peer, wide, ecs: 8 * scored }, captions);
    if (values.keep) process.stdout.write(`kept ${folder}\n`);
  } finally {
    if (!values.keep) await rm(folder, { recursive: true, force: true });
  }
}

async function countCaptions(config: string): Promise<number> {
  const { status, stdout, stderr } = await startProgram(['audit', config, '--dry-run', '-q']).ended;
  const count = /for all (\d+) captions/.exec(stdout)?.[1];
  if (status !== 0 || count === undefined)
    throw new VerbatimError(`the plan ended with ${status}: ${stderr}`);
  return Number(count);
}

interface Run {
  readonly data: ReportData;
  readonly captions: readonly Caption[];
  readonly seconds: number;
}

async function runOf(folder: string, config: string): Promise<Run> {
  const output = config.replace(/\.yaml$/, '');
  const { status, seconds, stderr } = await startProgram(['audit', config, '-o', output, '-q']).ended;
  if (status !== 0)
    throw new VerbatimError(`${config.slice(folder.length + 1)} ended with ${status}: ${stderr}`);
  const data = await readReportData(output);
  return { data, captions: joinCaptions(data), seconds };
}

/**
 * The cascade as its reference computes it: both halves of every guided call, and no picture of one step beside the samples.
 * Our program shares the unconditional half among captions, which costs it less.
 */
function asReference({ data, captions }: Run): FoundCurve {
  const counted: ReportData = {
    ...data,
    scores: data.scores.map(({ step, rows }) => ({
      step,
      rows: rows.map((row) => ({ ...row, spent: 2 * row.evaluations })),
    })),
    generations: data.generations.map((row) => ({ ...row, evaluations: row.sample < 0 ? 0 : 2 * 31 })),
  };
  return foundCurve(counted, captions, 'cascade');
}

/** As it ran here, but for the pictures of one step, which the paper does not make. */
function asRun({ data, captions }: Run): FoundCurve {
  const generations = data.generations.map((row) => (row.sample < 0 ? { ...row, evaluations: 0 } : row));
  return foundCurve({ ...data, generations }, captions, 'cascade');
}

/**
 * What generate-and-filter would have spent when it had so many, were every image that either run found to come up under the
 * first caption that anybody found it under, captions in the order of our draw.
 */
function carliniAt(wanted: number, runs: readonly Run[], order: readonly string[]): number {
  const images = new Map<string, Set<string>>();
  for (const { captions } of runs)
    for (const caption of captions) {
      const own = images.get(caption.key) ?? new Set<string>();
      // Names of one run need not be those of another: what a caption repeats is told by its group.
      if (countFound([caption]).images > 0) own.add(caption.truth?.group ?? caption.key);
      images.set(caption.key, own);
    }
  const found = new Set<string>();
  let captions = 0;
  for (const key of order) {
    captions += 1;
    for (const image of images.get(key) ?? []) found.add(image);
    if (found.size >= wanted) break;
  }
  return recipes(captions)[1]!.evaluations;
}

/** The same with 5% of all captions synthesized; ECS for the top 1.5% comes before the pictures. */
function asWide(run: Run, ecs: number): FoundCurve {
  const curve = asReference(run);
  const points = curve.points.map((point) =>
    point.evaluations === 0 ? point : { ...point, evaluations: point.evaluations + ecs },
  );
  return { ...curve, points };
}

/** Both at the smaller of their totals. */
function compareWide(ours: Run, wide: Run, ecs: number): string {
  const [curve, peer] = [foundCurve(ours.data, ours.captions, 'budget'), asWide(wide, ecs)];
  const last = peer.points.at(-1)!;
  const wanted = Math.min(curve.points.at(-1)!.found, last.found);
  if (wanted === 0) return 'the cascade with 5% synthesized found nothing\n';
  const [a, b] = [evaluationsAt(curve, wanted)!, evaluationsAt(peer, wanted)!];
  return `the cascade with 5% of all captions synthesized: ${whole(last.found)} images for ${whole(last.evaluations)} evaluations, ${countNeverSeen(wide.captions).falsePositives} false; until ${wanted}: ${whole(b)}, and ${whole(a)} with a budget
budget: ratio ${(b / a).toFixed(1)} (ours ${(a / wanted).toFixed(1)} evaluations per image, the cascade with 5% synthesized ${(b / wanted).toFixed(1)})
`;
}

function report(
  ours: Run,
  { narrow: peer, wide, ecs }: { readonly narrow: Run; readonly wide: Run; readonly ecs: number },
  captions: number,
): void {
  const curve = foundCurve(ours.data, ours.captions, 'budget');
  const [reference, run] = [asReference(peer), asRun(peer)];
  const total = ({ points }: FoundCurve) => points.at(-1)!;
  const wanted = Math.min(total(curve).found, total(run).found);
  if (wanted === 0) throw new VerbatimError('one of the two found nothing, so nothing can be compared');
  const scored = ours.data.scores[0]!.rows.map(({ key }) => key);
  const order = [...new Set([...scored, ...ours.captions.map(({ key }) => key)])];
  const carlini = carliniAt(wanted, [ours, peer], order);
  const roles = new Map<string, number>();
  for (const { role } of ours.captions) roles.set(role ?? '', (roles.get(role ?? '') ?? 0) + 1);
  process.stdout.write(
    `${whole(captions)} captions: ${[...roles].map(([role, count]) => `${whole(count)} ${role}`).join(', ')}\n\n`,
  );
  const line = (name: string, cells: readonly (number | string)[]) =>
    `${name.padEnd(44)}${cells.map((cell) => (typeof cell === 'number' ? whole(cell) : cell).padStart(14)).join('')}\n`;
  const at = (one: FoundCurve) => evaluationsAt(one, wanted)!;
  const row = (name: string, one: FoundCurve, from: Run) => {
    const { falsePositives } = countNeverSeen(from.captions);
    const { evaluations, found } = total(one);
    return line(name, [
      found,
      evaluations,
      (evaluations / found).toFixed(0),
      at(one),
      (at(one) / wanted).toFixed(1),
      falsePositives,
      from.seconds.toFixed(0),
    ]);
  };
  process.stdout.write(
    line('', ['found', 'evaluations', 'per found', `until ${wanted}`, 'per found', 'false', 'seconds']) +
      row('budget', curve, ours) +
      row('cascade of Webster 2023, both halves counted', reference, peer) +
      row('  as run here, unconditional halves shared', run, peer) +
      line('generate and filter (Carlini 2023), counted', [
        '',
        recipes(captions)[1]!.evaluations,
        '',
        carlini,
        (carlini / wanted).toFixed(0),
        '',
        '',
      ]),
  );
  const each = (evaluations: number) => (evaluations / wanted).toFixed(1);
  const ratio = (evaluations: number) => (evaluations / at(curve)).toFixed(1);
  process.stdout.write(
    `
${compareWide(ours, wide, ecs)}budget: ratio ${ratio(at(run))} (ours ${each(at(curve))} evaluations per image, the cascade with shared halves ${each(at(run))})
budget: ratio ${ratio(carlini)} (ours ${each(at(curve))} evaluations per image, generate and filter ${each(carlini)})
budget: ratio ${ratio(at(reference))} (ours ${each(at(curve))} evaluations per image, the cascade of Webster 2023 ${each(at(reference))})
`,
  );
}
