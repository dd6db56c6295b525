import type { Dataset } from '../../datasets/index.ts';
import type { DedupFolder } from './state.ts';

/** Rows of one shard of the dataset that are described together, as one file of the table. */
export interface Piece {
  readonly batch: number;
  /** Its number in the batch, as in file names. */
  readonly index: number;
  /** Number of its first item; the others follow. */
  readonly first: number;
  readonly rows: number;
  /** Position of its first row in the dataset; undefined where the dataset has it no longer. */
  readonly from: number | undefined;
}

/** All pieces, in the order of their items. */
export function piecesOf(
  { description }: Pick<DedupFolder, 'description'>,
  dataset: Pick<Dataset, 'shards'>,
  shardSize: number,
): Piece[] {
  const places = new Map(dataset.shards.map(({ name, from }) => [name, from]));
  const inBatch = description.batches.map(() => 0);
  const pieces: Piece[] = [];
  let first = 0;
  for (const shard of description.shards) {
    const from = shard.gone ? undefined : places.get(shard.name);
    for (let row = 0; row < shard.rows; row += shardSize) {
      const rows = Math.min(shardSize, shard.rows - row);
      pieces.push({
        batch: shard.batch,
        index: inBatch[shard.batch]!++,
        first: first + row,
        rows,
        from: from === undefined ? undefined : from + row,
      });
    }
    first += shard.rows;
  }
  return pieces;
}
