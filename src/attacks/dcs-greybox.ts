import { z } from 'zod';
import { defineAttack } from './define.ts';
import { guidanceOption, seedsOption } from './options.ts';
import { addMeanSquares } from './squares.ts';

/**
 * Denoising confidence score of somebody who has no weights of the denoiser, Webster 2023, §3.1: a service gives the
 * one-step picture of a known seed, the first stage is public. The picture is encoded, and what it encodes to stands for
 * the estimate: mean((σ_max·ε − E(picture))²). What decoding and encoding lose is noise in the score.
 */
export const dcsGreybox = defineAttack({
  name: 'dcs-greybox',
  access: 'encoder',
  describe:
    'dcs from the one-step picture and the first-stage encoder alone: mean((x − E(picture))²). Webster 2023, §3.1.',
  options: z.strictObject({ seeds: seedsOption(0), guidance: guidanceOption(7.5) }),
  cost: ({ seeds, guidance }) => ({ perCaption: seeds.length, shared: guidance === 1 ? 0 : seeds.length }),
  async measure(outputs, { seeds, guidance }) {
    const scores = new Array<number>(outputs.captions.length).fill(0);
    for (const seed of seeds) {
      const cell = { sigma: 'max', seed } as const;
      addMeanSquares(scores, await outputs.encoded(cell, guidance), outputs.input(cell), 1 / seeds.length);
    }
    return scores;
  },
});
