import { z } from 'zod';
import { defineAttack } from './define.ts';
import { seedsOption, sigmaOption } from './options.ts';
import { addMeanSquares } from './squares.ts';

/**
 * How far the caption pulls the noise estimate: ‖ε̂_c − ε̂_∅‖₂, mean over seeds. Wen et al. 2024, at one
 * step. With ε̂ = (x − D)/σ that is ‖D_c − D_∅‖₂/σ in every parametrisation.
 */
export const noiseDifference = defineAttack({
  name: 'noise-difference',
  access: 'denoiser',
  describe:
    'Length of the difference between conditional and unconditional noise estimates. Wen et al. 2024.',
  options: z.strictObject({ seeds: seedsOption(0), sigma: sigmaOption() }),
  cost: ({ seeds }) => ({ perCaption: seeds.length, shared: seeds.length }),
  async measure(outputs, { seeds, sigma }) {
    const level = outputs.sigma(sigma);
    const scores = new Array<number>(outputs.captions.length).fill(0);
    for (const seed of seeds) {
      const conditional = await outputs.conditional({ sigma, seed });
      const unconditional = await outputs.unconditional({ sigma, seed });
      const squares = new Array<number>(scores.length).fill(0);
      addMeanSquares(squares, conditional, unconditional, unconditional.data.length);
      squares.forEach((sum, i) => {
        scores[i]! += Math.sqrt(sum) / level / seeds.length;
      });
    }
    return scores;
  },
});
