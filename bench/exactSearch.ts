import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRandom, dot } from '../src/math/index.ts';
import { encodeRows } from '../src/search/codes.ts';
import {
  type Found,
  memoryRows,
  openExactSearch,
  openNpyRows,
  type VectorRows,
} from '../src/search/index.ts';
import { npyHeader, writeNpy } from '../src/tables/index.ts';
import { compare } from './compare.ts';
import { threads } from './miniature.ts';
import { startPeer } from './peer.ts';

const queries = 256;
const k = 10;

/** `count` rows of length 1 in random directions, drawn a part at a time: nothing stands out, the hardest to search. */
function* unitParts(count: number, dimension: number, seed: number): Generator<Float32Array> {
  const random = createRandom(seed);
  // A normal draw costs more than all the rest: values come from a table of them.
  const table = Float32Array.from({ length: 1 << 16 }, () => random.normal());
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let from = 0; from < count; from += 4096) {
    const part = new Float32Array(Math.min(4096, count - from) * dimension);
    for (let row = 0; row < part.length; row += dimension) {
      let squares = 0;
      for (let i = row; i < row + dimension; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        const value = table[(state >>> 8) & 0xffff]!;
        part[i] = value;
        squares += value * value;
      }
      const scale = 1 / Math.sqrt(squares);
      for (let i = row; i < row + dimension; i++) part[i]! *= scale;
    }
    yield part;
  }
}

/** Writes the rows as `verbatim index --int8` keeps them, in one file each, and gives the first part of them. */
async function writeRows(
  paths: Record<'rows' | 'codes' | 'bounds', string>,
  parts: Iterable<Float32Array>,
  shape: [number, number],
) {
  const [count, dimension] = shape;
  const [rows, codes, bounds] = await Promise.all(
    [paths.rows, paths.codes, paths.bounds].map((path) => open(path, 'w')),
  );
  try {
    await rows!.write(npyHeader('float32', shape));
    await codes!.write(npyHeader('int8', shape));
    await bounds!.write(npyHeader('float32', [count, 3]));
    for (const part of parts) {
      const coded = encodeRows(part, dimension);
      await rows!.write(new Uint8Array(part.buffer));
      await codes!.write(new Uint8Array(coded.codes.buffer));
      await bounds!.write(new Uint8Array(coded.bounds.buffer));
    }
  } finally {
    await Promise.all([rows, codes, bounds].map((file) => file!.close()));
  }
}

/**
 * How many of the peer's neighbours are not ours. Rows that are equally similar but for float32's rounding may stand in
 * for each other: the peer knows no more digits.
 */
async function differences(
  ours: readonly Found[][],
  theirs: readonly (readonly number[])[],
  asked: Float32Array,
  rows: VectorRows,
): Promise<number> {
  let different = 0;
  for (const [q, found] of ours.entries()) {
    const known = new Set(found.map(({ index }) => index));
    const query = asked.subarray(q * rows.dimension, (q + 1) * rows.dimension);
    const least = found.at(-1)!.similarity - rows.dimension * 2 ** -23;
    for (const index of theirs[q]!)
      if (!known.has(index) && !(dot(query, await rows.rows([index])) > least)) different++;
    if (theirs[q]!.length !== found.length) different++;
  }
  return different;
}

/**
 * Exact neighbours in files of unit vectors, as float32 and in 8 bits, against faiss-cpu's IndexFlatIP, which holds them in memory.
 * With --memory ours are in memory too, as float32.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '1000000' },
      dimension: { type: 'string', default: '512' },
      memory: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write('exact-search [--rows 1000000] [--dimension 512] [--memory]\n');
    return;
  }
  const shape: [number, number] = [Number(values.rows), Number(values.dimension)];
  const [count, dimension] = shape;
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-bench-'));
  try {
    const path = (name: string) => join(folder, `${name}.npy`);
    const paths = { rows: path('rows'), codes: path('codes'), bounds: path('bounds') };
    await writeRows(paths, unitParts(count, dimension, 1), shape);
    const [asked] = unitParts(queries, dimension, 2) as Iterable<Float32Array> as [Float32Array];
    await writeNpy(path('queries'), asked, dimension);
    const peer = await startPeer(
      'exact-search',
      { rows: paths.rows, queries: path('queries'), k, threads },
      'search.py',
    );
    const coded = { codes: [paths.codes], bounds: [paths.bounds] };
    const kinds: [string, () => Promise<VectorRows>][] = values.memory
      ? [['float32 in memory', async () => memoryRows([...unitParts(count, dimension, 1)], dimension)]]
      : [
          ['float32', () => openNpyRows([paths.rows])],
          ['8 bits', () => openNpyRows([paths.rows], undefined, coded)],
        ];
    let line = '';
    for (const [kind, openRows] of kinds) {
      const rows = await openRows();
      const search = await openExactSearch(rows, { threads });
      const found = await search.search(asked, k);
      const different = await differences(found, peer.results as number[][], asked, rows);
      if (different > 0) throw new Error(`${kind}: ${different} neighbours differ from ${peer.name}'s`);
      const result = await compare(async () => void (await search.search(asked, k)), peer, {
        rounds: 5,
        runs: 3,
        warmup: 2,
      });
      await search.close();
      const gigaflops = peer.flops / 1e9;
      process.stdout.write(
        `${kind}: the same ${k} neighbours of ${queries} queries as ${peer.name} among ${count} of ${dimension} values, but for ties; ` +
          `${(gigaflops / result.ourSeconds).toFixed(0)} against ${(gigaflops / result.theirSeconds).toFixed(0)} GFLOP/s; ${memory(4 * count * dimension)}\n`,
      );
      line =
        `exact-search: ratio ${result.ratio.toFixed(2)} (ours ${(queries / result.ourSeconds).toFixed(0)} queries/s, ` +
        `${peer.name} ${(queries / result.theirSeconds).toFixed(0)} queries/s)`;
      process.stdout.write(`${line}\n`);
    }
    peer.close();
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Peak resident memory of this process so far, and how many times the vectors' bytes that is. */
function memory(vectorBytes: number): string {
  const peak = process.resourceUsage().maxRSS * 1024;
  return `peak resident memory ${(peak / 2 ** 20).toFixed(0)} MiB, ${(peak / vectorBytes).toFixed(2)} times the vectors' ${(vectorBytes / 2 ** 20).toFixed(0)} MiB`;
}
