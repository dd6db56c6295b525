import type { PictureOrError } from '../images/index.ts';
import type { TiledDistances } from '../search/index.ts';
import { type CliqueSearch, createCliqueSearch, type PreparedCliques } from './cliques.ts';

/** One sample that is wanted. */
export interface SampleTask {
  /** Number of the caption. */
  readonly caption: number;
  readonly sample: number;
}

/** Makes samples, one per task in their order; an error stands in the place of one that failed. What it throws ends the search. */
export type SampleSupply = (tasks: readonly SampleTask[]) => Promise<readonly PictureOrError[]>;

export interface SearchCliquesOptions {
  /** Captions that are sampled side by side, which fills a generator's batches; each keeps its samples. Default 1. */
  readonly together?: number;
  readonly signal?: AbortSignal;
}

/** Bytes that the samples of captions side by side may take. */
const mostBytes = 2 ** 30;

/** How many captions may be sampled side by side. @param pictureBytes of one picture */
export function captionsTogether({ options }: PreparedCliques, pictureBytes: number): number {
  return Math.max(1, Math.floor(mostBytes / (options.samples * pictureBytes)));
}

/**
 * Searches the cliques of captions 0 … captions − 1. In each round all captions that are not decided ask for what they want,
 * samples of one number together: with seeds that captions share, so are what a batch of one seed shares.
 *
 * @param onDecided gets each search when it is decided, before its samples are let go; in no certain order
 */
export async function searchCliques(
  captions: number,
  supply: SampleSupply,
  engine: TiledDistances,
  prepared: PreparedCliques,
  onDecided: (caption: number, search: CliqueSearch) => Promise<void>,
  { together = 1, signal }: SearchCliquesOptions = {},
): Promise<void> {
  const active = new Map<number, CliqueSearch>();
  let next = 0;
  while (next < captions || active.size > 0) {
    while (next < captions && active.size < together)
      active.set(next++, createCliqueSearch(prepared, engine));
    const tasks = [...active].flatMap(([caption, { wants }]) => {
      const { from, to } = wants!;
      return Array.from({ length: to - from }, (_, i): SampleTask => ({ caption, sample: from + i }));
    });
    tasks.sort((a, b) => a.sample - b.sample || a.caption - b.caption);
    signal?.throwIfAborted();
    const made = await supply(tasks);
    if (made.length !== tasks.length)
      throw new RangeError(`${made.length} samples came for ${tasks.length} that were asked for`);
    for (const [caption, search] of active) {
      const own = made.filter((_, i) => tasks[i]!.caption === caption);
      await search.take(own, signal);
      if (search.wants !== undefined) continue;
      await onDecided(caption, search);
      active.delete(caption);
    }
  }
}
