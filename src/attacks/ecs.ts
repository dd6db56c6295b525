import { z } from 'zod';
import { edgeMap, isPicture, type Picture, resize } from '../images/index.ts';
import { defineAttack } from './define.ts';
import { guidanceOption, seedsOption } from './options.ts';

/** Side of the pictures that edges are found in, pixels; the threshold belongs to this size. */
const SIDE = 256;

/**
 * Edge consistency of the pictures of one caption, in [0, 1]: the share of pixels that are an edge in more
 * than half of the pictures (strictly: 3 of 4). Pictures are resized to 256×256 (Lanczos) and lie in [0, 1]
 * before scipy's Sobel; an edge is where its magnitude, summed over the channels, exceeds `threshold`.
 */
export function edgeConsistency(pictures: readonly Picture[], threshold = 1.5): number {
  const votes = new Uint16Array(SIDE * SIDE);
  for (const picture of pictures) addEdges(votes, picture, threshold);
  return consistentShare(votes, pictures.length);
}

/** One picture's votes: 1 where it has an edge. */
function addEdges(votes: Uint16Array, picture: Picture, threshold: number): void {
  const edges = edgeMap(resize(picture, SIDE, SIDE, 'lanczos'), threshold).data;
  for (let i = 0; i < votes.length; i++) votes[i]! += edges[i]!;
}

function consistentShare(votes: Uint16Array, pictures: number): number {
  let consistent = 0;
  for (const count of votes) if (2 * count > pictures) consistent++;
  return consistent / votes.length;
}

/**
 * Edge consistency score, Webster 2023, as its reference code computes it: one-step pictures of four seeds
 * with guidance 7.5 (a comment there says without guidance, the code has it on), and the share of pixels
 * that are edges in most of them. Needs nothing but pictures.
 */
export const ecs = defineAttack({
  name: 'ecs',
  access: 'image',
  describe: 'Share of pixels that are edges in most one-step pictures of several seeds. Webster 2023.',
  options: z.strictObject({
    seeds: seedsOption(0, 1, 2, 3),
    guidance: guidanceOption(7.5),
    threshold: z
      .number()
      .positive()
      .max(100)
      .default(1.5)
      .describe('Edge strength: Sobel magnitude summed over RGB in [0, 1], at 256×256 pixels.'),
  }),
  cost: ({ seeds, guidance }) => ({ perCaption: seeds.length, shared: guidance === 1 ? 0 : seeds.length }),
  async measure(outputs, { seeds, guidance, threshold }) {
    const votes = outputs.captions.map(() => new Uint16Array(SIDE * SIDE));
    // All seeds vote or none: with one missing, the same share would need other votes.
    const whole = outputs.captions.map(() => true);
    const picturesOf = (seed: number) => {
      const pictures = outputs.pictures({ sigma: 'max', seed }, guidance);
      // Awaited a round later.
      pictures.catch(() => {});
      return pictures;
    };
    let next = picturesOf(seeds[0]!);
    for (let s = 0; s < seeds.length; s++) {
      const pictures = await next;
      // The model makes the next seed's pictures while this one's edges are found.
      if (s + 1 < seeds.length) next = picturesOf(seeds[s + 1]!);
      for (const [i, picture] of pictures.entries()) {
        if (isPicture(picture)) addEdges(votes[i]!, picture, threshold);
        else whole[i] = false;
        // Some 6 ms each: let progress and Ctrl-C in between.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    return votes.map((own, i) => (whole[i] ? consistentShare(own, seeds.length) : Number.NaN));
  },
});
