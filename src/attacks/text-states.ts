import type { Pipeline } from '../diffusion/index.ts';
import { concatBatch, gatherBatch, type Tensor } from '../math/index.ts';

/**
 * Text states [captions, tokens, width], each distinct caption encoded once while it stays in memory; the
 * captions that were not asked for longest leave first when `bytes` is exceeded.
 */
export function createTextStates(
  pipeline: Pick<Pipeline, 'encodeText'>,
  bytes: number,
): (captions: readonly string[]) => Promise<Tensor<'float32'>> {
  const kept = new Map<string, Tensor<'float32'>>();
  let held = 0;
  return async (captions) => {
    const missing = [...new Set(captions)].filter((caption) => !kept.has(caption));
    const own = new Map<string, Tensor<'float32'>>();
    for (const caption of captions) {
      const state = kept.get(caption);
      if (!state) continue;
      own.set(caption, state);
      // Map keeps the order of insertion: move to the end what is used now.
      kept.delete(caption);
      kept.set(caption, state);
    }
    if (missing.length > 0) {
      const states = await pipeline.encodeText(missing);
      missing.forEach((caption, i) => {
        // Copied, so that one caption that stays does not hold its whole batch.
        const state = gatherBatch(states, [i]);
        own.set(caption, state);
        if (!kept.has(caption)) held += state.data.byteLength;
        kept.set(caption, state);
      });
    }
    for (const [caption, state] of kept) {
      if (held <= bytes) break;
      kept.delete(caption);
      held -= state.data.byteLength;
    }
    return concatBatch(captions.map((caption) => own.get(caption)!));
  };
}
