import { join } from 'node:path';
import {
  measurePairRecall,
  openPairSearch,
  type PairRecall,
  type Partition,
  type SimilarPairs,
  trainPartition,
  type VectorRows,
} from '../../search/index.ts';
import { readTable, tableFiles, writeJsonAtomic } from '../../tables/index.ts';
import { runStage } from '../stage.ts';
import { readPartition, writePartition } from './cells.ts';
import { edgeColumns } from './columns.ts';
import { type BatchRange, type EdgesInput, openVectors } from './edges.ts';
import { batchTable } from './state.ts';

/** Up to so many vectors all are compared with all: it takes less than a minute, and misses nothing. */
const comparedWithAll = 50_000;

/** Level `descriptor`: vectors whose cosine reaches the threshold. */
export async function descriptorEdges(input: EdgesInput, range: BatchRange): Promise<void> {
  const { folder, config, signal, onProgress } = input;
  const vectors = await openVectors(input, range.to);
  if (vectors === undefined) return;
  const { rows, of } = vectors;
  const newFrom = of.findIndex((item) => item >= range.newFrom);
  if (newFrom < 0) {
    await rows.close();
    return;
  }
  const common = {
    ...(input.threads !== undefined && { threads: input.threads }),
    ...(signal && { signal }),
  };
  const progress = (stage: string) => (share: number) =>
    onProgress?.({
      stage,
      done: Math.round(share * rows.count),
      total: rows.count,
      resumed: 0,
      failed: 0,
      evaluations: 0,
    });
  try {
    const partition = await partitionOf(input, rows, progress);
    const search = await openPairSearch(rows, {
      threshold: config.threshold,
      newFrom,
      partition,
      probes: config.probes,
      folder: folder.path,
      onProgress: progress('assignment'),
      ...common,
    });
    try {
      await runStage({
        folder,
        name: batchTable('edges-descriptor', range.batch),
        columns: edgeColumns,
        shards: Array.from({ length: search.units }, (_, unit) => unit),
        items: () => 1,
        signal,
        onProgress: (state) => onProgress?.({ ...state, stage: 'edges-descriptor' }),
        process: async (unit) => {
          const { a, b, similarity } = await search.pairs(unit);
          return Array.from(a, (first, i) => ({ a: of[first]!, b: of[b[i]!]!, score: similarity[i]! }));
        },
      });
      const { method, cells, describedRows, certifiedRows } = search.report;
      await writeJsonAtomic(join(folder.path, 'completeness.json'), {
        method,
        vectors: describedRows,
        cells,
        probes: method === 'cells' ? Math.min(config.probes, cells) : null,
        certified: describedRows === 0 ? 1 : certifiedRows / describedRows,
        recall: method === 'cells' ? await measuredRecall(input, rows, of) : null,
      });
    } finally {
      await search.close();
    }
  } finally {
    await rows.close();
  }
}

/** The cells of the folder, made when first needed; undefined where all is compared with all. */
async function partitionOf(
  { folder, config, threads, signal }: EdgesInput,
  rows: VectorRows,
  progress: (stage: string) => (share: number) => void,
): Promise<Partition | undefined> {
  if (rows.count <= comparedWithAll && config.cells === undefined) return undefined;
  const known = await readPartition(folder);
  if (known?.dimension === rows.dimension) return known;
  const partition = await trainPartition(rows, {
    threads,
    ...(signal && { signal }),
    cells: config.cells,
    onProgress: progress('cells'),
  });
  await writePartition(folder, partition);
  return partition;
}

/** What cells miss, measured on some vectors of the collection: see `measurePairRecall`. */
async function measuredRecall(
  { folder, items, config, threads, signal }: EdgesInput,
  rows: VectorRows,
  of: Uint32Array,
): Promise<PairRecall> {
  const position = new Int32Array(items.count).fill(-1);
  of.forEach((item, row) => {
    position[item] = row;
  });
  async function* found(): AsyncGenerator<SimilarPairs> {
    for (const file of await tableFiles(join(folder.tables, 'edges-descriptor'))) {
      const edges = (await readTable(file, edgeColumns)).filter(
        ({ a, b }) => position[a]! >= 0 && position[b]! >= 0,
      );
      yield {
        a: Uint32Array.from(edges, ({ a }) => position[a]!),
        b: Uint32Array.from(edges, ({ b }) => position[b]!),
        similarity: Float64Array.from(edges, ({ score }) => score),
      };
    }
  }
  return measurePairRecall(rows, found(), {
    threshold: config.threshold,
    threads,
    ...(signal && { signal }),
  });
}
