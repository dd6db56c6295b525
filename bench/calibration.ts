import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { attackNamed, createSubject, scoreAll } from '../src/attacks/index.ts';
import { isMember, type TruthRow } from '../src/datasets/index.ts';
import { openPipeline } from '../src/diffusion/index.ts';
import { VerbatimError } from '../src/errors.ts';
import { auditNoise } from '../src/generators/index.ts';
import { labConfigSchema, openLabSet } from '../src/lab/index.ts';
import { createMeter } from '../src/runtime/index.ts';
import { writeFileAtomic } from '../src/tables/index.ts';
import { type PlantedGroup, type Resampled, resample, type Stratum } from './calibration/resample.ts';
import { threads } from './miniature.ts';
import { root, whole } from './program.ts';

const help = `npm run bench -- calibration [--nulls 2000] [--negatives 400] [--pool 4000] [--resamples 200] [--scores FILE] [--fixture FILE]
  --nulls       null scores of a split
  --negatives   captions never trained on that are tested beside the planted ones
  --pool        captions never trained on that are scored, and split anew each time
  --resamples   how often
  --scores      keeps the scores in this file (JSON), or takes them from there
  --fixture     writes those of 1,000 captions never trained on and of the planted groups for test/calibration.test.ts
`;

const attacks = ['dcs', 'dcs-antithetic', 'seed-variance'] as const;
const rates = [0.05, 0.1, 0.2];
const powerCopies = 50;
const split = 'split from the captions never trained on';

/** What the miniature's scores are, by attack. */
interface Scores {
  readonly evaluations: number;
  readonly attacks: Readonly<
    Record<
      string,
      {
        /** Captions of single pictures that neither twin saw; one of each of further template families. */
        readonly neverSeen: readonly number[];
        readonly neverSeenTemplates: readonly number[];
        /** What twin B was trained on, and twin A, the audited one, not. */
        readonly otherDuplicates: readonly number[];
        readonly otherTemplates: readonly number[];
        readonly groups: readonly PlantedGroup[];
        readonly families: readonly PlantedGroup[];
      }
    >
  >;
}

/**
 * Whether the rate of false discoveries is kept on the shipped miniature, twin A: scores of captions that it never saw against
 * each other and beside those of planted groups, split anew many times.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      nulls: { type: 'string', default: '2000' },
      negatives: { type: 'string', default: '400' },
      pool: { type: 'string', default: '4000' },
      resamples: { type: 'string', default: '200' },
      scores: { type: 'string' },
      fixture: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const [nulls, negatives, pool, resamples] = [
    values.nulls,
    values.negatives,
    values.pool,
    values.resamples,
  ].map(Number) as [number, number, number, number];
  if (![nulls, negatives, pool, resamples].every((n) => Number.isInteger(n) && n > 1))
    throw new VerbatimError('every number is a whole one above 1', { exitCode: 2 });
  if (nulls + negatives > pool)
    throw new VerbatimError('--nulls and --negatives together must not exceed --pool', { exitCode: 2 });
  const scores = await readScores(values.scores, pool);
  if (values.fixture !== undefined) await writeFixture(values.fixture, scores);
  process.stdout.write(
    `twin A of the miniature; ${whole(scores.evaluations)} evaluations for ${attacks.length} attacks over ${whole(pool)} captions never trained on and those of both twins' planted items\n` +
      `${whole(nulls)} null scores, ${resamples} splits; power: groups of ${powerCopies} copies or more\n\n`,
  );
  const common = { rates, resamples, seed: 1, powerCopies };
  const results = attacks.map((attack) => {
    const { neverSeen, neverSeenTemplates, otherDuplicates, otherTemplates, groups, families } =
      scores.attacks[attack]!;
    const single = { neverSeen, nulls, negatives, groups };
    const template = {
      neverSeen: neverSeenTemplates,
      nulls,
      negatives: 0,
      otherNegatives: otherTemplates,
      // Not counted for the power, which is of duplicates.
      groups: families.map((family) => ({ ...family, copies: 0 })),
    };
    const of = (...strata: Stratum[]) => resample({ ...common, strata });
    return {
      attack,
      [split]: of(single),
      "split, and the other twin's items, each against null scores of its own kind, as an audit has it": of(
        { ...single, otherNegatives: otherDuplicates },
        template,
      ),
      "the other twin's template variants against null scores of single pictures: another make": of({
        ...single,
        negatives: 0,
        otherNegatives: otherTemplates,
      }),
    };
  });
  let worst = { observed: 0, rate: 1 };
  for (const { attack, ...rest } of results) {
    const kinds = rest as Readonly<Record<string, Resampled>>;
    process.stdout.write(`${attack}\n`);
    for (const [kind, { rates: figures }] of Object.entries(kinds)) {
      process.stdout.write(`  negatives: ${kind}\n`);
      for (const { rate, falseDiscoveries: wrong, power, bound, discoveries } of figures) {
        process.stdout.write(
          `    at ${rate.toFixed(2)}: false discoveries ${interval(wrong)}, at most ${bound.toFixed(3)} expected; power ${interval(power)}; ${discoveries.toFixed(0)} discoveries\n`,
        );
        if (kind === split && wrong.mean / rate > worst.observed / worst.rate)
          worst = { observed: wrong.mean, rate };
      }
    }
    const { deviation, limit, above, tail } = kinds[split]!.uniformity;
    process.stdout.write(
      `  p-values of the negatives: largest deviation from uniform ${deviation.toFixed(3)} (mean), above ${limit.toFixed(3)} in ${(100 * above).toFixed(1)}% of the splits (5% expected); ${tail
        .map(([level, share]) => `p ≤ ${level}: ${share.toFixed(4)}`)
        .join(', ')}\n`,
    );
  }
  process.stdout.write(
    `calibration: ratio ${(worst.rate / worst.observed).toFixed(2)} (ours ${worst.observed.toFixed(4)} false discoveries, limit ${worst.rate} nominal)\n`,
  );
}

/** What the unit test takes: a part of the scores, with six digits. */
async function writeFixture(path: string, { attacks: scores }: Scores): Promise<void> {
  const short = (list: readonly number[]) => list.map((score) => Number(score.toPrecision(6)));
  const part = Object.fromEntries(
    Object.entries(scores).map(([name, { neverSeen, groups }]) => [
      name,
      {
        neverSeen: short(neverSeen.slice(0, 1000)),
        groups: groups.map(({ copies, scores: own }) => ({ copies, scores: short(own) })),
      },
    ]),
  );
  await writeFileAtomic(path, `${JSON.stringify(part)}\n`);
}

function interval({ mean, low, high }: { mean: number; low: number; high: number }): string {
  return `${mean.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}

async function readScores(path: string | undefined, pool: number): Promise<Scores> {
  const stored = path === undefined ? undefined : await readFile(path, 'utf8').catch(() => undefined);
  if (stored !== undefined) {
    const scores = JSON.parse(stored) as Scores;
    const there = scores.attacks[attacks[0]]?.neverSeen.length;
    if (there !== pool)
      throw new VerbatimError(`${path} has the scores of ${there} captions, --pool says ${pool}`, {
        exitCode: 2,
      });
    return scores;
  }
  const scores = await computeScores(pool);
  if (path !== undefined) await writeFileAtomic(path, `${JSON.stringify(scores)}\n`);
  return scores;
}

async function computeScores(pool: number): Promise<Scores> {
  const config = labConfigSchema.parse(parse(await readFile(`${root}models/lab.yaml`, 'utf8')));
  const set = await openLabSet(config);
  const heldOut = set.truth.filter(({ kind }) => kind === 'held-out').map(({ caption }) => caption);
  const beyond = set.beyond(Math.max(0, pool - heldOut.length), 'single').map(({ caption }) => caption);
  const planted = (kind: TruthRow['kind'], member: boolean) =>
    set.truth.filter((row) => row.kind === kind && isMember(row, 'A') === member);
  const texts = (rows: readonly { readonly caption: string }[]) => rows.map(({ caption }) => caption);
  const lists = {
    neverSeen: [...heldOut, ...beyond].slice(0, pool),
    neverSeenTemplates: texts(set.beyond(pool, 'template')),
    otherDuplicates: texts(planted('duplicate', false)),
    otherTemplates: texts(planted('template', false)),
    duplicates: texts(planted('duplicate', true)),
    templates: texts(planted('template', true)),
  };
  const meter = createMeter();
  const pipeline = await openPipeline(`${root}models/twin-a`, { provider: 'cpu', batch: 16, threads, meter });
  try {
    const subject = createSubject(pipeline, { noise: auditNoise });
    const captions = Object.values(lists).flat();
    const { scores } = await scoreAll(
      subject,
      captions,
      attacks.map((name) => attackNamed(name).prepare()),
      {
        batch: 64,
        onBatch: (done) => process.stderr.write(`\r${done} of ${captions.length} captions `),
      },
    );
    process.stderr.write('\n');
    const names = Object.keys(lists) as (keyof typeof lists)[];
    const of = (attack: number, list: keyof typeof lists) => {
      const start = names.slice(0, names.indexOf(list)).reduce((sum, name) => sum + lists[name].length, 0);
      return lists[list].map((_, i) => scores[attack]![start + i]!.score);
    };
    return {
      evaluations: meter.evaluations,
      attacks: Object.fromEntries(
        attacks.map((name, a) => [
          name,
          {
            neverSeen: of(a, 'neverSeen'),
            neverSeenTemplates: of(a, 'neverSeenTemplates'),
            otherDuplicates: of(a, 'otherDuplicates'),
            otherTemplates: of(a, 'otherTemplates'),
            groups: groupsOf(planted('duplicate', true), of(a, 'duplicates')),
            families: groupsOf(planted('template', true), of(a, 'templates')),
          },
        ]),
      ),
    };
  } finally {
    await pipeline.close();
  }
}

function groupsOf(rows: readonly TruthRow[], scores: readonly number[]): PlantedGroup[] {
  const groups = new Map<string, { copies: number; scores: number[] }>();
  rows.forEach(({ group, copies }, i) => {
    const entry = groups.get(group) ?? { copies, scores: [] };
    groups.set(group, entry);
    entry.scores.push(scores[i]!);
  });
  return [...groups.values()];
}
