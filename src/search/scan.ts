import { VerbatimError } from '../errors.ts';
import type { Tensor } from '../math/index.ts';
import type { Session } from '../runtime/index.ts';
import { type Candidates, noCandidates, offer } from './candidates.ts';
import type { Asked, FedBlock, Products } from './products.ts';

export interface ScanOptions {
  readonly products: Products;
  /** A session of `products.model(k)`. */
  readonly sessionOf: (k: number) => Promise<Session>;
  /** Rows of each block that come back for every query. */
  readonly take: number;
  /** Rows of all blocks that are kept for every query. */
  readonly room: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (share: number) => void;
}

/** Of each query the rows whose upper bounds of similarity are largest, over all blocks. */
export async function scan(queries: Tensor<'float32'>, options: ScanOptions): Promise<Candidates[]> {
  const { products, sessionOf, take, room, signal, onProgress } = options;
  const { count, blockRows } = products;
  const blocks = Math.ceil(count / blockRows);
  const asked = products.ask(queries);
  const candidates = Array.from({ length: queries.shape[0]! }, () => noCandidates(room));
  const held = new Set<Session>();
  let reading = awaited(asked.block(0));
  let before: Running | undefined;
  const finish = async ({ at, block, result }: Running) => {
    const tensors = await result;
    block.giveBack(tensors[block.lent]!);
    takeBlock(candidates, asked, block, tensors, at * blockRows);
    onProgress((at + 1) / blocks);
  };
  try {
    for (let at = 0; at < blocks; at++) {
      signal?.throwIfAborted();
      const block = await reading;
      const session = await sessionOf(Math.min(take, block.size));
      if (!held.has(session)) await session.hold(asked.held);
      held.add(session);
      // One block is multiplied, the next one waits at the engine's door, and the one after that is read meanwhile.
      const result = awaited(session.run(block.feeds, { lend: [block.lent] }));
      if (at + 1 < blocks) reading = awaited(asked.block(at + 1));
      const previous = before;
      before = { at, block, result };
      if (previous) await finish(previous);
    }
    const last = before!;
    before = undefined;
    await finish(last);
  } finally {
    // What was lent comes back even when the search has been stopped, or the rows could not be searched again.
    await before?.result.then(
      (tensors) => before!.block.giveBack(tensors[before!.block.lent]!),
      () => {},
    );
  }
  return candidates;
}

interface Running {
  readonly at: number;
  readonly block: FedBlock;
  readonly result: Promise<Record<string, Tensor>>;
}

/** A promise that is awaited later, or never when something else fails first: that is no unhandled rejection. */
function awaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

function takeBlock(
  candidates: readonly Candidates[],
  asked: Asked,
  block: FedBlock,
  result: Readonly<Record<string, Tensor>>,
  first: number,
): void {
  const values = result['values']!.data as Float32Array;
  const indices = result['indices']!.data as BigInt64Array;
  const take = result['values']!.shape[1]!;
  const check = result['check']?.data[0] ?? 0;
  if (!Number.isFinite(check as number))
    throw new VerbatimError(
      `a vector among rows ${first} and following holds a value that is not a finite number; make the index again`,
    );
  for (const [q, best] of candidates.entries()) {
    const [unit, error] = [asked.unit(q), block.error(q)];
    const bound = (i: number) => unit * values[q * take + i]! + error;
    for (let i = 0; i < take; i++) {
      // They come sorted: what finds no room ends the block.
      if (!offer(best, bound(i), first + Number(indices[q * take + i]))) break;
    }
    // No row that did not come back has a larger product than the last one that did.
    if (take < block.size) best.leftOut = Math.max(best.leftOut, bound(take - 1));
  }
}
