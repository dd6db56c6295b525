import { z } from 'zod';
import { defineAttack } from './define.ts';
import { seedsOption, sigmaOption } from './options.ts';
import { addMeanSquares } from './squares.ts';

/**
 * How little the estimate depends on the noise: −mean((D(ε₁, c) − D(ε₂, c))²), mean over all pairs of
 * seeds. A memorized caption gives the same picture from any noise. Always unguided: guidance pushes both
 * outputs apart and turns the sign of the signal. Ours; ECS measures the same on edges of pictures.
 */
export const seedVariance = defineAttack({
  name: 'seed-variance',
  access: 'denoiser',
  describe: 'Minus the mean squared difference between one-step estimates from different noises, unguided.',
  options: z.strictObject({
    seeds: seedsOption(0, 1).refine((seeds) => seeds.length >= 2, 'needs at least two seeds'),
    sigma: sigmaOption(),
  }),
  cost: ({ seeds }) => ({ perCaption: seeds.length, shared: 0 }),
  async measure(outputs, { seeds, sigma }) {
    const estimates = [];
    for (const seed of seeds) estimates.push(await outputs.conditional({ sigma, seed }));
    const scores = new Array<number>(outputs.captions.length).fill(0);
    const pairs = (seeds.length * (seeds.length - 1)) / 2;
    for (let a = 0; a < estimates.length; a++)
      for (let b = a + 1; b < estimates.length; b++)
        addMeanSquares(scores, estimates[a]!, estimates[b]!, -1 / pairs);
    return scores;
  },
});
