import { z } from 'zod';
import { defineAttack } from './define.ts';
import { guidanceOption, seedsOption, sigmaOption } from './options.ts';
import { addMeanSquares } from './squares.ts';

/**
 * Denoising confidence score, Webster 2023, as its reference code computes it: from pure noise x = σ_max·ε
 * one step to 0 with guidance 7.5, score mean((x − D)²). For an ε-model that is σ_max² times the mean square
 * of the guided ε estimate. The mean over seeds is ours: the reference keeps its last seed.
 */
export const dcs = defineAttack({
  name: 'dcs',
  access: 'denoiser',
  describe: 'Power of the guided noise estimate in one step from pure noise: mean((x − D)²). Webster 2023.',
  options: z.strictObject({ seeds: seedsOption(0), sigma: sigmaOption(), guidance: guidanceOption(7.5) }),
  cost: ({ seeds, guidance }) => ({ perCaption: seeds.length, shared: guidance === 1 ? 0 : seeds.length }),
  async measure(outputs, { seeds, sigma, guidance }) {
    const scores = new Array<number>(outputs.captions.length).fill(0);
    for (const seed of seeds) {
      const cell = { sigma, seed };
      addMeanSquares(scores, await outputs.guided(cell, guidance), outputs.input(cell), 1 / seeds.length);
    }
    return scores;
  },
});
