import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  assignRows,
  openNpyRows,
  openPairSearch,
  type PairSearch,
  trainPartition,
  type VectorRows,
} from '../src/search/index.ts';
import { threads } from './miniature.ts';
import { startPeer } from './peer.ts';
import { plantedPairs, writePlanted } from './plantedVectors.ts';

/** Seconds by the clock, and of all the process's threads. */
interface Seconds {
  readonly wall: number;
  readonly cpu: number;
}

interface Measured {
  readonly seconds: Readonly<Record<'training' | 'assignment' | 'pairs', Seconds>>;
  readonly recall: number;
  readonly pairs: number;
  readonly peakMiB: number;
}

/** The recall that the peer's `nprobe` is chosen for, on the smallest collection. */
const wantedRecall = 0.999;

/**
 * All pairs of float16 rows with a cosine of at least .9, where they are known: ours by cells, against faiss-cpu's IndexIVFFlat with as many cells
 * and `range_search`. At the smallest size an exhaustive search shows that there are no others than those known.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sizes: { type: 'string', default: '100000,300000,1000000' },
      dimension: { type: 'string', default: '512' },
      threshold: { type: 'string', default: '0.9' },
      unchecked: { type: 'boolean', default: false },
      alone: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(
      'dedup-vectors [--sizes 100000,300000,1000000] [--dimension 512] [--threshold 0.9] [--unchecked] [--alone]\n' +
        '--unchecked leaves out the exhaustive search that shows that the known pairs are all, --alone the peer\n',
    );
    return;
  }
  const sizes = values.sizes.split(',').map(Number);
  const [dimension, threshold] = [Number(values.dimension), Number(values.threshold)];
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-bench-'));
  let nprobe = 0;
  let line = '';
  try {
    print(['rows', 'by', 'cells', 'training', 'assignment', 'pairs', 'all', 'CPU', 'recall', 'peak MiB', '']);
    for (const [at, count] of sizes.entries()) {
      const there = join(folder, String(count));
      await mkdir(there);
      const planted = await writePlanted(there, count, dimension);
      const rows = await openNpyRows(planted.paths);
      const truth = await plantedPairs(planted, rows, threshold);
      const truthPath = join(there, 'truth.f64');
      await writeFile(truthPath, new Uint8Array(Float64Array.from([...truth].sort((a, b) => a - b)).buffer));
      const { measured: ours, cells, note } = await byCells(rows, threshold, truth);
      printMeasured(count, 'verbatim', cells, ours, note);
      if (at === 0 && !values.unchecked) await checkTruth(rows, threshold, truth);
      await rows.close();
      if (!values.alone) {
        const peer = await startPeer(
          'dedup-vectors',
          { rows: planted.paths, truth: truthPath, threads, cells, threshold, nprobe, recall: wantedRecall },
          'dedup_vectors.py',
        );
        const theirs = peer.results as Measured & { nprobe: number };
        peer.close();
        nprobe = theirs.nprobe;
        printMeasured(count, peer.name, cells, theirs, `nprobe ${nprobe}`);
        const [a, b] = [total(ours).wall, total(theirs).wall];
        line = `dedup-vectors: ratio ${(b / a).toFixed(2)} (ours ${a.toFixed(0)} s, ${peer.name} ${b.toFixed(0)} s)`;
      }
      await rm(there, { recursive: true });
    }
    if (line !== '') process.stdout.write(`${line}\n`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function byCells(rows: VectorRows, threshold: number, truth: ReadonlySet<number>) {
  const training = stopwatch();
  const partition = await trainPartition(rows, { threads });
  const trained = training();
  const assigning = stopwatch();
  const assignments = await assignRows(rows, partition, { threads });
  const assigned = assigning();
  const searching = stopwatch();
  const search = await openPairSearch(rows, { threshold, partition, assignments, threads });
  const { pairs, known } = await countPairs(search, rows.count, truth);
  const searched = searching();
  await search.close();
  const { visits, products, certifiedRows } = search.report;
  const measured: Measured = {
    seconds: { training: trained, assignment: assigned, pairs: searched },
    recall: known / truth.size,
    pairs,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  };
  const perRow = (value: number) => (value / rows.count).toFixed(2);
  const note = `${perRow(visits)} visits and ${perRow(products)} products per row, ${certifiedRows} rows certified`;
  return { measured, cells: partition.cells, note };
}

async function countPairs(search: PairSearch, count: number, truth: ReadonlySet<number>) {
  let [pairs, known] = [0, 0];
  for (let unit = 0; unit < search.units; unit++) {
    const { a, b } = await search.pairs(unit);
    pairs += a.length;
    for (let i = 0; i < a.length; i++) if (truth.has(a[i]! * count + b[i]!)) known++;
  }
  return { pairs, known };
}

async function checkTruth(rows: VectorRows, threshold: number, truth: ReadonlySet<number>): Promise<void> {
  const clock = stopwatch();
  const search = await openPairSearch(rows, { threshold, threads });
  const { pairs, known } = await countPairs(search, rows.count, truth);
  await search.close();
  if (pairs !== truth.size || known !== truth.size)
    throw new Error(
      `${rows.count} rows have ${pairs} pairs, of which ${known} are known; ${truth.size} were planted`,
    );
  process.stdout.write(
    `  every row against every other: the same ${pairs} pairs that were planted, ${clock().wall.toFixed(1)} s\n`,
  );
}

function stopwatch(): () => Seconds {
  const [begin, used] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(used);
    return { wall: (performance.now() - begin) / 1e3, cpu: (user + system) / 1e6 };
  };
}

function total({ seconds }: Measured): Seconds {
  const all = Object.values(seconds);
  const sum = (name: keyof Seconds) => all.reduce((so, each) => so + each[name], 0);
  return { wall: sum('wall'), cpu: sum('cpu') };
}

function printMeasured(count: number, by: string, cells: number, measured: Measured, note: string): void {
  const { training, assignment, pairs } = measured.seconds;
  const { wall, cpu } = total(measured);
  const seconds = [training.wall, assignment.wall, pairs.wall, wall, cpu].map((value) => value.toFixed(1));
  print([
    String(count),
    by,
    String(cells),
    ...seconds,
    measured.recall.toFixed(5),
    measured.peakMiB.toFixed(0),
    note,
  ]);
}

function print(columns: readonly string[]): void {
  const widths = [9, 17, 7, 10, 11, 8, 8, 8, 9, 9, 0];
  process.stdout.write(`${columns.map((text, i) => text.padEnd(widths[i]!)).join(' ')}\n`);
}
