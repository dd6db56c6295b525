import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type CliquesResult, createCliqueSearch, prepareCliques } from '../src/attacks/index.ts';
import { openLabConfig } from '../src/cli/open.ts';
import { openPipeline, type SamplerName } from '../src/diffusion/index.ts';
import { localGenerator } from '../src/generators/index.ts';
import { isPicture } from '../src/images/index.ts';
import { clopperPearsonInterval } from '../src/math/index.ts';
import { createMeter } from '../src/runtime/index.ts';
import { openTiledDistances, type TiledDistances } from '../src/search/index.ts';
import { dataOfPlanted, drawn } from '../src/stages/index.ts';
import { threads } from './miniature.ts';
import { root } from './program.ts';

const help = `npm run bench -- cliques [--never 150] [--apart 40] [--groups 3] [--keep FILE [--kept]]
  --never N    captions that the model never saw, to be judged
  --apart N    others of them, from which another threshold is taken
  --groups N   planted groups of each of 50, 20, 10 and 5 copies, beside all from 100 on
  --keep FILE  distances of the samples of each caption; those that are there are not sampled again
  --kept       judge the captions that FILE has, and sample none
`;

/** How the miniature is sampled: what is memorized comes back unguided, in few steps. */
const settings = { steps: 8, sampler: 'dpmpp-2m' as SamplerName, guidance: 1, firstSeed: 0 };
const options = { samples: 100, clique: 5 };

interface Caption {
  readonly set: string;
  readonly key: string;
  readonly caption: string;
}
interface Sampled extends Caption {
  readonly distances: readonly number[];
}

/**
 * Generate-and-filter on twin A, whose truth is known: all samples for every caption, then the sequential test over the same
 * samples. What the test must not do is to lose captions of the full one; what it is for is to need few samples.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      never: { type: 'string', default: '150' },
      apart: { type: 'string', default: '40' },
      groups: { type: 'string', default: '3' },
      keep: { type: 'string' },
      kept: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const captions = await chooseCaptions(Number(values.never), Number(values.apart), Number(values.groups));
  const known = await readKept(values.keep);
  const sampled = await sampleAll(
    values.kept ? captions.filter(({ key }) => known.has(key)) : captions,
    known,
    values.keep,
  );
  const judged = sampled.filter(({ set }) => set !== 'apart');
  const { threshold } = prepareCliques(options).options;
  const full = await replay(judged, { ...options, sequential: false });
  await tell('default threshold', threshold, judged, full);
  // Just below the nearest that a caption apart from those judged comes to a clique.
  const apart = await replay(
    sampled.filter(({ set }) => set === 'apart'),
    { ...options, sequential: false },
  );
  const nearest = Math.min(...apart.map(({ bottleneck }) => bottleneck!));
  const calibrated = Math.min(1, nearest);
  await tell(
    `threshold of ${apart.length} never-seen captions apart`,
    calibrated,
    judged,
    await replay(judged, { ...options, threshold: calibrated, sequential: false }),
  );
}

/** The planted duplicates by the most frequent caption of each group, and captions that twin A never saw. */
async function chooseCaptions(never: number, apart: number, groups: number): Promise<Caption[]> {
  const data = dataOfPlanted(await openLabConfig(join(root, 'models/lab.yaml')), 'A');
  const own = (data.truth ?? []).filter(({ kind, member }) => kind === 'duplicate' && member);
  const best = new Map<string, (typeof own)[number]>();
  for (const row of own) {
    const known = best.get(row.group);
    if (known === undefined || row.repeats > known.repeats) best.set(row.group, row);
  }
  const chosen: Caption[] = [];
  const taken = new Map<number, number>();
  for (const { key, caption, copies } of best.values()) {
    if (copies < 100) {
      if (![50, 20, 10, 5].includes(copies)) continue;
      const count = (taken.get(copies) ?? 0) + 1;
      if (count > groups) continue;
      taken.set(copies, count);
    }
    chosen.push({ set: copies >= 100 ? '≥ 100 copies' : `${copies} copies`, key, caption });
  }
  const unseen = (data.truth ?? []).filter(({ member }) => !member);
  drawn(unseen, never + apart, 1).forEach(({ key, caption }, i) => {
    // In the order of the truth, so those apart are spread among the others.
    const isApart =
      Math.floor((i * apart) / (never + apart)) !== Math.floor(((i + 1) * apart) / (never + apart));
    chosen.push({ set: isApart ? 'apart' : 'never seen', key, caption });
  });
  return chosen;
}

/** Distances of the captions that are there, by key; a line that a kill has cut is none. */
async function readKept(keep: string | undefined): Promise<Map<string, readonly number[]>> {
  const lines = keep === undefined ? '' : await readFile(keep, 'utf8').catch(() => '');
  return new Map(
    lines
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as Sampled)
      .map((row) => [row.key, row.distances]),
  );
}

async function sampleAll(
  captions: readonly Caption[],
  known: ReadonlyMap<string, readonly number[]>,
  keep: string | undefined,
): Promise<Sampled[]> {
  const meter = createMeter();
  const engine = await openTiledDistances({ threads: 1 });
  const sampled: Sampled[] = [];
  const started = performance.now();
  let next = 0;
  let done = 0;
  /** One network with one thread each: small calls are quicker side by side than shared out. */
  const lane = async () => {
    const pipeline = await openPipeline(join(root, 'models/twin-a'), { meter, threads: 1 });
    const generator = localGenerator(pipeline, { meter });
    try {
      for (let i = next++; i < captions.length; i = next++) {
        const caption = captions[i]!;
        let distances = known.get(caption.key);
        if (distances === undefined) {
          const tasks = Array.from({ length: options.samples }, (_, seed) => ({ ...caption, seed }));
          const made = await generator.pictures(tasks, settings);
          const set = engine.collect();
          await set.add(made.map(({ picture }) => picture).filter(isPicture));
          distances = [...set.distances];
          if (keep !== undefined)
            await appendFile(keep, `${JSON.stringify({ key: caption.key, distances })}\n`);
        }
        sampled[i] = { ...caption, distances };
        if (++done % 10 === 0)
          process.stderr.write(
            `${done} of ${captions.length} captions, ${(meter.evaluations / ((performance.now() - started) / 1000)).toFixed(0)} evaluations/s\n`,
          );
      }
    } finally {
      await pipeline.close();
    }
  };
  try {
    await Promise.all(Array.from({ length: threads }, lane));
  } finally {
    await engine.close();
  }
  return sampled;
}

/** The attack over samples whose distances are known. */
async function replay(sampled: readonly Sampled[], given: object): Promise<CliquesResult[]> {
  const results: CliquesResult[] = [];
  for (const { distances } of sampled) {
    const search = createCliqueSearch(prepareCliques(given), knownDistances(Float64Array.from(distances)));
    for (let { wants } = search; wants !== undefined; { wants } = search)
      await search.take(
        Array.from({ length: wants.to - wants.from }, () => ({
          width: 0,
          height: 0,
          data: new Uint8Array(),
        })),
      );
    results.push(search.result());
  }
  return results;
}

/** An engine that compares nothing: the distances of the first pictures stand at the front of a triangle. */
function knownDistances(distances: Float64Array): TiledDistances {
  let count = 0;
  return {
    collect: () => ({
      get count() {
        return count;
      },
      get distances() {
        return distances.subarray(0, (count * (count - 1)) / 2);
      },
      add: async (pictures) => {
        count += pictures.length;
      },
      picture: () => ({ width: 0, height: 0, data: new Uint8Array() }),
    }),
    close: async () => {},
  };
}

async function tell(
  what: string,
  threshold: number,
  judged: readonly Sampled[],
  full: readonly CliquesResult[],
): Promise<void> {
  const sequential = await replay(judged, { ...options, threshold });
  const flagged = (results: readonly CliquesResult[], i: number) => results[i]!.decision === 'clique';
  process.stdout.write(
    `\n${what}: ${threshold.toFixed(4)}\n| captions | | flagged, all ${options.samples} samples | flagged, sequential | samples used |\n|---|---|---|---|---|\n`,
  );
  for (const set of new Set(judged.map((row) => row.set))) {
    const own = judged.flatMap((row, i) => (row.set === set ? [i] : []));
    const used = own.reduce((sum, i) => sum + sequential[i]!.samples, 0);
    const count = (results: readonly CliquesResult[]) => own.filter((i) => flagged(results, i)).length;
    process.stdout.write(
      `| ${set} | ${own.length} | ${count(full)} | ${count(sequential)} | ${percent(used / (own.length * options.samples))} |\n`,
    );
  }
  const used = sequential.reduce((sum, { samples }) => sum + samples, 0);
  const agree = judged.filter((_, i) => flagged(full, i) === flagged(sequential, i)).length;
  const lost = judged.filter((_, i) => flagged(full, i) && !flagged(sequential, i)).length;
  const never = judged.flatMap(({ set }, i) => (set === 'never seen' ? [i] : []));
  const wrong = never.filter((i) => flagged(full, i)).length;
  const { high } = clopperPearsonInterval(wrong, Math.max(1, never.length));
  process.stdout.write(
    `the two agree on ${agree} of ${judged.length} captions, ${lost} are lost; ${percent(used / (judged.length * options.samples))} of the samples are used; ` +
      `false positives ${wrong} of ${never.length} (at most ${percent(high)}, 95% Clopper and Pearson); ` +
      `${full.filter(({ proven }) => !proven).length} largest cliques not proven\n`,
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
